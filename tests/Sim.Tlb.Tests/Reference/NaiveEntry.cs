using Sim.Core.Profiles;

namespace Sim.Tlb.Tests.Reference;

/// <summary>What a cached mapping is tagged with (docs/rules.md#cached-mappings and #amd-tags). A value that a kind has not is 0.</summary>
internal readonly record struct NaiveTag(MappingKind Kind, int Vpid, int Pcid, bool Global, ulong Ep4ta);

/// <summary>One cached mapping of any structure: a translation, or a paging-structure-cache entry.</summary>
internal sealed class NaiveEntry
{
    public const ulong AddressBits = (1UL << 57) - 1;

    public NaiveEntry(NaiveTag tag, int sizeLog2, ulong address)
    {
        Tag = tag;
        SizeLog2 = sizeLog2;
        First = StartOfPage(address, sizeLog2);
    }

    public NaiveTag Tag { get; }

    /// <summary>log2 of the bytes that it translates: 12, 21, 30, and up to 48 for a PML5E.</summary>
    public int SizeLog2 { get; }

    public ulong First { get; }

    public ulong Last => First + (1UL << SizeLog2) - 1;

    /// <summary>log2 of the page that the guest maps; larger than <see cref="SizeLog2"/> if the page was splintered.</summary>
    public int MappedLog2 { get; init; }

    public bool IsPagingStructure { get; init; }

    /// <summary>Physical address of the next table (paging-structure entry) or of the page (guest-physical translation).</summary>
    public ulong Target { get; set; }

    /// <summary>Page tables that it was read from.</summary>
    public (PageTable Tables, PageTable? Nested) Space { get; init; }

    public static int Log2Of(PageSize size) => 12 + (9 * (int)size);

    public static ulong StartOfPage(ulong address, int sizeLog2) => (address & AddressBits) >> sizeLog2 << sizeLog2;

    /// <summary>True if this is what a lookup with the tag for entries of that size finds at the address.</summary>
    public bool Is(NaiveTag tag, int sizeLog2, ulong address) => SizeLog2 == sizeLog2 && First == StartOfPage(address, sizeLog2) && Tag == tag;

    /// <summary>True if the page that it belongs to, as the guest maps it, has an address in common with the range.</summary>
    public bool PageTouches(ulong first, ulong last)
    {
        int log2 = Math.Max(SizeLog2, MappedLog2);
        ulong start = StartOfPage(First, log2);
        return start <= last && first <= start + (1UL << log2) - 1;
    }
}
