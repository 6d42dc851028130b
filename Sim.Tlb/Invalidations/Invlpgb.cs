using Sim.Core.Profiles;

namespace Sim.Tlb;

/// <summary>AMD INVLPGB as one core executes it. Nested translations are not known by linear address, so with IncludeNested all those of the ASID go.</summary>
/// <param name="Options">rAX bits 5:0.</param>
/// <param name="Asid">EDX bits 15:0.</param>
/// <param name="Pcid">EDX bits 27:16.</param>
/// <param name="Address">rAX bits 63:12, as an address.</param>
/// <param name="ExtraPages">ECX bits 15:0: pages after the first.</param>
/// <param name="LargeStride">ECX bit 31: pages are 2 MiB apart and large, else 4 KiB.</param>
public sealed record Invlpgb(InvlpgbOptions Options, ushort Asid, ushort Pcid, ulong Address = 0, ushort ExtraPages = 0, bool LargeStride = false) : AddressInvalidation
{
    /// <inheritdoc/>
    public override string Name => "invlpgb";

    /// <summary>No figure is published; INVLPGA's.</summary>
    public override int? Cycles(OperationCosts costs) => costs.InvvpidAddress;

    /// <inheritdoc/>
    public override AddressRange? Translations => Has(InvlpgbOptions.AddressValid) ? Pages() : null;

    /// <inheritdoc/>
    public override AddressRange? PagingStructures => Translations;

    /// <inheritdoc/>
    public override bool ReachesTranslations(in Tag tag, in CurrentTag current)
    {
        if (Has(InvlpgbOptions.AsidValid) && tag.Vpid != Asid)
        {
            return false;
        }

        return tag.Kind == MappingKind.GuestPhysical ? Has(InvlpgbOptions.IncludeNested)
            : tag.Global ? Has(InvlpgbOptions.IncludeGlobal)
            : !Has(InvlpgbOptions.PcidValid) || tag.Pcid == Pcid;
    }

    /// <inheritdoc/>
    public override bool ReachesPagingStructures(in Tag tag, in CurrentTag current) => !Has(InvlpgbOptions.FinalTranslationOnly) && ReachesTranslations(tag, current);

    private bool Has(InvlpgbOptions option) => (Options & option) != 0;

    private AddressRange Pages()
    {
        int shift = LargeStride ? 21 : 12;
        ulong first = (Address & EntryKey.AddressMask) >> shift << shift;
        return new AddressRange(first, Math.Min(first + ((ExtraPages + 1UL) << shift) - 1, EntryKey.AddressMask));
    }
}
