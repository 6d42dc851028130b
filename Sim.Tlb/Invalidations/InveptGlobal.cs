using Sim.Core.Profiles;

namespace Sim.Tlb;

/// <summary>INVEPT type 2: all guest-physical and combined mappings. Linear ones stay.</summary>
public sealed record InveptGlobal : Invalidation
{
    /// <inheritdoc/>
    public override string Name => "invept_global";

    /// <inheritdoc/>
    public override int? Cycles(OperationCosts costs) => costs.InveptGlobal;

    /// <inheritdoc/>
    public override bool ReachesTranslations(in Tag tag, in CurrentTag current) => tag.Kind != MappingKind.Linear;
}
