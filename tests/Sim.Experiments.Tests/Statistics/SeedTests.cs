using Sim.Core.Traces;
using Sim.Reports.Results;
using Sim.Reports.Views;
using Sim.Workloads.Generators;

namespace Sim.Experiments.Tests.Statistics;

/// <summary>Repeated seeds on the real machine, with and without something random in it.</summary>
public sealed class SeedTests
{
    [Test]
    public void Without_random_replacement_the_seed_changes_nothing_and_no_interval_is_claimed()
    {
        RunSet set = Run(("seeds", "3"));

        Assert.That(set.Runs.Select(run => run.Run), Is.EqualTo(new[]
        {
            "never machine.seed=1", "always-guest machine.seed=1", "never machine.seed=2", "always-guest machine.seed=2", "never machine.seed=3", "always-guest machine.seed=3",
        }));
        Assert.That(SeedView.Unmoved(set), Is.EqualTo(new[] { "never", "always-guest" }));
        foreach (Table table in SeedView.Of(set))
        {
            Assert.That(table.Rows.Select(row => (row[2], row[5])), Is.EqualTo(new[] { ("exact", ""), ("exact", "-") }), table.Title);
        }
    }

    [Test]
    public void With_random_replacement_each_seed_is_a_sample_and_is_what_that_seed_alone_gives()
    {
        (string, string)[] random = [("second_level[0].replacement", "random"), ("second_level[0].sets", "8")];
        RunSet set = Run([.. random, ("seeds", "4"), ("machine.seed", "7")]);
        RunSet alone = Run([.. random, ("machine.seed", "9")]);

        Assert.That(SeedView.Unmoved(set), Is.Empty);
        RunResult third = set.Runs.Single(run => run.Run == "never machine.seed=9");
        Assert.That(third.Statistics.Stats, Is.EqualTo(alone.Runs[0].Statistics.Stats));
        Table walks = SeedView.Of(set).Single(table => table.Title == "Walks over 4 seeds");
        double[] samples = [.. set.Runs.Where(run => run.Policy == "never").Select(run => Figures.Walks(run.Statistics)!.Value)];
        Assert.That(samples.Distinct().Count(), Is.GreaterThan(1));
        Assert.That(walks.Rows[0][1], Is.EqualTo(samples.Average().ToString("#,##0.#", System.Globalization.CultureInfo.InvariantCulture)));
        Assert.That(walks.Rows[0][2], Does.Contain(" to "));
        Assert.That(walks.Rows[1][5], Does.StartWith("0.").Or.StartWith("<0.0001"));
    }

    private static RunSet Run(params (string Path, string Value)[] values)
    {
        MemoryTrace trace = new();
        GeneratorCatalogue.Generate(GeneratorCatalogue.Parse("nested-ping-pong", ["accesses=20k", "seed=3"]), trace);
        return new Experiment(RunConfiguration.Load(null, [new Assignment("policies", "[\"never\",\"always-guest\"]", "test"), .. values.Select(value => new Assignment(value.Path, value.Value, "test"))])) { Jobs = 2 }
            .Run(trace, "ping-pong");
    }
}
