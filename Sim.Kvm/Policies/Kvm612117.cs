using Sim.Core;
using Sim.Core.Profiles;

namespace Sim.Kvm;

/// <summary>Stable 6.12.117 (policy G and the fixes of June 2026). Same decisions as G; V9, V10 and V11 of docs/kernels.md differ.</summary>
[Component("kvm-6.12.117", Summary = "stable 6.12.117: as 6.12 with the three fixes of 6.12.110: VMXON forgets vpid12, L1's INVVPID waits for L2's CPU, a late failing entry flushes L2")]
public sealed class Kvm612117 : IFlushPolicy
{
    private const string Version = "6.12.117";

    /// <inheritdoc/>
    public bool Supports(Vendor vendor) => vendor == Vendor.Intel;

    /// <inheritdoc/>
    public KernelRules Rules(Vendor vendor) => KernelComposition.Of(Vendor.Intel, Version);

    /// <inheritdoc/>
    public KernelVersion? Release => KernelVersion.Parse(Version);

    /// <inheritdoc/>
    public void OnTransition(in NestedTransition transition, FlushDecision decision)
    {
        GuestFlushOnNewVpid12.Decide(transition, decision);
    }
}
