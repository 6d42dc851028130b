using Sim.Core;
using Sim.Core.Profiles;

namespace Sim.Kvm;

/// <summary>Policy A (kernels up to 4.3; docs/rules.md#transition-tables): prepare_vmcs02 and load_vmcs12_host_state call vmx_flush_tlb.</summary>
[Component("kvm-4.2", Summary = "up to 4.3: L2 shares vpid01, which is flushed at once on each transition")]
public sealed class Kvm42 : IFlushPolicy
{
    /// <inheritdoc/>
    public bool Supports(Vendor vendor) => vendor == Vendor.Intel;

    /// <inheritdoc/>
    public KernelRules Rules(Vendor vendor) => KernelRules.Kvm42;

    /// <inheritdoc/>
    public void OnTransition(in NestedTransition transition, FlushDecision decision)
    {
        if (transition.L0Vpid)
        {
            decision.FlushNow(ImmediateFlush.Active, "every_transition");
        }
    }
}
