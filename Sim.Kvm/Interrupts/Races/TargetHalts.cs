using Sim.Core;

namespace Sim.Kvm.Interrupts;

/// <summary>The target executes HLT: it must not sleep with an interrupt pending, and whoever sends must wake it (docs/rules.md#delivery, #halting, #avic-delivery).</summary>
[Component("target-halts", Summary = "the target halts as the interrupt comes")]
internal sealed class TargetHalts : IInterruptRace
{
    /// <inheritdoc/>
    public IReadOnlyList<WrongRule> WrongRules { get; } =
    [
        // Where hardware may post, the self-IPI at NV=0xf1 would save what this rule misses.
        PostingRules.StateBehindCheck.On((path, _) => !path.UsesApicv || path.HardwareDevice is null),
        PostingRules.OnBeforePir, PostingRules.NoWakeUp,
        PostingRules.NoWakeupVector.On(FromHardware), PostingRules.NoRepeatedNotification.On(FromHardware), PostingRules.OnTestedBeforeNv.On(FromHardware),
        PostingRules.OffTheWakeupList.On(FromHardware),
        AvicRules.NoWakeUp, AvicRules.Erratum1235, AvicRules.StaleIrte, AvicRules.GaLogIgnored,
        AvicRules.IsRunningClearedLate.On((path, sender) => sender == InterruptSource.Device || FindsRunning(path, sender)),
        AvicRules.IsRunningKeptAsleep.On(FindsRunning),
        AvicRules.IsRunKeptAsleep.On((_, sender) => sender == InterruptSource.Device), AvicRules.NoGaLogAsleep.On((_, sender) => sender == InterruptSource.Device),
    ];

    /// <inheritdoc/>
    public bool IsAbout(IInterruptPath path, InterruptSource sender) => RaceStage.Exists(path, sender);

    /// <inheritdoc/>
    public Race Start(RaceSetting setting, IConductor conductor) => new RaceStage(setting, conductor, setting.Sender == InterruptSource.Ipi ? [1, 1] : [1])
        .Settle().Send().Do(0, new GuestAction(GuestActionKind.Halt)).Build();

    private static bool FromHardware(IInterruptPath path, InterruptSource sender) => sender != InterruptSource.Software;

    private static bool FindsRunning(IInterruptPath path, InterruptSource sender) => sender == InterruptSource.Ipi && path.EnableIpiv;
}
