using Sim.Core.Profiles;

namespace Sim.Tlb;

/// <summary>
/// Hands out physical pages in order of first use: one per physical address space (host, L1's guest-physical, one L2's guest-physical). Table pages
/// and data pages of each size come from 1 GiB regions of their own, taken in order of need, so no page has address 0.
/// </summary>
/// <param name="start">First address, a multiple of 1 GiB and not 0: two allocators of one space must not meet.</param>
public sealed class FrameAllocator(ulong start = 1UL << 30)
{
    private const ulong RegionBytes = 1UL << 30;
    private const int TableKind = 3;
    private readonly ulong[] _next = new ulong[4];
    private ulong _nextRegion = start;

    /// <summary>Address of a fresh, aligned data page.</summary>
    public ulong AllocatePage(PageSize size) => Allocate((int)size, 1UL << EntryKey.Shift(size));

    /// <summary>Address of a fresh 4 KiB page of paging-structure entries.</summary>
    public ulong AllocateTable() => Allocate(TableKind, 1UL << 12);

    private ulong Allocate(int kind, ulong bytes)
    {
        if ((_next[kind] & (RegionBytes - 1)) == 0)
        {
            _next[kind] = _nextRegion;
            _nextRegion += RegionBytes;
        }

        ulong address = _next[kind];
        _next[kind] += bytes;
        return address;
    }
}
