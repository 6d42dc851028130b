using Sim.Core.Profiles;

namespace Sim.Tlb.Tests.Reference;

/// <summary>Why a walk was needed: the last thing that happened to the page, of those that MissAttribution's summary names.</summary>
internal sealed class NaiveAttribution
{
    private readonly Dictionary<((PageTable Tables, PageTable? Nested) Space, int SizeLog2, ulong Page), string> _left = [];
    private readonly Dictionary<NaiveArray, NaiveLru<(NaiveTag Tag, int SizeLog2, ulong First)>> _shadows;

    public NaiveAttribution(IEnumerable<NaiveArray> secondLevel) =>
        _shadows = secondLevel.ToDictionary(array => array, array => new NaiveLru<(NaiveTag Tag, int SizeLog2, ulong First)>(array.Structure.Entries));

    /// <summary>A second-level array was asked for the entry: the fully associative LRU array of its capacity sees the same.</summary>
    public void Asked(NaiveArray array, NaiveEntry entry)
    {
        if (!_shadows[array].Use(other => other == Identity(entry), out _))
        {
            _shadows[array].Add(Identity(entry));
        }
    }

    public void EvictedFromSecondLevel(NaiveArray array, NaiveEntry entry) => Left(entry, _shadows[array].Contains(other => other == Identity(entry)) ? "conflict" : "capacity");

    public void EvictedFromOnlyLevel(NaiveEntry entry) => Left(entry, "capacity");

    public void Invalidated(NaiveArray array, NaiveEntry entry, string label)
    {
        Left(entry, $"flushed{{{label}}}");
        if (_shadows.TryGetValue(array, out NaiveLru<(NaiveTag, int, ulong)>? shadow))
        {
            shadow.Drop(other => other == Identity(entry));
        }
    }

    /// <summary>What became of the page as it is held in the last level, else as it is held in the first.</summary>
    public string Cause((PageTable Tables, PageTable? Nested) space, ulong address, PageSize lastLevel, PageSize firstLevel) =>
        new[] { lastLevel, firstLevel }
            .Select(size => _left.GetValueOrDefault((space, NaiveEntry.Log2Of(size), NaiveEntry.StartOfPage(address, NaiveEntry.Log2Of(size)))))
            .FirstOrDefault(cause => cause is not null) ?? "cold";

    private void Left(NaiveEntry entry, string how) => _left[(entry.Space, entry.SizeLog2, entry.First)] = how;

    private static (NaiveTag Tag, int SizeLog2, ulong First) Identity(NaiveEntry entry) => (entry.Tag, entry.SizeLog2, entry.First);
}
