using Sim.Core;
using Sim.Core.Profiles;

namespace Sim.Kvm;

/// <summary>Policy G (mainline 6.12 to 7.2; docs/rules.md#transition-tables). Same decisions as F; the current-VPID rule is <see cref="KernelRules.FlushGuestVpid"/>.</summary>
[Component("kvm-6.12", Summary = "mainline 6.12 to 7.2: as 6.2, and the current VPID is vpid02 only if vmcs12 enables VPID")]
public sealed class Kvm612 : IFlushPolicy
{
    private const string Version = "6.12";

    /// <inheritdoc/>
    public bool Supports(Vendor vendor) => vendor == Vendor.Intel;

    /// <inheritdoc/>
    public KernelRules Rules(Vendor vendor) => KernelComposition.Of(Vendor.Intel, Version);

    /// <inheritdoc/>
    public KernelVersion? Release => KernelVersion.Parse(Version);

    /// <inheritdoc/>
    public void OnTransition(in NestedTransition transition, FlushDecision decision)
    {
        GuestFlushOnNewVpid12.Decide(transition, decision);
    }
}
