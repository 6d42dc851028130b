using Sim.Core;
using Sim.Core.Profiles;

namespace Sim.Kvm;

/// <summary>Policy E1 (kernels 5.16 to 6.1; docs/rules.md#transition-tables), with the patch of the seed thread (712494de96f3).</summary>
[Component("kvm-5.16", Summary = "mainline 5.16 to 6.1: a new vpid12 is a guest flush too (the seed thread's fix)")]
public sealed class Kvm516 : IFlushPolicy
{
    private const string Version = "5.16";

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
