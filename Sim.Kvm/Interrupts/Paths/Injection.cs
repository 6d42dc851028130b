using Sim.Core;
using Sim.Core.Profiles;

namespace Sim.Kvm.Interrupts;

/// <summary>Delivery by injection on either vendor's hardware (docs/rules.md#delivery, "No APICv").</summary>
[Component("none", Summary = "no APIC virtualization: kick, event injection, interrupt window, EOI exit")]
public sealed class Injection : IInterruptPath
{
    /// <inheritdoc/>
    public bool Supports(Vendor vendor) => vendor is Vendor.Intel or Vendor.Amd;

    /// <inheritdoc/>
    public bool UsesApicv => false;

    /// <inheritdoc/>
    public bool UsesAvic => false;

    /// <inheritdoc/>
    public bool EnableIpiv => false;

    /// <inheritdoc/>
    public Program? HardwareIpi => null;

    /// <inheritdoc/>
    public Program? HardwareDevice => null;

    /// <inheritdoc/>
    public Program Post => KickSteps.Inject;

    /// <inheritdoc/>
    public Program Entry => EntrySteps.WithoutPir;

    /// <inheritdoc/>
    public Program Halt => SchedulerSteps.HaltPlain;

    /// <inheritdoc/>
    public Program Load => SchedulerSteps.Nothing;

    /// <inheritdoc/>
    public Program Preempt => SchedulerSteps.Nothing;
}
