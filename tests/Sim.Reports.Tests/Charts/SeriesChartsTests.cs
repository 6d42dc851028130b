using System.Globalization;
using System.Text.Json.Nodes;
using Sim.Core.Stats;
using Sim.Reports.Charts;
using Sim.Reports.Charts.VegaLite;
using Sim.Reports.Results;

namespace Sim.Reports.Tests.Charts;

/// <summary>Charts of series and sweeps: numbers by hand from <see cref="ChartSample"/>.</summary>
public sealed class SeriesChartsTests
{
    [Test]
    public void The_refill_curve_is_walks_per_access_over_all_lanes_and_invalidations_without_L0()
    {
        JsonObject[] rows = Rows(new RefillCurve(), ChartSample.Full());

        // a: (10 + 2) of (10 + 6) at the first access, 0 of 10 at the second, 5 of 20 from the third on.
        Assert.That(Of(rows, "a", "nth", "share"), Is.EqualTo(new[] { (1.0, 75.0), (2.0, 0.0), (3.0, 25.0) }));
        Assert.That(Of(rows, "b", "nth", "share"), Is.EqualTo(new[] { (1.0, 75.0), (2.0, 0.0), (3.0, 50.0) }));
        Assert.That(rows.Select(row => (string)row["level"]!).Distinct(), Is.EqualTo(new[] { "L2" }));
        Assert.That((string)rows[0]["exact"]!, Is.EqualTo("12 of 16"));
    }

    [Test]
    public void The_heat_map_shows_the_fullest_array_and_each_interval_from_its_begin_to_its_end()
    {
        JsonObject[] rows = Rows(new Occupancy(), ChartSample.Full());

        Assert.That(rows.Where(row => (string)row["run"]! == "a").Select(row => $"{row["row"]} {row["from"]}-{row["to"]} {row["entries"]}"), Is.EqualTo(new[]
        {
            "a: L1 vpid 1 global 0-100 7", "a: L1 vpid 1 global 100-150 9", "a: L2 vpid 2 pcid 1 0-100 70", "a: L2 vpid 2 pcid 1 100-150 0",
        }));
        Assert.That(new Occupancy().Draw(new ReportInput(ChartSample.Full())).Specification!.Title, Is.EqualTo("Occupancy of lane[0].stlb by tag"));
    }

    [Test]
    public void Interval_costs_leave_the_trace_out_and_are_per_thousand_records_with_a_last_row_that_ends_the_step()
    {
        // (900 - 400) cycles in 100 records, (500 - 300) in 50.
        Assert.That(Of(Rows(new Intervals(), ChartSample.Full()), "a", "x", "cost"), Is.EqualTo(new[] { (0.0, 5_000.0), (100.0, 4_000.0), (150.0, 4_000.0) }));
    }

    [Test]
    public void The_timeline_lays_each_policys_invalidations_over_the_traces_transitions()
    {
        Specification specification = new TransitionTimeline().Draw(new ReportInput(ChartSample.Full())).Specification!;

        Assert.That(Of([.. specification.Layers[0].Rows], "all policies", "x", "events"), Is.EqualTo(new[] { (0.0, 6.0), (100.0, 3.0), (150.0, 3.0) }));
        Assert.That(Of([.. specification.Layers[1].Rows], "b", "x", "events"), Is.EqualTo(new[] { (0.0, 8.0), (100.0, 4.0), (150.0, 4.0) }));
    }

    [Test]
    public void Latencies_add_up_to_all_interrupts_and_zero_cycles_has_a_place_on_the_logarithmic_axis()
    {
        JsonObject[] rows = Rows(new InterruptLatency(), ChartSample.Full());

        Assert.That(Of(rows, "a", "cycles", "share"), Is.EqualTo(new[] { (1.0, 0.0), (1.0, 25.0), (120.0, 75.0), (900.0, 100.0) }), "a curve rises from zero at its first bucket");
        Assert.That(rows.Select(row => (string)row["level"]!).Distinct(), Is.EqualTo(new[] { "L1" }), "nothing was for L2");
        Assert.That((string)rows[0]["from"]!, Is.EqualTo("0 cycles"));
    }

    [Test]
    public void Latencies_of_one_level_have_dashes_by_run_and_of_two_by_level()
    {
        RunSet set = ChartSample.Full();
        Assert.That(DashedBy(set), Is.EqualTo("run"));

        set.Runs[0].Statistics.Add(new Series("irq.latency", "level=2,also", "cycles", "interrupts", SeriesKind.Histogram, "L.", [new(5, 1)]));
        Assert.That(DashedBy(set), Is.EqualTo("level"));

        static string DashedBy(RunSet set) =>
            new InterruptLatency().Draw(new ReportInput(set)).Specification!.Layers[0].Encodings.Single(encoding => encoding.Channel == Channel.StrokeDash).Member;
    }

    [Test]
    public void Swept_numbers_are_ordered_as_numbers_and_seeds_make_the_band()
    {
        RunSet set = ChartSample.Swept("b", ("machine.seed", ["1", "2"]), ("second_level[0].ways", ["16", "4"]));
        Specification specification = new SweepLines().Draw(new ReportInput(set)).Specification!;

        // Runs 0 to 3 are policy a: seed 1 at 16 and 4, seed 2 at 16 and 4. Run n has 10,000 + 3,000 (n + 1) cycles in 200 transitions.
        Assert.That(specification.Layers.Select(layer => layer.Mark.Type), Is.EqualTo(new[] { "area", "line" }));
        Assert.That(Of([.. specification.Layers[1].Rows], "a", "value", "cost"), Is.EqualTo(new[] { (16.0, 80.0), (4.0, 95.0) }));
        Assert.That(Of([.. specification.Layers[0].Rows], "a", "least", "most"), Is.EqualTo(new[] { (65.0, 95.0), (80.0, 110.0) }));
    }

    [Test]
    public void Two_swept_parameters_make_a_heat_map_and_no_lines()
    {
        RunSet set = ChartSample.Swept("b", ("x", ["10", "9"]), ("y", ["lru", "plru"]));
        Specification specification = new SweepHeatMap().Draw(new ReportInput(set)).Specification!;

        Assert.That(specification.Layers[0].Encodings.Single(encoding => encoding.Channel == Channel.X).Names, Is.EqualTo(new[] { "9", "10" }));
        Assert.That(specification.Layers[0].Encodings.Single(encoding => encoding.Channel == Channel.Y).Names, Is.EqualTo(new[] { "a: lru", "a: plru", "b: lru", "b: plru" }));
        Assert.That(new SweepLines().Draw(new ReportInput(set)).Specification, Is.Null);
        Assert.That(new SweepHeatMap().Draw(new ReportInput(ChartSample.Swept("b", ("x", ["10", "9"])))).Specification, Is.Null);
    }

    [Test]
    public void Seeds_that_change_nothing_are_called_so()
    {
        RunSet set = ChartSample.Swept("b", ("machine.seed", ["1", "2"]));
        RunSet same = set with { Runs = [.. set.Runs.Select(run => run with { Statistics = set.Runs[0].Statistics })] };

        Assert.That(new SeedSpread().Draw(new ReportInput(set)).Specification!.Reading, Does.Contain("line is their mean"));
        Assert.That(new SeedSpread().Draw(new ReportInput(same)).Specification!.Reading, Does.Contain("The seed changes nothing"));
        Assert.That(new SeedSpread().Draw(new ReportInput(ChartSample.Swept("b", ("machine.seed", ["1"])))).Specification, Is.Null, "one seed has no spread");
    }

    private static JsonObject[] Rows(IChart chart, RunSet set) => [.. chart.Draw(new ReportInput(set)).Specification!.Layers[^1].Rows];

    private static (double, double)[] Of(JsonObject[] rows, string run, string x, string y) =>
        [.. rows.Where(row => (string)row["run"]! == run).Select(row => (Number(row[x]!), Number(row[y]!)))];

    private static double Number(JsonNode node) => double.Parse(node.ToJsonString(), CultureInfo.InvariantCulture);
}
