using Sim.Core;
using Sim.Core.Profiles;

namespace Sim.Kvm.Interrupts;

/// <summary>AVIC without IOMMU support (kvm-semantics.md 5).</summary>
[Component("avic", Summary = "AVIC: the processor writes IRR and rings the doorbell; devices go through L0")]
public sealed class Avic : IInterruptPath
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
    public Program? HardwareDevice => null;

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
