using Sim.Core.Stats;
using Sim.Reports.Charts;
using Sim.Reports.Charts.Description;
using Sim.Reports.Results;
using Sim.Reports.Views;

namespace Sim.Reports.Tests.Charts;

public sealed class CostByCauseTests
{
    [Test]
    public void The_parts_of_a_single_run_add_up_to_everything_but_the_trace()
    {
        StatSheet sheet = Sheet(hypervisor: 70, flushed: 300);

        Bar[] bars = [.. Bars(sheet)];

        Assert.That(bars.Select(bar => (Fact(bar, "part"), bar.To - bar.From)), Is.EqualTo(new[]
        {
            ("hypervisor software", 70d), ("interrupts", 5d), ("second-level TLB hits", 300d), ("walks, cause not recorded", 100d), ("walks: cold", 200d), ("walks: flushed", 300d),
        }));
        Assert.That(bars[^1].To, Is.EqualTo(Figures.TotalCycles(sheet) - 1_000_000));
        Assert.That(bars.Zip(bars.Skip(1)).All(pair => pair.First.To.Equals(pair.Second.From)), Is.True, "pieces follow each other");
    }

    [Test]
    public void What_all_runs_share_is_left_out_of_each_part_and_told()
    {
        Chart chart = Chart(Sheet(hypervisor: 70, flushed: 300), Sheet(hypervisor: 90, flushed: 100));
        Bar[] bars = [.. chart.Marks.OfType<Bars>().Single().Items];

        Assert.That(bars.Select(bar => (bar.Row, Fact(bar, "part"), bar.To - bar.From)), Is.EqualTo(new[]
        {
            (0, "hypervisor software", 0d), (0, "walks, cause not recorded", 0d), (0, "walks: flushed", 200d), (1, "hypervisor software", 20d), (1, "walks, cause not recorded", 200d), (1, "walks: flushed", 0d),
        }));
        Assert.That(Fact(bars[2], "in all"), Is.EqualTo("300 cycles"));

        // 70 hypervisor, 5 interrupts, 300 second-level hits, 100 unknown, 200 cold, 100 flushed.
        Assert.That(chart.Reading, Does.Contain("775 cycles that all of them take are left out"));
    }

    [Test]
    public void A_tooltip_has_the_exact_number_beyond_what_a_double_holds_and_the_share_of_a_transition()
    {
        StatSheet sheet = new();
        sheet.Counter("cycles.hypervisor", "cycles", "H.", (1L << 53) + 1);
        sheet.Counter("vm.nested_entries", "transitions", "E.", 1L << 50);

        Bar bar = Bars(sheet)[0];

        Assert.That((Fact(bar, "total"), Fact(bar, "per nested transition")), Is.EqualTo(("9,007,199,254,740,993 cycles", "8.000 cycles")));
    }

    [Test]
    public void The_line_stands_where_the_reference_bar_ends_and_the_label_of_a_bar_where_it_ends()
    {
        Chart chart = new CostByCause().Draw(new ReportInput(ChartSample.Full())).Chart!;

        // Run b walks twice as often: 3,000 cycles more of second-level hits and walks that are not recorded.
        Assert.That(chart.Marks.OfType<Rule>().Single().X, Is.Zero, "the reference takes least of everything");
        Assert.That(chart.Marks.OfType<Labels>().Single().Items.Select(label => (label.X, label.Text)), Is.EqualTo(new[] { (0d, "0"), (3_000d, "3,000") }));
    }

    [Test]
    public void A_single_run_has_no_line() =>
        Assert.That(new CostByCause().Draw(new ReportInput(ChartSample.Full() with { Runs = [ChartSample.Full().Runs[0]] })).Chart!.Marks.OfType<Rule>(), Is.Empty);

    internal static StatSheet Sheet(long hypervisor, long flushed)
    {
        StatSheet sheet = new();
        sheet.Counter("cycles.trace", "cycles", "T.", 1_000_000);
        sheet.Counter("cycles.translation", "cycles", "T.", 900);
        sheet.Counter("cycles.hypervisor", "cycles", "H.", hypervisor);
        sheet.Counter("cycles.interrupts", "cycles", "I.", 5);
        sheet.Counter("lane[0].stall_cycles", "cycles", "S.", 900);
        sheet.Counter("lane[0].walk_cycles", "cycles", "W.", 600);
        sheet.Counter("lane[0].walk_cycles.cold", "cycles", "C.", 200);
        sheet.Counter("lane[0].walk_cycles.flushed", "cycles", "F.", flushed);
        return sheet;
    }

    private static string Fact(Bar bar, string name) => bar.Datum.Facts.Single(fact => fact.Name == name).Text;

    private static IReadOnlyList<Bar> Bars(StatSheet sheet) => Chart(sheet).Marks.OfType<Bars>().Single().Items;

    private static Chart Chart(params StatSheet[] sheets) =>
        new CostByCause().Draw(new ReportInput(Sample.Set() with { Runs = [.. sheets.Select((sheet, i) => new RunResult("ab"[i..(i + 1)], "ab"[i..(i + 1)], sheet, []))] })).Chart!;
}
