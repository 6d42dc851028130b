namespace Sim.Tlb;

/// <summary>Page fault: what the address would use under the current VPID and PCID. The SDM names the current PCID only, so global translations stay.</summary>
/// <param name="Address">Faulting linear address.</param>
public sealed record PageFault(ulong Address) : AddressInvalidation
{
    /// <inheritdoc/>
    public override string Name => "page_fault";

    /// <inheritdoc/>
    public override AddressRange? Translations => AddressRange.At(Address);

    /// <inheritdoc/>
    public override AddressRange? PagingStructures => AddressRange.At(Address);

    /// <inheritdoc/>
    public override bool ReachesTranslations(in Tag tag, in CurrentTag current) => IsOf(tag, current.Vpid, current.Pcid);
}
