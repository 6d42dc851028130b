namespace Sim.Tlb;

/// <summary>EPT violation: guest-physical mappings that the guest-physical address would use under the current EP4TA, and combined ones that the linear address would use under the current VPID, PCID and EP4TA.</summary>
/// <param name="GuestPhysicalAddress">Guest-physical address that faulted.</param>
/// <param name="Address">Linear address that led to it.</param>
public sealed record EptViolation(ulong GuestPhysicalAddress, ulong Address) : AddressInvalidation
{
    /// <inheritdoc/>
    public override string Name => "ept_violation";

    /// <inheritdoc/>
    public override AddressRange? Translations => AddressRange.At(Address);

    /// <inheritdoc/>
    public override AddressRange? PagingStructures => AddressRange.At(Address);

    /// <inheritdoc/>
    public override AddressRange? GuestPhysical => AddressRange.At(GuestPhysicalAddress);

    /// <inheritdoc/>
    public override bool ReachesTranslations(in Tag tag, in CurrentTag current) => tag.Ep4ta == current.Ep4ta &&
        (tag.Kind == MappingKind.GuestPhysical || (tag.Kind == MappingKind.Combined && IsOf(tag, current.Vpid, current.Pcid)));
}
