using Sim.Core;

namespace Sim.Kvm.Interrupts;

/// <summary>Two senders: who finds ON set relies on the other's notification (docs/rules.md#delivery, sender and entry).</summary>
[Component("two-senders", Summary = "two interrupts are sent to a target that leaves its guest: one notification may stand for both")]
internal sealed class TwoSenders : IInterruptRace
{
    /// <inheritdoc/>
    public IReadOnlyList<WrongRule> WrongRules { get; } =
    [
        PostingRules.OnClearedBehindPir, PostingRules.PirBeforeMode, PostingRules.OnBeforePir,
    ];

    /// <inheritdoc/>
    public bool IsAbout(IInterruptPath path, InterruptSource sender) => path.UsesApicv && sender != InterruptSource.Ipi && RaceStage.Exists(path, sender);

    /// <inheritdoc/>
    public Race Start(RaceSetting setting, IConductor conductor) => new RaceStage(setting, conductor, [1])
        .Settle().Send().Send(RaceStage.Vector + 1).Do(0, new GuestAction(GuestActionKind.Exit)).Build();
}
