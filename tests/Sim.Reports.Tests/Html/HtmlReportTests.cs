using System.Security.Cryptography;
using System.Text;
using System.Text.RegularExpressions;
using Sim.Core.Stats;
using Sim.Reports.Html;
using Sim.Reports.Results;
using Sim.Reports.Tests.Charts;

namespace Sim.Reports.Tests.Html;

/// <summary>The page as text; Sim.Cli.Tests looks at it in a browser.</summary>
public sealed partial class HtmlReportTests
{
    private const string Hostile = "</script><img src=x onerror=alert(1)>\"'&\u202E\n=1+1";

    [Test]
    public void The_page_loads_nothing()
    {
        string page = Page(ChartSample.Full());

        Assert.That(Sources().Matches(page).Select(match => match.Value), Has.All.StartsWith("src:url(data:"));
        Assert.That(page, Does.Contain("default-src &#x27;none&#x27;").And.Not.Contain("unsafe-inline").And.Not.Contain("unsafe-eval"));
    }

    [Test]
    public void The_policy_names_the_hash_of_exactly_the_script_in_the_page()
    {
        string page = Page(ChartSample.Full());
        string script = page[(page.LastIndexOf("<script>", StringComparison.Ordinal) + "<script>".Length)..page.LastIndexOf("</script>", StringComparison.Ordinal)];
        string hash = Convert.ToBase64String(SHA256.HashData(Encoding.UTF8.GetBytes(script)));

        Assert.That(script, Does.StartWith("// Everything that moves"));
        Assert.That(System.Net.WebUtility.HtmlDecode(page), Does.Contain($"script-src 'sha256-{hash}'; style-src 'sha256-"));
    }

    [Test]
    public void A_label_from_anywhere_is_text()
    {
        RunSet set = ChartSample.Full(Hostile);
        set = set with
        {
            Provenance = set.Provenance with
            {
                Profile = Hostile,
                Reference = Hostile,
                Configuration = """{"a":"</script><img src=x>"}""",
                Trace = set.Provenance.Trace with { Name = Hostile, Properties = new Dictionary<string, string>(StringComparer.Ordinal) { [Hostile] = Hostile } },
                Origins = new Dictionary<string, string>(StringComparer.Ordinal) { [Hostile] = Hostile },
            },
            Session = set.Session with { CommandLine = Hostile, Cpu = Hostile },
            Runs =
            [
                set.Runs[0] with { FailedVmEntries = [new FailedEntry(1, 0, 0, 1, Hostile)], Safety = new SafetyVerdict([new SafetyFinding(Hostile, 1, [Hostile])], 0) },
                set.Runs[1],
                new RunResult(Hostile + "2", Hostile, new StatSheet(), [], new RunFailure(4, Hostile)),
            ],
        };

        string page = Page(set);

        Assert.That(page, Does.Not.Contain("<img").And.Not.Contain("\u202E").And.Not.Contain("onerror=alert(1)>\""));
        Assert.That(Regex.Count(page, "</script>"), Is.EqualTo(2), "the data's and the script's own");
        Assert.That(page, Does.Contain(@"&lt;img src=x onerror=alert(1)&gt;&quot;&#x27;&amp;\u202e\u000a=1&#x2B;1"));
    }

    [Test]
    public void Numbers_in_tables_are_exact_and_carry_what_they_sort_by()
    {
        string page = Page(ChartSample.Full());

        Assert.That(page, Does.Contain("""<td class="number">10,000</td>"""), "cycles.trace, from which its sorting number can be read");
        Assert.That(Page(Sample.Set()), Does.Contain("""<td class="number" data-sort="-Infinity">-</td>"""), "total cycles of the run that failed");
    }

    [Test]
    public void The_story_of_an_unsafe_policy_is_told_line_by_line_and_a_partial_run_is_called_partial()
    {
        RunSet set = ChartSample.Full() with { Partial = true };
        set = set with { Runs = [set.Runs[0] with { Safety = new SafetyVerdict([new SafetyFinding("stale_use", 2, ["L1 mapped it", "L2 used it"])], 0) }, set.Runs[1]] };

        string page = Page(set);

        Assert.That(page, Does.Contain("<li>L1 mapped it</li><li>L2 used it</li>").And.Contain("These results are partial").And.Contain(">unsafe</span>"));
    }

    [Test]
    public void Pages_of_a_finding_are_a_table_unless_the_story_tells_the_only_one()
    {
        SafetyPage page = new(0x1000, 0, 2, "VPID <1>", 0x7000, 41, 12, "c", "o");
        string Told(int count) => Page(ChartSample.Full() with { Runs = [ChartSample.Full().Runs[0] with { Safety = new SafetyVerdict([new SafetyFinding("stale_use", 42, ["s"]) { Pages = [page], PageCount = count }], 0) }] });

        Assert.That(Told(2), Does.Contain("<bdi>0x1000</bdi>").And.Contain("<bdi>VPID &lt;1&gt;</bdi>").And.Contain("""<td class="number">41</td>""").And.Contain("Where: 2 pages"));
        Assert.That(Told(1), Does.Not.Contain("<bdi>0x1000</bdi>"));
    }

    [Test]
    public void What_speaks_against_the_verdict_stands_beside_it()
    {
        RunSet set = ChartSample.Full();
        string page = Page(set with { Runs = [set.Runs[0] with { Safety = new SafetyVerdict([new SafetyFinding("stale_use", 2, ["s"])], 0) }, set.Runs[1]] });

        Assert.That(page[..page.IndexOf("class=\"table standings\"", StringComparison.Ordinal)], Does.Contain("<li>a went wrong: 2 stale uses.</li>"));
        Assert.That(page, Does.Contain("<aside").And.Contain("Before you rely on it"));
    }

    [Test]
    public void A_chart_that_cannot_be_drawn_is_told_and_the_rest_of_the_page_stands()
    {
        // An interval ends at a record of which the trace's time is not known.
        RunSet set = ChartSample.Full();
        set.Runs[1].Statistics.Add(new Series("lane[0].stlb.occupancy", "level=2,vpid=7", "records", "entries", SeriesKind.OverTime, "O.", [new(99, 7)]));

        string page = Page(set);

        Assert.That(page, Does.Contain("<dt>occupancy</dt><dd>This chart cannot be drawn from these results").And.Contain("id=\"chart-intervals\"").And.Contain("How to reproduce"));
    }

    [Test]
    public void A_chart_without_data_is_named_with_its_reason() => Assert.That(Page(ChartSample.Empty()), Does.Contain("<dt>exits</dt><dd>The measured window has no VM-exits.</dd>"));

    [Test]
    public void The_same_results_give_the_same_bytes() => Assert.That(Page(ChartSample.Full()), Is.EqualTo(Page(ChartSample.Full())));

    private static string Page(RunSet set) => HtmlReport.ToText(new ReportInput(set));

    [GeneratedRegex("""(src|href|url|@import|srcset|action)\s*[=(:]\s*\S{0,40}""", RegexOptions.IgnoreCase)]
    private static partial Regex Sources();
}
