using Sim.Core;
using Sim.Core.Profiles;

namespace Sim.Kvm;

/// <summary>Yardstick: nested transitions flush nothing, in mainline 6.12. Unsafe: a new vpid12 finds its predecessor's translations.</summary>
[Component("never", Summary = "yardstick, unsafe: no flush on any nested transition")]
public sealed class Never : IFlushPolicy
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
        if (transition.IsEntry && transition.Vpid12Enabled)
        {
            decision.RememberVpid12();
        }
    }
}
