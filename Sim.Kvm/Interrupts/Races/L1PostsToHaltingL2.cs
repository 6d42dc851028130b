using Sim.Core;

namespace Sim.Kvm.Interrupts;

/// <summary>
/// L1's own posted interrupt for an L2 that executes HLT: a nested VM-exit, and a nested entry that takes vector and descriptor from vmcs12 anew, while the notification
/// may still be on its way (docs/rules.md#nested-interrupts).
/// </summary>
[Component("l1-posts-to-halting-l2", Summary = "as l1-posts-to-l2, and L2 executes HLT, which L1 intercepts: vector and descriptor are taken from vmcs12 anew")]
internal sealed class L1PostsToHaltingL2 : IInterruptRace
{
    /// <inheritdoc/>
    public IReadOnlyList<WrongRule> WrongRules { get; } = [NestedRules.NoSyncInL1];

    /// <inheritdoc/>
    public bool IsAbout(IInterruptPath path, InterruptSource sender) => path.UsesApicv && sender == InterruptSource.Software;

    /// <inheritdoc/>
    public Race Start(RaceSetting setting, IConductor conductor) => new RaceStage(setting, conductor, [2, 1])
        .Settle().Do(1, new GuestAction(GuestActionKind.SendIpi, 0, 0, 2, RaceStage.Vector)).Do(0, new GuestAction(GuestActionKind.Halt)).Build();
}
