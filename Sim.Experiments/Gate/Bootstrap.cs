using MathNet.Numerics.Statistics;
using Sim.Core;

namespace Sim.Experiments;

/// <summary>An interval of confidence.</summary>
/// <param name="Low">Its lower end.</param>
/// <param name="High">Its upper end.</param>
public readonly record struct Interval(double Low, double High);

/// <summary>Bootstrap intervals (Efron 1979) of wall-clock samples. The resampling is seeded, so that the same samples give the same interval.</summary>
public static class Bootstrap
{
    private const int Resamples = 10_000;
    private const double Confidence = 0.95;

    /// <summary>The 95 % percentile interval of median(<paramref name="current"/>) / median(<paramref name="baseline"/>) - 1.</summary>
    /// <param name="baseline">Positive samples, at least one.</param>
    /// <param name="current">Likewise.</param>
    public static Interval RelativeChangeOfMedian(IReadOnlyList<double> baseline, IReadOnlyList<double> current)
    {
        Rng rng = Rng.Fork(1, "bootstrap");
        double[] changes = new double[Resamples];
        double[] before = new double[baseline.Count];
        double[] after = new double[current.Count];
        for (int i = 0; i < Resamples; i++)
        {
            changes[i] = (MedianOfResample(current, after, ref rng) / MedianOfResample(baseline, before, ref rng)) - 1;
        }

        Array.Sort(changes);
        return new Interval(SortedArrayStatistics.Quantile(changes, (1 - Confidence) / 2), SortedArrayStatistics.Quantile(changes, (1 + Confidence) / 2));
    }

    private static double MedianOfResample(IReadOnlyList<double> samples, double[] resample, ref Rng rng)
    {
        for (int i = 0; i < resample.Length; i++)
        {
            resample[i] = samples[(int)rng.Below((ulong)samples.Count)];
        }

        return ArrayStatistics.MedianInplace(resample);
    }
}
