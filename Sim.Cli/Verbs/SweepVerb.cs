using System.CommandLine;
using System.Text.Json;
using Sim.Core;
using Sim.Experiments;

namespace Sim.Cli.Verbs;

/// <summary><c>nestsim sweep</c>: policies over one trace, on machines that differ in one or several values.</summary>
internal static class SweepVerb
{
    /// <summary>The command.</summary>
    public static Command Create(Invocation invocation)
    {
        ExperimentOptions options = new();
        Option<string[]> over = new("--over") { Description = "Vary one value of the machine or its profile (repeatable: all combinations)", HelpName = "path=value,value,..." };
        Option<string[]> policies = new("--policies", "-p") { Description = "Flush policies, separated by commas [default: a selection for the profile's vendor]", HelpName = "a,b,..." };
        InterruptOptions interrupts = new();
        VerbCommand command = new(
            "sweep",
            "Replay one trace under several policies on machines that differ in one value or several",
            "sweep traces/nested-sort.nst.gz --over second_level[0].sets=32,64,128,256 -p kvm-5.14,kvm-6.12,always-guest",
            "sweep trace.nst --over machine.ept01_pages=4K,2M --over machine.l0_pages=4K,2M -o results",
            "sweep trace.nst --over profile=skylake-sp,ice-lake-sp,sapphire-rapids -p kvm-6.12,never --csv sweep.csv");
        options.AddTo(command);
        command.Options.Add(over);
        command.Options.Add(policies);
        interrupts.AddTo(command);
        command.SetAction(parse =>
        {
            string[] axes = parse.GetValue(over) ?? [];
            List<Assignment> assignments = [.. ConfigurationOptions.List(parse, policies, "policies"), .. interrupts.Assignments(parse)];
            if (axes.Length > 0)
            {
                assignments.Add(new Assignment("over", JsonSerializer.Serialize(axes), over.Name));
            }

            RunConfiguration configuration = interrupts.Checked(parse, options.Configuration.Load(parse, assignments));
            return configuration.Over.Count == 0
                ? throw new ConfigurationException("sweep: nothing to vary. Name a value and what it shall be, as in --over second_level[0].sets=64,128,256; 'nestsim config show' lists the paths.")
                : ExperimentRunner.Execute(invocation, parse, options, configuration, (_, _) => []);
        });
        return command;
    }
}
