using Sim.Core;
using Sim.Core.Profiles;

namespace Sim.Kvm;

/// <summary>Policy B (kernels 4.4 to 4.19; docs/rules.md#transition-tables): prepare_vmcs02 and load_vmcs12_host_state with vpid02 (5c614b3583e7).</summary>
[Component("kvm-4.4", Summary = "4.4 to 4.19: vpid02 exists and is flushed at once for a new vpid12; vpid01 is flushed on every nested VM-exit")]
public sealed class Kvm44 : IFlushPolicy
{
    private const string Version = "4.4";

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

        if (!transition.IsEntry)
        {
            decision.FlushNow(ImmediateFlush.Active, "every_exit");
        }
        else if (!transition.Vpid12Enabled || !transition.HasVpid02)
        {
            decision.FlushNow(ImmediateFlush.Active, "no_vpid12");
        }
        else if (transition.Vpid12IsNew)
        {
            decision.RememberVpid12();
            decision.FlushNow(ImmediateFlush.Vpid02, "new_vpid12");
            decision.FlushNow(ImmediateFlush.ActiveEptp, "new_vpid12");
        }
    }
}
