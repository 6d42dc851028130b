using Sim.Core.Stats;
using Sim.Reports.Results;
using Sim.Reports.Views;

namespace Sim.Reports.Tests.Views;

public sealed class SweepViewTests
{
    [Test]
    public void A_row_for_each_point_a_column_for_each_policy_and_seeds_averaged()
    {
        RunSet set = Sample.Set() with
        {
            Runs =
            [
                Run("a", 10, "8", "1"), Run("b", 20, "8", "1"), Run("a", 12, "8", "2"), Run("b", 30, "8", "2"),
                Run("a", 40, "16", "1"), Failed("b", "16", "1"), Run("a", 50, "16", "2"), Failed("b", "16", "2"),
            ],
        };

        Table walks = SweepView.Of(set).Single(table => table.Title == "Walks");

        Assert.That(walks.Headers, Is.EqualTo(new[] { "point", "a", "b" }));
        Assert.That(walks.Rows, Is.EqualTo(new[] { new[] { "stlb.ways=8", "11", "25" }, ["stlb.ways=16", "45", "-"] }));
    }

    [Test]
    public void Seeds_alone_are_an_axis_themselves()
    {
        RunSet set = Sample.Set() with { Runs = [Seeded(1, 10), Seeded(2, 12)] };

        Assert.That(SweepView.Of(set).Single(table => table.Title == "Walks").Rows, Is.EqualTo(new[] { new[] { "machine.seed=1", "10" }, ["machine.seed=2", "12"] }));

        static RunResult Seeded(int seed, long walks) => new($"a {seed}", "a", Sample.Sheet(1000, walks, 0, 10), []) { Parameters = [new RunParameter("machine.seed", $"{seed}")] };
    }

    private static RunResult Run(string policy, long walks, string ways, string seed) =>
        new($"{policy} {ways} {seed}", policy, Sample.Sheet(1000, walks, 0, 10), []) { Parameters = [new RunParameter("stlb.ways", ways), new RunParameter("machine.seed", seed)] };

    private static RunResult Failed(string policy, string ways, string seed) => Run(policy, 1, ways, seed) with { Statistics = new StatSheet(), Failure = new RunFailure(4, "broken") };
}
