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
    private ulong _unnamed;

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
    /// <param name="eptp12">Root of the walk.</param>
    /// <param name="address">L2's guest-physical address.</param>
    /// <param name="leafLevel">Level of EPT12's mapping: 1 for 4 KiB, 2 for 2 MiB, 3 for 1 GiB.</param>
    /// <param name="tables">Pages of the tables of level 3, 2 and 1.</param>
    public bool Fetch(ulong eptp12, ulong address, int leafLevel, params ReadOnlySpan<ulong> tables)
    {
        Page page = FindOrMake(eptp12 & PageMask, RootLevel, out bool flush);
        for (int level = RootLevel; level > leafLevel; level--)
        {
            page.Writes = 0;
            int index = IndexOf(address, level);
            ulong table = tables[RootLevel - level] & PageMask;
            page.Entries.TryGetValue(index, out Page? child);
            if (child is null || (table != 0 && child.Frame != table))
            {
                Page linked = FindOrMake(table != 0 ? table : Unnamed | ++_unnamed, level - 1, out bool made);
                flush |= made | (linked.IsUnsync && linked.Entries.Count > 0) | Sync(linked, exceptItself: true);
                page.Unlink(index);
                page.Link(index, linked);
                child = linked;
            }

            page = child;
        }

        page.Writes = 0;
        page.Unlink(IndexOf(address, page.Level));
        page.Link(IndexOf(address, page.Level), null);
        return flush;
    }

    /// <summary>
    /// A write of L1 to a page that EPT01 maps read-only. A table above the last level is tracked: the write is emulated and its entry dropped, and a page that is written three
    /// times without being walked is zapped (kvm_mmu_track_write). Else the page becomes writable, and unsync if it shadows a table of the last level. True if every vCPU must flush.
    /// </summary>
    /// <param name="address">L1-physical address written.</param>
    /// <param name="zappedRoot">The page was a root: cached roots of it are obsolete.</param>
    public bool Write(ulong address, out bool zappedRoot)
    {
        ulong frame = address & PageMask;
        zappedRoot = false;
        bool isTracked = false;
        bool flush = false;
        for (int level = RootLevel; level > LastLevel; level--)
        {
            if (!_pages.TryGetValue((frame, level), out Page? page))
            {
                continue;
            }

            isTracked = true;
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

        if (!isTracked)
        {
            _readOnly.Remove(frame);
            if (_pages.TryGetValue((frame, LastLevel), out Page? last))
            {
                last.IsUnsync = true;
            }
        }

        return flush;
    }

    private static int IndexOf(ulong address, int level) => (int)(address >> (12 + (9 * (level - 1)))) & 511;

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
        foreach (Page? child in page.Entries.Values)
        {
            any |= child is not null && Sync(child);
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
        foreach ((int index, Page? child) in page.Entries.ToArray())
        {
            page.Unlink(index);
            if (child is { Parents.Count: 0 })
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

        /// <summary>Present entries; null is a mapping, or a direct page below a large one.</summary>
        public SortedDictionary<int, Page?> Entries { get; } = [];

        public List<(Page Parent, int Index)> Parents { get; } = [];

        /// <summary>write_flooding_count.</summary>
        public int Writes { get; set; }

        public bool IsUnsync { get; set; }

        public void Link(int index, Page? child)
        {
            Entries.Add(index, child);
            child?.Parents.Add((this, index));
        }

        /// <summary>mmu_page_zap_pte: true if the entry was present.</summary>
        public bool Unlink(int index)
        {
            if (!Entries.Remove(index, out Page? child))
            {
                return false;
            }

            child?.Parents.Remove((this, index));
            return true;
        }
    }
}
