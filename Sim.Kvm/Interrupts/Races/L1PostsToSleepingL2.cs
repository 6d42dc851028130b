using Sim.Core;

namespace Sim.Kvm.Interrupts;

/// <summary>L1's own posted interrupt for an L2 that sleeps in L0: pi_pending wakes it (docs/rules.md#halting).</summary>
[Component("l1-posts-to-sleeping-l2", Summary = "as l1-posts-to-l2, and L2 executes HLT, which L1 leaves to L0")]
internal sealed class L1PostsToSleepingL2 : IInterruptRace
{
    /// <inheritdoc/>
    public IReadOnlyList<WrongRule> WrongRules { get; } =
    [
        NestedRules.NoPiPending, NestedRules.PiPendingLate,

        // With IPI virtualization the notification is an interrupt for L1 in L0's eyes, and wakes by that.
        NestedRules.HaltedL2IgnoresPiPending.On((path, _) => path.HardwareIpi is null),
    ];

    /// <inheritdoc/>
    public bool IsAbout(IInterruptPath path, InterruptSource sender) => path.UsesApicv && sender == InterruptSource.Software;

    /// <inheritdoc/>
    public Race Start(RaceSetting setting, IConductor conductor) => new RaceStage(setting, conductor, [2, 1], spec => spec with { L1InterceptsHlt = false })
        .Settle().Do(1, new GuestAction(GuestActionKind.SendIpi, 0, 0, 2, RaceStage.Vector)).Do(0, new GuestAction(GuestActionKind.Halt)).Build();
}
