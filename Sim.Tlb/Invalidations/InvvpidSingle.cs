using Sim.Core.Profiles;

namespace Sim.Tlb;

/// <summary>INVVPID type 1: all linear and combined mappings of the VPID, all PCIDs and EP4TAs, global ones included.</summary>
/// <param name="Vpid">VPID.</param>
public sealed record InvvpidSingle(ushort Vpid) : Invalidation
{
    /// <inheritdoc/>
    public override string Name => "invvpid_single";

    /// <inheritdoc/>
    public override int? Cycles(OperationCosts costs) => costs.InvvpidSingle;

    /// <inheritdoc/>
    public override Invalidation Coarsened => new InvvpidAll();

    /// <inheritdoc/>
    public override bool ReachesTranslations(in Tag tag, in CurrentTag current) => IsOf(tag, Vpid);
}
