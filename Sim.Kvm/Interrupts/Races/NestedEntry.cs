using Sim.Core;

namespace Sim.Kvm.Interrupts;

/// <summary>L1 enters L2 while an interrupt for L1 comes (docs/rules.md#nested-interrupts "blocked cases", #nested-avic), from L1's CLI to the first instruction of L2 and back.</summary>
[Component("nested-entry", Summary = "an interrupt for L1 comes while L1 enters L2: in L1 with interrupts off, in L0, in L2")]
internal sealed class NestedEntry : IInterruptRace
{
    /// <inheritdoc/>
    public IReadOnlyList<WrongRule> WrongRules { get; } =
    [
        NestedRules.NoEvaluationAtEntry.On((path, _) => !path.UsesAvic), NestedRules.OneVector, NestedRules.NoRequestInL2,
        PostingRules.PirBeforeMode, PostingRules.NoRecheck,
        AvicRules.NoNestedInhibition, AvicRules.FlagKept, AvicRules.NoRequest, AvicRules.NoKick.On((_, sender) => sender != InterruptSource.Device),
        AvicRules.TableKeptInL2.On((path, sender) => sender == InterruptSource.Ipi && path is { UsesAvic: true, EnableIpiv: true }),
        AvicRules.IrteKeptInL2.On((path, sender) => sender == InterruptSource.Device && path.UsesAvic),
    ];

    /// <inheritdoc/>
    public bool IsAbout(IInterruptPath path, InterruptSource sender) => RaceStage.Exists(path, sender);

    /// <inheritdoc/>
    public Race Start(RaceSetting setting, IConductor conductor)
    {
        RaceStage stage = new RaceStage(setting, conductor, setting.Sender == InterruptSource.Ipi ? [1, 1] : [1]).Settle().Send();
        stage.Guests.Settle(0, 2);
        stage.System.Vcpus[0].Guest(1).Spins = false;
        return stage.Build();
    }
}
