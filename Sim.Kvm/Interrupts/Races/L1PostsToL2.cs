using Sim.Core;

namespace Sim.Kvm.Interrupts;

/// <summary>L1's own posted interrupt for L2 (docs/rules.md#nested-interrupts): vCPU 1 posts into PIR12 and sends posted_intr_nv, while L2 on vCPU 0 exits to L0.</summary>
[Component("l1-posts-to-l2", Summary = "L1 posts to its L2 by vmcs12's vector and descriptor while L2 leaves its guest for L0")]
internal sealed class L1PostsToL2 : IInterruptRace
{
    /// <inheritdoc/>
    public IReadOnlyList<WrongRule> WrongRules { get; } =
    [
        NestedRules.NoPiPending, NestedRules.PiPendingLate,
    ];

    /// <inheritdoc/>
    public bool IsAbout(IInterruptPath path, InterruptSource sender) => path.UsesApicv && sender == InterruptSource.Software;

    /// <inheritdoc/>
    public Race Start(RaceSetting setting, IConductor conductor) => new RaceStage(setting, conductor, [2, 1])
        .Settle().Do(1, new GuestAction(GuestActionKind.SendIpi, 0, 0, 2, RaceStage.Vector)).Do(0, new GuestAction(GuestActionKind.Exit)).Build();
}
