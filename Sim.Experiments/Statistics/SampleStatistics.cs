using MathNet.Numerics.Distributions;
using MathNet.Numerics.Statistics;

namespace Sim.Experiments;

/// <summary>What repeated runs say about a number.</summary>
/// <param name="Count">Samples.</param>
/// <param name="Mean">Their mean.</param>
/// <param name="Confidence">95 % interval of the mean by Student's t; null if all samples are equal, when the number is exact and an interval would claim knowledge that is not there.</param>
public sealed record SampleSummary(int Count, double Mean, Interval? Confidence);

/// <summary>What repeated runs say about the difference of two numbers, seed by seed.</summary>
/// <param name="Mean">Mean difference.</param>
/// <param name="Confidence">95 % interval of it; null if it is the same for every seed.</param>
/// <param name="P">Two-sided p of the paired t-test that the mean difference is 0; null likewise.</param>
public sealed record PairedDifference(double Mean, Interval? Confidence, double? P);

/// <summary>Statistics of repeated seeds.</summary>
public static class SampleStatistics
{
    private const double Confidence = 0.95;

    /// <summary>Mean and its interval.</summary>
    /// <param name="samples">At least one.</param>
    public static SampleSummary Summarise(IReadOnlyList<double> samples)
    {
        double mean = samples.Mean();
        return new SampleSummary(samples.Count, mean, AllEqual(samples) ? null : IntervalOf(mean, samples));
    }

    /// <summary>The difference <paramref name="samples"/> - <paramref name="reference"/>, pair by pair.</summary>
    /// <param name="samples">One for each seed.</param>
    /// <param name="reference">One for each seed, in the same order.</param>
    public static PairedDifference Compare(IReadOnlyList<double> samples, IReadOnlyList<double> reference)
    {
        double[] differences = [.. samples.Zip(reference, (sample, against) => sample - against)];
        double mean = differences.Mean();
        if (AllEqual(differences))
        {
            return new PairedDifference(mean, null, null);
        }

        double t = mean / (differences.StandardDeviation() / Math.Sqrt(differences.Length));
        double p = 2 * (1 - StudentT.CDF(0, 1, differences.Length - 1, Math.Abs(t)));
        return new PairedDifference(mean, IntervalOf(mean, differences), p);
    }

    private static bool AllEqual(IReadOnlyList<double> samples) => samples.All(sample => sample.Equals(samples[0]));

    private static Interval IntervalOf(double mean, IReadOnlyList<double> samples)
    {
        double half = StudentT.InvCDF(0, 1, samples.Count - 1, (1 + Confidence) / 2) * samples.StandardDeviation() / Math.Sqrt(samples.Count);
        return new Interval(mean - half, mean + half);
    }
}
