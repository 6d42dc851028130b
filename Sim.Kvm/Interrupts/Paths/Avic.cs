using Sim.Core;

namespace Sim.Kvm.Interrupts;

/// <summary>AVIC without IOMMU support (docs/rules.md#avic).</summary>
[Component("avic", Summary = "AVIC: the processor writes IRR and rings the doorbell; devices go through L0")]
public sealed class Avic : AvicPath
{
    /// <inheritdoc/>
    public override Program? HardwareDevice => null;
}
