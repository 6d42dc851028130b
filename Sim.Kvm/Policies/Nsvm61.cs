using Sim.Core;
using Sim.Core.Profiles;

namespace Sim.Kvm;

/// <summary>Policy S0 as it is in 6.1: <see cref="Nsvm58"/> in a kernel whose KVM_SET_SREGS raises no guest flush.</summary>
[Component("nsvm-6.1", Summary = "nSVM, mainline 5.14 to 6.6: as nsvm-5.8, and KVM_SET_SREGS raises no guest flush")]
public sealed class Nsvm61 : IFlushPolicy
{
    private const string Version = "6.1";

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
