using System.CommandLine;
using System.Text.Json;
using Sim.Core;
using Sim.Core.Files;
using Sim.Experiments;
using Sim.Reports.Results;
using Sim.Reports.Views;

namespace Sim.Cli.Verbs;

/// <summary><c>nestsim sweep</c>: policies over traces, on machines that differ in one or several values.</summary>
internal static class SweepVerb
{
    /// <summary>The command.</summary>
    public static Command Create(Invocation invocation)
    {
        ExperimentOptions options = new();
        Option<string[]> over = new("--over") { Description = "Vary one value of the machine or its profile (repeatable: all combinations)", HelpName = "path=value,value,..." };
        Option<string[]> policies = new("--policies", "-p") { Description = "Flush policies, separated by commas [default: a selection for the profile's vendor]", HelpName = "a,b,..." };
        Option<string[]> traces = new("--traces") { Description = "Further traces, separated by commas, each swept like the first; with -o each has its own folder inside", HelpName = "file,file,..." };
        Option<string?> rows = new("--rows") { Description = "Write a CSV for plotting: a row for each run and metric, a column for each axis (trace, policy, what is varied)", HelpName = "file" };
        Option<string[]> metrics = new("--metric") { Description = "With --rows: which metrics, separated by commas, of 'nestsim list metrics' or paths of statistics [default: all of the list]", HelpName = "a,b,..." };
        InterruptOptions interrupts = new();
        VerbCommand command = new(
            "sweep",
            "Replay traces under several policies on machines that differ in one value or several",
            "sweep traces/nested-sort.nst.gz --over second_level[0].sets=32,64,128,256 -p kvm-5.14,kvm-6.12,always-guest",
            "sweep trace.nst --over machine.ept01_pages=4K,2M --over machine.l0_pages=4K,2M -o results",
            "sweep trace.nst --over profile=skylake-sp,ice-lake-sp,sapphire-rapids -p kvm-6.12,never --csv sweep.csv",
            "sweep sort.nst --traces gzip.nst,app.dir --over second_level[0].sets=32,64,128 -p never --metric walks-per-access --rows sweep.csv");
        options.AddTo(command);
        command.Options.Add(over);
        command.Options.Add(policies);
        command.Options.Add(traces);
        command.Options.Add(rows);
        command.Options.Add(metrics);
        interrupts.AddTo(command);
        command.SetAction(parse =>
        {
            string[] axes = parse.GetValue(over) ?? [];
            List<Assignment> assignments = [.. ConfigurationOptions.List(parse, policies, "policies"), .. interrupts.Assignments(parse)];
            if (axes.Length > 0)
            {
                assignments.Add(new Assignment("over", JsonSerializer.Serialize(axes), over.Name));
            }

            string first = parse.GetValue(options.Trace)!;
            string[] all = [first, .. ConfigurationOptions.Words(parse, traces)];
            string[] wanted = ConfigurationOptions.Words(parse, metrics);
            if (all.Length > 1 && (parse.GetValue(options.Json) ?? parse.GetValue(options.Csv)) is not null)
            {
                throw new ConfigurationException("--json and --csv are files of one trace's results. With --traces, give -o FOLDER, which gets a folder for each trace, or --rows FILE.");
            }

            if (wanted.Length > 0 && parse.GetValue(rows) is null)
            {
                throw new ConfigurationException("--metric chooses what --rows writes: give --rows FILE.");
            }

            if (all.Select(Name).GroupBy(name => name, StringComparer.Ordinal).FirstOrDefault(group => group.Count() > 1) is { } twice)
            {
                throw new ConfigurationException($"--traces: two traces are called '{twice.Key}', and rows and folders are told apart by that name. Rename one.");
            }

            using OutputFile? table = parse.GetValue(rows) is { } file ? OutputFile.Check(file, "table", all) : null;
            List<(string Trace, RunConfiguration Configuration)> sweeps = [.. all.Select(trace => (trace, Checked(options.Configuration.LoadFor(trace, parse, assignments))))];
            List<RunSet> sets = [];
            int worst = CliApplication.Success;
            foreach ((string trace, RunConfiguration configuration) in sweeps)
            {
                string? folder = parse.GetValue(options.Out) is { } results && all.Length > 1 ? Path.Combine(results, Name(trace)) : parse.GetValue(options.Out);
                worst = Math.Max(worst, ExperimentRunner.Execute(invocation, parse, options, configuration, trace, folder, (_, _) => [], sets.Add));
                if (sets[^1].Partial)
                {
                    break;
                }

                invocation.Terminal.Output.Write(all.Length > 1 && trace != all[^1] ? "\n" : "");
            }

            if (table is not null)
            {
                ResultFiles.Write(table, SweepRows.ToText(sets, wanted));
            }

            return worst;

            RunConfiguration Checked(RunConfiguration configuration) => all.Length > 1 || configuration.Over.Count > 0
                ? interrupts.Checked(parse, configuration)
                : throw new ConfigurationException("sweep: nothing to vary. Name a value and what it shall be, as in --over second_level[0].sets=64,128,256; 'nestsim config show' lists the paths.");
        });
        return command;
    }

    /// <summary>What results call a trace.</summary>
    private static string Name(string trace) => Path.GetFileName(Path.TrimEndingDirectorySeparator(trace));
}
