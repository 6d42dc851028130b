using Sim.Core;
using Sim.Core.Profiles;

namespace Sim.Kvm;

/// <summary>Policy D (kernels 5.8 to 5.13; docs/rules.md#transition-tables): nested_vmx_transition_tlb_flush (50b265a4eee1).</summary>
[Component("kvm-5.8", Summary = "mainline 5.8 to 5.13: no flush when hardware tags tell L1 and L2 apart; FLUSH_CURRENT else; a new vpid12 only flushes vpid02")]
public sealed class Kvm58 : IFlushPolicy
{
    private const string Version = "5.8";

    /// <inheritdoc/>
    public bool Supports(Vendor vendor) => vendor == Vendor.Intel;

    /// <inheritdoc/>
    public KernelRules Rules(Vendor vendor) => KernelComposition.Of(Vendor.Intel, Version);

    /// <inheritdoc/>
    public KernelVersion? Release => KernelVersion.Parse(Version);

    /// <inheritdoc/>
    public void OnTransition(in NestedTransition transition, FlushDecision decision)
    {
        if (!transition.L0Vpid)
        {
            return;
        }

        if (!transition.Vpid12Enabled)
        {
            decision.Raise(FlushRequest.All, "no_vpid12");
        }
        else if (!transition.HasGuestTlbTag)
        {
            decision.Raise(FlushRequest.Current, "no_guest_tag");
        }
        else if (transition.IsEntry && transition.Vpid12IsNew)
        {
            decision.RememberVpid12();
            decision.FlushNow(ImmediateFlush.Vpid02, "new_vpid12");
        }
    }
}
