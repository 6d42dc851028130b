using Sim.Core;

namespace Sim.Kvm.Interrupts;

/// <summary>APICv with posted interrupts that only software posts (docs/rules.md#delivery).</summary>
[Component("posted", Summary = "APICv: KVM's software posts, hardware delivers without an exit; IPIs and devices go through L0")]
public sealed class PostedInterrupts : PostedPath
{
    /// <inheritdoc/>
    public override Program? HardwareDevice => null;
}
