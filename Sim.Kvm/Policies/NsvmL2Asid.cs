using Sim.Core;
using Sim.Core.Profiles;

namespace Sim.Kvm;

/// <summary>Policy S1 (docs/rules.md#nsvm-policies; RFC v2 of the rework, June 2026): a separate ASID for L2 on each vCPU; vpid12 in the trace is vmcb12.ASID.</summary>
[Component("nsvm-l2-asid", Summary = "proposed for nSVM (S1; RFC v2 of June 2026): L2 has an ASID of its own, flushed and synced when vmcb12.ASID changes or TLB_CONTROL says so")]
public sealed class NsvmL2Asid : IFlushPolicy
{
    /// <inheritdoc/>
    public bool Supports(Vendor vendor) => vendor == Vendor.Amd;

    /// <inheritdoc/>
    public KernelRules Rules(Vendor vendor) => KernelRules.NsvmRework;

    /// <inheritdoc/>
    public void OnTransition(in NestedTransition transition, FlushDecision decision) => FlushOnNewAsid12.Decide(transition, decision);
}
