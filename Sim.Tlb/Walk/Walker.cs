using Sim.Core.Profiles;
using Sim.Core.Stats;

namespace Sim.Tlb;

/// <summary>What a walk found.</summary>
/// <param name="PhysicalAddress">Where the address lies.</param>
/// <param name="Size">Page size of the translation: the smaller of the guest's and the host's.</param>
/// <param name="LinearSize">Page size in the tables that CR3 names.</param>
/// <param name="Global">G=1 in the guest's leaf.</param>
/// <param name="ReadOnly">W=0 in any of the leaves.</param>
/// <param name="Foreign">The guest-physical translation of the page is one that other nested tables left under the same tag (AMD).</param>
/// <param name="Cycles">What the references cost.</param>
internal readonly record struct WalkResult(ulong PhysicalAddress, PageSize Size, PageSize LinearSize, bool Global, bool ReadOnly, bool Foreign, ulong Cycles);

/// <summary>
/// The page walker of a lane. One routine walks the tables that CR3 names; without nested tables a "guest-physical" address is physical, with them each one is translated
/// by the guest-physical cache or a walk of the nested tables, so a 2-D walk without caches makes (g+1)(h+1)-1 references.
/// </summary>
internal sealed class Walker
{
    private const int MaxLevels = 5;
    private readonly bool _caching;
    private readonly PagingStructureCache _psc;
    private readonly PagingStructureCache _guestPhysicalPsc;
    private readonly GuestPhysicalCache _guestPhysical;
    private readonly PteLines _lines;
    private readonly long[] _guestReferences = new long[MaxLevels + 1];
    private readonly long[] _hostReferences = new long[MaxLevels + 1];
    private readonly ulong[] _guestEntries = new ulong[MaxLevels];
    private readonly ulong[] _hostEntries = new ulong[MaxLevels];
    private long _references;
    private bool _foreign;

    public Walker(CpuProfile profile, bool caching)
    {
        _caching = caching;
        _psc = new PagingStructureCache(profile.Psc);
        _guestPhysicalPsc = new PagingStructureCache(profile.GuestPhysicalPsc);
        _guestPhysical = new GuestPhysicalCache(profile.GuestPhysicalEntries);
        _lines = new PteLines(profile, caching);
    }

    /// <summary>Translates a linear address of the context.</summary>
    public WalkResult Walk(ActiveContext context, ulong address)
    {
        PageTable guest = context.Context.Guest;
        Mapping leaf = guest.Map(address, _guestEntries);
        int leafLevel = (int)leaf.Size + 1;
        ulong cycles = 0;
        ulong table = 0;
        int cached = _caching ? _psc.Lookup(context.Tagged, address, leafLevel + 1, guest.Levels, out table) : 0;
        for (int level = cached == 0 ? guest.Levels : cached - 1; level >= leafLevel; level--)
        {
            ulong entry = _guestEntries[level - 1];
            if (level == cached - 1)
            {
                entry = table | (entry & 0xFFF);
            }
            else
            {
                entry = TranslateGuestPhysical(context, entry, ref cycles).Frame;
                if (_caching && level < guest.Levels)
                {
                    _psc.Fill(context.Tagged, address, level + 1, entry & ~0xFFFUL);
                }
            }

            _guestReferences[level]++;
            cycles += Reference(entry);
        }

        ulong offset = address & ((1UL << EntryKey.Shift(leaf.Size)) - 1);
        Mapping final = TranslateGuestPhysical(context, leaf.Frame + offset, ref cycles);
        return new WalkResult(final.Frame, context.Context.Nested is not null && final.Size < leaf.Size ? final.Size : leaf.Size, leaf.Size, leaf.Global, leaf.ReadOnly || final.ReadOnly, _foreign, cycles);
    }

    /// <summary>Drops paging-structure-cache entries of linear and combined mappings.</summary>
    public int InvalidatePagingStructures(ReadOnlySpan<bool> kills, AddressRange? range, int cause) => _psc.Invalidate(kills, range, cause);

    /// <summary>Drops paging-structure-cache entries of guest-physical mappings.</summary>
    public int InvalidateGuestPhysicalPagingStructures(ReadOnlySpan<bool> kills, AddressRange? range, int cause) => _guestPhysicalPsc.Invalidate(kills, range, cause);

    /// <summary>Drops guest-physical translations.</summary>
    public int InvalidateGuestPhysical(ReadOnlySpan<bool> kills, AddressRange? range, int cause) => _guestPhysical.Invalidate(kills, range, cause);

    public void Collect(StatSheet sheet, string name, FlushCauses causes)
    {
        for (int level = 1; level <= MaxLevels; level++)
        {
            sheet.Counter(StatNames.On(name, StatNames.LaneWalkReferences), "references", "Paging-structure entries read by walks.", _guestReferences[level], $"stage=guest,level={level}");
            sheet.Counter(StatNames.On(name, StatNames.LaneWalkReferences), "references", "Paging-structure entries read by walks.", _hostReferences[level], $"stage=host,level={level}");
        }

        _psc.Collect(sheet, $"{name}.psc", causes);
        _guestPhysicalPsc.Collect(sheet, $"{name}.guest_physical_psc", causes);
        _guestPhysical.Collect(sheet, $"{name}.guest_physical", causes);
    }

    public void CheckConservation(string name)
    {
        _psc.CheckConservation($"{name}.psc");
        _guestPhysicalPsc.CheckConservation($"{name}.guest_physical_psc");
        _guestPhysical.CheckConservation($"{name}.guest_physical");
        Counters.Check($"{name}: walk references", _references, "guest + host by level", _guestReferences.Sum() + _hostReferences.Sum());
    }

    /// <summary>The physical address of a guest-physical one (in Frame) and the size of the page around it.</summary>
    private Mapping TranslateGuestPhysical(ActiveContext context, ulong address, ref ulong cycles)
    {
        PageTable? nested = context.Context.Nested;
        if (nested is null)
        {
            return new Mapping(address, PageSize.Size4K, false);
        }

        bool hit = _guestPhysical.Lookup(context.GuestPhysical, address, out Mapping leaf, out int tables);
        _foreign = hit && tables != context.NestedNumber;
        if (!hit)
        {
            leaf = WalkNested(context, nested, address, ref cycles);
        }

        return leaf with { Frame = leaf.Frame + (address & ((1UL << EntryKey.Shift(leaf.Size)) - 1)) };
    }

    private Mapping WalkNested(ActiveContext context, PageTable nested, ulong address, ref ulong cycles)
    {
        Mapping leaf = nested.Map(address, _hostEntries);
        int leafLevel = (int)leaf.Size + 1;
        ulong table = 0;
        int cached = _caching ? _guestPhysicalPsc.Lookup(context.GuestPhysical, address, leafLevel + 1, nested.Levels, out table) : 0;
        for (int level = cached == 0 ? nested.Levels : cached - 1; level >= leafLevel; level--)
        {
            _hostReferences[level]++;
            cycles += Reference(level == cached - 1 ? table | (_hostEntries[level - 1] & 0xFFF) : _hostEntries[level - 1]);
            if (_caching && level > leafLevel)
            {
                _guestPhysicalPsc.Fill(context.GuestPhysical, address, level, _hostEntries[level - 2] & ~0xFFFUL);
            }
        }

        if (_caching)
        {
            _guestPhysical.Fill(context.GuestPhysical, address, leaf, context.NestedNumber);
        }

        return leaf;
    }

    private ulong Reference(ulong entryAddress)
    {
        _references++;
        return _lines.Reference(entryAddress);
    }
}
