using System.CommandLine;
using Sim.Experiments;
using Sim.Reports.Views;

namespace Sim.Cli.Verbs;

/// <summary><c>nestsim interrupts</c>: ways to deliver interrupts, side by side, and what breaks when APICv changes while L2 runs.</summary>
internal static class InterruptsVerb
{
    /// <summary>The command.</summary>
    public static Command Create(Invocation invocation)
    {
        ConfigurationOptions configuration = new() { ForTrace = false };
        Option<string[]> paths = new("--irq-paths") { Description = "Interrupt paths, separated by commas (see 'nestsim list irq-paths') [default: all that the profile's processor offers]", HelpName = "a,b,..." };
        Option<string[]> rules = new("--apicv-update") { Description = "Run seed 2's case, APICv of L1 changing while L2 is active, under these rules (see 'nestsim list apicv-updates')", HelpName = "a,b,..." };
        Option<bool> earlyCheck = new("--nested-early-check") { Description = "L0 checks vmcs02 before it enters L2 (module parameter nested_early_check)" };
        RacesOption races = new();
        Option<bool> requireSafe = new("--require-safe") { Description = "Exit with code 1 if an interrupt is lost, duplicated or misdelivered, or a VM-entry fails" };
        VerbCommand command = new(
            "interrupts",
            "Compare ways to deliver interrupts: exits, latency and outcome for each state of the target, one interrupt at a time",
            "interrupts",
            "interrupts --profile zen-4 --irq-paths avic,avic-iommu",
            "interrupts --irq-paths posted --apicv-update immediate,deferred,switch-vmcs --require-safe",
            "interrupts --irq-paths posted-device --races target-halts") { paths, rules, earlyCheck, races.Option, requireSafe };
        configuration.AddTo(command);
        command.SetAction(parse =>
        {
            RunConfiguration run = configuration.Load(parse);
            IReadOnlyList<string> wanted = ConfigurationOptions.Words(parse, paths) is { Length: > 0 } named ? named : InterruptComparison.PathsOf(run.Machine.Profile);
            InterruptComparison comparison = races.Run(parse, run.Machine.Profile, wanted) ?? InterruptComparison.Run(
                run.Interrupts.Spec with { NestedEarlyCheck = run.Interrupts.Spec.NestedEarlyCheck || parse.GetValue(earlyCheck) },
                wanted,
                ConfigurationOptions.Words(parse, rules));
            Terminal terminal = invocation.Terminal;
            TableWriter.Write(terminal.Output, comparison.Tables, terminal.TableStyle(parse.GetValue(invocation.NoColour)));
            foreach (string line in comparison.Verdicts.SelectMany(each => SafetyView.Stories(each.Name, each.Verdict)))
            {
                terminal.Output.Write(line + "\n");
            }

            InterruptVerdict[] bad = parse.GetValue(requireSafe) ? [.. comparison.Verdicts.Where(each => !each.Verdict.IsSafe)] : [];
            foreach (InterruptVerdict each in bad)
            {
                terminal.Error.Write($"{each.Name}: unsafe: {SafetyView.Counts(each.Verdict)}\n");
            }

            return bad.Length == 0 ? CliApplication.Success : CliApplication.CheckFailed;
        });
        return command;
    }
}
