using Sim.Core.Profiles;

namespace Sim.Tlb;

/// <summary>MOV to CR4 that changes PGE or clears PCIDE: everything of the current VPID, all PCIDs, global translations included.</summary>
public sealed record MovToCr4Pge : Invalidation
{
    /// <inheritdoc/>
    public override string Name => "mov_to_cr4_pge";

    /// <inheritdoc/>
    public override int? Cycles(OperationCosts costs) => costs.MovToCr4;

    /// <inheritdoc/>
    public override bool ReachesTranslations(in Tag tag, in CurrentTag current) => IsOf(tag, current.Vpid);
}
