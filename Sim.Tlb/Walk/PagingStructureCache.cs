using Sim.Core.Profiles;
using Sim.Core.Stats;

namespace Sim.Tlb;

/// <summary>
/// Paging-structure caches of one kind, one LRU table per level of the entry held. An entry says where the table below lies: its physical
/// address, also for combined mappings (SDM vol. 3, "Information that may be cached").
/// </summary>
internal sealed class PagingStructureCache
{
    private const int LowestLevel = 2;
    private static readonly string[] LevelNames = ["pde", "pdpte", "pml4e", "pml5e"];
    private readonly LruTable[] _tables;
    private readonly long[] _hits = new long[LevelNames.Length];
    private readonly CauseCounts[] _invalidated = [new(), new(), new(), new()];

    public PagingStructureCache(PscGeometry geometry) => _tables = [new(geometry.Pde), new(geometry.Pdpte), new(geometry.Pml4e), new(geometry.Pml5e)];

    /// <summary>The entry of the lowest level from <paramref name="lowest"/> up that covers the address, made most recent; 0 if there is none, else its level.</summary>
    public int Lookup(int context, ulong address, int lowest, int highest, out ulong tableAddress)
    {
        for (int level = lowest; level <= highest; level++)
        {
            LruTable table = _tables[level - LowestLevel];
            int slot = table.Touch(Key(context, address, level));
            if (slot >= 0)
            {
                _hits[level - LowestLevel]++;
                tableAddress = table.Value(slot);
                return level;
            }
        }

        tableAddress = 0;
        return 0;
    }

    public void Fill(int context, ulong address, int level, ulong tableAddress) => _tables[level - LowestLevel].Insert(Key(context, address, level), tableAddress);

    /// <summary>Drops the entries of the marked contexts that translate an address of the range (all if null).</summary>
    public int Invalidate(ReadOnlySpan<bool> kills, AddressRange? range, int cause)
    {
        int dropped = 0;
        for (int i = 0; i < _tables.Length; i++)
        {
            int here = 0;
            int shift = Shift(i + LowestLevel);
            ReadOnlySpan<ulong> keys = _tables[i].Live == 0 ? [] : _tables[i].Keys;
            for (int slot = 0; slot < keys.Length; slot++)
            {
                ulong key = keys[slot];
                ulong first = EntryKey.Page(key) << shift;
                if (key != 0 && kills[EntryKey.Context(key)] && (range is null || range.Value.Overlaps(first, first + (1UL << shift) - 1)))
                {
                    _tables[i].Remove(slot);
                    here++;
                }
            }

            _invalidated[i].Add(cause, here);
            dropped += here;
        }

        return dropped;
    }

    public void Collect(StatSheet sheet, string name, FlushCauses causes)
    {
        for (int i = 0; i < _tables.Length; i++)
        {
            if (_tables[i].Capacity == 0)
            {
                continue;
            }

            string path = $"{name}.{LevelNames[i]}";
            sheet.Counter(path + StatNames.HitsSuffix, "walks", "Walks that started below this entry.", _hits[i]);
            Counters.CollectContents(sheet, path, _tables[i], _invalidated[i], causes);
        }
    }

    public void CheckConservation(string name)
    {
        for (int i = 0; i < _tables.Length; i++)
        {
            Counters.CheckContents($"{name}.{LevelNames[i]}", _tables[i], _invalidated[i]);
        }
    }

    private static int Shift(int level) => 3 + (9 * level);

    private static ulong Key(int context, ulong address, int level) => ((ulong)(uint)context << EntryKey.ContextShift) | ((address & EntryKey.AddressMask) >> Shift(level));
}
