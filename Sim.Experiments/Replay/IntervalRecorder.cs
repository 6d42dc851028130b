using Sim.Core.Stats;
using Sim.Reports.Views;

namespace Sim.Experiments;

/// <summary>
/// Main figures at the end of every N records of the measured window, each as what the interval added (<c>form=delta</c>) and as what the window has so far
/// (<c>form=cumulative</c>), and who holds the TLBs at that moment. X counts the window's records over all lanes: the same ends under every policy. The last interval may be shorter.
/// </summary>
internal sealed class IntervalRecorder
{
    private static readonly (string Name, string Unit, string Help, Func<StatSheet, long> Value)[] MainFigures =
    [
        ("trace_cycles", "cycles", "Cycles of the trace itself", s => s.Total(StatNames.CyclesTrace)),
        ("accesses", "accesses", "Memory references", s => s.Total(StatNames.LaneAccesses)),
        ("l1_misses", "accesses", "First-level misses", s => s.Total(StatNames.LaneL1Misses)),
        ("walks", "walks", "Walks", s => s.Total(StatNames.LaneStlbMisses)),
        ("walks_flushed", "walks", "Walks caused by flushes", s => s.Total(StatNames.LaneWalksFlushed)),
        ("walk_cycles", "cycles", "Cycles of walks", s => s.Total(StatNames.LaneWalkCycles)),
        ("translation_cycles", "cycles", "Cycles of translation beyond first-level hits", s => s.Total(StatNames.LaneStallCycles)),
        ("invalidations", "invalidations", "Invalidations executed", s => s.Total(StatNames.LaneInvalidations)),
        ("nested_transitions", "transitions", "Nested VM-entries and VM-exits", s => s.Total(StatNames.VmNestedEntries) + s.Total(StatNames.VmNestedExits)),
        ("total_cycles", "cycles", "Cycles of everything", s => s.PathsUnder(StatNames.CyclesPrefix).Sum(path => s.Total(path))),
    ];

    private readonly IReplay _machine;
    private readonly long _interval;
    private readonly long[] _start;
    private readonly List<long> _ends = [];
    private readonly List<long[]> _figures = [];
    private readonly List<StatSheet> _occupancies = [];
    private long _records;

    /// <summary>A recorder at the begin of the measured window.</summary>
    /// <param name="machine">The machine.</param>
    /// <param name="start">Its statistics now.</param>
    /// <param name="interval">Records of an interval, at least 1.</param>
    public IntervalRecorder(IReplay machine, StatSheet start, long interval)
    {
        _machine = machine;
        _interval = interval;
        _start = Values(start);
    }

    /// <summary>Records that may be replayed before <see cref="Replayed"/> must be told.</summary>
    public int Room => (int)Math.Min(int.MaxValue, _interval - (_records % _interval));

    /// <summary>Records of the window were replayed, not more than there was room for.</summary>
    public void Replayed(int records)
    {
        _records += records;
        if (_records % _interval == 0)
        {
            Sample();
        }
    }

    /// <summary>Adds the series at the end of the window.</summary>
    public void Finish(StatSheet sheet)
    {
        if (_records % _interval != 0)
        {
            Sample();
        }

        for (int figure = 0; figure < MainFigures.Length; figure++)
        {
            (string name, string unit, string help, _) = MainFigures[figure];
            long[] values = [.. _figures.Select(all => all[figure] - _start[figure])];
            Add(sheet, StatNames.IntervalPrefix + name, "form=cumulative", unit, $"{help}, at the end of each interval.", values);
            Add(sheet, StatNames.IntervalPrefix + name, "form=delta", unit, $"{help}, at the end of each interval.", [.. values.Select((value, at) => at == 0 ? value : value - values[at - 1])]);
        }

        foreach (Stat holder in _occupancies.SelectMany(occupancy => occupancy.Stats).DistinctBy(stat => stat.Key))
        {
            Add(sheet, holder.Path, holder.Label, holder.Unit, holder.Help, [.. _occupancies.Select(occupancy => occupancy[holder.Key])]);
        }
    }

    private static long[] Values(StatSheet sheet) => [.. MainFigures.Select(figure => figure.Value(sheet))];

    private void Sample()
    {
        _ends.Add(_records);
        _figures.Add(Values(_machine.Snapshot()));
        _occupancies.Add(_machine.Occupancy());
    }

    private void Add(StatSheet sheet, string path, string label, string unit, string help, long[] values) =>
        sheet.Add(new Series(path, label, "records", unit, SeriesKind.OverTime, help, [.. values.Select((value, at) => new SeriesPoint(_ends[at], value))]));
}
