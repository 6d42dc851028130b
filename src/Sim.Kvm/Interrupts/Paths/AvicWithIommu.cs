using Sim.Core;
using Sim.Core.Profiles;

namespace Sim.Kvm.Interrupts;

/// <summary>AVIC with remapping entries in guest mode (kvm-semantics.md 5.3).</summary>
[Component("avic-iommu", Summary = "as avic, and the IOMMU writes IRR, rings the doorbell, or logs")]
public sealed class AvicWithIommu : IInterruptPath
{
    /// <inheritdoc/>
    public bool Supports(Vendor vendor) => vendor == Vendor.Amd;

    /// <inheritdoc/>
    public bool UsesApicv => false;

    /// <inheritdoc/>
    public bool UsesAvic => true;

    /// <inheritdoc/>
    public Program? HardwareIpi => AvicSteps.HardwareIpi;

    /// <inheritdoc/>
    public Program? HardwareDevice => AvicSteps.GuestModeIrte;

    /// <inheritdoc/>
    public Program Post => AvicSteps.Post;

    /// <inheritdoc/>
    public Program Entry => EntrySteps.WithoutPir;

    /// <inheritdoc/>
    public Program Halt => SchedulerSteps.HaltAvic;

    /// <inheritdoc/>
    public Program Load => SchedulerSteps.LoadAvic;

    /// <inheritdoc/>
    public Program Preempt => SchedulerSteps.PreemptAvic;
}
