using Sim.Core;
using Sim.Core.Profiles;

namespace Sim.Kvm;

/// <summary>Policy C (kernels 4.20 to 5.7; docs/rules.md#transition-tables; 1438921c6dc1). The tag test looks at EPT12, not at L0's EPT.</summary>
[Component("kvm-4.20", Summary = "4.20 to 5.7: flushes become requests that run after the new root is loaded; every root switch flushes its destination")]
public sealed class Kvm420 : IFlushPolicy
{
    private const string Version = "4.20";

    /// <inheritdoc/>
    public bool Supports(Vendor vendor) => vendor == Vendor.Intel;

    /// <inheritdoc/>
    public KernelRules Rules(Vendor vendor) => KernelComposition.Of(Vendor.Intel, Version);

    /// <inheritdoc/>
    public KernelVersion? Release => KernelVersion.Parse(Version);

    /// <inheritdoc/>
    public void OnTransition(in NestedTransition transition, FlushDecision decision)
    {
        if (!transition.L0Vpid)
        {
            return;
        }

        bool tagged = transition.Vpid12Enabled && (transition.Ept12Enabled || transition.HasVpid02);
        if (!tagged)
        {
            decision.Raise(FlushRequest.All, transition.Vpid12Enabled ? "no_guest_tag" : "no_vpid12");
        }
        else if (transition.IsEntry && transition.Vpid12IsNew)
        {
            decision.RememberVpid12();
            decision.FlushNow(ImmediateFlush.Vpid02, "new_vpid12");
        }
    }
}
