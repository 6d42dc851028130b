using System.Numerics;

using Sim.Core.Profiles;

namespace Sim.Tlb.Tests.Reference;

/// <summary>
/// The reference model of <see cref="Mmu"/>: lists, no fast paths, written from the rules (docs/rules.md#hardware, the profile's and Mmu's remarks). It shares
/// with the library the page tables, and the names of statistics. Replacement rules lru and fifo.
/// </summary>
internal sealed class NaiveMmu
{
    private static readonly PageSize[] Sizes = [PageSize.Size4K, PageSize.Size2M, PageSize.Size1G];
    private static readonly string[] SideNames = ["load", "store", "fetch"];

    private readonly CpuProfile _profile;
    private readonly FlushCauses _causes;
    private readonly NaiveArray[] _first;
    private readonly NaiveArray[] _second;
    private readonly NaiveWalker _walker;
    private readonly NaiveAttribution? _attribution;
    private readonly NaiveCounts _counts = new();
    private readonly List<int> _recentVpids = [];
    private readonly Dictionary<int, List<int>> _recentPcids = [];
    private readonly Dictionary<(int Side, bool UpperHalf), (PageSize Size, NaiveTag Tag)> _served = [];
    private TranslationContext? _context;

    public NaiveMmu(CpuProfile profile, FlushCauses causes, MmuOptions options)
    {
        _profile = profile;
        _causes = causes;
        _first = profile.FirstLevel.Select(structure => new NaiveArray(structure)).ToArray();
        _second = profile.SecondLevel.Select(structure => new NaiveArray(structure)).ToArray();
        _walker = new NaiveWalker(profile, options.PagingStructureCaches, _counts);
        _attribution = options.Attribution ? new NaiveAttribution(_second) : null;
    }

    private TranslationContext Now => _context!;

    private ulong Ep4ta => Now.Nested is null || _profile.Vendor == Vendor.Amd ? 0 : Now.Nested.Root & 0x000F_FFFF_FFFF_F000;

    private MappingKind Kind => Now.Nested is null ? MappingKind.Linear : MappingKind.Combined;

    private NaiveTag Tag => new(Kind, Now.Vpid, Now.Pcid, false, Ep4ta);

    private NaiveTag GlobalTag => new(Kind, Now.Vpid, 0, true, Ep4ta);

    private NaiveTag GuestPhysicalTag => new(MappingKind.GuestPhysical, _profile.Vendor == Vendor.Amd ? Now.Vpid : 0, 0, false, Ep4ta);

    public void SwitchTo(TranslationContext context, int cause)
    {
        if (!ReferenceEquals(context, _context))
        {
            _served.Clear();
        }

        _context = context;
        MakeMostRecent(_recentVpids, context.Vpid);
        _recentPcids.TryAdd(context.Vpid, []);
        MakeMostRecent(_recentPcids[context.Vpid], context.Pcid);
        foreach (NaiveArray array in _first.Concat(_second))
        {
            // What an inclusive second level forgets the first level may not keep.
            TlbStructure[] limits = _profile.SecondLevelIsInclusive && _first.Contains(array) ? [array.Structure, .. _profile.SecondLevel] : [array.Structure];
            int vpids = limits.Min(limit => Math.Max(limit.KeptVpids ?? int.MaxValue, 1));
            int pcids = limits.Min(limit => Math.Max(limit.KeptPcids ?? int.MaxValue, 1));
            Drop(array, cause, entry => _recentVpids.IndexOf(entry.Tag.Vpid) >= vpids || (!entry.Tag.Global && _recentPcids[entry.Tag.Vpid].IndexOf(entry.Tag.Pcid) >= pcids));
        }
    }

    /// <summary>One record of a trace: <paramref name="repeat"/> references of which the first may miss.</summary>
    public ulong Access(ulong address, int side, uint repeat)
    {
        string level = $"{{level={Now.Level}}}";
        _counts.Add($"accesses{{level={Now.Level},side={SideNames[side]}}}", repeat);
        _counts.Add($"l1.hits{level}", repeat - 1);
        if (HitsFirstLevel(address, side))
        {
            _counts.Add($"l1.hits{level}", 1);
            return 0;
        }

        _counts.Add($"l1.misses{level}", 1);
        ulong cycles = (ulong)_profile.SecondLevelHitCycles;
        if (FindInSecondLevel(address, side) is { } found)
        {
            _counts.Add($"stlb.hits{level}", 1);
            FillFirst(address, side, found.Size, found.Entry.Tag, found.Entry.MappedLog2, found.Entry.Space);
        }
        else
        {
            cycles += Walk(address, side);
            _counts.Add($"stlb.misses{level}", 1);
            _counts.Add($"walk_cycles{level}", (long)cycles);
        }

        if (repeat > 1)
        {
            Assert.That(HitsFirstLevel(address, side), Is.True, "the second reference of a run hits");
        }

        _counts.Add($"stall_cycles{level}", (long)cycles);
        return cycles;
    }

    public int Apply(Invalidation invalidation, int cause)
    {
        _counts.Add($"invalidations{{{Label(cause)}}}", 1);
        NaiveTag now = _context is null ? default : Tag;
        bool Goes(NaiveEntry entry) => NaiveRules.Goes(invalidation, entry, now, _profile.Precision == InvalidationPrecision.Coarse);
        int dropped = _first.Concat(_second).Sum(array => Drop(array, cause, Goes));
        foreach ((string name, NaiveLru<NaiveEntry> entries) in _walker.Structures)
        {
            int here = entries.Drop(Goes);
            _counts.Add($"{name}.invalidated{{{Label(cause)}}}", here);
            dropped += here;
        }

        return dropped;
    }

    /// <summary>All statistics that are not 0, by key without the lane's name.</summary>
    public SortedDictionary<string, long> Collect()
    {
        SortedDictionary<string, long> all = new(StringComparer.Ordinal);
        foreach ((string name, long value) in _counts.All)
        {
            all.Add(name, value);
        }

        foreach (NaiveArray array in _first.Concat(_second))
        {
            all.Add($"{array.Structure.Name}.live", array.Live);
        }

        foreach ((string name, NaiveLru<NaiveEntry> entries) in _walker.Structures)
        {
            all.Add($"{name}.live", entries.Live);
            all.Add($"{name}.fills", entries.Fills);
            all.Add($"{name}.evictions", entries.Evictions);
        }

        foreach (string zero in all.Where(pair => pair.Value == 0).Select(pair => pair.Key).ToArray())
        {
            all.Remove(zero);
        }

        return all;
    }

    /// <summary>Kinds of entries that may translate an address now, small ones first, the PCID's own before global ones. Without CR4.PGE there are no global ones.</summary>
    private IEnumerable<(PageSize Size, NaiveTag Tag)> Probes
    {
        get
        {
            NaiveTag[] tags = Now.GlobalPages ? [Tag, GlobalTag] : [Tag];
            return Sizes.SelectMany(size => tags.Select(tag => (size, tag)));
        }
    }

    /// <summary>
    /// Where tables have changed, entries of several sizes may cover one address, and the SDM leaves open which one is used. The Mmu's choice: one like that which served the last
    /// access of the same side and half of the address space in this context (at first a 4K one of the PCID), else in the order of the probes.
    /// </summary>
    private bool HitsFirstLevel(ulong address, int side)
    {
        (int, bool) use = (side, address >> 63 != 0);
        (PageSize Size, NaiveTag Tag) favourite = _served.GetValueOrDefault(use, (PageSize.Size4K, Tag));
        foreach ((PageSize Size, NaiveTag Tag) probe in Probes.Prepend(favourite))
        {
            if (_first.SingleOrDefault(array => array.Serves(side, probe.Size))?.Lookup(probe.Tag, probe.Size, address) is not null)
            {
                _served[use] = probe;
                return true;
            }
        }

        return false;
    }

    private (NaiveEntry Entry, PageSize Size)? FindInSecondLevel(ulong address, int side)
    {
        foreach ((PageSize size, NaiveTag tag) in Probes)
        {
            NaiveArray? home = SecondHome(side, size, address);
            if (home?.Lookup(tag, size, address) is { } entry)
            {
                _attribution?.Asked(home, entry);
                return (entry, size);
            }
        }

        return null;
    }

    private ulong Walk(ulong address, int side)
    {
        (PageSize size, PageSize mapped, bool global, ulong references) = _walker.Walk(Now, Tag, GuestPhysicalTag, address);
        ulong cycles = references + (ulong)_profile.WalkStartCycles;
        NaiveTag tag = global && Now.GlobalPages ? GlobalTag : Tag;
        (PageTable, PageTable?) space = (Now.Guest.Owner(address), Now.Nested);
        PageSize firstSize = HeldAs(_first, side, size);
        PageSize lastSize = _second.Length == 0 ? firstSize : HeldAs(_second, side, size);
        if (_attribution is not null)
        {
            string cause = _attribution.Cause(space, address, lastSize, firstSize);
            _counts.Add($"walks.{cause}", 1);
            _counts.Add($"walk_cycles.{cause}", (long)cycles + _profile.SecondLevelHitCycles);
        }

        int mappedLog2 = NaiveEntry.Log2Of(mapped);
        if (_second.Length != 0)
        {
            FillSecond(SecondHome(side, lastSize, address)!, new NaiveEntry(tag, NaiveEntry.Log2Of(lastSize), address) { MappedLog2 = mappedLog2, Space = space });
        }

        FillFirst(address, side, size, tag, mappedLog2, space);
        return cycles;
    }

    private void FillSecond(NaiveArray home, NaiveEntry entry)
    {
        _attribution?.Asked(home, entry);
        if (Fill(home, entry) is not { } evicted)
        {
            return;
        }

        _attribution?.EvictedFromSecondLevel(home, evicted);
        foreach (NaiveArray array in _profile.SecondLevelIsInclusive ? _first : [])
        {
            int copies = array.Drop(copy => copy.Tag == evicted.Tag && copy.First <= evicted.Last && evicted.First <= copy.Last).Count;
            _counts.Add($"{array.Structure.Name}.evictions", copies);
        }
    }

    private void FillFirst(ulong address, int side, PageSize size, NaiveTag tag, int mappedLog2, (PageTable, PageTable?) space)
    {
        PageSize held = HeldAs(_first, side, size);
        NaiveArray home = _first.Single(array => array.Serves(side, held));
        NaiveEntry? evicted = Fill(home, new NaiveEntry(tag, NaiveEntry.Log2Of(held), address) { MappedLog2 = mappedLog2, Space = space });
        if (evicted is not null && _second.Length == 0)
        {
            _attribution?.EvictedFromOnlyLevel(evicted);
        }
    }

    private NaiveEntry? Fill(NaiveArray array, NaiveEntry entry)
    {
        NaiveEntry? evicted = array.Fill(entry);
        _counts.Add($"{array.Structure.Name}.fills", 1);
        _counts.Add($"{array.Structure.Name}.evictions", evicted is null ? 0 : 1);
        return evicted;
    }

    private int Drop(NaiveArray array, int cause, Predicate<NaiveEntry> goes)
    {
        List<NaiveEntry> dropped = array.Drop(goes);
        dropped.ForEach(entry => _attribution?.Invalidated(array, entry, Label(cause)));
        _counts.Add($"{array.Structure.Name}.invalidated{{{Label(cause)}}}", dropped.Count);
        return dropped.Count;
    }

    /// <summary>The second-level array where a page of that size has its home; of two, the second if the page number has an odd number of ones.</summary>
    private NaiveArray? SecondHome(int side, PageSize size, ulong address)
    {
        NaiveArray[] serving = _second.Where(array => array.Serves(side, size)).ToArray();
        bool odd = BitOperations.PopCount((address & NaiveEntry.AddressBits) >> NaiveEntry.Log2Of(size)) % 2 != 0;
        return odd ? serving.LastOrDefault() : serving.FirstOrDefault();
    }

    /// <summary>The largest size, not above the page's, that a level can hold for the side.</summary>
    private static PageSize HeldAs(NaiveArray[] level, int side, PageSize size) => Sizes.Last(held => held <= size && level.Any(array => array.Serves(side, held)));

    private static void MakeMostRecent(List<int> order, int value)
    {
        order.Remove(value);
        order.Insert(0, value);
    }

    private string Label(int cause) => $"invalidation={_causes[cause].Invalidation},transition={_causes[cause].Transition},rule={_causes[cause].Rule}";
}
