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
    private const ulong ReadOnly = 8;
    private const int SizeBit = 4;
    private const ulong SizeBits = 3UL << SizeBit;
    private const ulong UpperHalf = 1UL << 63;
    private readonly List<ulong[]> _tables = [];
    private readonly List<ulong> _tableAddresses = [];
    private readonly FrameAllocator _frames;
    private readonly PageTable? _upperHalf;
    private readonly bool _globalUpperHalf;
    private readonly int _leafLevel;
    private readonly Func<ulong, Mapping>? _source;
    private readonly Func<ulong, PageSize?>? _told;

    /// <summary>A tree whose root is named <paramref name="root"/> (CR3 frame or EP4TA), with its entries in <paramref name="frames"/>' space.</summary>
    /// <param name="root">Name of the root, unique among trees of the same kind.</param>
    /// <param name="levels">4 or 5.</param>
    /// <param name="leaf">Page size of leaves made at first use.</param>
    /// <param name="frames">Where table pages and data pages are allocated.</param>
    /// <param name="upperHalf">Tree that maps addresses with bit 63 set, shared by all processes of one kernel; null if this tree does.</param>
    /// <param name="globalUpperHalf">Leaves of addresses with bit 63 set have G=1.</param>
    /// <param name="source">
    /// For a tree that a hypervisor derives from others: what they map an address to. A leaf made at first use says that, in a page no larger than theirs; null
    /// if a fresh page of <paramref name="frames"/> is mapped instead.
    /// </param>
    /// <param name="told">Size of the leaf to make at an address's first use, where something else tells it than <paramref name="leaf"/>; null if nothing does.</param>
    /// <exception cref="ConfigurationException">Levels are not 4 or 5, or differ from those of <paramref name="upperHalf"/>.</exception>
    public PageTable(
        ulong root, int levels, PageSize leaf, FrameAllocator frames, PageTable? upperHalf = null, bool globalUpperHalf = false, Func<ulong, Mapping>? source = null, Func<ulong, PageSize?>? told = null)
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
        _source = source;
        _told = told;
        AddTable();
    }

    /// <summary>Name of the root.</summary>
    public ulong Root { get; }

    /// <summary>4 or 5.</summary>
    public int Levels { get; }

    /// <summary>Leaves made at first use so far, this tree's own only.</summary>
    public long LeavesMade { get; private set; }

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
        tree.Entry(address, level) = tree.FreshLeaf(address, size);
    }

    /// <summary>
    /// Sees to it that the page at <paramref name="address"/> is no larger than <paramref name="size"/>: if it is not mapped, maps it in that size (or smaller, beside smaller ones), to
    /// a frame that pages of size <paramref name="mappedBy"/> map in the next address space; splits a larger page around it.
    /// </summary>
    public void Tell(ulong address, PageSize size, PageSize? mappedBy)
    {
        PageTable tree = Owner(address);
        if (!tree.TryFind(address, out Mapping mapping))
        {
            while (size > PageSize.Size4K && tree.HasTable(address, (int)size))
            {
                size--;
            }

            tree.LeavesMade++;
            tree.Entry(address, (int)size + 1) = tree.LeafOf(address, new Mapping(tree._frames.AllocatePage(size, mappedBy), size, false));
            return;
        }

        for (PageSize now = mapping.Size; now > size; now--)
        {
            tree.Split(address);
        }
    }

    /// <summary>Makes the entry for the page of the mapping's size at <paramref name="address"/> say what the mapping says; a larger page around it is split first.</summary>
    public void Set(ulong address, in Mapping mapping)
    {
        PageTable tree = Owner(address);
        tree.Entry(address, (int)mapping.Size + 1) = tree.LeafOf(address, mapping);
    }

    /// <summary>Sets or clears W in every entry inside the page of that size at <paramref name="address"/>; a larger page around it is split first. Addresses not mapped stay so.</summary>
    public void SetReadOnly(ulong address, PageSize size, bool readOnly)
    {
        foreach ((ulong at, Mapping mapping) in Leaves(address, size))
        {
            Set(at, mapping with { ReadOnly = readOnly });
        }
    }

    /// <summary>
    /// Unmaps the page of that size at <paramref name="address"/> and all smaller ones inside; a larger page around it is split first. The next use maps a new frame. Where nothing is mapped
    /// nothing changes: there are no tables afterwards that were not there, so that the next use may map a larger page.
    /// </summary>
    public void Remove(ulong address, PageSize size)
    {
        PageTable tree = Owner(address);
        int table = 0;
        for (int level = Levels; ; level--)
        {
            ref ulong entry = ref tree._tables[table][Index(address, level)];
            if (level == (int)size + 1 || entry == 0)
            {
                entry = 0;
                return;
            }

            if ((entry & Leaf) != 0)
            {
                tree.SplitEntry(ref entry, level);
            }

            table = TableOf(entry);
        }
    }

    /// <summary>The mapping of an address, if there is one; makes none.</summary>
    public bool TryFind(ulong address, out Mapping mapping)
    {
        PageTable tree = Owner(address);
        int table = 0;
        for (int level = Levels; level > 0; level--)
        {
            ulong entry = tree._tables[table][Index(address, level)];
            if ((entry & Leaf) != 0)
            {
                mapping = MappingOf(entry, level);
                return true;
            }

            if (entry == 0)
            {
                break;
            }

            table = TableOf(entry);
        }

        mapping = default;
        return false;
    }

    /// <summary>What is mapped inside the page of that size at <paramref name="address"/>: each page with its first address, in order; one piece of that size if a larger page is around it.</summary>
    public IReadOnlyList<(ulong Address, Mapping Mapping)> Leaves(ulong address, PageSize size)
    {
        PageTable tree = Owner(address);
        ulong first = address & ~((1UL << EntryKey.Shift(size)) - 1);
        List<(ulong, Mapping)> leaves = [];
        int table = 0;
        for (int level = tree.Levels; level > 0; level--)
        {
            ulong entry = tree._tables[table][Index(address, level)];
            if (level == (int)size + 1 || entry == 0)
            {
                tree.AddLeaves(leaves, entry, level, first);
                break;
            }

            if ((entry & Leaf) != 0)
            {
                Mapping whole = MappingOf(entry, level);
                leaves.Add((first, whole with { Frame = whole.At(first), Size = size }));
                break;
            }

            table = TableOf(entry);
        }

        return leaves;
    }

    /// <summary>True if there is a table of entries of that level (1 for 4 KiB pages) for the address.</summary>
    public bool HasTable(ulong address, int level)
    {
        PageTable tree = Owner(address);
        int table = 0;
        for (int above = tree.Levels; above > level; above--)
        {
            ulong entry = tree._tables[table][Index(address, above)];
            if (entry == 0 || (entry & Leaf) != 0)
            {
                return false;
            }

            table = TableOf(entry);
        }

        return true;
    }

    /// <summary>Unmaps every page of this tree (not of its shared upper half) that has a physical address of the range.</summary>
    /// <returns>Pages unmapped.</returns>
    public int RemoveFrames(in AddressRange frames)
    {
        int removed = 0;
        foreach (ulong[] table in _tables)
        {
            for (int i = NextUsed(table, 0); i < table.Length; i = NextUsed(table, i + 1))
            {
                ulong entry = table[i];
                if ((entry & Leaf) != 0)
                {
                    Mapping leaf = MappingOf(entry, SizeLevel(entry));
                    if (frames.Overlaps(leaf.Frame, leaf.Frame + leaf.Bytes - 1))
                    {
                        table[i] = 0;
                        removed++;
                    }
                }
            }
        }

        return removed;
    }

    /// <summary>The first entry from <paramref name="from"/> on that is not 0; the table's length if there is none.</summary>
    private static int NextUsed(ulong[] table, int from)
    {
        int next = table.AsSpan(from).IndexOfAnyExcept(0UL);
        return next < 0 ? table.Length : from + next;
    }

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
                entry = level <= tree.LeafLevelAt(address) ? tree.FirstUse(address, level) : tree.NewTable();
            }

            if ((entry & Leaf) != 0)
            {
                // The root page is each tree's own; what it points to in the upper half is shared.
                entries[Levels - 1] = _tableAddresses[0] + (8 * (ulong)Index(address, Levels));
                return MappingOf(entry, level);
            }

            table = TableOf(entry);
        }
    }

    private static int Index(ulong address, int level) => (int)(address >> (3 + (9 * level))) & 511;

    private static int TableOf(ulong entry) => (int)(entry >> 12);

    /// <summary>The tree that maps the address: this one, or the upper half that it shares.</summary>
    public PageTable Owner(ulong address) => _upperHalf is not null && (address & UpperHalf) != 0 ? _upperHalf : this;

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
            entries[i] = (leaf & ~SizeBits) + ((ulong)i * step) + ((ulong)(level - 2) << SizeBit);
        }

        entry = ((ulong)table << 12) | Present;
    }

    /// <summary>The entry at a level for an address that has none: a leaf, or a table if the trees this one is derived from map it in smaller pages.</summary>
    private ulong FirstUse(ulong address, int level)
    {
        PageSize size = (PageSize)(level - 1);
        if (_source is null)
        {
            LeavesMade++;
            return FreshLeaf(address, size);
        }

        Mapping mapping = _source(address);
        if (mapping.Size < size)
        {
            return NewTable();
        }

        LeavesMade++;
        ulong bytes = 1UL << EntryKey.Shift(size);
        return LeafOf(address, mapping with { Frame = mapping.At(address) & ~(bytes - 1), Size = size });
    }

    private int LeafLevelAt(ulong address) => _told?.Invoke(address) is { } told ? (int)told + 1 : _leafLevel;

    // What nothing tells of the next address space is told of this one: the page that maps an L2's memory for L1 is mapped likewise for L0.
    private ulong FreshLeaf(ulong address, PageSize size) => LeafOf(address, new Mapping(_frames.AllocatePage(size, _told?.Invoke(address)), size, false));

    private ulong LeafOf(ulong address, in Mapping mapping) =>
        mapping.Frame | Present | Leaf | (mapping.ReadOnly ? ReadOnly : 0) | ((ulong)mapping.Size << SizeBit) | (_globalUpperHalf && (address & UpperHalf) != 0 ? Global : 0);

    private static Mapping MappingOf(ulong entry, int level) => new(entry >> 12 << 12, (PageSize)(level - 1), (entry & Global) != 0, (entry & ReadOnly) != 0);

    private static int SizeLevel(ulong entry) => (int)((entry & SizeBits) >> SizeBit) + 1;

    private void AddLeaves(List<(ulong, Mapping)> leaves, ulong entry, int level, ulong address)
    {
        if ((entry & Leaf) != 0)
        {
            leaves.Add((address, MappingOf(entry, level)));
        }
        else if (entry != 0)
        {
            ulong[] below = _tables[TableOf(entry)];
            for (int i = 0; i < below.Length; i++)
            {
                if (below[i] != 0)
                {
                    AddLeaves(leaves, below[i], level - 1, address + ((ulong)i << EntryKey.Shift((PageSize)(level - 2))));
                }
            }
        }
    }

    private ulong NewTable() => ((ulong)AddTable() << 12) | Present;

    private int AddTable()
    {
        _tables.Add(new ulong[512]);
        _tableAddresses.Add(_frames.AllocateTable());
        return _tables.Count - 1;
    }
}
