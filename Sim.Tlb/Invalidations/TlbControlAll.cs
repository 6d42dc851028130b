using Sim.Core.Profiles;

namespace Sim.Tlb;

/// <summary>AMD VMRUN with TLB_CONTROL 1: the whole TLB, all ASIDs, global translations and nested ones included.</summary>
public sealed record TlbControlAll : Invalidation
{
    /// <inheritdoc/>
    public override string Name => "tlb_control_all";

    /// <inheritdoc/>
    public override int? Cycles(OperationCosts costs) => costs.TlbControlAll;

    /// <inheritdoc/>
    public override bool ReachesTranslations(in Tag tag, in CurrentTag current) => true;
}
