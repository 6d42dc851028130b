using Sim.Core.Profiles;

namespace Sim.Tlb;

/// <summary>INVPCID type 0: what the address would use under the current VPID and the given PCID, except global translations.</summary>
/// <param name="Pcid">PCID.</param>
/// <param name="Address">Linear address.</param>
public sealed record InvpcidAddress(ushort Pcid, ulong Address) : AddressInvalidation
{
    /// <inheritdoc/>
    public override string Name => "invpcid_address";

    /// <inheritdoc/>
    public override int? Cycles(OperationCosts costs) => costs.InvpcidSingle;

    /// <inheritdoc/>
    public override AddressRange? Translations => AddressRange.At(Address);

    /// <inheritdoc/>
    public override AddressRange? PagingStructures => AddressRange.At(Address);

    /// <inheritdoc/>
    public override bool ReachesTranslations(in Tag tag, in CurrentTag current) => IsOf(tag, current.Vpid, Pcid);
}
