using Sim.Core.Profiles;
using Sim.Core.Stats;

namespace Sim.Tlb;

/// <summary>
/// Says why each walk was needed. The page never left: cold. It left the second level for room: conflict if a fully associative LRU array of the same capacity, fed with
/// the same lookups, would have kept it, else capacity. An invalidation took it from any level: flushed by that cause. The last event counts.
/// </summary>
/// <remarks>A drop by an invalidation leaves the LRU shadow as well. Where there is no second level, leaving the first level for room counts as capacity.</remarks>
internal sealed class MissAttribution
{
    private readonly GhostTable _ghosts = new();
    private readonly TlbArray[] _arrays;
    private readonly LruTable[] _shadows;
    private readonly long[] _walks = new long[GhostTable.FirstFlush];
    private readonly long[] _cycles = new long[GhostTable.FirstFlush];
    private readonly CauseCounts _flushedWalks = new();
    private readonly CauseCounts _flushedCycles = new();

    public MissAttribution(TlbArray[] secondLevel)
    {
        _arrays = secondLevel;
        _shadows = secondLevel.Select(array => new LruTable(array.Structure.Entries)).ToArray();
    }

    public long Walks => _walks.Sum() + _flushedWalks.Total;

    public long WalkCycles => _cycles.Sum() + _flushedCycles.Total;

    /// <summary>A second-level array was asked for the key: it hit, or is about to be filled.</summary>
    public void Looked(TlbArray array, ulong key) => _shadows[Array.IndexOf(_arrays, array)].Insert(key, 0);

    public void Evicted(TlbArray array, ulong key, ulong payload) =>
        _ghosts.Record(key, payload, _shadows[Array.IndexOf(_arrays, array)].Contains(key) ? GhostTable.Conflict : GhostTable.Capacity);

    public void EvictedFromLastLevel(ulong key, ulong payload) => _ghosts.Record(key, payload, GhostTable.Capacity);

    /// <summary>An invalidation dropped an entry of any array.</summary>
    public void Dropped(TlbArray array, ulong key, ulong payload, int cause)
    {
        _ghosts.Record(key, payload, GhostTable.FirstFlush + cause);
        int i = Array.IndexOf(_arrays, array);
        int slot = i < 0 ? -1 : _shadows[i].Touch(key);
        if (slot >= 0)
        {
            _shadows[i].Remove(slot);
        }
    }

    /// <summary>Counts a walk, whose result is to be held in entries of <paramref name="size"/> in the last level and of <paramref name="firstSize"/> in the first.</summary>
    public void Walk(int space, int size, int firstSize, ulong address, long cycles)
    {
        int left = _ghosts.Find(space, (PageSize)size, address);
        if (left == GhostTable.Never && firstSize != size)
        {
            left = _ghosts.Find(space, (PageSize)firstSize, address);
        }

        if (left < GhostTable.FirstFlush)
        {
            _walks[left]++;
            _cycles[left] += cycles;
        }
        else
        {
            _flushedWalks.Add(left - GhostTable.FirstFlush, 1);
            _flushedCycles.Add(left - GhostTable.FirstFlush, cycles);
        }
    }

    public void Collect(StatSheet sheet, string name, FlushCauses causes)
    {
        foreach ((int left, string cause, string help) in new[]
        {
            (GhostTable.Never, "cold", "the page was never held before"),
            (GhostTable.Capacity, "capacity", "it left because too much was held"),
            (GhostTable.Conflict, "conflict", "it left although a fully associative array would have kept it"),
        })
        {
            sheet.Counter(StatNames.On(name, StatNames.WalksOf(cause)), "walks", $"Walks because {help}.", _walks[left]);
            sheet.Counter(StatNames.On(name, StatNames.WalkCyclesOf(cause)), "cycles", $"Cycles of walks because {help}.", _cycles[left]);
        }

        Counters.CollectByCause(sheet, StatNames.On(name, StatNames.LaneWalksFlushed), "walks", "Walks because an invalidation had dropped the entry.", _flushedWalks, causes);
        Counters.CollectByCause(sheet, StatNames.On(name, StatNames.LaneWalkCyclesFlushed), "cycles", "Cycles of walks because an invalidation had dropped the entry.", _flushedCycles, causes);
    }
}
