using Sim.Core.Stats;
using Sim.Reports.Results;
using Sim.Reports.Views;

namespace Sim.Reports.Tests.Views;

/// <summary>What is said of wrong outcomes: their pages as a table, their stories as text.</summary>
public sealed class SafetyViewTests
{
    [Test]
    public void Pages_come_with_context_root_and_uses_and_those_not_shown_are_summed()
    {
        SafetyPage[] pages = [new(0x1000, 0, 2, "VPID 1, PCID 0", 0x7000, 40, 12, 0, "c", "o"), new(0xffff_8000_0000_0000, 1, 1, "VPID 0, global", 0, 3, 5, 1, "c", "o")];
        SafetyFinding finding = new("stale_use", 50, ["story"]) { Pages = pages, PageCount = 9 };

        Table all = Pages(finding, 10).Single();
        Assert.That(all.Title, Is.EqualTo("r: stale_use by page"));
        Assert.That(all.Rows, Is.EqualTo(new[]
        {
            new[] { "0x1000", "vCPU 0 L2", "VPID 1, PCID 0", "0x7000", "40", "12" },
            ["0xffff800000000000", "vCPU 1 L1", "VPID 0, global", "0x0", "3", "5"],
            ["7 others", "", "", "", "7", ""],
        }));
        Assert.That(Pages(finding, 1).Single().Rows[^1], Is.EqualTo(new[] { "8 others", "", "", "", "10", "" }));
        Assert.That(Pages(finding with { PageCount = 2, Count = 43 }, 2).Single().Rows, Has.Count.EqualTo(2), "no others");
    }

    [Test]
    public void A_finding_of_one_page_or_of_none_has_no_table()
    {
        SafetyPage page = new(0x1000, 0, 2, "VPID 1, PCID 0", 0x7000, 2, 12, 0, "c", "o");
        Assert.That(Pages(new SafetyFinding("stale_use", 2, []) { Pages = [page], PageCount = 1 }, 5), Is.Empty);
        Assert.That(Pages(new SafetyFinding("interrupt_lost", 2, []), 5), Is.Empty);
    }

    [TestCase(20, "  one two three four", "  one two three four\n")]
    [TestCase(19, "  one two three four", "  one two three\n    four\n")]
    [TestCase(9, "  one two three four", "  one two\n    three\n    four\n")]
    [TestCase(6, "abcdefghij k", "abcdefghij\n  k\n")]
    [TestCase(6, "abcdefghij", "abcdefghij\n")]
    [TestCase(6, "", "\n")]
    public void A_line_is_broken_between_words_with_a_hanging_indent_where_the_terminal_ends(int width, string line, string expected)
    {
        Assert.That(Written(line, new TableStyle(true, width)), Is.EqualTo(expected));
        Assert.That(Written(line, new TableStyle(false, width)), Is.EqualTo(line + "\n"), "a pipe gets lines as they are");
    }

    private static string Written(string line, TableStyle style)
    {
        using StringWriter output = new();
        Prose.Write(output, [line], style);
        return output.ToString();
    }

    private static IReadOnlyList<Table> Pages(SafetyFinding finding, int top) => SafetyView.Pages([new RunResult("r", "p", new StatSheet(), [], Safety: new SafetyVerdict([finding], 0))], top);
}
