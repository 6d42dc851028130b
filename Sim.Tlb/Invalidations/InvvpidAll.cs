using Sim.Core.Profiles;

namespace Sim.Tlb;

/// <summary>INVVPID type 2: all linear and combined mappings of all VPIDs except 0.</summary>
public sealed record InvvpidAll : Invalidation
{
    /// <inheritdoc/>
    public override string Name => "invvpid_all";

    /// <inheritdoc/>
    public override int? Cycles(OperationCosts costs) => costs.InvvpidAll;

    /// <inheritdoc/>
    public override bool ReachesTranslations(in Tag tag, in CurrentTag current) => tag.Kind != MappingKind.GuestPhysical && tag.Vpid != 0;
}
