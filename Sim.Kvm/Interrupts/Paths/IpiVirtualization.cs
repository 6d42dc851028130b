using Sim.Core;

namespace Sim.Kvm.Interrupts;

/// <summary>APICv with IPI virtualization (docs/rules.md#delivery).</summary>
[Component("ipiv", Summary = "as posted-device, and the processor posts IPIs itself (Sapphire Rapids and later)")]
public sealed class IpiVirtualization : PostedPath
{
    /// <inheritdoc/>
    public override Program? HardwareIpi => PostingSteps.VirtualizedIpi;

    /// <inheritdoc/>
    public override Program? HardwareDevice => PostingSteps.PostedIrte;
}
