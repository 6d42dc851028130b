using System.Numerics;
using Sim.Core.Stats;

namespace Sim.Kvm.Interrupts;

/// <summary>Counts of cycles in buckets whose width is at most 1/64 of their lower bound; up to 127 cycles each value has its own. Constant memory.</summary>
public sealed class LatencyHistogram
{
    private const int SubBuckets = 64;
    private const int SubBits = 6;

    private static readonly (string Name, string Help, int PerMille)[] Percentiles =
        [("p50", "Median", 500), ("p90", "90th percentile", 900), ("p99", "99th percentile", 990), ("p999", "99.9th percentile", 999)];

    private readonly long[] _counts = new long[SubBuckets * 60];

    /// <summary>Values recorded.</summary>
    public long Count { get; private set; }

    /// <summary>Adds a value; it must not be negative.</summary>
    public void Record(long cycles)
    {
        _counts[BucketOf(cycles)]++;
        Count++;
    }

    /// <summary>Lower bound of the bucket in which the value at this rank lies: <paramref name="perMille"/> of all values are at or below it. 0 if there is none.</summary>
    public long Percentile(int perMille) => Percentile(Points(), perMille);

    /// <summary>Adds to statistics of a window, for each histogram of latencies in it, the percentiles of those that fell into the window.</summary>
    public static void AddPercentiles(StatSheet window)
    {
        foreach (Series latency in window.Series.Where(series => series.Path == StatNames.IrqLatency).ToArray())
        {
            foreach ((string name, string help, int perMille) in Percentiles)
            {
                window.Gauge(StatNames.IrqLatencyOf(name), "cycles", $"{help} of the latency from source to handler (lower bound of its bucket).", Percentile(latency.Points, perMille), latency.Label);
            }
        }
    }

    /// <summary>The buckets into which something fell, ascending.</summary>
    public IReadOnlyList<SeriesPoint> Points()
    {
        List<SeriesPoint> points = [];
        for (int bucket = 0; bucket < _counts.Length; bucket++)
        {
            if (_counts[bucket] > 0)
            {
                points.Add(new SeriesPoint(LowerBound(bucket), _counts[bucket]));
            }
        }

        return points;
    }

    private static long Percentile(IReadOnlyList<SeriesPoint> points, int perMille)
    {
        long rank = Math.Max(1, ((points.Sum(point => point.Y) * perMille) + 999) / 1000);
        long seen = 0;
        foreach (SeriesPoint point in points)
        {
            seen += point.Y;
            if (seen >= rank)
            {
                return point.X;
            }
        }

        return 0;
    }

    private static int BucketOf(long cycles)
    {
        int exponent = Math.Max(0, BitOperations.Log2((ulong)cycles | 1) - SubBits);
        return (exponent * SubBuckets) + (int)(cycles >> exponent);
    }

    private static long LowerBound(int bucket)
    {
        int exponent = Math.Max(0, (bucket / SubBuckets) - 1);
        return (long)(bucket - (exponent * SubBuckets)) << exponent;
    }
}
