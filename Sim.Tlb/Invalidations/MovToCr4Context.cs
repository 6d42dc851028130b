using Sim.Core.Profiles;

namespace Sim.Tlb;

/// <summary>MOV to CR4 that changes PAE or sets SMEP: everything of the current PCID. The SDM does not say that global translations go, so they stay.</summary>
public sealed record MovToCr4Context : Invalidation
{
    /// <inheritdoc/>
    public override string Name => "mov_to_cr4_context";

    /// <inheritdoc/>
    public override int? Cycles(OperationCosts costs) => costs.MovToCr4;

    /// <inheritdoc/>
    public override Invalidation Coarsened => new InvpcidAll();

    /// <inheritdoc/>
    public override bool ReachesTranslations(in Tag tag, in CurrentTag current) => IsOf(tag, current.Vpid, current.Pcid);
}
