using Sim.Core.Stats;
using Sim.Reports.Results;
using Sim.Reports.Views;

namespace Sim.Reports.Tests.Views;

public sealed class PageSizeViewTests
{
    private const string Levels = "\"l0_pages\":null,\"l1_pages\":\"4K\",\"l2_pages\":\"4K\",\"ept01_pages\":\"2M\",\"ept12_pages\":\"4K\"";

    [Test]
    public void What_the_trace_does_not_tell_is_said_to_be_assumed_for_each_table_that_was_used()
    {
        Assert.That(PageSizeView.Of(Set("recorded")), Is.EqualTo("assumed L0 4K (upper half 2M), L2 4K, EPT01 2M, EPT12 4K"));
        Assert.That(PageSizeView.Of(Set("assumed", ("page_sizes.l2", "recorded"))), Is.EqualTo("assumed L0 4K (upper half 2M), L2 4K, EPT01 2M, EPT12 4K"));
        Assert.That(PageSizeView.Of(Set("recorded", ("page_sizes.l0", "recorded"), ("page_sizes.tdp01", "inferred"))), Is.EqualTo("recorded L0; inferred EPT01; assumed L2 4K, EPT12 4K"));
    }

    [Test]
    public void Tables_of_AMD_have_their_own_names() =>
        Assert.That(PageSizeView.Of(Set("recorded", "amd", [])), Is.EqualTo("assumed L0 4K (upper half 2M), L2 4K, NPT01 2M, NPT12 4K"));

    [Test]
    public void A_program_alone_uses_the_tables_of_L0_only()
    {
        StatSheet sheet = new();
        sheet.Counter("lane[0].accesses", "accesses", "Memory references.", 5, "level=0,side=load");
        RunSet set = Set("recorded");

        Assert.That(PageSizeView.Of(set with { Runs = [new RunResult("a", "a", sheet, [])] }), Is.EqualTo("assumed L0 4K (upper half 2M)"));
    }

    [Test]
    public void A_bracket_has_both_ends_their_range_and_the_change_against_the_reference_at_each()
    {
        RunSet set = Set("bracket") with { Runs = [Run("a", "4K", 100), Run("b", "4K", 150), Run("a", "2M", 10), Run("b", "2M", 5)] };

        Table walks = PageSizeView.Bracket(set).Single(table => table.Title == "Walks");

        Assert.That(walks.Headers, Is.EqualTo(new[] { "policy", "4K pages", "2M pages", "range", "vs ref, 4K", "vs ref, 2M" }));
        Assert.That(walks.Rows, Is.EqualTo(new[] { new[] { "a", "100", "10", "10 to 100", "ref", "ref" }, ["b", "150", "5", "5 to 150", "+50.0%", "-50.0%"] }));
        Assert.That(PageSizeView.Of(set), Is.EqualTo("assumed 4K for every page, then assumed 2M for every page"));
    }

    [Test]
    public void An_end_that_failed_is_a_dash_and_a_figure_that_neither_end_has_is_left_out()
    {
        RunSet set = Set("bracket") with { Runs = [Run("a", "4K", 100, transitions: 0), Run("a", "2M", 1) with { Statistics = new StatSheet(), Failure = new RunFailure(4, "broken") }] };

        IReadOnlyList<Table> tables = PageSizeView.Bracket(set);

        Assert.That(tables.Single(table => table.Title == "Walks").Rows.Single(), Is.EqualTo(new[] { "a", "100", "-", "100", "ref", "ref" }));
        Assert.That(tables.Select(table => table.Title), Has.None.Contains("per nested transition"));
    }

    private static RunSet Set(string word, params (string Name, string Value)[] properties) => Set(word, "intel", properties);

    private static RunSet Set(string word, string vendor, (string Name, string Value)[] properties)
    {
        RunSet set = Sample.Set();
        return set with
        {
            Provenance = set.Provenance with
            {
                Configuration = $$"""{"machine":{"page_sizes":"{{word}}",{{Levels}}},"vendor":"{{vendor}}"}""",
                Trace = set.Provenance.Trace with { Properties = properties.ToDictionary(property => property.Name, property => property.Value) },
            },
        };
    }

    private static RunResult Run(string policy, string size, long walks, long transitions = 10) =>
        new($"{policy} {size}", policy, Sample.Sheet(1000, walks, 0, transitions), []) { Parameters = [new RunParameter("machine.page_sizes", size)] };
}
