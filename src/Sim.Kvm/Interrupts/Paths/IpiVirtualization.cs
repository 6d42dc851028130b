using Sim.Core;
using Sim.Core.Profiles;

namespace Sim.Kvm.Interrupts;

/// <summary>APICv with IPI virtualization (kvm-semantics.md 4.3).</summary>
[Component("ipiv", Summary = "as posted-device, and the processor posts IPIs itself (Sapphire Rapids and later)")]
public sealed class IpiVirtualization : IInterruptPath
{
    /// <inheritdoc/>
    public bool Supports(Vendor vendor) => vendor == Vendor.Intel;

    /// <inheritdoc/>
    public bool UsesApicv => true;

    /// <inheritdoc/>
    public bool UsesAvic => false;

    /// <inheritdoc/>
    public Program? HardwareIpi => PostingSteps.VirtualizedIpi;

    /// <inheritdoc/>
    public Program? HardwareDevice => PostingSteps.PostedIrte;

    /// <inheritdoc/>
    public Program Post => PostingSteps.Post;

    /// <inheritdoc/>
    public Program Entry => EntrySteps.WithPir;

    /// <inheritdoc/>
    public Program Halt => SchedulerSteps.HaltPostedByHardware;

    /// <inheritdoc/>
    public Program Load => SchedulerSteps.LoadPosted;

    /// <inheritdoc/>
    public Program Preempt => SchedulerSteps.PreemptPosted;
}
