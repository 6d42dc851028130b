using Sim.Core;
using Sim.Core.Profiles;

namespace Sim.Kvm;

/// <summary>Policy S0 (docs/rules.md#nsvm-today): nested_svm_transition_tlb_flush.</summary>
[Component("nsvm-5.8", Summary = "nSVM, mainline 6.7 to 6.13: L1 and L2 share one ASID, flushed and synced on every transition, and again if CR4.PGE differs")]
public sealed class Nsvm58 : IFlushPolicy
{
    private const string Version = "6.12";

    /// <inheritdoc/>
    public bool Supports(Vendor vendor) => vendor == Vendor.Amd;

    /// <inheritdoc/>
    public KernelRules Rules(Vendor vendor) => KernelComposition.Of(Vendor.Amd, Version);

    /// <inheritdoc/>
    public KernelVersion? Release => KernelVersion.Parse(Version);

    /// <inheritdoc/>
    public int L2Tags(int pool) => 0;

    /// <inheritdoc/>
    public void OnTransition(in NestedTransition transition, FlushDecision decision)
    {
        decision.Raise(FlushRequest.MmuSync, "every_transition");
        decision.Raise(FlushRequest.Current, "every_transition");
    }
}
