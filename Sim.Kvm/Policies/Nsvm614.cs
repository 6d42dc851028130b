using Sim.Core;
using Sim.Core.Profiles;

namespace Sim.Kvm;

/// <summary>Policy S0 as it is from 6.14 to 7.1: <see cref="Nsvm58"/> in a kernel whose svm_set_cr4 flushes nothing.</summary>
[Component("nsvm-6.14", Summary = "nSVM, mainline 6.14 to 7.1: L1 and L2 share one ASID, flushed and synced on every transition")]
public sealed class Nsvm614 : IFlushPolicy
{
    private const string Version = "6.14";

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
