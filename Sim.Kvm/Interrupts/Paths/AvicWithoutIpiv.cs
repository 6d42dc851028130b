using Sim.Core;

namespace Sim.Kvm.Interrupts;

/// <summary>AVIC with IsRunning kept clear in the table (docs/rules.md#avic-delivery).</summary>
[Component("avic-no-ipiv", Summary = "as avic-iommu with enable_ipiv=0 (erratum 1235): IsRunning stays 0, so every IPI exits; doorbells of KVM and IOMMU work")]
public sealed class AvicWithoutIpiv : AvicPath
{
    /// <inheritdoc/>
    public override bool EnableIpiv => false;

    /// <inheritdoc/>
    public override Program? HardwareDevice => AvicSteps.GuestModeIrte;
}
