using System.Text.RegularExpressions;
using Sim.Reports.Html;
using Sim.Reports.Results;
using Sim.Reports.Tests.Charts;

namespace Sim.Reports.Tests.Html;

/// <summary>The page as text; tests/browser looks at it in a browser.</summary>
public sealed partial class HtmlReportTests
{
    private const string Hostile = "</script><img src=x onerror=alert(1)>\"'&\u202E\n=1+1";

    private static readonly PageRuntime Runtime = new("/* script */", [1, 2], [3]);

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
        // printf '/* script */' | openssl dgst -sha256 -binary | base64
        Assert.That(Page(ChartSample.Full()), Does.Contain("script-src &#x27;sha256-uF5VHKDd10/Mew86qRone0DxeFeFYmoaI9/5D7MYZI8=&#x27;"));
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
                new RunResult(Hostile + "2", Hostile, new Sim.Core.Stats.StatSheet(), [], new RunFailure(4, Hostile)),
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

        Assert.That(page, Does.Contain("""<td class="number" data-sort="10000"><bdi>10,000</bdi></td>"""), "cycles.trace");
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
        SafetyPage page = new(0x1000, 0, 2, "VPID <1>", 0x7000, 41, 12, 0, "c", "o");
        string Told(int count) => Page(ChartSample.Full() with { Runs = [ChartSample.Full().Runs[0] with { Safety = new SafetyVerdict([new SafetyFinding("stale_use", 42, ["s"]) { Pages = [page], PageCount = count }], 0) }] });

        Assert.That(Told(2), Does.Contain("<bdi>0x1000</bdi>").And.Contain("<bdi>VPID &lt;1&gt;</bdi>").And.Contain("<bdi>41</bdi>").And.Contain("Where: 2 pages"));
        Assert.That(Told(1), Does.Not.Contain("<bdi>0x1000</bdi>"));
    }

    [Test]
    public void A_chart_without_data_is_named_with_its_reason() => Assert.That(Page(ChartSample.Empty()), Does.Contain("<dt>exits</dt><dd>The measured window has no VM-exits.</dd>"));

    [Test]
    public void The_same_results_give_the_same_bytes() => Assert.That(Page(ChartSample.Full()), Is.EqualTo(Page(ChartSample.Full())));

    private static string Page(RunSet set) => HtmlReport.ToText(new ReportInput(set), Runtime);

    [GeneratedRegex("""(src|href|url|@import|srcset|action)\s*[=(:]\s*\S{0,40}""", RegexOptions.IgnoreCase)]
    private static partial Regex Sources();
}
