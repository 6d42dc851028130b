using Sim.Core;
using Sim.Core.Profiles;

namespace Sim.Kvm;

/// <summary>Yardstick: KVM_REQ_TLB_FLUSH on every nested transition, in today's kernel.</summary>
[Component("always-all", Summary = "yardstick: TLB_FLUSH (all contexts) on every nested transition")]
public sealed class AlwaysAll : IFlushPolicy
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
        decision.Raise(FlushRequest.All, "every_transition");
    }
}
