using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using Sim.Core;
using Sim.Core.Files;
using Sim.Experiments;
using Sim.Reports.Explain;
using Sim.Reports.Results;
using Sim.Reports.Views;

namespace Sim.Cli.Verbs;

/// <summary><c>nestsim explain</c>: where the difference between two policies, or between two results, comes from.</summary>
internal static class ExplainVerb
{
    private const string ResultExtension = ".json";
    private const int DefaultTop = 10;

    /// <summary>The command.</summary>
    public static Command Create(Invocation invocation)
    {
        Argument<string[]> inputs = new("inputs") { Description = "TRACE A B: replay a trace under two policies; RESULT.json A B: two runs of a result; BEFORE.json AFTER.json: the same run of two results", Arity = new ArgumentArity(2, 3) };
        ConfigurationOptions configuration = new();
        Option<string?> run = new("--run", "-p") { Description = "With two results: the run to explain [default: the only one]", HelpName = "name" };
        Option<string?> top = new("--top") { Description = $"Rows of each table; the others are summed [default: {DefaultTop}]", HelpName = "number" };
        Option<bool> unverified = ExperimentOptions.UnverifiedOption();
        Option<string?> csv = new("--csv") { Description = "Write every part of every dimension as CSV", HelpName = "file" };
        VerbCommand command = new(
            "explain",
            "Say where the difference between two policies comes from: a signed decomposition that sums to the total exactly",
            "explain traces/nested-sort.nst.gz kvm-5.14 kvm-5.16",
            "explain results/results.json kvm-5.14 kvm-6.12 --top 30",
            "explain before.json after.json --run kvm-6.12 --csv parts.csv")
        {
            inputs,
        };
        configuration.AddTo(command);
        foreach (Option option in new Option[] { run, top, csv, unverified })
        {
            command.Options.Add(option);
        }

        command.SetAction(parse =>
        {
            string[] given = parse.GetValue(inputs)!;
            int rows = Top(parse.GetValue(top));
            using OutputFile? parts = parse.GetValue(csv) is { } path ? OutputFile.Check(path, "CSV file", given) : null;
            (RunResult before, RunResult after, bool partial) = given.Length == 2 ? FromTwoResults(given[0], given[1], parse.GetValue(run))
                : given[0].EndsWith(ResultExtension, StringComparison.Ordinal) ? FromResult(given[0], given[1], given[2])
                : FromTrace(invocation, parse, configuration, given, parse.GetValue(unverified));
            if ((before.Failure ?? after.Failure) is { } failure)
            {
                invocation.Terminal.Error.Write(InertText.OneLine($"{(before.Failure is null ? after : before).Run}: {failure.Message}") + "\n");
                return failure.ExitCode;
            }

            try
            {
                Print(invocation, parse, new Decomposition(before, after), rows, parts);
            }
            catch (OverflowException e) when (given[0].EndsWith(ResultExtension, StringComparison.Ordinal))
            {
                // A file may hold any 64-bit number; no simulator counts so far that their sums would not fit.
                throw new TraceFormatException(given[0], "its figures", "counts whose sums fit 64 bits", "larger ones", "The file is damaged.", e);
            }

            return partial ? invocation.Terminal.Interruption.ExitCode : CliApplication.Success;
        });
        return command;
    }

    private static int Top(string? text) => text is null ? DefaultTop
        : int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int rows) && rows > 0 ? rows
        : throw new ConfigurationException($"--top: expected a number from 1 on, found '{text}'.");

    private static (RunResult Before, RunResult After, bool Partial) FromTrace(Invocation invocation, ParseResult parse, ConfigurationOptions options, string[] given, bool unverified)
    {
        RunConfiguration configuration = options.LoadFor(
            given[0],
            parse,
            new Assignment("machine.walk_breakdown", "true", "explain"),
            new Assignment("policies", JsonSerializer.Serialize(given[1..]), "explain"),
            new Assignment("reference", "null", "explain"));
        using ProgressBar progress = ProgressBar.Of(invocation, parse);
        RunSet set = new Experiment(configuration) { Jobs = Math.Min(2, Environment.ProcessorCount), Progress = progress.Report, Unverified = unverified, CommandLine = invocation.CommandLine }.Run(given[0], invocation.Terminal.Interruption.Token);
        return (set.Runs[0], set.Runs[1], set.Partial);
    }

    private static (RunResult Before, RunResult After, bool Partial) FromResult(string file, string before, string after)
    {
        RunSet set = ResultFiles.Read(file);
        return (set.Run(before, file), set.Run(after, file), false);
    }

    private static (RunResult Before, RunResult After, bool Partial) FromTwoResults(string before, string after, string? run)
    {
        if (!before.EndsWith(ResultExtension, StringComparison.Ordinal))
        {
            throw new ConfigurationException($"explain: '{before}' is no result file, so two policies must follow it, as in: nestsim explain {before} kvm-5.14 kvm-5.16.");
        }

        RunSet first = ResultFiles.Read(before);
        RunSet second = ResultFiles.Read(after);
        (TraceIdentity Trace, WindowCounts Windows) here = (first.Provenance.Trace, first.Provenance.Windows);
        (TraceIdentity Trace, WindowCounts Windows) there = (second.Provenance.Trace, second.Provenance.Windows);
        if (here.Windows != there.Windows || here.Trace.Sha256 != there.Trace.Sha256 || (here.Trace.Sha256 is null && here.Trace.Name != there.Trace.Name))
        {
            throw new ConfigurationException(
                $"{before} and {after} are of different traces or windows ({here.Trace.Name}, {here.Windows.Measured} records measured after {here.Windows.WarmedUp}; {there.Trace.Name}, {there.Windows.Measured} after {there.Windows.WarmedUp}). Their difference would say nothing about policies.");
        }

        RunResult Pick(RunSet set, string file) => run is not null ? set.Run(run, file)
            : set.Runs.Count == 1 ? set.Runs[0]
            : throw new ConfigurationException($"{file} has {set.Runs.Count} runs: say which with --run ({string.Join(", ", set.Runs.Select(each => each.Run))}).");

        RunResult one = Pick(first, before);
        RunResult other = Pick(second, after);
        return one.Run == other.Run ? (one with { Run = $"{one.Run} before" }, other with { Run = $"{other.Run} after" }, false) : (one, other, false);
    }

    private static void Print(Invocation invocation, ParseResult parse, Decomposition decomposition, int rows, OutputFile? csv)
    {
        Terminal terminal = invocation.Terminal;
        TableStyle style = terminal.TableStyle(parse.GetValue(invocation.NoColour));
        Prose.Write(terminal.Output, ExplainView.Verdict(decomposition), style);
        terminal.Output.Write('\n');
        TableWriter.Write(terminal.Output, ExplainView.Tables(decomposition, rows), style);
        if (decomposition.Missing.Count > 0 && !parse.GetValue(invocation.Quiet))
        {
            terminal.Error.Write($"hint: not counted in these results: {string.Join(", ", decomposition.Missing)}. Run with --walk-breakdown, and leave machine.attribution on.\n");
        }

        ResultFiles.Write(csv, ExplainView.ToCsv(decomposition));
    }
}
