namespace Sim.Experiments.Tests.Gate;

public sealed class GateRuleTests
{
    [TestCase("cycles.*", "cycles.trace", true)]
    [TestCase("cycles.*", "cycle.trace", false)]
    [TestCase("cycles.*", "xcycles.trace", false)]
    [TestCase("lane[*].walks.*", "lane[12].walks.flushed{rule=a,b=*}", true)]
    [TestCase("lane[*].walks.*", "lane[0].walk_cycles.cold", false)]
    [TestCase("*.cold", "lane[0].walks.cold", true)]
    [TestCase("*.cold", "lane[0].walks.cold{x=1}", false)]
    [TestCase("a*b*c", "abbc", true)]
    [TestCase("a*b*c", "acb", false)]
    [TestCase("*", "", true)]
    [TestCase("a", "a", true)]
    [TestCase("a", "ab", false)]
    public void A_star_stands_for_any_text(string pattern, string metric, bool fits) =>
        Assert.That(new GateRule(pattern, GateDirection.Exact, default, "x", "r").Fits(metric), Is.EqualTo(fits));

    [TestCase("0", 100, 100, true)]
    [TestCase("0", 100, 101, false)]
    [TestCase("2", 100, 102, true)]
    [TestCase("2", 100, 98, true)]
    [TestCase("2", 100, 103, false)]
    [TestCase("0.5%", 1000, 1005, true)]
    [TestCase("0.5%", 1000, 1006, false)]
    [TestCase("0.5%", 1000, 994, false)]
    [TestCase("50%", 0, 0, true)]
    [TestCase("50%", 0, 1, false)]
    [TestCase("10%", long.MaxValue, long.MaxValue / 10 * 9, false)]
    [TestCase("11%", long.MaxValue, long.MaxValue / 10 * 9, true)]
    public void A_tolerance_ends_where_it_says(string tolerance, long baseline, long value, bool allowed) =>
        Assert.That(GateTolerance.TryParse(tolerance)!.Value.Allows(baseline, value), Is.EqualTo(allowed));

    [TestCase("")]
    [TestCase("%")]
    [TestCase("-1")]
    [TestCase("1e3")]
    [TestCase("5 %")]
    [TestCase("five")]
    public void What_is_no_tolerance_is_refused(string text) => Assert.That(GateTolerance.TryParse(text), Is.Null);
}
