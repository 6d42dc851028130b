using System.CommandLine;
using Sim.Experiments;
using Sim.Reports.Views;

namespace Sim.Cli.Verbs;

/// <summary><c>nestsim compare</c>: several policies over one trace, side by side.</summary>
internal static class CompareVerb
{
    /// <summary>The command.</summary>
    public static Command Create(Invocation invocation)
    {
        ExperimentOptions options = new();
        Option<string[]> policies = new("--policies", "-p") { Description = "Flush policies, separated by commas; POLICY~MUTANT puts a deliberate bug into one [default: a selection for the profile's vendor]", HelpName = "a,b,..." };
        Option<string?> reference = new("--reference") { Description = "Policy that the others are compared with [default: the first]", HelpName = "policy" };
        InterruptOptions interrupts = new();
        VerbCommand command = new(
            "compare",
            "Replay one trace under several flush policies and print what each costs and why",
            "compare traces/nested-sort.nst.gz",
            "compare traces/nested-sort.nst.gz -p kvm-6.12 --irq-paths none,posted,ipiv --profile sapphire-rapids",
            "compare traces/nested-sort.nst.gz -p kvm-5.14,kvm-5.16,never --reference never --warm-up 20%",
            "compare traces/nested-sqlite-vpid-new.nst.gz -p kvm-6.12,kvm-6.12~ignores-new-vpid12",
            "compare big.nst --skip 10M --warm-up 5M --measure 100M --profile sapphire-rapids -o results");
        options.AddTo(command);
        command.Options.Add(policies);
        command.Options.Add(reference);
        interrupts.AddTo(command);
        command.SetAction(parse =>
        {
            List<Assignment> assignments = [.. ConfigurationOptions.List(parse, policies, "policies"), .. interrupts.Assignments(parse)];
            if (parse.GetValue(reference) is { } name)
            {
                assignments.Add(new Assignment("reference", name, reference.Name));
            }

            return ExperimentRunner.Execute(invocation, parse, options, interrupts.Checked(parse, options.Configuration.Load(parse, assignments)), (set, all) => all ? ComparisonView.Of(set) : []);
        });
        return command;
    }
}
