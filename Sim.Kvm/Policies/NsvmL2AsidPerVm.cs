using Sim.Core;
using Sim.Core.Profiles;

namespace Sim.Kvm;

/// <summary>Policy S2 (docs/rules.md#nsvm-policies; v1 of the rework, March 2025): as <see cref="NsvmL2Asid"/>, with one ASID for L1 and one for L2 in the whole VM.</summary>
[Component("nsvm-l2-asid-per-vm", Summary = "proposed for nSVM (S2; v1 of March 2025): as S1, with ASIDs of the VM, flushed where another of its vCPUs ran last")]
public sealed class NsvmL2AsidPerVm : IFlushPolicy
{
    /// <inheritdoc/>
    public bool Supports(Vendor vendor) => vendor == Vendor.Amd;

    /// <inheritdoc/>
    public KernelRules Rules(Vendor vendor) => KernelRules.NsvmRework with { Tags = TagAllocation.PerVm };

    /// <inheritdoc/>
    public void OnTransition(in NestedTransition transition, FlushDecision decision) => FlushOnNewAsid12.Decide(transition, decision);
}
