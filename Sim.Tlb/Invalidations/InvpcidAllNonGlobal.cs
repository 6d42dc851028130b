using Sim.Core.Profiles;

namespace Sim.Tlb;

/// <summary>INVPCID type 3: everything of the current VPID, all PCIDs, except global translations.</summary>
public sealed record InvpcidAllNonGlobal : Invalidation
{
    /// <inheritdoc/>
    public override string Name => "invpcid_all_non_global";

    /// <inheritdoc/>
    public override int? Cycles(OperationCosts costs) => costs.InvpcidAll;

    /// <inheritdoc/>
    public override Invalidation Coarsened => new InvpcidAll();

    /// <inheritdoc/>
    public override bool ReachesTranslations(in Tag tag, in CurrentTag current) => IsOf(tag, current.Vpid) && !tag.Global;
}
