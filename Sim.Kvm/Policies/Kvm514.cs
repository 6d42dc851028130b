using Sim.Core;
using Sim.Core.Profiles;

namespace Sim.Kvm;

/// <summary>Policy E0 (kernels 5.14 to 5.15.6; docs/rules.md#transition-tables), before the patch of the seed thread.</summary>
[Component("kvm-5.14", Summary = "mainline 5.14 and 5.15: no vpid12 is a guest flush; a new vpid12 still only flushes the hardware (the seed thread's bug)")]
public sealed class Kvm514 : IFlushPolicy
{
    private const string Version = "5.14";

    /// <inheritdoc/>
    public bool Supports(Vendor vendor) => vendor == Vendor.Intel;

    /// <inheritdoc/>
    public KernelRules Rules(Vendor vendor) => KernelComposition.Of(Vendor.Intel, Version);

    /// <inheritdoc/>
    public KernelVersion? Release => KernelVersion.Parse(Version);

    /// <inheritdoc/>
    public void OnTransition(in NestedTransition transition, FlushDecision decision)
    {
        if (!transition.Vpid12Enabled)
        {
            decision.Raise(FlushRequest.Guest, "no_vpid12");
        }
        else if (!transition.HasGuestTlbTag)
        {
            decision.Raise(FlushRequest.Current, "no_guest_tag");
        }
        else if (transition.IsEntry && transition.Vpid12IsNew)
        {
            decision.RememberVpid12();
            decision.FlushNow(ImmediateFlush.Vpid02, "new_vpid12");
        }
    }
}
