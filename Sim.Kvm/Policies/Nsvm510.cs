using Sim.Core;
using Sim.Core.Profiles;

namespace Sim.Kvm;

/// <summary>nSVM before nested_svm_transition_tlb_flush: nothing is asked for at a transition, and kvm_mmu_new_pgd, told to skip nothing, syncs and flushes the root that it switches to.</summary>
[Component("nsvm-5.10", Summary = "nSVM, mainline 5.9 to 5.13: L1 and L2 share one ASID, and each switch of the root syncs and flushes it")]
public sealed class Nsvm510 : IFlushPolicy
{
    private const string Version = "5.10";

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
    }
}
