using Sim.Core;
using Sim.Core.Profiles;

namespace Sim.Kvm.Interrupts;

/// <summary>APICv with posted interrupts that only software posts (kvm-semantics.md 4.3).</summary>
[Component("posted", Summary = "APICv: KVM's software posts, hardware delivers without an exit; IPIs and devices go through L0")]
public sealed class PostedInterrupts : IInterruptPath
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
    public Program? HardwareDevice => null;

    /// <inheritdoc/>
    public Program Post => PostingSteps.Post;

    /// <inheritdoc/>
    public Program Entry => EntrySteps.WithPir;

    /// <inheritdoc/>
    public Program Halt => SchedulerSteps.HaltPosted;

    /// <inheritdoc/>
    public Program Load => SchedulerSteps.LoadPosted;

    /// <inheritdoc/>
    public Program Preempt => SchedulerSteps.Nothing;
}
