using System.Numerics;

using Sim.Core.Profiles;

namespace Sim.Tlb.Tests.Reference;

/// <summary>A set-associative array as one list per set, the entry to go last.</summary>
internal sealed class NaiveArray
{
    private readonly List<NaiveEntry>[] _sets;

    public NaiveArray(TlbStructure structure)
    {
        Structure = structure;
        _sets = Enumerable.Range(0, structure.Sets).Select(_ => new List<NaiveEntry>()).ToArray();
    }

    public TlbStructure Structure { get; }

    public int Live => _sets.Sum(set => set.Count);

    public bool Serves(int side, PageSize size) => Structure.Sizes.Contains(size) && ((int)Structure.Sides & (1 << side)) != 0;

    public NaiveEntry? Lookup(NaiveTag tag, PageSize size, ulong address)
    {
        int log2 = NaiveEntry.Log2Of(size);
        List<NaiveEntry> set = SetOf(log2, address);
        NaiveEntry? found = set.Find(entry => entry.Is(tag, log2, address));
        if (found is not null && Structure.Replacement == "lru")
        {
            set.Remove(found);
            set.Insert(0, found);
        }

        return found;
    }

    /// <summary>Puts an entry in and returns the one that made room for it.</summary>
    public NaiveEntry? Fill(NaiveEntry entry)
    {
        List<NaiveEntry> set = SetOf(entry.SizeLog2, entry.First);
        Assert.That(set.Any(other => other.Is(entry.Tag, entry.SizeLog2, entry.First)), Is.False, "an entry is filled twice");
        NaiveEntry? leaving = set.Count == Structure.Ways ? set[^1] : null;
        if (leaving is not null)
        {
            set.Remove(leaving);
        }

        set.Insert(0, entry);
        return leaving;
    }

    /// <summary>Takes out all entries that satisfy a condition.</summary>
    public List<NaiveEntry> Drop(Predicate<NaiveEntry> goes)
    {
        List<NaiveEntry> dropped = _sets.SelectMany(set => set).Where(entry => goes(entry)).ToList();
        foreach (List<NaiveEntry> set in _sets)
        {
            set.RemoveAll(goes);
        }

        return dropped;
    }

    private List<NaiveEntry> SetOf(int log2, ulong address)
    {
        ulong page = (address & NaiveEntry.AddressBits) >> log2;
        ulong sets = (ulong)_sets.Length;
        if (Structure.Index == IndexHash.Xor && sets > 1)
        {
            page = (page % sets) ^ ((page >> BitOperations.Log2(sets)) % sets);
        }

        return _sets[page % sets];
    }
}
