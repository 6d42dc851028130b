using Sim.Core;
using Sim.Core.Profiles;

namespace Sim.Kvm;

/// <summary>One fix alone (docs/rules.md#h3; "Always flush vpid02 on first use", posted June 2026; V9 of docs/kernels.md). Same decisions as G; VMXON forgets last_vpid, see <see cref="KernelRules.ForgetsVpid12AtVmxon"/>.</summary>
[Component("vpid02-first-use", Summary = "mainline 6.12 with one fix of June 2026 (6.1.188, 6.12.110, 7.2.5, 7.3): VMXON of L1 forgets the last vpid12, so that vpid02 is flushed on first use")]
public sealed class Vpid02FirstUse : IFlushPolicy
{
    /// <inheritdoc/>
    public bool Supports(Vendor vendor) => vendor == Vendor.Intel;

    /// <inheritdoc/>
    public KernelRules Rules(Vendor vendor) => KernelComposition.Of(Vendor.Intel, "6.12") with { ForgetsVpid12AtVmxon = true };

    /// <inheritdoc/>
    public void OnTransition(in NestedTransition transition, FlushDecision decision) => GuestFlushOnNewVpid12.Decide(transition, decision);
}
