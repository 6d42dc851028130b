using Sim.Core;

namespace Sim.Kvm.Interrupts;

/// <summary>APICv with posted interrupt-remapping entries (docs/rules.md#delivery, "VT-d posted interrupt").</summary>
[Component("posted-device", Summary = "as posted, and VT-d posts device interrupts: SN while preempted, wake-up vector while halted")]
public sealed class PostedDevices : PostedPath
{
    /// <inheritdoc/>
    public override Program? HardwareDevice => PostingSteps.PostedIrte;
}
