using Sim.Core.Profiles;

namespace Sim.Kvm.Interrupts;

/// <summary>What all ways to use AVIC have in common (docs/rules.md#avic).</summary>
public abstract class AvicPath : IInterruptPath
{
    /// <inheritdoc/>
    public bool Supports(Vendor vendor) => vendor == Vendor.Amd;

    /// <inheritdoc/>
    public bool UsesApicv => false;

    /// <inheritdoc/>
    public bool UsesAvic => true;

    /// <inheritdoc/>
    public virtual bool EnableIpiv => true;

    /// <inheritdoc/>
    public Program? HardwareIpi => AvicSteps.HardwareIpi;

    /// <inheritdoc/>
    public abstract Program? HardwareDevice { get; }

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
