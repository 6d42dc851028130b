using Sim.Core.Profiles;

namespace Sim.Tlb;

/// <summary>INVEPT type 1: guest-physical mappings of the EP4TA, and combined ones of it for all VPIDs and PCIDs.</summary>
/// <param name="Eptp">EPT pointer; only its bits 51:12 matter.</param>
public sealed record InveptSingle(ulong Eptp) : Invalidation
{
    private const ulong Ep4taMask = 0x000F_FFFF_FFFF_F000;

    /// <inheritdoc/>
    public override string Name => "invept_single";

    /// <inheritdoc/>
    public override int? Cycles(OperationCosts costs) => costs.InveptSingle;

    /// <inheritdoc/>
    public override Invalidation Coarsened => new InveptGlobal();

    /// <summary>The tag that an EPT pointer gives: its bits 51:12, as an address.</summary>
    public static ulong Ep4taOf(ulong eptp) => eptp & Ep4taMask;

    /// <inheritdoc/>
    public override bool ReachesTranslations(in Tag tag, in CurrentTag current) => tag.Kind != MappingKind.Linear && tag.Ep4ta == Ep4taOf(Eptp);
}
