using Sim.Core.Stats;
using Sim.Reports.Charts;
using Sim.Reports.Charts.Description;
using Sim.Reports.Results;

namespace Sim.Reports.Tests.Charts;

public sealed class ExitsByReasonTests
{
    [Test]
    public void Runs_with_the_same_exits_are_drawn_once_with_names_most_frequent_first()
    {
        Chart chart = Draw(Sheet(5, 7), Sheet(5, 7));

        Assert.That(Bars(chart).Select(bar => (chart.Y.Categories[bar.Row].Name, bar.To - bar.From, bar.Datum.Runs.Count)), Is.EqualTo(new[] { ("CPUID", 7d, 0), ("VMRESUME", 5d, 0) }));
        Assert.That(chart.Reading, Does.Contain("same for every policy"));
    }

    [Test]
    public void Runs_that_differ_get_a_bar_each_with_its_name()
    {
        Chart chart = Draw(Sheet(5, 7), Sheet(6, 7));

        Assert.That(chart.Y.Categories.Select(category => $"{category.Group}: {category.Name}"), Is.EqualTo(new[] { "CPUID: a", "CPUID: b", "VMRESUME: a", "VMRESUME: b" }));
        Assert.That(Bars(chart).Select(bar => (bar.Datum.Runs.Single(), bar.Row, bar.To)), Is.EqualTo(new[] { ("a", 0, 7d), ("b", 1, 7d), ("a", 2, 5d), ("b", 3, 6d) }));
    }

    [Test]
    public void More_than_twenty_reasons_are_cut_and_the_text_says_so()
    {
        StatSheet sheet = new();
        for (int reason = 0; reason < 23; reason++)
        {
            sheet.Counter("vm.exits", "transitions", "E.", 100 - reason, $"level=2,reason={reason}");
        }

        Chart chart = Draw(sheet);

        Assert.That(Bars(chart), Has.Count.EqualTo(20));
        Assert.That(chart.Reading, Does.Contain("20 most frequent of 23"));
    }

    private static IReadOnlyList<Bar> Bars(Chart chart) => chart.Marks.OfType<Bars>().Single().Items;

    private static Chart Draw(params StatSheet[] sheets)
    {
        RunSet set = Sample.Set() with { Runs = [.. sheets.Select((sheet, i) => new RunResult($"{(char)('a' + i)}", "p", sheet, []))] };
        return new ExitsByReason().Draw(new ReportInput(set) { ExitName = reason => reason switch { 10 => "CPUID", 24 => "VMRESUME", _ => $"{reason}" } }).Chart!;
    }

    private static StatSheet Sheet(long resumes, long cpuids)
    {
        StatSheet sheet = new();
        sheet.Counter("vm.exits", "transitions", "E.", resumes, "level=1,reason=24");
        sheet.Counter("vm.exits", "transitions", "E.", cpuids, "level=2,reason=10");
        sheet.Counter("vm.exits", "transitions", "E.", 0, "level=2,reason=12");
        return sheet;
    }
}
