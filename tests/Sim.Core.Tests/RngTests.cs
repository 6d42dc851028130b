namespace Sim.Core.Tests;

[TestFixture]
public sealed class RngTests
{
    [Test]
    public void The_first_numbers_of_seed_0_are_those_of_the_published_SplitMix64()
    {
        Rng rng = new(0);
        Assert.That(rng.Next(), Is.EqualTo(0xE220A8397B1DCDAFUL));
        Assert.That(rng.Next(), Is.EqualTo(0x6E789E6AA1B965F4UL));
    }

    [Test]
    public void Streams_of_two_components_differ_and_each_repeats()
    {
        Assert.That(Rng.Fork(1, "lane[0].stlb").Next(), Is.Not.EqualTo(Rng.Fork(1, "lane[1].stlb").Next()));
        Assert.That(Rng.Fork(1, "lane[0].stlb").Next(), Is.EqualTo(Rng.Fork(1, "lane[0].stlb").Next()));
    }
}
