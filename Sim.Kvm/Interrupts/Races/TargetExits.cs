using Sim.Core;

namespace Sim.Kvm.Interrupts;

/// <summary>The target exits for a reason of its own and enters again (docs/rules.md#delivery: the ordering contract of vcpu->mode and ON; docs/rules.md#avic-delivery: a doorbell to a core that left).</summary>
[Component("target-exits", Summary = "the target leaves its guest and enters it again as it is notified")]
internal sealed class TargetExits : IInterruptRace
{
    /// <inheritdoc/>
    public IReadOnlyList<WrongRule> WrongRules { get; } =
    [
        PostingRules.PirBeforeMode, PostingRules.ModeBeforeOn, PostingRules.KickBeforeRequest,
        PostingRules.NoRecheck.On((path, _) => !path.UsesApicv && !path.UsesAvic),
        AvicRules.ModeBeforeIrr, AvicRules.NoLookAtIrr, AvicRules.NoDoorbell,
    ];

    /// <inheritdoc/>
    public bool IsAbout(IInterruptPath path, InterruptSource sender) => RaceStage.Exists(path, sender);

    /// <inheritdoc/>
    public Race Start(RaceSetting setting, IConductor conductor) => new RaceStage(setting, conductor, setting.Sender == InterruptSource.Ipi ? [1, 1] : [1])
        .Settle().Send().Do(0, new GuestAction(GuestActionKind.Exit)).Build();
}
