using Sim.Core.Profiles;

namespace Sim.Tlb;

/// <summary>INVPCID type 1: everything of the PCID under the current VPID, except global translations.</summary>
/// <param name="Pcid">PCID.</param>
public sealed record InvpcidContext(ushort Pcid) : Invalidation
{
    /// <inheritdoc/>
    public override string Name => "invpcid_context";

    /// <inheritdoc/>
    public override int? Cycles(OperationCosts costs) => costs.InvpcidSingle;

    /// <inheritdoc/>
    public override Invalidation Coarsened => new InvpcidAll();

    /// <inheritdoc/>
    public override bool ReachesTranslations(in Tag tag, in CurrentTag current) => IsOf(tag, current.Vpid, Pcid);
}
