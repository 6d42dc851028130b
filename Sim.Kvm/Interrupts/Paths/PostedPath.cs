using Sim.Core.Profiles;

namespace Sim.Kvm.Interrupts;

/// <summary>What all ways to use APICv with posted interrupts have in common (docs/rules.md#posted-interrupts).</summary>
public abstract class PostedPath : IInterruptPath
{
    /// <inheritdoc/>
    public bool Supports(Vendor vendor) => vendor == Vendor.Intel;

    /// <inheritdoc/>
    public bool UsesApicv => true;

    /// <inheritdoc/>
    public bool UsesAvic => false;

    /// <inheritdoc/>
    public bool EnableIpiv => HardwareIpi is not null;

    /// <inheritdoc/>
    public virtual Program? HardwareIpi => null;

    /// <inheritdoc/>
    public abstract Program? HardwareDevice { get; }

    /// <inheritdoc/>
    public Program Post => PostingSteps.Post;

    /// <inheritdoc/>
    public Program Entry => EntrySteps.WithPir;

    /// <summary>The wake-up vector is needed only if hardware may post.</summary>
    public Program Halt => HardwarePosts ? SchedulerSteps.HaltPostedByHardware : SchedulerSteps.HaltPosted;

    /// <inheritdoc/>
    public Program Load => SchedulerSteps.LoadPosted;

    /// <summary>Suppressing notifications is needed only if hardware may post.</summary>
    public Program Preempt => HardwarePosts ? SchedulerSteps.PreemptPosted : SchedulerSteps.Nothing;

    private bool HardwarePosts => HardwareDevice is not null || HardwareIpi is not null;
}
