using Sim.Core.Profiles;

namespace Sim.Tlb;

/// <summary>INVVPID type 3: as type 1, but global translations stay.</summary>
/// <param name="Vpid">VPID.</param>
public sealed record InvvpidSingleRetainGlobals(ushort Vpid) : Invalidation
{
    /// <inheritdoc/>
    public override string Name => "invvpid_single_retain_globals";

    /// <inheritdoc/>
    public override int? Cycles(OperationCosts costs) => costs.InvvpidSingle;

    /// <inheritdoc/>
    public override Invalidation Coarsened => new InvvpidAll();

    /// <inheritdoc/>
    public override bool ReachesTranslations(in Tag tag, in CurrentTag current) => IsOf(tag, Vpid) && !tag.Global;
}
