using Sim.Core;

namespace Sim.Kvm.Interrupts;

/// <summary>The target executes HLT: it must not sleep with an interrupt pending, and whoever sends must wake it (kvm-semantics.md 4.3 scheduling side, 4.4, 5.3).</summary>
[Component("target-halts", Summary = "the target halts as the interrupt comes")]
internal sealed class TargetHalts : IInterruptRace
{
    /// <inheritdoc/>
    public IReadOnlyList<WrongRule> WrongRules { get; } =
    [
        PostingRules.StateBehindCheck, PostingRules.OnBeforePir, PostingRules.NoWakeUp,
        PostingRules.NoWakeupVector, PostingRules.NoRepeatedNotification, PostingRules.OnTestedBeforeNv, PostingRules.OffTheWakeupList,
        AvicRules.NoWakeUp, AvicRules.IsRunningClearedLate, AvicRules.IsRunningKeptAsleep, AvicRules.IsRunKeptAsleep,
        AvicRules.NoGaLogAsleep, AvicRules.GaLogIgnored, AvicRules.StaleIrte, AvicRules.Erratum1235,
    ];

    /// <inheritdoc/>
    public bool IsAbout(IInterruptPath path, InterruptSource sender) => RaceStage.Exists(path, sender);

    /// <inheritdoc/>
    public Race Start(RaceSetting setting, IConductor conductor) => new RaceStage(setting, conductor, setting.Sender == InterruptSource.Ipi ? [1, 1] : [1])
        .Settle().Send().Do(0, new GuestAction(GuestActionKind.Halt)).Build();
}
