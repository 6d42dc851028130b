using Sim.Core;
using Sim.Core.Profiles;

namespace Sim.Kvm.Interrupts;

/// <summary>APICv with posted interrupt-remapping entries (kvm-semantics.md 4.3, "VT-d posted interrupt").</summary>
[Component("posted-device", Summary = "as posted, and VT-d posts device interrupts: SN while preempted, wake-up vector while halted")]
public sealed class PostedDevices : IInterruptPath
{
    /// <inheritdoc/>
    public bool Supports(Vendor vendor) => vendor == Vendor.Intel;

    /// <inheritdoc/>
    public bool UsesApicv => true;

    /// <inheritdoc/>
    public bool UsesAvic => false;

    /// <inheritdoc/>
    public Program? HardwareIpi => null;

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
