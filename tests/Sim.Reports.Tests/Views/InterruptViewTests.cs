using Sim.Core.Stats;
using Sim.Reports.Results;
using Sim.Reports.Views;

namespace Sim.Reports.Tests.Views;

public sealed class InterruptViewTests
{
    [Test]
    public void A_row_has_counts_latencies_and_what_each_handled_interrupt_costs()
    {
        Table table = InterruptView.Of([Run("p posted/deferred", Sheet(handled: 8))]).Single();

        Assert.That(table.Headers, Is.EqualTo(new[] { "policy", "handled", "merged", "lost", "p50", "p99", "exits", "nested exits", "from target", "from sender" }));
        Assert.That(table.Rows.Single(), Is.EqualTo(new[] { "p posted/deferred", "8", "2", "1", "120", "900", "1.500", "0.500", "50.00", "25.00" }));
    }

    [Test]
    public void Interrupts_for_L2_bring_columns_of_their_own_and_a_run_without_them_has_dashes_there()
    {
        StatSheet both = Sheet(handled: 8);
        both.Counter("irq.sent", "interrupts", "S.", 1, "level=2");
        both.Counter("irq.handled", "interrupts", "H.", 1, "level=2");
        both.Gauge("irq.latency.p50", "cycles", "P.", 77, "level=2");
        both.Gauge("irq.latency.p99", "cycles", "P.", 78, "level=2");

        Table table = InterruptView.Of([Run("a", both), Run("b", Sheet(handled: 8))]).Single();

        Assert.That(table.Headers.Skip(4).Take(4), Is.EqualTo(new[] { "p50 L1", "p99 L1", "p50 L2", "p99 L2" }));
        Assert.That(table.Rows.Select(row => string.Join(' ', row.Skip(4).Take(4))), Is.EqualTo(new[] { "120 900 77 78", "120 900 - -" }));
    }

    [Test]
    public void Nothing_handled_leaves_ratios_and_latencies_undefined() =>
        Assert.That(InterruptView.Of([Run("a", Sheet(handled: 0))]).Single().Rows.Single().Skip(4), Is.All.EqualTo("-"));

    [Test]
    public void Runs_that_deliver_no_interrupts_have_no_table() =>
        Assert.That(InterruptView.Of([new RunResult("a", "a", Sheet(handled: 8), [])]), Is.Empty);

    private static RunResult Run(string name, StatSheet sheet) => new(name, "p", sheet, []) { InterruptPath = "posted", ApicvUpdate = "deferred" };

    private static StatSheet Sheet(long handled)
    {
        StatSheet sheet = new();
        sheet.Counter("irq.sent", "interrupts", "S.", 11, "level=1");
        sheet.Counter("irq.handled", "interrupts", "H.", handled, "level=1");
        sheet.Counter("irq.coalesced", "interrupts", "C.", 2, "level=1");
        sheet.Gauge("irq.lost", "interrupts", "L.", 1, "level=1");
        sheet.Gauge("irq.latency.p50", "cycles", "P.", 120, "level=1");
        sheet.Gauge("irq.latency.p99", "cycles", "P.", 900, "level=1");
        sheet.Counter("irq.exits", "transitions", "E.", 8, "level=1,cause=ExternalInterrupt");
        sheet.Counter("irq.exits", "transitions", "E.", 4, "level=2,cause=ExternalInterrupt");
        sheet.Counter("irq.nested_exits", "transitions", "N.", 4);
        sheet.Counter("irq.stolen", "cycles", "S.", 400, "from=target,cause=ExternalInterrupt");
        sheet.Counter("irq.stolen", "cycles", "S.", 200, "from=sender,cause=IcrWrite");
        sheet.Counter("irq.stolen", "cycles", "S.", 999, "from=bystander,cause=ExternalInterrupt");
        return sheet;
    }
}
