using Sim.Core;
using Sim.Core.Profiles;

namespace Sim.Kvm;

/// <summary>Policy F (kernels 6.2 to 6.11; docs/rules.md#transition-tables). Its Hyper-V row has no input in a trace, so only the kernel's sync differs from E1.</summary>
[Component("kvm-6.2", Summary = "mainline 6.2 to 6.11: as 5.16; Hyper-V flushes are re-armed at each transition, which traces without Hyper-V do not show")]
public sealed class Kvm62 : IFlushPolicy
{
    private const string Version = "6.2";

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
