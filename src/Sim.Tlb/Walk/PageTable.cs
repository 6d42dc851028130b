using Sim.Core.Profiles;

namespace Sim.Tlb;

/// <summary>Hands out physical pages in order of first use: one per physical address space (host, L1's guest-physical, one L2's guest-physical).</summary>
public sealed class FrameAllocator
{
}

/// <summary>One tree of paging structures: what CR3 or an EPTP names. Addresses never mapped explicitly are mapped at first use.</summary>
public sealed class PageTable
{
    /// <summary>A tree whose root is named <paramref name="root"/> (CR3 frame or EP4TA), with its entries in <paramref name="frames"/>' space.</summary>
    /// <param name="root">Name of the root, unique among trees of the same kind.</param>
    /// <param name="levels">4 or 5.</param>
    /// <param name="leaf">Page size of leaves made at first use.</param>
    /// <param name="frames">Where table pages and data pages are allocated.</param>
    /// <param name="upperHalf">Tree that maps addresses with bit 63 set, shared by all processes of one kernel; null if this tree does.</param>
    /// <param name="globalUpperHalf">Leaves of addresses with bit 63 set have G=1.</param>
    public PageTable(ulong root, int levels, PageSize leaf, FrameAllocator frames, PageTable? upperHalf = null, bool globalUpperHalf = false) => throw new NotImplementedException();

    /// <summary>Name of the root.</summary>
    public ulong Root { get; }
}
