using System.Text.Json.Nodes;
using Sim.Core.Stats;
using Sim.Reports.Charts;
using Sim.Reports.Charts.VegaLite;
using Sim.Reports.Results;
using Sim.Reports.Views;

namespace Sim.Reports.Tests.Charts;

public sealed class CostByCauseTests
{
    [Test]
    public void The_parts_of_a_bar_add_up_to_everything_but_the_trace()
    {
        StatSheet sheet = new();
        sheet.Counter("cycles.trace", "cycles", "T.", 1_000_000);
        sheet.Counter("cycles.translation", "cycles", "T.", 900);
        sheet.Counter("cycles.hypervisor", "cycles", "H.", 70);
        sheet.Counter("cycles.interrupts", "cycles", "I.", 5);
        sheet.Counter("lane[0].stall_cycles", "cycles", "S.", 900);
        sheet.Counter("lane[0].walk_cycles", "cycles", "W.", 600);
        sheet.Counter("lane[0].walk_cycles.cold", "cycles", "C.", 200);
        sheet.Counter("lane[0].walk_cycles.flushed", "cycles", "F.", 300);

        JsonObject[] rows = Rows(sheet);

        Assert.That(rows.Select(row => ($"{row["part"]}", (long)row["value"]!)), Is.EqualTo(new[]
        {
            ("hypervisor software", 70L), ("interrupts", 5L), ("second-level TLB hits", 300L), ("walks, cause not recorded", 100L), ("walks: cold", 200L), ("walks: flushed", 300L),
        }));
        Assert.That(rows.Sum(row => (long)row["value"]!), Is.EqualTo(Figures.TotalCycles(sheet) - 1_000_000));
    }

    [Test]
    public void A_tooltip_has_the_exact_number_beyond_what_a_double_holds_and_the_share_of_a_transition()
    {
        StatSheet sheet = new();
        sheet.Counter("cycles.hypervisor", "cycles", "H.", (1L << 53) + 1);
        sheet.Counter("vm.nested_entries", "transitions", "E.", 1L << 50);

        JsonObject row = Rows(sheet)[0];

        Assert.That(((string)row["exact"]!, (string)row["each"]!), Is.EqualTo(("9,007,199,254,740,993 cycles", "8.000 cycles")));
    }

    [Test]
    public void The_line_stands_where_the_reference_bar_ends()
    {
        Specification specification = new CostByCause().Draw(new ReportInput(ChartSample.Full())).Specification!;

        Assert.That(specification.Layers, Has.Count.EqualTo(2));
        Assert.That(specification.Layers[1].Rows.Single()["value"]!.GetValue<long>(), Is.EqualTo(3_000), "stall cycles of run a");
        Assert.That(specification.Layers[1].Rows.Single()["run"]!.GetValue<string>(), Is.EqualTo("a"));
    }

    [Test]
    public void A_single_run_has_no_line() =>
        Assert.That(new CostByCause().Draw(new ReportInput(ChartSample.Full() with { Runs = [ChartSample.Full().Runs[0]] })).Specification!.Layers, Has.Count.EqualTo(1));

    private static JsonObject[] Rows(StatSheet sheet) =>
        [.. new CostByCause().Draw(new ReportInput(Sample.Set() with { Runs = [new RunResult("a", "a", sheet, [])] })).Specification!.Layers[0].Rows];
}
