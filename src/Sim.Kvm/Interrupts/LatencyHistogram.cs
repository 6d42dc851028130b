using System.Numerics;
using Sim.Core.Stats;

namespace Sim.Kvm.Interrupts;

/// <summary>Counts of cycles in buckets whose width is at most 1/64 of their lower bound; up to 127 cycles each value has its own. Constant memory.</summary>
public sealed class LatencyHistogram
{
    private const int SubBuckets = 64;
    private const int SubBits = 6;

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
    public long Percentile(int perMille)
    {
        long rank = Math.Max(1, ((Count * perMille) + 999) / 1000);
        long seen = 0;
        for (int bucket = 0; bucket < _counts.Length; bucket++)
        {
            seen += _counts[bucket];
            if (seen >= rank && Count > 0)
            {
                return LowerBound(bucket);
            }
        }

        return 0;
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
