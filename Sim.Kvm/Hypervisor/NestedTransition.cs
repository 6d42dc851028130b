using Sim.Core.Traces;

namespace Sim.Kvm;

/// <summary>The facts that nested_vmx_transition_tlb_flush (and its ancestors) looks at, at one nested VM-entry or VM-exit.</summary>
/// <param name="IsEntry">True for L1 to L2, false for L2 to L1.</param>
/// <param name="L0Vpid">L0 uses VPID (module parameter enable_vpid).</param>
/// <param name="L0Ept">L0 uses EPT (enable_ept).</param>
/// <param name="Vpid12Enabled">Vmcs12 enables VPID.</param>
/// <param name="Ept12Enabled">Vmcs12 enables EPT.</param>
/// <param name="HasVpid02">A real VPID could be allocated for L2 (vpid02 != 0).</param>
/// <param name="Vpid12IsNew">At an entry: vpid12 differs from the one (or from all those) that the real VPIDs of L2 stand for now.</param>
public readonly record struct NestedTransition(
    bool IsEntry, bool L0Vpid, bool L0Ept, bool Vpid12Enabled, bool Ept12Enabled, bool HasVpid02, bool Vpid12IsNew)
{
    /// <summary>AMD, at an entry: vmcb12.TLB_CONTROL. Flushing all ASIDs includes L1's own (APM vol. 2, "TLB Control").</summary>
    public TlbControl TlbControl12 { get; init; }

    /// <summary>nested_has_guest_tlb_tag: hardware tags L2's translations apart from L1's (docs/rules.md#tags-of-l1-and-l2, kernels 5.5 and later).</summary>
    public bool HasGuestTlbTag => L0Ept || (Vpid12Enabled && HasVpid02);

    /// <summary>"nested_entry" or "nested_exit", as statistics label it.</summary>
    public string Name => IsEntry ? "nested_entry" : "nested_exit";
}
