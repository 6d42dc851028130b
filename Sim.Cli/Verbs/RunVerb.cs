using System.CommandLine;
using System.Text.Json;
using Sim.Core;
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
        Option<string?> path = new("--irq-path") { Description = "Deliver interrupts too, by this path (see 'nestsim list irq-paths'); where they come from: interrupts.* of 'nestsim config show'", HelpName = "name" };
        Option<string?> update = new("--apicv-update") { Description = "Rule for APICv controls that change while L2 is active, if the path uses APICv (see 'nestsim list apicv-updates') [default: deferred]", HelpName = "name" };
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
        command.Options.Add(path);
        command.Options.Add(update);
        command.Options.Add(timeline);
        command.SetAction(parse =>
        {
            if (parse.GetValue(policy) is { Length: 0 })
            {
                throw new ConfigurationException("--policy: expected name, found ''. Leave the option out for its default; 'nestsim list policies' has the names.");
            }

            RunConfiguration given = options.Configuration.Load(parse);
            string name = parse.GetValue(policy) ?? given.Policies[0];
            Assignment[] one =
            [
                new("policies", JsonSerializer.Serialize(new[] { name }), policy.Name),
                new("reference", "null", policy.Name),
                .. One("interrupts.paths", parse.GetValue(path), given.Interrupts.Paths, path.Name),
                .. One("interrupts.apicv_updates", parse.GetValue(update), given.Interrupts.ApicvUpdates, update.Name),
            ];
            RunConfiguration configuration = InterruptOptions.Checked(options.Configuration.Load(parse, one), parse.GetValue(update) is not null);
            using ChromeTraceWriter? writer = parse.GetValue(timeline) is { } file
                ? new ChromeTraceWriter(file, $"{name} on {Path.GetFileName(parse.GetValue(options.Trace))}", configuration.Machine.Profile.ReferenceKilohertz, parse.GetValue(options.Trace)!)
                : null;
            return ExperimentRunner.Execute(invocation, parse, options, configuration, View, writer);
        });
        return command;
    }

    /// <summary>A list of one: the name that was given, or the first of several in the configuration; nothing if that has one or none.</summary>
    private static IReadOnlyList<Assignment> One(string setting, string? name, IReadOnlyList<string> configured, string option) =>
        (name ?? (configured.Count > 1 ? configured[0] : null)) is { } one ? [new Assignment(setting, JsonSerializer.Serialize(new[] { one }), option)] : [];

    private static IReadOnlyList<Table> View(RunSet set, bool everything) => set.Runs[0].Failure is null ? RunView.Of(set.Runs[0], everything, ExitNames.Of(set)) : ComparisonView.Of(set);
}
