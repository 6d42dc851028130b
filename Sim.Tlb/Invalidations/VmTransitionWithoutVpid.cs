using Sim.Core.Profiles;

namespace Sim.Tlb;

/// <summary>VM-entry or VM-exit with "enable VPID" = 0: all linear and combined mappings of VPID 0, global ones included.</summary>
public sealed record VmTransitionWithoutVpid : Invalidation
{
    /// <inheritdoc/>
    public override string Name => "vm_transition_without_vpid";

    /// <summary>A part of the transition, which has its own price.</summary>
    public override int? Cycles(OperationCosts costs) => 0;

    /// <inheritdoc/>
    public override bool ReachesTranslations(in Tag tag, in CurrentTag current) => IsOf(tag, 0);
}
