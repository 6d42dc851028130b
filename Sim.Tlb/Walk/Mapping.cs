using Sim.Core.Profiles;

namespace Sim.Tlb;

/// <summary>What a leaf entry of a paging structure says.</summary>
/// <param name="Frame">Physical address of the page's first byte, in the space of the tree's frames.</param>
/// <param name="Size">Page size.</param>
/// <param name="Global">G=1.</param>
/// <param name="ReadOnly">W=0.</param>
public readonly record struct Mapping(ulong Frame, PageSize Size, bool Global, bool ReadOnly = false)
{
    /// <summary>Physical address of <paramref name="address"/>, which the mapping covers.</summary>
    public ulong At(ulong address) => Frame + (address & (Bytes - 1));

    /// <summary>This mapping and then that of the address it leads to: the smaller page of the two, writable if both are.</summary>
    public Mapping Through(ulong address, in Mapping next)
    {
        PageSize size = next.Size < Size ? next.Size : Size;
        return new Mapping(next.At(At(address)) & ~((1UL << EntryKey.Shift(size)) - 1), size, Global, ReadOnly || next.ReadOnly);
    }

    /// <summary>Page size in bytes.</summary>
    public ulong Bytes => 1UL << EntryKey.Shift(Size);
}
