using Sim.Core;

namespace Sim.Kvm.Interrupts;

/// <summary>
/// APICv or AVIC is inhibited by another vCPU as the interrupt comes (docs/rules.md#apicv-inhibition): what was posted before must still be found, and injected. The target is on its way out and in again:
/// what is in RVI when a guest is kicked is delivered before the exit (SDM vol. 3, 31.2.2).
/// </summary>
[Component("inhibition", Summary = "APICv or AVIC of the VM is inhibited as the interrupt comes")]
internal sealed class Inhibition : IInterruptRace
{
    /// <inheritdoc/>
    public IReadOnlyList<WrongRule> WrongRules { get; } =
    [
        PostingRules.NoSyncIfInhibited,
        NestedRules.NoEventWhenInhibited,
    ];

    /// <inheritdoc/>
    public bool IsAbout(IInterruptPath path, InterruptSource sender) => (path.UsesApicv || path.UsesAvic) && sender != InterruptSource.Ipi && RaceStage.Exists(path, sender);

    /// <inheritdoc/>
    public Race Start(RaceSetting setting, IConductor conductor) => new RaceStage(setting, conductor, [1, 1])
        .Settle().Send().Do(0, new GuestAction(GuestActionKind.Exit)).Do(1, new GuestAction(GuestActionKind.Inhibit, Vector: (byte)ApicvInhibit.BlockIrq)).Build();
}
