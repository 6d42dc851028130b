using Sim.Core.Stats;
using Sim.Reports.Charts;
using Sim.Reports.Charts.VegaLite;
using Sim.Reports.Results;

namespace Sim.Reports.Tests.Charts;

public sealed class ExitsByReasonTests
{
    [Test]
    public void Runs_with_the_same_exits_are_drawn_once_with_names_most_frequent_first()
    {
        Specification specification = Draw(Sheet(5, 7), Sheet(5, 7));

        Assert.That(specification.Layers[0].Rows.Select(row => ((string)row["reason"]!, (long)row["value"]!, (string)row["run"]!)), Is.EqualTo(new[]
        {
            ("CPUID", 7L, "all policies"), ("VMRESUME", 5L, "all policies"),
        }));
        Assert.That(specification.Layers[0].Encodings.Single(encoding => encoding.Channel == Channel.Y).Names, Is.EqualTo(new[] { "CPUID", "VMRESUME" }));
        Assert.That(specification.Reading, Does.Contain("same for every policy"));
    }

    [Test]
    public void Runs_that_differ_get_a_bar_each() =>
        Assert.That(Draw(Sheet(5, 7), Sheet(6, 7)).Layers[0].Rows.Select(row => (string)row["run"]!).Distinct(), Is.EqualTo(new[] { "a", "b" }));

    [Test]
    public void More_than_twenty_reasons_are_cut_and_the_text_says_so()
    {
        StatSheet sheet = new();
        for (int reason = 0; reason < 23; reason++)
        {
            sheet.Counter("vm.exits", "transitions", "E.", 100 - reason, $"level=2,reason={reason}");
        }

        Specification specification = Draw(sheet);

        Assert.That(specification.Layers[0].Rows, Has.Count.EqualTo(20));
        Assert.That(specification.Reading, Does.Contain("20 most frequent of 23"));
    }

    private static Specification Draw(params StatSheet[] sheets)
    {
        RunSet set = Sample.Set() with { Runs = [.. sheets.Select((sheet, i) => new RunResult($"{(char)('a' + i)}", "p", sheet, []))] };
        return new ExitsByReason().Draw(new ReportInput(set) { ExitName = reason => reason switch { 10 => "CPUID", 24 => "VMRESUME", _ => $"{reason}" } }).Specification!;
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
