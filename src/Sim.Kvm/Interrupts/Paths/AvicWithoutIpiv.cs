using Sim.Core;
using Sim.Core.Profiles;

namespace Sim.Kvm.Interrupts;

/// <summary>AVIC with IsRunning kept clear in the table (kvm-semantics.md 5.3).</summary>
[Component("avic-no-ipiv", Summary = "as avic-iommu with enable_ipiv=0 (erratum 1235): IsRunning stays 0, so every IPI exits; doorbells of KVM and IOMMU work")]
public sealed class AvicWithoutIpiv : IInterruptPath
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
