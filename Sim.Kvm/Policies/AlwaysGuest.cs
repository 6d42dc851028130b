using Sim.Core;
using Sim.Core.Profiles;

namespace Sim.Kvm;

/// <summary>Yardstick: KVM_REQ_TLB_FLUSH_GUEST on every nested transition, in today's kernel.</summary>
[Component("always-guest", Summary = "yardstick: FLUSH_GUEST on every nested transition")]
public sealed class AlwaysGuest : IFlushPolicy
{
    /// <inheritdoc/>
    public bool IsYardstick => true;

    /// <inheritdoc/>
    public bool Supports(Vendor vendor) => true;

    /// <inheritdoc/>
    public KernelRules Rules(Vendor vendor) => KernelRules.Yardstick(vendor);

    /// <inheritdoc/>
    public void OnTransition(in NestedTransition transition, FlushDecision decision)
    {
        decision.Raise(FlushRequest.Guest, "every_transition");
    }
}
