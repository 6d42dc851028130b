using Sim.Core;

namespace Sim.Kvm.Interrupts;

/// <summary>L1's own posted interrupt for an L2 that L1 is about to enter: the protocol of docs/rules.md#delivery one level up, and docs/rules.md#nested-interrupts.</summary>
[Component("l1-posts-to-entering-l2", Summary = "L1 posts to its L2 while another vCPU of L1 enters that L2")]
internal sealed class L1PostsToEnteringL2 : IInterruptRace
{
    /// <inheritdoc/>
    public IReadOnlyList<WrongRule> WrongRules { get; } = [NestedRules.PirBeforeModeInL1, NestedRules.NoPiPending, NestedRules.PiPendingLate];

    /// <inheritdoc/>
    public bool IsAbout(IInterruptPath path, InterruptSource sender) => path.UsesApicv && sender == InterruptSource.Software;

    /// <inheritdoc/>
    public Race Start(RaceSetting setting, IConductor conductor)
    {
        RaceStage stage = new RaceStage(setting, conductor, [1, 1]).Settle().Do(1, new GuestAction(GuestActionKind.SendIpi, 0, 0, 2, RaceStage.Vector));
        stage.Guests.Settle(0, 2);
        stage.System.Vcpus[0].Guest(1).Spins = false;
        return stage.Build();
    }
}
