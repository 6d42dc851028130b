using Sim.Core.Stats;
using Sim.Core.Traces;
using Sim.Reports.Results;
using Sim.Workloads;
using Sim.Workloads.Generators;

namespace Sim.Experiments.Tests.Replay;

/// <summary>Figures over intervals of the measured window.</summary>
public sealed class IntervalTests
{
    /// <summary>Records: 1 2 a 3 4 b 5 6 c 7 8 (numbers are accesses, letters are marks).</summary>
    [TestCase("0", "all", "4", "4:3 8:6 11:8", "4:3 8:3 11:2")]
    [TestCase("0", "8", "4", "4:3 8:6", "4:3 8:3")]
    [TestCase("3", "7", "3", "3:2 6:4 7:5", "3:2 6:2 7:1")]
    [TestCase("0", "all", "1K", "11:8", "11:8")]
    [TestCase("0", "2", "1", "1:1 2:2", "1:1 2:1")]
    public void Each_figure_is_given_so_far_and_as_what_the_interval_added(string warmUp, string measure, string interval, string cumulative, string delta)
    {
        RunResult run = new Experiment(Configuration(("windows.warm_up", warmUp), ("windows.measure", measure), ("windows.interval", interval), ("policies", "[\"never\"]")), _ => policy => new RecordingReplay(policy))
            .Run(Letters(), "letters").Runs[0];

        Assert.That(Points(run, "interval.accesses{form=cumulative}"), Is.EqualTo(cumulative));
        Assert.That(Points(run, "interval.accesses{form=delta}"), Is.EqualTo(delta));
    }

    [Test]
    public void A_holder_that_is_gone_at_a_sample_has_a_zero_there()
    {
        RunResult run = new Experiment(Configuration(("windows.interval", "4"), ("policies", "[\"never\"]")), _ => policy => new RecordingReplay(policy)).Run(Letters(), "letters").Runs[0];

        Assert.That(Points(run, "fake.occupancy{odd=1}"), Is.EqualTo("4:3 8:0 11:0"));
        Assert.That(Points(run, "fake.occupancy{odd=0}"), Is.EqualTo("4:0 8:6 11:8"));
    }

    [Test]
    public void Without_an_interval_there_is_no_series() =>
        Assert.That(new Experiment(Configuration(), _ => policy => new RecordingReplay(policy)).Run(Letters(), "letters").Runs.SelectMany(run => run.Statistics.Series), Is.Empty);

    [TestCase("7x")]
    [TestCase("-1")]
    [TestCase("10%")]
    public void An_interval_is_a_count(string interval) =>
        Assert.That(() => Configuration(("windows.interval", interval)), Throws.TypeOf<Sim.Core.ConfigurationException>().With.Message.Contains("windows.interval: expected a count of records such as 100K"));

    [Test]
    public void Observing_changes_no_statistic_and_sums_to_the_window([Values(1, 3)] int jobs)
    {
        (string, string)[] observed = [("windows.interval", "777"), ("machine.refill_curve", "true")];
        IReadOnlyList<RunResult> plain = PingPong(1);
        IReadOnlyList<RunResult> watched = PingPong(jobs, observed);

        Assert.That(watched.Select(run => run.Failure), Is.All.Null);
        for (int i = 0; i < plain.Count; i++)
        {
            StatSheet sheet = watched[i].Statistics;
            Assert.That(sheet.Stats, Is.EqualTo(plain[i].Statistics.Stats), plain[i].Run);
            Assert.That(Sum(watched[i], "interval.accesses{form=delta}"), Is.EqualTo(sheet.Sum("lane[0].accesses")));
            Assert.That(Sum(watched[i], "interval.walk_cycles{form=delta}"), Is.EqualTo(sheet.Sum("lane[0].walk_cycles")));
            Assert.That(Sum(watched[i], "interval.nested_transitions{form=delta}"), Is.EqualTo(sheet.Sum("vm.nested_entries") + sheet.Sum("vm.nested_exits")).And.GreaterThan(0));
            Assert.That(sheet.Series.Where(series => series.Path == "lane[0].stlb.occupancy").Sum(series => series.Points[^1].Y), Is.EqualTo(sheet["lane[0].stlb.live"]).And.GreaterThan(0));
        }

        long accesses(RunResult run) => run.Statistics.Series.Where(series => series.Path == "lane[0].refill.accesses").SelectMany(series => series.Points).Sum(point => point.Y);
        Assert.That(accesses(watched.Single(run => run.Policy == "always-guest")), Is.GreaterThan(0).And.LessThanOrEqualTo(watched[0].Statistics.Sum("lane[0].accesses")));
    }

    private static IReadOnlyList<RunResult> PingPong(int jobs, params (string Path, string Value)[] values)
    {
        MemoryTrace trace = new();
        GeneratorCatalogue.Generate(GeneratorCatalogue.Parse("nested-ping-pong", ["accesses=30k", "seed=3"]), trace);
        return new Experiment(Configuration([.. values, ("windows.warm_up", "5000")])) { Jobs = jobs }.Run(trace, "ping-pong").Runs;
    }

    private static RunConfiguration Configuration(params (string Path, string Value)[] values) => RunConfiguration.Load(null, [.. values.Select(value => new Assignment(value.Path, value.Value, "test"))]);

    private static string Points(RunResult run, string key) => string.Join(' ', run.Statistics.Series.Single(series => series.Key == key).Points.Select(point => $"{point.X}:{point.Y}"));

    private static long Sum(RunResult run, string key) => run.Statistics.Series.Single(series => series.Key == key).Points.Sum(point => point.Y);

    private static MemoryTrace Letters()
    {
        MemoryTrace trace = new();
        TraceAppender appender = new(trace, 1);
        for (int i = 1; i <= 8; i++)
        {
            appender.Access(0, (ulong)i, (ulong)i, AccessType.Read);
            if (i % 2 == 0 && i < 8)
            {
                appender.Event(0, TraceEvent.Mark((ulong)i, 0, ((char)('a' + (i / 2) - 1)).ToString()));
            }
        }

        appender.Complete();
        return trace;
    }
}
