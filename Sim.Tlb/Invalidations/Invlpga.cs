using Sim.Core.Profiles;

namespace Sim.Tlb;

/// <summary>AMD INVLPGA: what the address would use under the ASID, global translations included. The APM names no PCID, so all go.</summary>
/// <param name="Asid">ASID.</param>
/// <param name="Address">Linear address.</param>
public sealed record Invlpga(ushort Asid, ulong Address) : AddressInvalidation
{
    /// <inheritdoc/>
    public override string Name => "invlpga";

    /// <inheritdoc/>
    public override int? Cycles(OperationCosts costs) => costs.InvvpidAddress;

    /// <inheritdoc/>
    public override AddressRange? Translations => AddressRange.At(Address);

    /// <inheritdoc/>
    public override AddressRange? PagingStructures => AddressRange.At(Address);

    /// <inheritdoc/>
    public override bool ReachesTranslations(in Tag tag, in CurrentTag current) => IsOf(tag, Asid);
}
