using System.Numerics;

using Sim.Core.Profiles;
using Sim.Core.Stats;

namespace Sim.Tlb;

/// <summary>The cache of guest-physical translations that 2-D walks use (the "nested TLB"), fully associative LRU.</summary>
internal sealed class GuestPhysicalCache
{
    /// <summary>Bit of a value; frames are multiples of 4 KiB. Bits 11:1 say which tables the mapping came from.</summary>
    private const ulong ReadOnly = 1;
    private const int TablesShift = 1;

    private readonly LruTable _table;
    private readonly CauseCounts _invalidated = new();
    private int _sizesFilled;
    private long _hits;
    private long _misses;

    public GuestPhysicalCache(int entries) => _table = new LruTable(entries);

    /// <summary>Largest number of tables that a value can tell apart.</summary>
    public const int MaxTables = (1 << 11) - 1;

    /// <summary>The mapping that covers a guest-physical address, made most recent, and the number of the tables it came from.</summary>
    public bool Lookup(int context, ulong address, out Mapping mapping, out int tables)
    {
        for (int sizes = _sizesFilled; sizes != 0; sizes &= sizes - 1)
        {
            PageSize size = (PageSize)BitOperations.TrailingZeroCount(sizes);
            int slot = _table.Touch(EntryKey.Pack(context, size, address));
            if (slot >= 0)
            {
                _hits++;
                ulong value = _table.Value(slot);
                mapping = new Mapping(value & ~0xFFFUL, size, false, (value & ReadOnly) != 0);
                tables = (int)(value >> TablesShift) & MaxTables;
                return true;
            }
        }

        _misses++;
        mapping = default;
        tables = 0;
        return false;
    }

    public void Fill(int context, ulong address, in Mapping mapping, int tables)
    {
        _sizesFilled |= 1 << (int)mapping.Size;
        _table.Insert(EntryKey.Pack(context, mapping.Size, address), mapping.Frame | ((ulong)(uint)tables << TablesShift) | (mapping.ReadOnly ? ReadOnly : 0));
    }

    /// <summary>Drops the entries of the marked contexts that translate an address of the range (all if null).</summary>
    public int Invalidate(ReadOnlySpan<bool> kills, AddressRange? range, int cause)
    {
        int dropped = 0;
        ReadOnlySpan<ulong> keys = _table.Live == 0 ? [] : _table.Keys;
        for (int slot = 0; slot < keys.Length; slot++)
        {
            ulong key = keys[slot];
            ulong first = EntryKey.Address(key);
            if (key != 0 && kills[EntryKey.Context(key)] && (range is null || range.Value.Overlaps(first, first + (1UL << EntryKey.Shift(EntryKey.Size(key))) - 1)))
            {
                _table.Remove(slot);
                dropped++;
            }
        }

        _invalidated.Add(cause, dropped);
        return dropped;
    }

    public void Collect(StatSheet sheet, string path, FlushCauses causes)
    {
        sheet.Counter(path + StatNames.HitsSuffix, "lookups", "Guest-physical addresses of a 2-D walk that were translated by the guest-physical cache.", _hits);
        sheet.Counter(path + StatNames.MissesSuffix, "lookups", "Guest-physical addresses of a 2-D walk that were translated by a walk of the nested tables.", _misses);
        Counters.CollectContents(sheet, path, _table, _invalidated, causes);
    }

    public void CheckConservation(string path) => Counters.CheckContents(path, _table, _invalidated);
}
