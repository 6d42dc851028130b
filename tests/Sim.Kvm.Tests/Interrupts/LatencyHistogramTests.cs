using Sim.Kvm.Interrupts;

namespace Sim.Kvm.Tests.Interrupts;

[TestFixture]
public sealed class LatencyHistogramTests
{
    [Test]
    public void A_percentile_is_the_lower_bound_of_the_bucket_that_holds_its_rank_and_buckets_are_narrower_than_2_percent()
    {
        LatencyHistogram histogram = new();
        for (int value = 1; value <= 100; value++)
        {
            histogram.Record(value);
        }

        Assert.That((histogram.Percentile(500), histogram.Percentile(990), histogram.Percentile(1000)), Is.EqualTo((50L, 99L, 100L)));
        foreach (long value in new[] { 0L, 127, 128, 129, 1_000, 1_000_000, 123_456_789_012 })
        {
            LatencyHistogram one = new();
            one.Record(value);
            Assert.That(one.Percentile(1), Is.InRange(value - (value / 64), value));
            Assert.That(one.Points().Single().Y, Is.EqualTo(1));
        }
    }
}
