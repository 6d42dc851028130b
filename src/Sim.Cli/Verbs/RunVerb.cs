using System.CommandLine;
using System.Text.Json;
using Sim.Experiments;
using Sim.Reports.Results;
using Sim.Reports.Timelines;
using Sim.Reports.Views;

namespace Sim.Cli.Verbs;

/// <summary><c>nestsim run</c>: one policy over one trace, in full.</summary>
internal static class RunVerb
{
    /// <summary>The command.</summary>
    public static Command Create(Invocation invocation)
    {
        ExperimentOptions options = new();
        Option<string?> policy = new("--policy", "-p") { Description = "Flush policy [default: the first of the configuration file or of the defaults]", HelpName = "name" };
        Option<string?> timeline = new("--timeline") { Description = "Write the measured window, event by event, for Perfetto (docs/timeline.md); bound it with --measure", HelpName = "file" };
        VerbCommand command = new(
            "run",
            "Replay one trace under one flush policy and print its summary",
            "run traces/nested-sort.nst.gz --policy kvm-6.12",
            "run - --policy never < trace.nst",
            "run traces/nested-sort.nst.gz --warm-up 20% --measure 50k --timeline sort.json",
            "run trace.nst --set second_level[0].ways=8 --warm-up \"until:warm-up ends\" -v");
        options.AddTo(command);
        command.Options.Add(policy);
        command.Options.Add(timeline);
        command.SetAction(parse =>
        {
            string name = parse.GetValue(policy) ?? options.Configuration.Load(parse).Policies[0];
            Assignment[] one = [new("policies", JsonSerializer.Serialize(new[] { name }), policy.Name), new("reference", "null", policy.Name)];
            RunConfiguration configuration = options.Configuration.Load(parse, one);
            using ChromeTraceWriter? writer = parse.GetValue(timeline) is { } path
                ? new ChromeTraceWriter(path, $"{name} on {Path.GetFileName(parse.GetValue(options.Trace))}", configuration.Machine.Profile.ReferenceKilohertz)
                : null;
            return ExperimentRunner.Execute(invocation, parse, options, configuration, set => View(set, parse.GetValue(invocation.Verbose)), writer);
        });
        return command;
    }

    private static IReadOnlyList<Table> View(RunSet set, bool everything) => set.Runs[0].Failure is null ? RunView.Of(set.Runs[0], everything) : ComparisonView.Of(set);
}
