using Sim.Core;
using Sim.Core.Profiles;

namespace Sim.Kvm;

/// <summary>Policy S0 as it is since 7.2: <see cref="Nsvm614"/> in a kernel whose svm_flush_tlb_gva flushes the ASID.</summary>
[Component("nsvm-7.2", Summary = "nSVM, stable 7.2.13: as nsvm-6.14, the flush of one address takes the whole ASID where L0 has NPT, and with the fixes for CPU online and failed VMRUN")]
public sealed class Nsvm72 : IFlushPolicy
{
    private const string Version = "7.2.13";

    private readonly Nsvm58 _transitions = new();

    /// <inheritdoc/>
    public bool Supports(Vendor vendor) => _transitions.Supports(vendor);

    /// <inheritdoc/>
    public KernelRules Rules(Vendor vendor) => KernelComposition.Of(Vendor.Amd, Version);

    /// <inheritdoc/>
    public KernelVersion? Release => KernelVersion.Parse(Version);

    /// <inheritdoc/>
    public int L2Tags(int pool) => _transitions.L2Tags(pool);

    /// <inheritdoc/>
    public void OnTransition(in NestedTransition transition, FlushDecision decision) => _transitions.OnTransition(transition, decision);
}
