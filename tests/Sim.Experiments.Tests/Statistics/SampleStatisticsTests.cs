namespace Sim.Experiments.Tests.Statistics;

public sealed class SampleStatisticsTests
{
    /// <summary>Mean 3, standard deviation sqrt(2.5), t(4; 0.975) = 2.776445 of the printed tables.</summary>
    [Test]
    public void The_interval_of_a_mean_is_students()
    {
        SampleSummary summary = SampleStatistics.Summarise([1, 2, 3, 4, 5]);

        Assert.That((summary.Count, summary.Mean), Is.EqualTo((5, 3.0)));
        Assert.That(summary.Confidence!.Value.Low, Is.EqualTo(3 - 1.963243).Within(1e-5));
        Assert.That(summary.Confidence!.Value.High, Is.EqualTo(3 + 1.963243).Within(1e-5));
    }

    /// <summary>Differences 1, 2, 0: mean 1, deviation 1, t = sqrt(3) with 2 degrees of freedom, whose distribution is 1/2 + t / (2 sqrt(2 + t^2)).</summary>
    [Test]
    public void The_paired_test_is_the_one_by_hand()
    {
        PairedDifference difference = SampleStatistics.Compare([11, 22, 33], [10, 20, 33]);

        Assert.That(difference.Mean, Is.EqualTo(1));
        Assert.That(difference.P, Is.EqualTo(1 - (Math.Sqrt(3) / Math.Sqrt(5))).Within(1e-9));
        Assert.That(difference.Confidence!.Value.Low, Is.EqualTo(1 - (4.302653 / Math.Sqrt(3))).Within(1e-5));
    }

    [Test]
    public void Samples_that_scatter_alike_have_a_difference_without_scatter()
    {
        PairedDifference difference = SampleStatistics.Compare([11, 25, 37], [10, 24, 36]);

        Assert.That(difference, Is.EqualTo(new PairedDifference(1, null, null)));
    }

    [Test]
    public void Equal_samples_have_no_interval() => Assert.That(SampleStatistics.Summarise([7, 7, 7]), Is.EqualTo(new SampleSummary(3, 7, null)));
}
