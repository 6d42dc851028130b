using Sim.Core.Profiles;

namespace Sim.Tlb;

/// <summary>INVLPG (SDM vol. 2): the page under the current VPID and PCID, global translations of it under any PCID, and every paging-structure-cache entry of the current VPID and PCID.</summary>
/// <param name="Address">Linear address.</param>
public sealed record Invlpg(ulong Address) : AddressInvalidation
{
    /// <inheritdoc/>
    public override string Name => "invlpg";

    /// <inheritdoc/>
    public override int? Cycles(OperationCosts costs) => costs.Invlpg;

    /// <inheritdoc/>
    public override AddressRange? Translations => AddressRange.At(Address);

    /// <inheritdoc/>
    public override bool ReachesTranslations(in Tag tag, in CurrentTag current) => IsOf(tag, current.Vpid, current.Pcid) || (IsOf(tag, current.Vpid) && tag.Global);
}
