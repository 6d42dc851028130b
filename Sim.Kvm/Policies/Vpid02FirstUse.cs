using Sim.Core;
using Sim.Core.Profiles;

namespace Sim.Kvm;

/// <summary>Proposed (docs/rules.md#h3; "Always flush vpid02 on first use", June 2026). Same decisions as G; VMXON forgets last_vpid, see <see cref="KernelRules.ForgetsVpid12AtVmxon"/>.</summary>
[Component("vpid02-first-use", Summary = "proposed (June 2026): as 6.12, and VMXON of L1 forgets the last vpid12, so that vpid02 is flushed on first use")]
public sealed class Vpid02FirstUse : IFlushPolicy
{
    /// <inheritdoc/>
    public bool Supports(Vendor vendor) => vendor == Vendor.Intel;

    /// <inheritdoc/>
    public KernelRules Rules(Vendor vendor) => KernelRules.Vpid02FirstUse;

    /// <inheritdoc/>
    public void OnTransition(in NestedTransition transition, FlushDecision decision) => GuestFlushOnNewVpid12.Decide(transition, decision);
}
