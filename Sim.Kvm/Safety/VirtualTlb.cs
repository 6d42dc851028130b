using Sim.Tlb;

namespace Sim.Kvm;

/// <summary>What one tag of a virtual CPU may hold of one set of tables.</summary>
internal sealed class Holding(Tag tag, PageTable tables)
{
    public Tag Tag { get; } = tag;

    public PageTable Tables { get; } = tables;

    /// <summary>The virtual CPU is in this context, so that it may cache anything of the tables at any moment.</summary>
    public bool IsCurrent { get; private set; }

    /// <summary>It has been in this context since the last invalidation of all of it.</summary>
    public bool IsHeld { get; set; }

    /// <summary>The invalidation that took everything, in words; null if none has.</summary>
    public string? DroppedBy { get; set; }

    /// <summary>Addresses invalidated since it was in this context last.</summary>
    public List<AddressRange> Dropped { get; } = [];

    /// <summary>Old mappings that it may hold.</summary>
    public List<OldMapping> Old { get; } = [];

    /// <summary>The virtual CPU comes into this context.</summary>
    public void Enter()
    {
        IsCurrent = true;
        IsHeld = true;
        Dropped.Clear();
    }

    /// <summary>The virtual CPU leaves this context.</summary>
    public void Leave() => IsCurrent = false;

    /// <summary>True if a translation of the page may be cached. Which of those that the tables had since the last invalidation, nobody can say: vCPUs share shadow pages.</summary>
    public bool MayHold(in AddressRange page)
    {
        if (!IsHeld)
        {
            return false;
        }

        foreach (AddressRange dropped in Dropped)
        {
            if (dropped.Overlaps(page.First, page.Last))
            {
                return false;
            }
        }

        return true;
    }
}

/// <summary>
/// The TLB of the CPU that L1 sees: for each virtual tag the largest set of translations that may be in it. Holdings come from running in a context, and go by the
/// invalidations of SDM vol. 3 (docs/rules.md#intel-invalidations) applied to virtual tags: VPID 0 is L1's own, an L2 has its vpid12, EP4TAs are L1's EPTP12s. Only mappings that
/// have changed are kept one by one.
/// </summary>
internal sealed class VirtualTlb
{
    private readonly Dictionary<(Tag Tag, PageTable Tables), Holding> _byName = [];
    private readonly List<Holding> _all = [];
    private readonly Dictionary<Tag, PageTable> _lastUnder = [];
    private readonly Dictionary<(ushort Pcid, bool Global), (Tag Tag, PageTable Tables)> _lastOfL2 = [];
    private Tag _global;

    /// <summary>All holdings, in order of first use.</summary>
    public IReadOnlyList<Holding> All => _all;

    /// <summary>Holding of addresses with bit 63 clear in the current context.</summary>
    public Holding? Lower { get; private set; }

    /// <summary>Holding of addresses with bit 63 set.</summary>
    public Holding? Upper { get; private set; }

    /// <summary>Holding of guest-physical mappings; null if the context uses no EPT12.</summary>
    public Holding? GuestPhysical { get; private set; }

    /// <summary>The virtual CPU is in this context from now on.</summary>
    /// <param name="tagged">Tag of non-global translations.</param>
    /// <param name="global">Tag of global translations.</param>
    /// <param name="upperIsGlobal">Translations of the upper half are global.</param>
    /// <param name="tables">The tables that CR3 names.</param>
    /// <param name="guestPhysical">Tag of guest-physical mappings.</param>
    /// <param name="ept12">EPT12; null if not used.</param>
    public void Run(in Tag tagged, in Tag global, bool upperIsGlobal, PageTable tables, in Tag guestPhysical, PageTable? ept12)
    {
        foreach (Holding? old in new[] { Lower, Upper, GuestPhysical })
        {
            old?.Leave();
        }

        _global = global;
        Lower = Enter(tagged, tables.Owner(0));
        Upper = Enter(upperIsGlobal ? global : tagged, tables.Owner(ulong.MaxValue));
        GuestPhysical = ept12 is null ? null : Enter(guestPhysical, ept12);
    }

    /// <summary>
    /// Takes note of the tables that run under a tag. True if others ran there last, or under another tag of L2's that hardware may not tell from this one: then L0 has to keep them apart.
    /// </summary>
    /// <param name="tag">Tag of the addresses.</param>
    /// <param name="tables">Their tables.</param>
    /// <param name="isL2">L2 runs.</param>
    /// <param name="byTables">Different EPT12s have different EP4TAs in hardware.</param>
    public bool HandsOn(in Tag tag, PageTable tables, bool isL2, bool byTables)
    {
        bool handsOn = _lastUnder.TryGetValue(tag, out PageTable? last) && last != tables;
        _lastUnder[tag] = tables;
        if (isL2)
        {
            (ushort, bool) key = (tag.Pcid, tag.Global);
            handsOn |= _lastOfL2.TryGetValue(key, out (Tag Tag, PageTable Tables) other) && other.Tables != tables && other.Tag != tag && (!byTables || other.Tag.Ep4ta == tag.Ep4ta);
            _lastOfL2[key] = (tag, tables);
        }

        return handsOn;
    }

    /// <summary>An invalidation at the level of the virtual CPU. <paramref name="byL0"/>: hardware does not carry it out by itself.</summary>
    public void Invalidate(Invalidation invalidation, string what, bool byL0)
    {
        CurrentTag current = Lower is null ? default : new CurrentTag(Lower.Tag.Vpid, Lower.Tag.Pcid, Lower.Tag.Ep4ta);
        for (int i = _all.Count - 1; i >= 0; i--)
        {
            Holding holding = _all[i];
            if (!invalidation.ReachesTranslations(holding.Tag, current))
            {
                continue;
            }

            AddressRange? range = holding.Tag.Kind == MappingKind.GuestPhysical ? invalidation.GuestPhysical : invalidation.Translations;
            for (int o = holding.Old.Count - 1; o >= 0; o--)
            {
                OldMapping old = holding.Old[o];
                if (range is null || range.Value.Overlaps(old.Range.First, old.Range.Last))
                {
                    old.DroppedBy(holding, what, byL0);
                    holding.Old.RemoveAt(o);
                }
            }

            if (holding.IsCurrent)
            {
                continue;
            }

            if (range is null)
            {
                holding.IsHeld = false;
                holding.DroppedBy = what;
                holding.Dropped.Clear();
            }
            else
            {
                holding.Dropped.Add(range.Value);
            }
        }
    }

    /// <summary>
    /// What may hold translations of some tables that can be used for an address now: the current PCID's, and global ones. CR4.PGE says whether global ones are created; that they could only be used
    /// while it is 1, the SDM does not say (vol. 3, 4.10.2.4), and another VPID's or a VM-entry's change of it flushes nothing here.
    /// </summary>
    public (Holding? Tagged, Holding? Global) HoldersOf(PageTable tables, ulong address) =>
        (Find(Lower!.Tag, tables), (long)address < 0 ? Find(_global, tables) : null);

    /// <summary>What a tag may hold of some tables; null if it never was in that context.</summary>
    public Holding? Find(in Tag tag, PageTable tables) => _byName.GetValueOrDefault((tag, tables));

    private Holding Enter(in Tag tag, PageTable tables)
    {
        if (!_byName.TryGetValue((tag, tables), out Holding? holding))
        {
            holding = new Holding(tag, tables);
            _byName.Add((tag, tables), holding);
            _all.Add(holding);
        }

        holding.Enter();
        return holding;
    }
}
