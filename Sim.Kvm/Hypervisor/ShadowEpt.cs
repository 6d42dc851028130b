namespace Sim.Kvm;

/// <summary>
/// L0's shadow pages of L1's EPT12 tables (kvm_mmu_page with role.guest_mode under guest_mmu), one set for all vCPUs: which pages of L1's memory are shadowed and therefore
/// read-only in EPT01, which entries of EPT02 are present, and when a change must be flushed on every vCPU (arch/x86/kvm/mmu/mmu.c and paging_tmpl.h, kernel 6.12; the rules are
/// older than every policy here).
/// </summary>
/// <remarks>
/// Frames are L1-physical page addresses; whether EPT01 maps one writable is kept here, as that only changes by shadowing: a page that was never shadowed is writable.
/// What L1 writes into a table of the last level while it is unsync is not in a trace; the entries of such a page are taken for changed when it is linked again.
/// </remarks>
internal sealed class ShadowEpt
{
    private const int RootLevel = 4;
    private const int LastLevel = 1;
    private const int WriteFlood = 3;
    private const ulong PageMask = ~0xFFFUL;
    private const ulong Unnamed = 1UL << 63;

    private readonly Dictionary<(ulong Frame, int Level), Page> _pages = [];
    private readonly HashSet<ulong> _readOnly = [];
    private readonly Dictionary<int, Fault> _faults = [];
    private ulong _unnamed;
    private long _now;

    /// <summary>Shadow pages made so far.</summary>
    public long Made { get; private set; }

    /// <summary>Shadow pages zapped so far.</summary>
    public long Zapped { get; private set; }

    /// <summary>
    /// kvm_mmu_load of the root that shadows <paramref name="eptp12"/>: mmu_alloc_shadow_roots, then kvm_mmu_sync_roots. True if every vCPU must flush, because a table became
    /// read-only in EPT01.
    /// </summary>
    public bool Load(ulong eptp12)
    {
        Page root = FindOrMake(eptp12 & PageMask, RootLevel, out bool flush);
        return Sync(root) | flush;
    }

    /// <summary>
    /// FNAME(fetch) for a fault of L2 that EPT12 allows: links a shadow page for each table on the way, and makes the EPT02 entry. A table whose page is not known (0) is taken for
    /// the one shadowed there already, or for a page that was never shadowed. True if every vCPU must flush.
    /// </summary>
    /// <param name="lane">Physical CPU that handles the fault.</param>
    /// <param name="eptp12">Root of the walk.</param>
    /// <param name="address">L2's guest-physical address.</param>
    /// <param name="leafLevel">Level of EPT12's mapping: 1 for 4 KiB, 2 for 2 MiB, 3 for 1 GiB.</param>
    /// <param name="tables">Pages of the tables of level 3, 2 and 1.</param>
    /// <param name="lostRace">
    /// Another CPU handled a fault on the same entry at the same time and made it first. mmu_set_spte then writes the present, writable entry again without its dirty bit, which every vCPU must
    /// flush (make_spte, mmu_spte_update); it had to wait for the other one, so this comes last before the entry.
    /// </param>
    public bool Fetch(int lane, ulong eptp12, ulong address, int leafLevel, ReadOnlySpan<ulong> tables, out bool lostRace)
    {
        Page page = FindOrMake(eptp12 & PageMask, RootLevel, out bool flush);
        for (int level = RootLevel; level > leafLevel; level--)
        {
            page.Writes = 0;
            int index = IndexOf(address, level);
            ulong table = tables[RootLevel - level] & PageMask;
            Page? child = page.Entries.GetValueOrDefault(index)?.Child;
            if (child is null || (table != 0 && child.Frame != table))
            {
                Page linked = FindOrMake(table != 0 ? table : Unnamed | ++_unnamed, level - 1, out bool isNew);
                flush |= isNew | (linked.IsUnsync && linked.Entries.Count > 0) | Sync(linked, exceptItself: true);
                page.Unlink(index);
                page.Link(index, linked, lane);
                child = linked;
            }

            page = child;
        }

        page.Writes = 0;
        int leaf = IndexOf(address, page.Level);
        Fault fault = FaultOf(lane);
        lostRace = page.Entries.TryGetValue(leaf, out Entry? before) && before.Lane != lane && before.Handled > fault.Left;
        page.Unlink(leaf);
        fault.Made = page.Link(leaf, null, lane);
        return flush;
    }

    /// <summary>A guest leaves the physical CPU.</summary>
    public void Left(int lane) => FaultOf(lane).Left = ++_now;

    /// <summary>The physical CPU has handled the exit, and enters a guest.</summary>
    public void Handled(int lane)
    {
        Fault fault = FaultOf(lane);
        if (fault.Made is { } made)
        {
            made.Handled = ++_now;
            fault.Made = null;
        }
    }

    /// <summary>
    /// An emulated write of L1 to a page that EPT01 maps read-only. The entry of a table above the last level is dropped, and a page that is written three times without being
    /// walked is zapped (kvm_mmu_track_write). True if every vCPU must flush.
    /// </summary>
    /// <param name="address">L1-physical address written.</param>
    /// <param name="zappedRoot">The page was a root: cached roots of it are obsolete.</param>
    public bool Write(ulong address, out bool zappedRoot)
    {
        ulong frame = address & PageMask;
        zappedRoot = false;
        bool flush = false;
        for (int level = RootLevel; level > LastLevel; level--)
        {
            if (!_pages.TryGetValue((frame, level), out Page? page))
            {
                continue;
            }

            if (++page.Writes >= WriteFlood)
            {
                Zap(page);
                zappedRoot |= level == RootLevel;
                flush = true;
            }
            else
            {
                flush |= page.Unlink((int)(address & ~PageMask) / sizeof(ulong));
            }
        }

        return flush;
    }

    /// <summary>
    /// A write of L1 to a page that EPT01 maps read-only is run again instead of emulated: the page becomes writable, and unsync if it shadows a table of the last level
    /// (mmu_try_to_unsync_pages). A table above that stays read-only: there a locked compare-and-exchange lost a race.
    /// </summary>
    public void Permit(ulong address)
    {
        ulong frame = address & PageMask;
        for (int level = RootLevel; level > LastLevel; level--)
        {
            if (_pages.ContainsKey((frame, level)))
            {
                return;
            }
        }

        _readOnly.Remove(frame);
        if (_pages.TryGetValue((frame, LastLevel), out Page? last))
        {
            last.IsUnsync = true;
        }
    }

    /// <summary>
    /// A fault of L2 at a present entry of EPT02 is told to L1, and the kernel invalidates the address first: FNAME(invlpg) zaps the entry if its page is unsync. True if every vCPU must flush.
    /// </summary>
    public bool Withheld(ulong eptp12, ulong address)
    {
        Page? page = _pages.GetValueOrDefault((eptp12 & PageMask, RootLevel));
        for (int level = RootLevel; level > LastLevel && page is not null; level--)
        {
            page = page.Entries.GetValueOrDefault(IndexOf(address, level))?.Child;
        }

        return page is { Level: LastLevel, IsUnsync: true } && page.Unlink(IndexOf(address, LastLevel));
    }

    /// <summary>A table above the last level is shadowed in this page of L1's memory (kvm_gfn_is_write_tracked).</summary>
    public bool IsTracked(ulong address)
    {
        for (int level = RootLevel; level > LastLevel; level--)
        {
            if (_pages.ContainsKey((address & PageMask, level)))
            {
                return true;
            }
        }

        return false;
    }

    private static int IndexOf(ulong address, int level) => (int)(address >> (12 + (9 * (level - 1)))) & 511;

    private Fault FaultOf(int lane)
    {
        if (!_faults.TryGetValue(lane, out Fault? fault))
        {
            _faults.Add(lane, fault = new Fault());
        }

        return fault;
    }

    /// <summary>kvm_mmu_get_shadow_page: a new page makes the table read-only in EPT01 (account_shadowed), which must be flushed if it was writable.</summary>
    private Page FindOrMake(ulong frame, int level, out bool flush)
    {
        flush = false;
        if (_pages.TryGetValue((frame, level), out Page? page))
        {
            page.Writes = 0;
            return page;
        }

        page = new Page(frame, level);
        _pages.Add((frame, level), page);
        Made++;
        flush = _readOnly.Add(frame);
        return page;
    }

    /// <summary>mmu_sync_children: unsync tables below are made read-only again, and synchronised. True if there was one.</summary>
    private bool Sync(Page page, bool exceptItself = false)
    {
        bool any = false;
        foreach (Entry entry in page.Entries.Values)
        {
            any |= entry.Child is { } child && Sync(child);
        }

        if (page.IsUnsync && !exceptItself)
        {
            page.IsUnsync = false;
            any |= _readOnly.Add(page.Frame);
        }

        return any;
    }

    /// <summary>kvm_mmu_prepare_zap_page: also zaps children that nobody else links. EPT01's mapping of the table stays read-only until L1 writes to it.</summary>
    private void Zap(Page page)
    {
        _pages.Remove((page.Frame, page.Level));
        Zapped++;
        foreach ((int index, Entry entry) in page.Entries.ToArray())
        {
            page.Unlink(index);
            if (entry.Child is { Parents.Count: 0 } child)
            {
                Zap(child);
            }
        }

        foreach ((Page parent, int index) in page.Parents.ToArray())
        {
            parent.Unlink(index);
        }
    }

    /// <summary>One shadow page.</summary>
    private sealed class Page(ulong frame, int level)
    {
        public ulong Frame { get; } = frame;

        public int Level { get; } = level;

        /// <summary>Present entries.</summary>
        public SortedDictionary<int, Entry> Entries { get; } = [];

        public List<(Page Parent, int Index)> Parents { get; } = [];

        /// <summary>write_flooding_count.</summary>
        public int Writes { get; set; }

        public bool IsUnsync { get; set; }

        public Entry Link(int index, Page? child, int lane)
        {
            Entry entry = new(child, lane);
            Entries.Add(index, entry);
            child?.Parents.Add((this, index));
            return entry;
        }

        /// <summary>mmu_page_zap_pte: true if the entry was present.</summary>
        public bool Unlink(int index)
        {
            if (!Entries.Remove(index, out Entry? entry))
            {
                return false;
            }

            entry.Child?.Parents.Remove((this, index));
            return true;
        }
    }

    /// <summary>A present entry: of a shadow page, or a mapping (or a direct page below a large one) if that is null.</summary>
    private sealed class Entry(Page? child, int lane)
    {
        public Page? Child { get; } = child;

        /// <summary>Physical CPU whose fault made it.</summary>
        public int Lane { get; } = lane;

        /// <summary>When that CPU entered a guest again.</summary>
        public long Handled { get; set; } = long.MaxValue;
    }

    /// <summary>What a physical CPU handles: since when, and the entry that it made.</summary>
    private sealed class Fault
    {
        public long Left { get; set; }

        public Entry? Made { get; set; }
    }
}
