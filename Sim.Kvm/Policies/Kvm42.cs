using Sim.Core;
using Sim.Core.Profiles;

namespace Sim.Kvm;

/// <summary>Policy A (kernels up to 4.3; docs/rules.md#transition-tables): prepare_vmcs02 and load_vmcs12_host_state call vmx_flush_tlb.</summary>
[Component("kvm-4.2", Summary = "mainline up to 4.3: L2 shares vpid01, which is flushed at once on each transition")]
public sealed class Kvm42 : IFlushPolicy
{
    private const string Version = "4.2";

    /// <inheritdoc/>
    public bool Supports(Vendor vendor) => vendor == Vendor.Intel;

    /// <inheritdoc/>
    public KernelRules Rules(Vendor vendor) => KernelComposition.Of(Vendor.Intel, Version);

    /// <inheritdoc/>
    public KernelVersion? Release => KernelVersion.Parse(Version);

    /// <inheritdoc/>
    public void OnTransition(in NestedTransition transition, FlushDecision decision)
    {
        if (transition.L0Vpid)
        {
            decision.FlushNow(ImmediateFlush.Active, "every_transition");
        }
    }
}
