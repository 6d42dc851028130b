using Sim.Core;
using Sim.Core.Profiles;

namespace Sim.Tlb;

/// <summary>One tree of paging structures: what CR3 or an EPTP names. Addresses never mapped explicitly are mapped at first use.</summary>
/// <remarks>Levels count from the leaf up: 1 is the page table (PTEs), 2 the page directory, 3 the PDPT, 4 the PML4, 5 the PML5.</remarks>
public sealed class PageTable
{
    private const ulong Present = 1;
    private const ulong Leaf = 2;
    private const ulong Global = 4;
    private const ulong UpperHalf = 1UL << 63;
    private readonly List<ulong[]> _tables = [];
    private readonly List<ulong> _tableAddresses = [];
    private readonly FrameAllocator _frames;
    private readonly PageTable? _upperHalf;
    private readonly bool _globalUpperHalf;
    private readonly int _leafLevel;

    /// <summary>A tree whose root is named <paramref name="root"/> (CR3 frame or EP4TA), with its entries in <paramref name="frames"/>' space.</summary>
    /// <param name="root">Name of the root, unique among trees of the same kind.</param>
    /// <param name="levels">4 or 5.</param>
    /// <param name="leaf">Page size of leaves made at first use.</param>
    /// <param name="frames">Where table pages and data pages are allocated.</param>
    /// <param name="upperHalf">Tree that maps addresses with bit 63 set, shared by all processes of one kernel; null if this tree does.</param>
    /// <param name="globalUpperHalf">Leaves of addresses with bit 63 set have G=1.</param>
    /// <exception cref="ConfigurationException">Levels are not 4 or 5, or differ from those of <paramref name="upperHalf"/>.</exception>
    public PageTable(ulong root, int levels, PageSize leaf, FrameAllocator frames, PageTable? upperHalf = null, bool globalUpperHalf = false)
    {
        if (levels is not (4 or 5))
        {
            throw new ConfigurationException($"Page tables have 4 or 5 levels, found {levels}.");
        }

        if (upperHalf is not null && upperHalf.Levels != levels)
        {
            throw new ConfigurationException($"A page table of {levels} levels cannot share an upper half of {upperHalf.Levels} levels.");
        }

        Root = root;
        Levels = levels;
        _leafLevel = (int)leaf + 1;
        _frames = frames;
        _upperHalf = upperHalf;
        _globalUpperHalf = globalUpperHalf;
        AddTable();
    }

    /// <summary>Name of the root.</summary>
    public ulong Root { get; }

    /// <summary>4 or 5.</summary>
    public int Levels { get; }

    /// <summary>The mapping of an address; made now if there is none.</summary>
    public Mapping Map(ulong address)
    {
        Span<ulong> entries = stackalloc ulong[Levels];
        return Map(address, entries);
    }

    /// <summary>Physical address, in the tree's own space, of the 8-byte entry that maps an address at a level from the leaf's to the root's. Maps the address if it is not.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The address has no entry at that level.</exception>
    public ulong EntryAddress(ulong address, int level)
    {
        Span<ulong> entries = stackalloc ulong[Levels];
        Mapping mapping = Map(address, entries);
        ArgumentOutOfRangeException.ThrowIfLessThan(level, (int)mapping.Size + 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(level, Levels);
        return entries[level - 1];
    }

    /// <summary>Gives the page of that size at <paramref name="address"/> a new frame, whatever was mapped there; a larger page around it is split first.</summary>
    public void Set(ulong address, PageSize size)
    {
        PageTable tree = Owner(address);
        int level = (int)size + 1;
        tree.Entry(address, level) = tree.NewLeaf(address, size);
    }

    /// <summary>Unmaps the page of that size at <paramref name="address"/> and all smaller ones inside; a larger page around it is split first. The next use maps a new frame.</summary>
    public void Remove(ulong address, PageSize size) => Owner(address).Entry(address, (int)size + 1) = 0;

    /// <summary>Replaces a 2 MiB or 1 GiB page by 512 pages of the next smaller size on the same memory. Does nothing if the address is mapped smaller, or not at all.</summary>
    public void Split(ulong address)
    {
        PageTable tree = Owner(address);
        int table = 0;
        for (int level = tree.Levels; level > 1; level--)
        {
            ref ulong entry = ref tree._tables[table][Index(address, level)];
            if (entry == 0)
            {
                return;
            }

            if ((entry & Leaf) != 0)
            {
                tree.SplitEntry(ref entry, level);
                return;
            }

            table = TableOf(entry);
        }
    }

    /// <summary>As <see cref="Map(ulong)"/>, and the address of the entry at each level l from the leaf's up in <paramref name="entries"/>[l-1].</summary>
    internal Mapping Map(ulong address, Span<ulong> entries)
    {
        PageTable tree = Owner(address);
        int table = 0;
        for (int level = Levels; ; level--)
        {
            int index = Index(address, level);
            entries[level - 1] = tree._tableAddresses[table] + (8 * (ulong)index);
            ref ulong entry = ref tree._tables[table][index];
            if (entry == 0)
            {
                entry = level <= tree._leafLevel ? tree.NewLeaf(address, (PageSize)(level - 1)) : tree.NewTable();
            }

            if ((entry & Leaf) != 0)
            {
                // The root page is each tree's own; what it points to in the upper half is shared.
                entries[Levels - 1] = _tableAddresses[0] + (8 * (ulong)Index(address, Levels));
                return new Mapping(entry >> 12 << 12, (PageSize)(level - 1), (entry & Global) != 0);
            }

            table = TableOf(entry);
        }
    }

    private static int Index(ulong address, int level) => (int)(address >> (3 + (9 * level))) & 511;

    private static int TableOf(ulong entry) => (int)(entry >> 12);

    /// <summary>The tree that maps the address.</summary>
    internal PageTable Owner(ulong address) => _upperHalf is not null && (address & UpperHalf) != 0 ? _upperHalf : this;

    /// <summary>The entry for an address at a level, with tables made and pages split on the way down.</summary>
    private ref ulong Entry(ulong address, int level)
    {
        int table = 0;
        for (int above = Levels; above > level; above--)
        {
            ref ulong entry = ref _tables[table][Index(address, above)];
            if (entry == 0)
            {
                entry = NewTable();
            }
            else if ((entry & Leaf) != 0)
            {
                SplitEntry(ref entry, above);
            }

            table = TableOf(entry);
        }

        return ref _tables[table][Index(address, level)];
    }

    private void SplitEntry(ref ulong entry, int level)
    {
        ulong leaf = entry;
        ulong step = 1UL << (3 + (9 * (level - 1)));
        int table = AddTable();
        ulong[] entries = _tables[table];
        for (int i = 0; i < entries.Length; i++)
        {
            entries[i] = leaf + ((ulong)i * step);
        }

        entry = ((ulong)table << 12) | Present;
    }

    private ulong NewLeaf(ulong address, PageSize size) =>
        _frames.AllocatePage(size) | Present | Leaf | (_globalUpperHalf && (address & UpperHalf) != 0 ? Global : 0);

    private ulong NewTable() => ((ulong)AddTable() << 12) | Present;

    private int AddTable()
    {
        _tables.Add(new ulong[512]);
        _tableAddresses.Add(_frames.AllocateTable());
        return _tables.Count - 1;
    }
}
