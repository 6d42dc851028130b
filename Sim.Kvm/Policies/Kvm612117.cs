using Sim.Core;
using Sim.Core.Profiles;

namespace Sim.Kvm;

/// <summary>Stable 6.12.117 (policy G and the fixes of June 2026). Same decisions as G; L1's INVVPID differs, see <see cref="KernelRules.InvvpidOnVmcs02Cpu"/>.</summary>
[Component("kvm-6.12.117", Summary = "Stable 6.12.117: as 6.12, and L1's INVVPID waits for the next nested entry if L2 ran last on another CPU")]
public sealed class Kvm612117 : IFlushPolicy
{
    /// <inheritdoc/>
    public bool Supports(Vendor vendor) => vendor == Vendor.Intel;

    /// <inheritdoc/>
    public KernelRules Rules(Vendor vendor) => KernelRules.Kvm612117;

    /// <inheritdoc/>
    public void OnTransition(in NestedTransition transition, FlushDecision decision)
    {
        GuestFlushOnNewVpid12.Decide(transition, decision);
    }
}
