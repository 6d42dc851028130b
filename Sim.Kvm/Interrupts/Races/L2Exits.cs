using Sim.Core;

namespace Sim.Kvm.Interrupts;

/// <summary>L2 runs and exits to L0 for a reason of its own; the interrupt is for L1 (docs/rules.md#nested-interrupts, #nested-avic).</summary>
[Component("l2-exits", Summary = "an interrupt for L1 comes while L2 runs and leaves its guest for L0")]
internal sealed class L2Exits : IInterruptRace
{
    /// <inheritdoc/>
    public IReadOnlyList<WrongRule> WrongRules { get; } =
    [
        NestedRules.OneVector, NestedRules.NoRequestInL2, PostingRules.PirBeforeMode, PostingRules.NoRecheck, PostingRules.KickBeforeRequest,

        // A device's interrupt, sent to the host, is a kick by itself.
        AvicRules.NoRequest, AvicRules.NoKick.On((_, sender) => sender != InterruptSource.Device),
    ];

    /// <inheritdoc/>
    public bool IsAbout(IInterruptPath path, InterruptSource sender) => RaceStage.Exists(path, sender);

    /// <inheritdoc/>
    public Race Start(RaceSetting setting, IConductor conductor) => new RaceStage(setting, conductor, setting.Sender == InterruptSource.Ipi ? [2, 1] : [2])
        .Settle().Send().Do(0, new GuestAction(GuestActionKind.Exit)).Build();
}
