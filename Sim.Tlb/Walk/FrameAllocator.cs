using Sim.Core.Profiles;

namespace Sim.Tlb;

/// <summary>
/// Hands out physical pages in order of first use: one per physical address space (host, L1's guest-physical, one L2's guest-physical). Table pages
/// and data pages of each size come from 1 GiB regions of their own, taken in order of need, so no page has address 0. So do data pages by the size of the pages that
/// map them in the next address space, where that is told.
/// </summary>
/// <param name="start">First address, a multiple of 1 GiB and not 0: two allocators of one space must not meet.</param>
public sealed class FrameAllocator(ulong start = 1UL << 30)
{
    private const ulong RegionBytes = 1UL << 30;
    private const int Sizes = 3;
    private const int TableKind = Sizes * (Sizes + 1);
    private readonly ulong[] _next = new ulong[TableKind + 1];
    private readonly Dictionary<ulong, PageSize> _mappedBy = [];
    private readonly long[] _told = new long[Sizes];
    private ulong _nextRegion = start;

    /// <summary>Address of a fresh, aligned data page.</summary>
    /// <param name="size">Its size.</param>
    /// <param name="mappedBy">Size of the pages that map it in the next address space; null if nothing tells.</param>
    public ulong AllocatePage(PageSize size, PageSize? mappedBy = null)
    {
        int kind = (int)size;
        if (mappedBy is { } told)
        {
            _told[(int)told]++;
            kind += Sizes * ((int)told + 1);
        }

        return Allocate(kind, 1UL << EntryKey.Shift(size), mappedBy);
    }

    /// <summary>Address of a fresh 4 KiB page of paging-structure entries.</summary>
    public ulong AllocateTable() => Allocate(TableKind, 1UL << 12, null);

    /// <summary>
    /// Size of the pages that map an address of this space in the next one: as it was told, or, for page tables and other pages of which nothing tells it, as it was told most often so far (of
    /// equals the smaller). Null if nothing was told at all.
    /// </summary>
    public PageSize? MappedBy(ulong address)
    {
        if (_mappedBy.TryGetValue(address / RegionBytes, out PageSize size))
        {
            return size;
        }

        long most = _told.Max();
        return most == 0 ? null : (PageSize)Array.IndexOf(_told, most);
    }

    private ulong Allocate(int kind, ulong bytes, PageSize? mappedBy)
    {
        if ((_next[kind] & (RegionBytes - 1)) == 0)
        {
            if (mappedBy is { } told)
            {
                _mappedBy.Add(_nextRegion / RegionBytes, told);
            }

            _next[kind] = _nextRegion;
            _nextRegion += RegionBytes;
        }

        ulong address = _next[kind];
        _next[kind] += bytes;
        return address;
    }
}
