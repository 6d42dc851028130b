using Sim.Core.Stats;
using Sim.Reports.Charts;
using Sim.Reports.Charts.Description;
using Sim.Reports.Results;

namespace Sim.Reports.Tests.Charts;

public sealed class DifferenceTests
{
    [Test]
    public void Savings_stack_to_the_left_of_zero_and_costs_to_the_right_and_the_net_is_marked()
    {
        // b has 20 cycles of hypervisor more; 200 of walks went from flushed to an unknown cause: net 20.
        Chart chart = Draw(CostByCauseTests.Sheet(hypervisor: 70, flushed: 300), CostByCauseTests.Sheet(hypervisor: 90, flushed: 100)).Chart!;

        Assert.That(chart.Marks.OfType<Bars>().Single().Items.Select(bar => (bar.From, bar.To)), Is.EqualTo(new[] { (0d, 20d), (20d, 220d), (0d, -200d) }));
        Assert.That(chart.Marks.OfType<Points>().Single().Items.Single().X, Is.EqualTo(20));

        // 1,000,975 cycles in all against 1,000,995: +0.002 %.
        Assert.That(chart.Marks.OfType<Labels>().Single().Items.Single().Text, Is.EqualTo("+20.0 cycles (+0.002%)"));
        Assert.That(chart.Y.Categories.Select(category => category.Name), Is.EqualTo(new[] { "b" }), "the reference is the zero");
    }

    [Test]
    public void With_round_trips_the_net_is_in_nanoseconds_with_its_range()
    {
        StatSheet before = CostByCauseTests.Sheet(hypervisor: 70, flushed: 300);
        RunSet set = Set(before, CostByCauseTests.Sheet(hypervisor: 90, flushed: 300));
        PriceBase priceBase = new(2_000_000, 4_000_000, 2, [new RoundTripBase("CPUID", 4, 2_000, 4_000, "published")], "Linux", null, ["hypervisor"]);

        Chart chart = new Difference().Draw(new ReportInput(set with { Provenance = set.Provenance with { Base = priceBase } })).Chart!;

        // 20 cycles at 2 GHz are 10 ns, over 4 round trips 2.5; half to twice of that at 2 to 4 GHz is 0.625 to 5 ns of 1,000 to 2,000 ns.
        Assert.That(chart.X.Unit, Is.EqualTo("ns for each L2 CPUID round trip"));
        Assert.That(chart.Marks.OfType<Bars>().Single().Items.Single().To, Is.EqualTo(2.5));
        Assert.That(chart.Marks.OfType<Points>().Single().Items.Single().X, Is.EqualTo(2.5));
        Assert.That(chart.Marks.OfType<Spans>().Single().Items.Select(span => (span.From, span.To)), Is.EqualTo(new[] { (0.625, 5d) }));
        Assert.That(chart.Marks.OfType<Labels>().Single().Items.Single().Text, Is.EqualTo("0.625..5 ns (0.031..0.5%)"));
    }

    [Test]
    public void Runs_that_cost_the_same_for_the_same_reasons_have_no_difference_to_draw() =>
        Assert.That(Draw(CostByCauseTests.Sheet(70, 300), CostByCauseTests.Sheet(70, 300)).Absent, Does.Contain("No policy differs"));

    private static Drawing Draw(StatSheet before, StatSheet after) => new Difference().Draw(new ReportInput(Set(before, after)));

    private static RunSet Set(StatSheet before, StatSheet after) => Sample.Set() with { Runs = [new RunResult("a", "a", before, []), new RunResult("b", "b", after, [])] };
}
