using Sim.Core.Profiles;

namespace Sim.Tlb.Tests.Reference;

/// <summary>The page walker, by the book: SDM vol. 3, "Paging-structure caches" and "Caching translation information"; costs from lists of lines.</summary>
internal sealed class NaiveWalker
{
    private readonly CpuProfile _profile;
    private readonly bool _caching;
    private readonly NaiveCounts _counts;
    private readonly NaiveLru<NaiveEntry>[] _psc;
    private readonly NaiveLru<NaiveEntry>[] _guestPhysicalPsc;
    private readonly NaiveLru<NaiveEntry> _guestPhysical;
    private readonly NaiveLru<ulong>[] _lines;

    public NaiveWalker(CpuProfile profile, bool caching, NaiveCounts counts)
    {
        _profile = profile;
        _caching = caching;
        _counts = counts;
        _psc = Tables(profile.Psc);
        _guestPhysicalPsc = Tables(profile.GuestPhysicalPsc);
        _guestPhysical = new NaiveLru<NaiveEntry>(profile.GuestPhysicalEntries);
        _lines = profile.PteLineCaches.Select(cache => new NaiveLru<ulong>(cache.Lines)).ToArray();
    }

    /// <summary>All structures of the walker with their statistics' names.</summary>
    public IEnumerable<(string Name, NaiveLru<NaiveEntry> Entries)> Structures =>
    [
        .. Enumerable.Range(2, 4).Select(level => ($"psc.{LevelName(level)}", _psc[level])),
        .. Enumerable.Range(2, 4).Select(level => ($"guest_physical_psc.{LevelName(level)}", _guestPhysicalPsc[level])),
        ("guest_physical", _guestPhysical),
    ];

    /// <summary>Size of the translation, size of the guest's page, G of the guest's leaf, and the cycles of all references.</summary>
    public (PageSize Size, PageSize Mapped, bool Global, ulong Cycles) Walk(TranslationContext context, NaiveTag tag, NaiveTag guestPhysicalTag, ulong address)
    {
        PageTable tables = context.Guest;
        Mapping leaf = tables.Map(address);
        int leafLevel = 1 + (int)leaf.Size;
        ulong cycles = 0;
        int level = tables.Levels;
        ulong? nextTable = null;
        if (Cached("psc", _psc, tag, address, leafLevel, tables.Levels) is { } cached)
        {
            level = LevelOf(cached) - 1;
            nextTable = cached.Target;
        }

        for (; level >= leafLevel; level--)
        {
            ulong inTable = tables.EntryAddress(address, level) % 4096;
            if (nextTable is null)
            {
                nextTable = ToPhysical(context, guestPhysicalTag, tables.EntryAddress(address, level) - inTable, ref cycles).Address;
                if (level < tables.Levels)
                {
                    Remember(_psc[level + 1], tag, address, level + 1, nextTable.Value);
                }
            }

            _counts.Add($"walk_references{{stage=guest,level={level}}}", 1);
            cycles += Reference(nextTable.Value + inTable);
            nextTable = null;
        }

        PageSize host = ToPhysical(context, guestPhysicalTag, leaf.Frame + (address % (1UL << NaiveEntry.Log2Of(leaf.Size))), ref cycles).Size;
        return (host < leaf.Size ? host : leaf.Size, leaf.Size, leaf.Global, cycles);
    }

    /// <summary>A guest-physical address made physical, with the size of the page around it. Without nested tables it is physical, as large as one likes.</summary>
    private (ulong Address, PageSize Size) ToPhysical(TranslationContext context, NaiveTag tag, ulong address, ref ulong cycles)
    {
        if (context.Nested is null)
        {
            return (address, PageSize.Size1G);
        }

        foreach (PageSize size in new[] { PageSize.Size4K, PageSize.Size2M, PageSize.Size1G })
        {
            if (_guestPhysical.Use(entry => entry.Is(tag, NaiveEntry.Log2Of(size), address), out NaiveEntry? hit))
            {
                _counts.Add("guest_physical.hits", 1);
                return (hit!.Target + (address % (1UL << hit.SizeLog2)), size);
            }
        }

        _counts.Add("guest_physical.misses", 1);
        Mapping leaf = NestedWalk(context.Nested, tag, address, ref cycles);
        int log2 = NaiveEntry.Log2Of(leaf.Size);
        if (_caching)
        {
            _guestPhysical.Add(new NaiveEntry(tag, log2, address) { Target = leaf.Frame });
        }

        return (leaf.Frame + (address % (1UL << log2)), leaf.Size);
    }

    private Mapping NestedWalk(PageTable nested, NaiveTag tag, ulong address, ref ulong cycles)
    {
        Mapping leaf = nested.Map(address);
        int leafLevel = 1 + (int)leaf.Size;
        int level = nested.Levels;
        ulong? nextTable = null;
        if (Cached("guest_physical_psc", _guestPhysicalPsc, tag, address, leafLevel, nested.Levels) is { } cached)
        {
            level = LevelOf(cached) - 1;
            nextTable = cached.Target;
        }

        for (; level >= leafLevel; level--)
        {
            ulong inTable = nested.EntryAddress(address, level) % 4096;
            if (nextTable is null)
            {
                nextTable = nested.EntryAddress(address, level) - inTable;
                if (level < nested.Levels)
                {
                    Remember(_guestPhysicalPsc[level + 1], tag, address, level + 1, nextTable.Value);
                }
            }

            _counts.Add($"walk_references{{stage=host,level={level}}}", 1);
            cycles += Reference(nextTable.Value + inTable);
            nextTable = null;
        }

        return leaf;
    }

    /// <summary>The paging-structure-cache entry from which the walk needs the fewest references; null if none applies.</summary>
    private NaiveEntry? Cached(string name, NaiveLru<NaiveEntry>[] tables, NaiveTag tag, ulong address, int leafLevel, int levels)
    {
        for (int level = leafLevel + 1; level <= levels; level++)
        {
            if (tables[level].Use(entry => entry.Is(tag, Log2Of(level), address), out NaiveEntry? found))
            {
                _counts.Add($"{name}.{LevelName(level)}.hits", 1);
                return found;
            }
        }

        return null;
    }

    private void Remember(NaiveLru<NaiveEntry> table, NaiveTag tag, ulong address, int level, ulong nextTable)
    {
        if (!_caching)
        {
            return;
        }

        if (table.Use(entry => entry.Is(tag, Log2Of(level), address), out NaiveEntry? present))
        {
            present!.Target = nextTable;
        }
        else
        {
            table.Add(new NaiveEntry(tag, Log2Of(level), address) { IsPagingStructure = true, Target = nextTable });
        }
    }

    /// <summary>The nearest cache that has the line says the cycles; the caches before it take the line in.</summary>
    private ulong Reference(ulong entryAddress)
    {
        ulong line = entryAddress / 64;
        for (int i = 0; _caching && i < _lines.Length; i++)
        {
            if (_lines[i].Use(other => other == line, out _))
            {
                return (ulong)_profile.PteLineCaches[i].Cycles;
            }

            _lines[i].Add(line);
        }

        return (ulong)_profile.MemoryCycles;
    }

    /// <summary>By level of the entry held: 2 PDEs to 5 PML5Es.</summary>
    private static NaiveLru<NaiveEntry>[] Tables(PscGeometry geometry) =>
        new[] { 0, 0, geometry.Pde, geometry.Pdpte, geometry.Pml4e, geometry.Pml5e }.Select(capacity => new NaiveLru<NaiveEntry>(capacity)).ToArray();

    private static string LevelName(int level) => level switch { 2 => "pde", 3 => "pdpte", 4 => "pml4e", _ => "pml5e" };

    /// <summary>log2 of the addresses that one entry of a level covers.</summary>
    private static int Log2Of(int level) => 12 + (9 * (level - 1));

    private static int LevelOf(NaiveEntry entry) => 1 + ((entry.SizeLog2 - 12) / 9);
}
