using Sim.Core.Stats;
using Sim.Reports.Charts;
using Sim.Reports.Charts.Description;
using Sim.Reports.Results;
using Sim.Reports.Views;

namespace Sim.Reports.Tests.Charts;

/// <summary>Charts of series and sweeps: numbers by hand from <see cref="ChartSample"/>.</summary>
public sealed class SeriesChartsTests
{
    [Test]
    public void The_refill_curve_is_walks_per_access_over_all_lanes_and_invalidations_without_L0()
    {
        Chart chart = Draw(new RefillCurve(), ChartSample.Full());

        // a: (10 + 2) of (10 + 6) at the first access, 0 of 10 at the second, 5 of 20 from the third on.
        Assert.That(Points(chart, "a L2"), Is.EqualTo(new[] { (1.0, 75.0), (2.0, 0.0), (3.0, 25.0) }));
        Assert.That(Points(chart, "b L2"), Is.EqualTo(new[] { (1.0, 75.0), (2.0, 0.0), (3.0, 50.0) }));
        Assert.That(Curves(chart), Has.Length.EqualTo(2), "L2 alone");
        Assert.That(Curves(chart)[0].Points[0].Datum.Facts[^1].Text, Is.EqualTo("12 of 16"));
    }

    [Test]
    public void Occupancy_is_a_share_of_the_fullest_array_at_its_time_and_what_all_runs_share_comes_once()
    {
        RunSet set = ChartSample.Full();
        Chart chart = Draw(new Occupancy(), set with { Provenance = set.Provenance with { Configuration = """{"second_level":[{"name":"stlb","sets":25,"ways":4}]}""" } });

        // Both runs hold the same, so all is shared; the intervals end at the trace's 400th and 700th cycle.
        Assert.That(chart.Y.Categories.Select(category => (category.Group, category.Name)), Is.EqualTo(new[] { ("the same for all", "L1 vpid 1 global"), ("the same for all", "L2 vpid 2 pcid 1") }));
        Assert.That(chart.Marks.OfType<Cells>().Single().Items.Select(cell => (cell.Row, cell.From, cell.To, cell.Value)), Is.EqualTo(new[]
        {
            (0, 0d, 400d, 7d), (0, 400d, 700d, 9d), (1, 0d, 400d, 70d), (1, 400d, 700d, 0d),
        }));
    }

    [Test]
    public void Runs_that_differ_in_what_they_hold_have_rows_of_their_own_and_those_that_do_not_share_them()
    {
        RunSet set = ChartSample.Full();
        RunResult third = new("c", "c", ChartSample.Full().Runs[0].Statistics, []);
        third.Statistics.Add(new Series("lane[0].stlb.occupancy", "level=2,vpid=9", "records", "entries", SeriesKind.OverTime, "O.", [new(100, 1), new(150, 2)]));
        Chart chart = Draw(new Occupancy(), set with { Runs = [.. set.Runs, third] });

        Assert.That(chart.Y.Categories.Select(category => $"{category.Group}: {category.Name}"), Is.EqualTo(new[] { "the same for all: L1 vpid 1 global", "the same for all: L2 vpid 2 pcid 1", "c: L2 vpid 9" }));
    }

    [Test]
    public void Interval_costs_leave_the_trace_out_and_are_per_thousand_records_at_the_traces_own_time()
    {
        Chart chart = Draw(new Intervals(), ChartSample.Full());

        // (900 - 400) cycles in 100 records, (500 - 300) in 50; the trace is at 400 cycles, then at 700. A last point ends the step.
        Assert.That(Points(chart, "a"), Is.EqualTo(new[] { (0.0, 5_000.0), (400.0, 4_000.0), (700.0, 4_000.0) }));
        Assert.That((chart.X.Kind, chart.X.Unit), Is.EqualTo((AxisKind.Time, "cycles")));
    }

    [Test]
    public void With_a_clock_time_is_in_seconds_parts()
    {
        RunSet set = ChartSample.Full();

        // 700 cycles at 1 kHz are 700 ms.
        Chart chart = Draw(new Intervals(), set with { Provenance = set.Provenance with { Configuration = """{"reference_kilohertz":1}""" } });

        Assert.That((chart.X.Unit, Points(chart, "a")[^1].Item1), Is.EqualTo(("ms", 700.0)));
    }

    [Test]
    public void The_timeline_lays_each_policys_invalidations_over_the_traces_transitions()
    {
        Chart chart = Draw(new TransitionTimeline(), ChartSample.Full());

        Assert.That(Points(chart, ""), Is.EqualTo(new[] { (0.0, 6.0), (400.0, 3.0), (700.0, 3.0) }));
        Assert.That(Points(chart, "b"), Is.EqualTo(new[] { (0.0, 8.0), (400.0, 4.0), (700.0, 4.0) }));
        Assert.That(Curves(chart)[0].Filled, Is.True);
    }

    [Test]
    public void More_intervals_than_a_chart_tells_apart_are_summed_in_pairs()
    {
        SeriesPoint[] points = [.. Enumerable.Range(1, 5).Select(i => new SeriesPoint(10 * i, i))];

        Assert.That(SeriesFigures.Merged(points, 3).Select(point => (point.X, point.Y)), Is.EqualTo(new[] { (20L, 3L), (40L, 7L), (50L, 5L) }));
        Assert.That(SeriesFigures.Merged(points, 5), Is.SameAs(points));
    }

    [Test]
    public void Latencies_add_up_to_all_interrupts_and_curves_share_the_axis_and_its_end()
    {
        RunSet set = ChartSample.Full();
        Chart chart = Draw(new InterruptLatency(), set);

        // One of 0 cycles, two of 120, one of 900. Zero has a place on the logarithmic axis, and a curve rises from zero at its first datum.
        Assert.That(Points(chart, "a"), Is.EqualTo(new[] { (1.0, 0.0), (1.0, 25.0), (120.0, 75.0), (900.0, 100.0) }));
        Assert.That(Curves(chart)[0].Points[0].Datum.Facts.Single(fact => fact.Name == "latency").Text, Is.EqualTo("0 cycles"));

        set.Runs[0].Statistics.Add(new Series("irq.latency", "level=2,also", "cycles", "interrupts", SeriesKind.Histogram, "L.", [new(5, 1), new(7, 0)]));
        chart = Draw(new InterruptLatency(), set);
        Assert.That(Points(chart, "a L2"), Is.EqualTo(new[] { (5.0, 0.0), (5.0, 100.0), (900.0, 100.0) }), "it stays at all until the latest of any");
        Assert.That(Curves(chart).Single(curve => curve.Name == "a L2").Dash, Is.Not.EqualTo(Curves(chart).Single(curve => curve.Name == "a L1").Dash));
    }

    [Test]
    public void Curves_that_are_the_same_are_one_with_both_names()
    {
        RunSet set = ChartSample.Full();
        Chart chart = Draw(new Intervals(), set with { Runs = [set.Runs[0], set.Runs[1] with { Statistics = set.Runs[0].Statistics }] });

        Curve curve = Curves(chart).Single();
        Assert.That((curve.Name, curve.Runs), Is.EqualTo(("a = b", new[] { "a", "b" })));
        Assert.That(curve.Points[0].Datum.Facts[0].Text, Is.EqualTo("a, b"));
    }

    [Test]
    public void Swept_numbers_are_ordered_as_numbers_and_seeds_make_the_band()
    {
        Chart chart = Draw(new SweepLines(), ChartSample.Swept("b", ("machine.seed", ["1", "2"]), ("second_level[0].ways", ["16", "4"])));

        // Runs 0 to 3 are policy a: seed 1 at 16 and 4, seed 2 at 16 and 4. Run n has 10,000 + 3,000 (n + 1) cycles in 200 transitions.
        Assert.That(Points(chart, "a"), Is.EqualTo(new[] { (4.0, 95.0), (16.0, 80.0) }));
        Assert.That(chart.Marks.OfType<Band>().First().Edges, Is.EqualTo(new[] { new BandEdge(4, 80, 110), new BandEdge(16, 65, 95) }));
    }

    [Test]
    public void A_sweep_shows_any_metric_and_without_nested_transitions_one_that_needs_none()
    {
        RunSet set = ChartSample.Swept("b", ("second_level[0].ways", ["4", "8"]));
        Chart walks = new SweepLines().Draw(new ReportInput(set) { Metric = Metric.Find("walks", set) }).Chart!;
        Assert.That((walks.Y.Title, Points(walks, "a")), Is.EqualTo(("walks", new[] { (4.0, 100.0), (8.0, 200.0) })));

        Chart path = new SweepLines().Draw(new ReportInput(set) { Metric = Metric.Find("lane[*].walks.flushed", set) }).Chart!;
        Assert.That(Points(path, "a = b"), Is.EqualTo(new[] { (4.0, 40.0), (8.0, 40.0) }));

        StatSheet flat = new();
        flat.Counter("lane[0].accesses", "accesses", "A.", 1_000, "level=0");
        flat.Counter("lane[0].stall_cycles", "cycles", "S.", 70, "level=0");
        Chart user = Draw(new SweepLines(), set with { Runs = [.. set.Runs.Select(run => run with { Statistics = flat })] });
        Assert.That((user.Y.Title, Points(user, "a = b")), Is.EqualTo(("translation for 1,000 accesses", new[] { (4.0, 70.0), (8.0, 70.0) })));
    }

    [Test]
    public void A_metric_that_is_defined_nowhere_is_said_to_be_so_and_not_that_there_is_no_sweep()
    {
        RunSet set = ChartSample.Swept("b", ("second_level[0].ways", ["4", "8"]));
        RunSet empty = set with { Runs = [.. set.Runs.Select(run => run with { Statistics = new StatSheet() })] };

        Assert.That(new SweepLines().Draw(new ReportInput(empty)).Absent, Does.Contain("translation-per-access").And.Contain("--metric").And.Not.Contain("nestsim sweep"));
        Assert.That(() => Metric.Find("walk", set), Throws.InstanceOf<Sim.Core.ConfigurationException>().With.Message.Contains("walks").And.Message.Contains("list metrics"));
    }

    [Test]
    public void Two_swept_parameters_make_a_heat_map_and_no_lines()
    {
        RunSet set = ChartSample.Swept("b", ("x", ["10", "9"]), ("y", ["lru", "plru"]));
        Chart chart = Draw(new SweepHeatMap(), set);

        Assert.That(chart.X.Categories.Select(category => category.Name), Is.EqualTo(new[] { "9", "10" }));
        Assert.That(chart.Y.Categories.Select(category => $"{category.Group}: {category.Name}"), Is.EqualTo(new[] { "a: lru", "a: plru", "b: lru", "b: plru" }));
        Assert.That(new SweepLines().Draw(new ReportInput(set)).Chart, Is.Null);
        Assert.That(new SweepHeatMap().Draw(new ReportInput(ChartSample.Swept("b", ("x", ["10", "9"])))).Chart, Is.Null);
    }

    [Test]
    public void Seeds_are_points_with_the_interval_of_their_mean_and_those_that_change_nothing_are_called_so()
    {
        RunSet set = ChartSample.Swept("b", ("machine.seed", ["1", "2"]));
        RunSet same = set with { Runs = [.. set.Runs.Select(run => run with { Statistics = set.Runs[0].Statistics })] };
        Chart chart = Draw(new SeedSpread(), set);

        // Runs 0 and 1: 13,000 and 16,000 cycles in 200 transitions.
        Assert.That(chart.Marks.OfType<Points>().First().Items.Where(point => point.Y.Equals(0)).Select(point => point.X), Is.EqualTo(new[] { 65.0, 80.0 }));
        Assert.That(chart.Marks.OfType<Spans>().Single().Items[0], Has.Property("From").EqualTo(65.0).And.Property("To").EqualTo(80.0), "without statistics at hand, from the least to the most");
        Assert.That(chart.Marks.OfType<Labels>().Single().Items[0].Text, Is.EqualTo("72.50 \u00b1 7.500"));
        Assert.That(Draw(new SeedSpread(), same).Reading, Does.Contain("The seed changes nothing"));
        Assert.That(Draw(new SeedSpread(), same).Marks.OfType<Spans>(), Is.Empty);
        Assert.That(new SeedSpread().Draw(new ReportInput(ChartSample.Swept("b", ("machine.seed", ["1"])))).Chart, Is.Null, "one seed has no spread");
    }

    [Test]
    public void Bars_of_a_sweep_are_those_of_its_first_point()
    {
        Chart chart = ChartCatalogue.Draw("misses-by-cause", new ReportInput(ChartSample.Swept("b", ("machine.seed", ["1", "2", "3"])))).Chart!;

        Assert.That(chart.Y.Categories, Has.Count.EqualTo(2));
        Assert.That(chart.Reading, Does.StartWith("At machine.seed=1 alone"));
    }

    private static Chart Draw(IChart chart, RunSet set) => chart.Draw(new ReportInput(set)).Chart!;

    private static Curve[] Curves(Chart chart) => [.. chart.Marks.OfType<Curve>()];

    private static (double, double)[] Points(Chart chart, string curve) => [.. Curves(chart).Single(one => one.Name == curve).Points.Select(point => (point.X, point.Y))];
}
