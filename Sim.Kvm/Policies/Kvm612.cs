using Sim.Core;
using Sim.Core.Profiles;

namespace Sim.Kvm;

/// <summary>Policy G (kernels 6.12 to 7.1.5; docs/rules.md#transition-tables). Same decisions as F; the current-VPID rule is in <see cref="KernelRules.Kvm612"/>.</summary>
[Component("kvm-6.12", Summary = "6.12 to today: as 6.2, and the current VPID is vpid02 only if vmcs12 enables VPID")]
public sealed class Kvm612 : IFlushPolicy
{
    /// <inheritdoc/>
    public bool Supports(Vendor vendor) => vendor == Vendor.Intel;

    /// <inheritdoc/>
    public KernelRules Rules(Vendor vendor) => KernelRules.Kvm612;

    /// <inheritdoc/>
    public void OnTransition(in NestedTransition transition, FlushDecision decision)
    {
        GuestFlushOnNewVpid12.Decide(transition, decision);
    }
}
