using System.Globalization;
using Sim.Core.Stats;

namespace Sim.Reports.Views;

/// <summary>The series of a run by what they mean (docs/results.md). Sums are over lanes.</summary>
public static class SeriesFigures
{
    private const string RefillInfix = StatNames.RefillInfix;

    /// <summary>What a main figure grew by in each interval, by the end of the interval in records; empty if intervals were not recorded.</summary>
    /// <param name="s">The run's statistics.</param>
    /// <param name="figure">walks, total_cycles, ...</param>
    public static IReadOnlyList<SeriesPoint> PerInterval(StatSheet s, string figure) =>
        s.Series.FirstOrDefault(series => series.Path == StatNames.IntervalPrefix + figure && StatQuery.Value(series.Label, "form") == "delta")?.Points ?? [];

    /// <summary>The same growth in fewer, longer intervals: neighbours are summed until no more than so many are left.</summary>
    public static IReadOnlyList<SeriesPoint> Merged(IReadOnlyList<SeriesPoint> points, int most)
    {
        int every = (points.Count + most - 1) / most;
        return every < 2 ? points : [.. points.Chunk(every).Select(chunk => new SeriesPoint(chunk[^1].X, chunk.Sum(point => point.Y)))];
    }

    /// <summary>Entries held by tag at the end of each interval, of the array that held most at any time; empty if occupancy was not recorded.</summary>
    public static IReadOnlyList<(string Array, string Tag, IReadOnlyList<SeriesPoint> Points)> Occupancy(StatSheet s) =>
    [
        .. s.Series.Where(series => series.Path.EndsWith(StatNames.OccupancySuffix, StringComparison.Ordinal))
            .GroupBy(series => series.Path[..^StatNames.OccupancySuffix.Length], StringComparer.Ordinal)
            .OrderByDescending(array => array.Sum(series => series.Points.Sum(point => point.Y))).ThenBy(array => array.Key, StringComparer.Ordinal)
            .Take(1)
            .SelectMany(array => array.Select(series => (array.Key, series.Label, series.Points))),
    ];

    /// <summary>Accesses and walks by the accesses that a context had made since its last flush, for each level, over lanes and invalidations; empty if it was not recorded.</summary>
    public static IReadOnlyList<RefillPoint> Refill(StatSheet s)
    {
        SortedDictionary<(string Level, long Since), (long Accesses, long Walks)> sums = [];
        foreach (Series series in s.Series.Where(series => series.Path.Contains(RefillInfix, StringComparison.Ordinal)))
        {
            string what = series.Path[(series.Path.IndexOf(RefillInfix, StringComparison.Ordinal) + RefillInfix.Length)..];
            foreach (SeriesPoint point in series.Points)
            {
                (string, long) key = (StatQuery.Value(series.Label, "level"), point.X);
                (long accesses, long walks) = sums.GetValueOrDefault(key);
                sums[key] = what switch { "accesses" => (accesses + point.Y, walks), "walks" => (accesses, walks + point.Y), _ => (accesses, walks) };
            }
        }

        return [.. sums.Where(pair => pair.Value.Accesses > 0).Select(pair => new RefillPoint(pair.Key.Level, pair.Key.Since, pair.Value.Accesses, pair.Value.Walks))];
    }

    /// <summary>Interrupt latencies from source to handler in cycles: lower bounds of buckets and how many fell into them, by the level that the interrupt was for.</summary>
    public static IReadOnlyList<(string Level, IReadOnlyList<SeriesPoint> Points)> InterruptLatency(StatSheet s) =>
        [.. s.Series.Where(series => series.Path == StatNames.IrqLatency && series.Points.Any(point => point.Y > 0)).Select(series => (StatQuery.Value(series.Label, "level"), series.Points))];

    /// <summary>A parameter's value as a number; null if it is none.</summary>
    public static double? Number(string value) => double.TryParse(value, NumberStyles.Float, CultureInfo.InvariantCulture, out double number) ? number : null;
}

/// <summary>Accesses that a context made at some distance from its last flush, and how many of them walked.</summary>
/// <param name="Level">0, 1 or 2.</param>
/// <param name="Since">Lower bound of the number of accesses since the flush.</param>
/// <param name="Accesses">Accesses in the bucket.</param>
/// <param name="Walks">Walks among them.</param>
public readonly record struct RefillPoint(string Level, long Since, long Accesses, long Walks);
