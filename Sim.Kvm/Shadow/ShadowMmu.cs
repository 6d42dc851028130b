using Sim.Core.Profiles;
using Sim.Core.Stats;
using Sim.Tlb;

namespace Sim.Kvm;

/// <summary>
/// L0's shadows of guests' paging structures (docs/rules.md#shadow-mmu): page tables without EPT, EPT02 of EPT12. Says which shadow pages are unsync - the guest writes the last-level
/// table they shadow without an exit, so they may be older than it - and brings them up to date.
/// </summary>
/// <remarks>
/// Shadow entries live in the tree that hardware walks; here is only what such a tree is behind with. A shadow page is the last-level table for one 2 MiB region of that
/// tree, so its role (L1 or L2, which root) is the tree's.
/// </remarks>
internal sealed class ShadowMmu
{
    private readonly MachineSpec _spec;
    private readonly KernelRules _rules;
    private readonly AddressSpaces _spaces;
    private readonly Dictionary<PageTable, SortedDictionary<ulong, SortedSet<ulong>>> _unsync = [];
    private int _unknownUnsync;
    private long _writeFaults;
    private long _unsynced;
    private long _synced;
    private long _changed;
    private long _zapped;

    public ShadowMmu(MachineSpec spec, KernelRules rules, AddressSpaces spaces)
    {
        _spec = spec;
        _rules = rules;
        _spaces = spaces;
    }

    /// <summary>kvm_flush_remote_tlbs of the machine, on behalf of who runs on a lane.</summary>
    public Action<Lane, Reason>? FlushRemote { get; set; }

    /// <summary>True if a guest's write to the entry of that page size for an address exits: its table is shadowed and write-protected.</summary>
    public bool Protects(PageTable guest, ulong address, PageSize size) =>
        _spaces.ShadowOf(guest.Owner(address)) is { } shadow && shadow.HasTable(address, (int)size + 1) && !(size == PageSize.Size4K && Unsync(shadow).ContainsKey(PageOf(address)));

    /// <summary>
    /// The guest wrote the entry of that page size for an address; its own table says so already. A last-level shadow page becomes unsync, a higher one is fixed at once:
    /// what it led to is zapped.
    /// </summary>
    public void Written(Lane lane, PageTable guest, ulong address, PageSize size)
    {
        if (_spaces.ShadowOf(guest.Owner(address)) is not { } shadow || !shadow.HasTable(address, (int)size + 1))
        {
            return;
        }

        SortedDictionary<ulong, SortedSet<ulong>> unsync = Unsync(shadow);
        ulong page = PageOf(address);
        if (size == PageSize.Size4K)
        {
            if (!unsync.TryGetValue(page, out SortedSet<ulong>? old))
            {
                _writeFaults++;
                _unsynced++;
                unsync.Add(page, old = []);
            }

            if (shadow.TryFind(address, out _))
            {
                old.Add(address & ~0xFFFUL);
            }

            return;
        }

        _writeFaults++;
        ulong last = PageOf(address | ((1UL << ShiftOf(size)) - 1));
        foreach (ulong inside in unsync.Keys.Where(key => key >= PageOf(address & ~((1UL << ShiftOf(size)) - 1)) && key <= last).ToArray())
        {
            unsync.Remove(inside);
        }

        int zapped = shadow.Leaves(address, size).Count;
        shadow.Remove(address, size);
        _zapped += zapped;
        if (zapped > 0)
        {
            FlushRemote!(lane, new Reason("guest", "table_write"));
        }
    }

    /// <summary>A last-level shadow page of an L2's tables became unsync; which one is not known, so that the next sync of a root of L2 meets it.</summary>
    public void WriteUnknown()
    {
        _unknownUnsync++;
        _writeFaults++;
        _unsynced++;
    }

    /// <summary>kvm_mmu_sync_roots: brings every unsync shadow page under a root up to date, and pays for it.</summary>
    /// <remarks>
    /// mmu_sync_children makes the guest's tables read-only again, which flushes every vCPU if they were writable: an unsync one is, for the guest wrote it (5.15.85, 6.12 alike). KVM does that before it
    /// compares the entries and, since 5.16, once more after; one flush after stands for both.
    /// </remarks>
    public void Sync(Lane lane, PageTable root, bool isOfL2, Reason reason)
    {
        int synced = isOfL2 ? _unknownUnsync : 0;
        _unknownUnsync -= synced;
        lane.HypervisorCycles += (long)synced * _spec.Profile.Costs.KvmSyncPage;
        foreach (PageTable tree in new[] { root.Owner(0), root.Owner(ulong.MaxValue) }.Distinct())
        {
            if (!_unsync.TryGetValue(tree, out SortedDictionary<ulong, SortedSet<ulong>>? unsync))
            {
                continue;
            }

            synced += unsync.Count;
            lane.HypervisorCycles += (long)unsync.Count * _spec.Profile.Costs.KvmSyncPage;
            foreach (ulong address in unsync.Values.SelectMany(old => old))
            {
                Refresh(tree, address);
            }

            unsync.Clear();
        }

        _synced += synced;
        if (synced > 0 && _rules.SyncFlushes)
        {
            FlushRemote!(lane, reason with { Rule = "sync" });
        }
    }

    /// <summary>kvm_mmu_invalidate_addr: brings one entry under some roots up to date.</summary>
    public void SyncAddress(Lane lane, IEnumerable<PageTable> roots, ulong address, Reason reason)
    {
        bool changed = false;
        foreach (PageTable tree in roots.Select(root => root.Owner(address)).Distinct())
        {
            if (Unsync(tree).TryGetValue(PageOf(address), out SortedSet<ulong>? old) && old.Remove(address & ~0xFFFUL))
            {
                changed |= Refresh(tree, address);
            }
        }

        if (changed && _rules.SyncFlushes)
        {
            FlushRemote!(lane, reason with { Rule = "sync" });
        }
    }

    /// <summary>True if there is an unsync shadow page under a root.</summary>
    public bool HasUnsync(PageTable root) => Unsync(root.Owner(0)).Count + Unsync(root.Owner(ulong.MaxValue)).Count > 0;

    /// <summary>Adds the counters.</summary>
    public void Collect(StatSheet sheet)
    {
        sheet.Counter(StatNames.MmuWriteFaults, "events", "Guest writes to write-protected paging structures.", _writeFaults);
        sheet.Counter(StatNames.MmuUnsyncPages, "pages", "Shadow pages that became unsync.", _unsynced);
        sheet.Counter(StatNames.MmuSyncedPages, "pages", "Unsync shadow pages that were compared with the guest's table, 512 entries each.", _synced);
        sheet.Counter(StatNames.MmuSyncedEntries, "entries", "Shadow entries that a sync changed.", _changed);
        sheet.Counter(StatNames.MmuZappedEntries, "entries", "Shadow entries zapped because a higher-level table was written or the host unmapped their page.", _zapped);
    }

    /// <summary>Takes note that the host's unmapping zapped shadow entries.</summary>
    public void CountZapped(int entries) => _zapped += entries;

    /// <summary>Makes one shadow entry say what its sources say; true if its frame changed or it lost a right.</summary>
    private bool Refresh(PageTable tree, ulong address)
    {
        if (!tree.TryFind(address, out Mapping old))
        {
            return false;
        }

        if (!_spaces.TryFindSource(tree, address, out Mapping now))
        {
            tree.Remove(address, PageSize.Size4K);
            _changed++;
            return true;
        }

        ulong frame = now.At(address) & ~0xFFFUL;
        if (frame == (old.At(address) & ~0xFFFUL) && now.ReadOnly == old.ReadOnly)
        {
            return false;
        }

        tree.Set(address, new Mapping(frame, PageSize.Size4K, old.Global, now.ReadOnly));
        _changed++;
        return frame != (old.At(address) & ~0xFFFUL) || now.ReadOnly;
    }

    private SortedDictionary<ulong, SortedSet<ulong>> Unsync(PageTable shadow)
    {
        if (!_unsync.TryGetValue(shadow, out SortedDictionary<ulong, SortedSet<ulong>>? pages))
        {
            pages = [];
            _unsync.Add(shadow, pages);
        }

        return pages;
    }

    private static ulong PageOf(ulong address) => address >> 21;

    private static int ShiftOf(PageSize size) => 12 + (9 * (int)size);
}
