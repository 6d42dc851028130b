using Sim.Core;
using Sim.Core.Profiles;

namespace Sim.Kvm;

/// <summary>Hypothetical (docs/rules.md#open-questions): L2 gets a pool of real VPIDs keyed by vpid12, so that only a vpid12 outside the pool needs a flush.</summary>
[Component("vpid02-per-vpid12", Summary = "hypothetical: a pool of real VPIDs, one for each vpid12 in use, instead of one vpid02")]
public sealed class Vpid02PerVpid12 : IFlushPolicy
{
    /// <inheritdoc/>
    public bool IsYardstick => true;

    /// <inheritdoc/>
    public bool Supports(Vendor vendor) => vendor == Vendor.Intel;

    /// <inheritdoc/>
    public KernelRules Rules(Vendor vendor) => KernelRules.Yardstick(vendor);

    /// <inheritdoc/>
    public int L2Tags(int pool) => pool;

    /// <inheritdoc/>
    public void OnTransition(in NestedTransition transition, FlushDecision decision)
    {
        GuestFlushOnNewVpid12.Decide(transition, decision);
        if (transition.IsEntry && transition.Vpid12Enabled)
        {
            decision.RememberVpid12();
        }
    }
}
