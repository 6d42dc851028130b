namespace Sim.Experiments.Tests.Gate;

public sealed class BootstrapTests
{
    [Test]
    public void Samples_without_scatter_have_an_interval_without_width()
    {
        Interval change = Bootstrap.RelativeChangeOfMedian([4, 4, 4, 4, 4], [5, 5, 5, 5, 5]);

        Assert.That(change, Is.EqualTo(new Interval(0.25, 0.25)));
    }

    [Test]
    public void The_interval_holds_the_change_and_is_the_same_each_time()
    {
        double[] before = [98, 99, 100, 101, 102, 100, 99];
        double[] after = [108, 109, 110, 111, 112, 110, 109];

        Interval change = Bootstrap.RelativeChangeOfMedian(before, after);

        Assert.That(change.Low, Is.LessThan(0.1).And.GreaterThan(0.05));
        Assert.That(change.High, Is.GreaterThan(0.1).And.LessThan(0.15));
        Assert.That(Bootstrap.RelativeChangeOfMedian(before, after), Is.EqualTo(change));
    }

    /// <summary>The medians of all 27 resamples of three are 1 (7 times), 2 (13 times) and 3 (7 times), so that the 2.5 % and 97.5 % quantiles are the extremes.</summary>
    [Test]
    public void Few_samples_give_the_wide_interval_that_counting_resamples_gives()
    {
        Interval change = Bootstrap.RelativeChangeOfMedian([1, 1, 1], [1, 2, 3]);

        Assert.That(change, Is.EqualTo(new Interval(0, 2)));
    }
}
