using Sim.Core;

namespace Sim.Kvm.Interrupts;

/// <summary>AVIC with remapping entries in guest mode (docs/rules.md#avic-delivery).</summary>
[Component("avic-iommu", Summary = "as avic, and the IOMMU writes IRR, rings the doorbell, or logs")]
public sealed class AvicWithIommu : AvicPath
{
    /// <inheritdoc/>
    public override Program? HardwareDevice => AvicSteps.GuestModeIrte;
}
