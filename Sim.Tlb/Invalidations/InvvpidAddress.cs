using Sim.Core.Profiles;

namespace Sim.Tlb;

/// <summary>INVVPID type 0: linear and combined mappings that the address would use under the VPID, all PCIDs and EP4TAs, global ones and paging-structure-cache entries included.</summary>
/// <param name="Vpid">VPID.</param>
/// <param name="Address">Linear address.</param>
public sealed record InvvpidAddress(ushort Vpid, ulong Address) : AddressInvalidation
{
    /// <inheritdoc/>
    public override string Name => "invvpid_address";

    /// <inheritdoc/>
    public override int? Cycles(OperationCosts costs) => costs.InvvpidAddress;

    /// <inheritdoc/>
    public override AddressRange? Translations => AddressRange.At(Address);

    /// <inheritdoc/>
    public override AddressRange? PagingStructures => AddressRange.At(Address);

    /// <inheritdoc/>
    public override bool ReachesTranslations(in Tag tag, in CurrentTag current) => IsOf(tag, Vpid);
}
