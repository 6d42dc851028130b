using Sim.Core.Profiles;

namespace Sim.Tlb;

/// <summary>INVPCID type 2: everything of the current VPID, all PCIDs, global translations included.</summary>
public sealed record InvpcidAll : Invalidation
{
    /// <inheritdoc/>
    public override string Name => "invpcid_all";

    /// <inheritdoc/>
    public override int? Cycles(OperationCosts costs) => costs.InvpcidAll;

    /// <inheritdoc/>
    public override bool ReachesTranslations(in Tag tag, in CurrentTag current) => IsOf(tag, current.Vpid);
}
