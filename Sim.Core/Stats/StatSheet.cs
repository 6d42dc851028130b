namespace Sim.Core.Stats;

/// <summary>What kind of number a statistic is.</summary>
public enum StatKind
{
    /// <summary>Only grows; two snapshots may be subtracted.</summary>
    Counter,

    /// <summary>A state at the moment of the snapshot; subtraction keeps the later one.</summary>
    Gauge,
}

/// <summary>One named number. <paramref name="Path"/> is <c>component[index].sub.metric</c> in lower snake case; <paramref name="Label"/> is <c>key=value,...</c> or empty.</summary>
/// <param name="Path">Hierarchical name.</param>
/// <param name="Label">Categories, in the order the component gives them.</param>
/// <param name="Unit">cycles, accesses, entries, walks, references, events, ...</param>
/// <param name="Kind">Counter or gauge.</param>
/// <param name="Help">One sentence.</param>
/// <param name="Value">The number.</param>
public sealed record Stat(string Path, string Label, string Unit, StatKind Kind, string Help, long Value)
{
    /// <summary>Path and label as one key: <c>path{label}</c>.</summary>
    public string Key => Label.Length == 0 ? Path : $"{Path}{{{Label}}}";
}

/// <summary>
/// A snapshot of all statistics, in ordinal order of their keys. Components keep plain counters and add them here when asked; nothing is
/// ever reset, a measured window is the difference of two snapshots.
/// </summary>
public sealed class StatSheet
{
    private readonly SortedDictionary<string, Stat> _stats = new(StringComparer.Ordinal);
    private readonly SortedDictionary<string, Series> _series = new(StringComparer.Ordinal);

    /// <summary>All statistics, ordinal order of keys.</summary>
    public IReadOnlyCollection<Stat> Stats => _stats.Values;

    /// <summary>All series, ordinal order of keys.</summary>
    public IReadOnlyCollection<Series> Series => _series.Values;

    /// <summary>Adds a series. Its key must be new.</summary>
    public void Add(Series series) => _series.Add(series.Key, series);

    /// <summary>Adds a counter. Adding the same key twice sums the values (two structures under one name).</summary>
    public void Counter(string path, string unit, string help, long value, string label = "") => Add(new Stat(path, label, unit, StatKind.Counter, help, value));

    /// <summary>Adds a gauge.</summary>
    public void Gauge(string path, string unit, string help, long value, string label = "") => Add(new Stat(path, label, unit, StatKind.Gauge, help, value));

    /// <summary>The value under a key, or 0 if there is none.</summary>
    public long this[string key] => _stats.TryGetValue(key, out Stat? stat) ? stat.Value : 0;

    /// <summary>The sum over all statistics with this path, whatever their label.</summary>
    public long Sum(string path) => _stats.Values.Where(stat => stat.Path == path).Sum(stat => stat.Value);

    /// <summary>This snapshot minus an earlier one: counters and histograms are subtracted, gauges kept, and of what goes over time the points that are new.</summary>
    public StatSheet Since(StatSheet earlier)
    {
        StatSheet result = new();
        foreach (Stat stat in _stats.Values)
        {
            result.Add(stat.Kind == StatKind.Counter ? stat with { Value = stat.Value - earlier[stat.Key] } : stat);
        }

        foreach (Series series in _series.Values)
        {
            result.Add(series with { Points = earlier._series.TryGetValue(series.Key, out Series? before) ? NewPoints(series, before) : series.Points });
        }

        return result;
    }

    private static List<SeriesPoint> NewPoints(Series now, Series before)
    {
        if (now.Kind == SeriesKind.OverTime)
        {
            return [.. now.Points.Skip(before.Points.Count)];
        }

        Dictionary<long, long> counted = before.Points.ToDictionary(point => point.X, point => point.Y);
        return [.. now.Points.Select(point => point with { Y = point.Y - counted.GetValueOrDefault(point.X) }).Where(point => point.Y != 0)];
    }

    private void Add(Stat stat)
    {
        if (_stats.TryGetValue(stat.Key, out Stat? present))
        {
            stat = stat with { Value = checked(stat.Value + present.Value) };
        }

        _stats[stat.Key] = stat;
    }
}
