using System.Globalization;
using System.Reflection;
using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Nodes;
using Sim.Core.Stats;
using Sim.Core.Traces;
using Sim.Reports.Analysers;
using Sim.Reports.Charts;
using Sim.Reports.Charts.Rendering;
using Sim.Reports.Fonts;
using Sim.Reports.Results;
using Sim.Reports.Views;

namespace Sim.Reports.Html;

/// <summary>
/// One self-contained page about a result set: verdict, findings, charts, tables, how to reproduce. It loads nothing, runs no code but its own script (a content security
/// policy with hashes says so to the browser), and shows labels from traces as text only.
/// </summary>
public static class HtmlReport
{
    private const int CautionsShown = 4;

    /// <summary>A headline of more characters is set smaller.</summary>
    private const int LongSentence = 80;

    /// <summary>What the page's own words, numbers and most names are made of: printable ASCII, Latin-1, and a few signs. Other characters come from the reader's fonts.</summary>
    private static readonly string Characters = string.Concat(Enumerable.Range(0x20, 0x5F).Concat(Enumerable.Range(0xA0, 0x60)).Select(code => (char)code)) + "\u2013\u2014\u2018\u2019\u201C\u201D\u2022\u2026\u2190\u2191\u2192\u2193\u2212\u2248\u2264\u2265";

    private static readonly JsonSerializerOptions Plain = new() { WriteIndented = false };

    private static readonly JsonSerializerOptions Readable = new() { WriteIndented = true, NewLine = "\n" };

    /// <summary>The page. The same results give the same text.</summary>
    /// <param name="input">The results.</param>
    public static string ToText(ReportInput input)
    {
        IReadOnlyList<(string Name, ChartFigure? Figure, string Absent)> charts = DrawCharts(input);
        string style = Style();
        string script = Resource("report.js");
        Html html = new();
        html.Raw("<!doctype html>\n").Open("html", ("lang", "en")).Line().Open("head").Line()
            .Open("meta", ("charset", "utf-8")).Line()
            .Open("meta", ("http-equiv", "Content-Security-Policy"), ("content", Policy(script, style))).Line()
            .Open("meta", ("name", "viewport"), ("content", "width=device-width, initial-scale=1")).Line()
            .Open("meta", ("name", "color-scheme"), ("content", "light dark")).Line()
            .Open("meta", ("name", "referrer"), ("content", "no-referrer")).Line()
            .Element("title", $"{input.Set.Provenance.Trace.Name}: flush policies compared by Nestsim").Line()
            .Open("style").Raw(style).Close("style").Line().Close("head").Line().Open("body").Line().Open("main").Line();
        WriteVerdict(html, input);
        WriteFindings(html, input.Set);
        WriteDoubts(html, input.Set.Provenance.Doubts);
        WriteCharts(html, charts);
        html.Open("section", ("id", "tables")).Element("h2", "Tables").Line();
        foreach (DataTable table in ReportTables.Of(input))
        {
            table.Write(html);
        }

        html.Close("section").Line();
        WriteReproduction(html, input.Set);
        html.Close("main").Line()
            .Open("script", ("type", "application/json"), ("id", "report-data")).Raw(Data(input.Set, charts)).Close("script").Line()
            .Open("script").Raw(script).Close("script").Line().Close("body").Line().Close("html").Line();
        return html.ToString();
    }

    private static void WriteVerdict(Html html, ReportInput input)
    {
        RunSet set = input.Set;
        Verdict verdict = Verdict.Of(set);
        WindowCounts windows = set.Provenance.Windows;
        html.Open("header").Open("p", ("class", "overline")).Text("Nestsim").Close("p").Open("div", ("class", "verdict")).Open("div").Element("h1", verdict.Sentence, ("class", verdict.Sentence.Length > LongSentence ? "long" : null)).Line();
        if (set.Partial)
        {
            html.Element("p", "These results are partial: the run was interrupted.", ("class", "warning"));
        }

        foreach (string sentence in verdict.Notes.Prepend(verdict.Reason).Where(line => line.Length > 0))
        {
            html.Element("p", sentence, ("class", "lead"));
        }

        html.Open("p", ("class", "about")).Text("Trace ").Open("bdi").Element("strong", set.Provenance.Trace.Name).Close("bdi")
            .Text($", {Numbers.Whole(windows.Measured)} records measured").Text(windows.WarmedUp > 0 ? $" after {Numbers.Whole(windows.WarmedUp)} of warm-up" : "")
            .Text(", on ").Element("strong", set.Provenance.Profile).Text(". Changes are against ").Element("strong", set.Reference.Run)
            .Text(set.Runs.Any(run => Figures.NestedTransitions(run.Statistics) > 0) ? "; numbers in the table are for each nested transition." : ".").Close("p").Close("div").Line();
        WriteCaution(html, set);
        html.Close("div").Line();
        WriteStandings(html, set, verdict);
        foreach (string sentence in Price.Lines(set))
        {
            // Behind the table, which they explain: it has to be on the first screen.
            html.Element("p", sentence, ("class", "about"));
        }

        WriteChoice(html, set);
        html.Close("header").Line();
    }

    /// <summary>What speaks against relying on the verdict, beside it: wrong outcomes, the analysers' hints, and what was assumed.</summary>
    private static void WriteCaution(Html html, RunSet set)
    {
        string[] cautions =
        [
            .. set.Runs.Where(run => run.Safety is not null)
                .SelectMany(run => run.Safety!.Findings.Select(finding => $"{run.Run} went wrong: {Numbers.Whole(finding.Count)} {finding.Kind.Replace('_', ' ')}{(finding.Count == 1 ? "" : "s")}.")),
            .. SanityChecks.Hints(set),
            .. set.Provenance.Doubts.Select(doubt => $"{char.ToUpperInvariant(doubt.Sentence[0])}{doubt.Sentence[1..]}."),
        ];
        if (cautions.Length == 0)
        {
            return;
        }

        html.Open("aside", ("class", "caution")).Element("h2", "Before you rely on it").Open("ul").Line();
        foreach (string caution in cautions.Take(CautionsShown))
        {
            html.Element("li", caution).Line();
        }

        html.Close("ul");
        if (cautions.Length > CautionsShown)
        {
            html.Open("p", ("class", "note")).Open("a", ("href", "#findings")).Text($"{cautions.Length - CautionsShown} more below").Close("a").Close("p");
        }

        html.Close("aside").Line();
    }

    private static void WriteStandings(Html html, RunSet set, Verdict verdict)
    {
        IReadOnlyList<(string Header, Func<RunResult, string> Cell)> prices = Price.Columns(set);
        html.Open("section", ("class", "table standings")).Open("div", ("class", "scroll"), ("tabindex", "0"), ("role", "region"), ("aria-label", "Verdict")).Open("table").Open("thead").Open("tr");
        foreach ((string title, string? kind) in (IEnumerable<(string, string?)>)[("policy", null), ("choice", null), ("safety", null), ("walks", "number"), ("flushed", "number"), ("flushes", "number"), .. prices.Select(price => (price.Header, (string?)"number"))])
        {
            html.Open("th", ("scope", "col"), ("class", kind)).Element("button", title, ("type", "button")).Close("th");
        }

        html.Close("tr").Close("thead").Open("tbody").Line();
        foreach (Standing standing in verdict.Standings)
        {
            WriteStanding(html, standing, prices);
        }

        html.Close("tbody").Close("table").Close("div").Close("section").Line();
    }

    private static void WriteStanding(Html html, Standing standing, IReadOnlyList<(string Header, Func<RunResult, string> Cell)> prices)
    {
        bool failed = standing.Judgement == Judgement.Failed;
        string kind = standing.Judgement switch
        {
            Judgement.Safe => "safe",
            Judgement.Unsafe or Judgement.Failed => "unsafe",
            _ => "open",
        };
        html.Open("tr", ("data-run", standing.Run.Run)).Open("th", ("scope", "row")).Element("bdi", standing.Run.Run).Close("th")
            .Element("td", standing.ChoiceWord).Open("td").Element("span", standing.SafetyWord.ToLowerInvariant(), ("class", $"badge {kind}")).Close("td");
        foreach (Func<StatSheet, double?> figure in (Func<StatSheet, double?>[])[Figures.Walks, Figures.Flushed, Figures.Flushes])
        {
            Cell(html, failed ? DataCell.Whole(null) : new DataCell(Price.Each(standing.Run.Statistics, figure), figure(standing.Run.Statistics) ?? double.NegativeInfinity));
        }

        foreach ((_, Func<RunResult, string> price) in prices)
        {
            Cell(html, failed ? DataCell.Whole(null) : new DataCell(price(standing.Run), standing.Cycles ?? double.NegativeInfinity));
        }

        html.Close("tr").Line();
    }

    private static void Cell(Html html, DataCell cell) => html.Element("td", cell.Text, ("class", "number"), ("data-sort", cell.Sort!.Value.ToString("R", CultureInfo.InvariantCulture)));

    /// <summary>Boxes that take policies out of charts and tables.</summary>
    private static void WriteChoice(Html html, RunSet set)
    {
        if (set.Runs.Count < 2)
        {
            return;
        }

        html.Open("fieldset", ("class", "runs")).Element("legend", "Show in charts and tables");
        RunResult[] yardsticks = Yardsticks(set);
        if (yardsticks.Length > 1)
        {
            html.Open("label").Open("input", ("type", "checkbox"), ("data-yardsticks", ""), ("checked", "checked"), ("autocomplete", "off")).Element("strong", "yardsticks").Close("label");
        }

        foreach (string run in set.Runs.Any(run => run.Parameters.Count > 0) ? set.Runs.Select(run => run.Case).Distinct() : set.Runs.Select(run => run.Run))
        {
            html.Open("label").Open("input", ("type", "checkbox"), ("data-run", $"{RunNames(set).IndexOf(run)}"), ("checked", "checked"), ("autocomplete", "off")).Element("bdi", run).Close("label");
        }

        html.Close("fieldset").Line();
    }

    private static void WriteFindings(Html html, RunSet set)
    {
        IReadOnlyList<string> hints = SanityChecks.Hints(set);
        (RunResult Run, SafetyFinding Finding)[] unsafeOnes = [.. set.Runs.Where(run => run.Safety is not null).SelectMany(run => run.Safety!.Findings.Select(finding => (run, finding)))];
        html.Open("section", ("id", "findings")).Element("h2", "Findings").Line();
        if (hints.Count + unsafeOnes.Length == 0)
        {
            html.Element("p", "Nothing suspicious: no check of the analysers has anything to say.", ("class", "note"));
        }

        foreach ((RunResult run, SafetyFinding finding) in unsafeOnes)
        {
            html.Open("article", ("class", "story")).Open("h3").Element("bdi", run.Run).Text($": {Numbers.Whole(finding.Count)} {finding.Kind.Replace('_', ' ')}").Close("h3").Element("p", "The first one:", ("class", "note")).Open("ol");
            foreach (string line in finding.Story)
            {
                html.Element("li", line);
            }

            html.Close("ol");
            if (finding.PageCount > 1)
            {
                ReportTables.WrongPages(finding).Write(html);
            }

            html.Close("article").Line();
        }

        if (hints.Count > 0)
        {
            html.Open("ul", ("class", "hints")).Line();
            foreach (string hint in hints)
            {
                html.Element("li", hint).Line();
            }

            html.Close("ul");
        }

        html.Close("section").Line();
    }

    /// <summary>Draws the charts. One that cannot be drawn is told by its absence; the rest of the page stands.</summary>
    private static IReadOnlyList<(string Name, ChartFigure? Figure, string Absent)> DrawCharts(ReportInput input)
    {
        ReportInput? proposals = input.WithoutYardsticks();
        List<string> names = RunNames(input.Set);
        return
        [
            .. ChartCatalogue.Draw(input).Select(chart =>
            {
                if (chart.Drawing.Chart is not { } all)
                {
                    return (chart.Name, (ChartFigure?)null, chart.Drawing.Absent!);
                }

                try
                {
                    return (chart.Name, new ChartFigure(chart.Name, all, proposals is null ? null : ChartCatalogue.Draw(chart.Name, proposals).Chart, names.IndexOf), "");
                }
                catch (Exception e) when (e is not OutOfMemoryException)
                {
                    return (chart.Name, (ChartFigure?)null, $"It cannot be drawn: {e.Message}");
                }
            }),
        ];
    }

    /// <summary>Names that charts call runs by: the runs, and for sweeps the policies.</summary>
    private static List<string> RunNames(RunSet set) => [.. set.Runs.Select(run => run.Run).Concat(set.Runs.Select(run => run.Case)).Distinct()];

    private static void WriteDoubts(Html html, IReadOnlyList<Doubt> doubts)
    {
        if (doubts.Count == 0)
        {
            return;
        }

        html.Open("section", ("id", "doubts")).Element("h2", "What this rests on").Line()
            .Element("p", "Nobody has seen or measured the following; it was inferred, taken from elsewhere, or assumed.", ("class", "note")).Open("ul", ("class", "hints")).Line();
        foreach (Doubt doubt in doubts)
        {
            html.Element("li", $"{char.ToUpperInvariant(doubt.Sentence[0])}{doubt.Sentence[1..]}.").Line();
        }

        html.Close("ul").Close("section").Line();
    }

    private static void WriteCharts(Html html, IReadOnlyList<(string Name, ChartFigure? Figure, string Absent)> charts)
    {
        html.Open("section", ("id", "charts")).Element("h2", "Charts").Line();
        foreach ((_, ChartFigure? figure, _) in charts)
        {
            figure?.Write(html);
        }

        (string Name, ChartFigure? Figure, string Absent)[] absent = [.. charts.Where(chart => chart.Figure is null)];
        if (absent.Length > 0)
        {
            html.Open("details", ("class", "absent")).Element("summary", $"{absent.Length} {(absent.Length == 1 ? "chart has" : "charts have")} no data in these results").Open("dl");
            foreach ((string name, _, string reason) in absent)
            {
                html.Element("dt", name).Element("dd", reason);
            }

            html.Close("dl").Close("details").Line();
        }

        html.Close("section").Line();
    }

    private static void WriteReproduction(Html html, RunSet set)
    {
        Provenance provenance = set.Provenance;
        Session session = set.Session;
        html.Open("section", ("id", "reproduce")).Element("h2", "How to reproduce").Line();
        if (session.CommandLine.Length > 0)
        {
            html.Open("pre", ("class", "command")).Element("code", session.CommandLine).Close("pre").Line();
        }

        html.Open("dl", ("class", "facts"));
        Fact(html, "tool", $"nestsim {provenance.Tool}");
        Fact(html, "profile", provenance.Profile);
        Fact(html, "configuration", $"SHA-256 {provenance.ConfigurationHash}");
        Fact(html, "trace", $"{provenance.Trace.Name}, {provenance.Trace.Format}, {provenance.Trace.Lanes} {(provenance.Trace.Lanes == 1 ? "lane" : "lanes")}{(provenance.Trace.Folded ? ", folded" : "")}");
        Fact(html, "trace content", provenance.Trace.Sha256 is { } sha256 ? $"SHA-256 {sha256}" : "not read to its end, so without a hash");
        foreach ((string name, string value) in provenance.Trace.Properties.OrderBy(pair => pair.Key, StringComparer.Ordinal))
        {
            Fact(html, $"trace: {name}", value);
        }

        Fact(html, "records", $"{Numbers.Whole(provenance.Windows.Skipped)} skipped, {Numbers.Whole(provenance.Windows.WarmedUp)} warm-up, {Numbers.Whole(provenance.Windows.Measured)} measured");
        Fact(html, "page sizes", PageSizeView.Of(set));
        foreach (IGrouping<string, string> paths in provenance.Origins.OrderBy(pair => pair.Key, StringComparer.Ordinal).GroupBy(pair => pair.Value, pair => pair.Key, StringComparer.Ordinal))
        {
            Fact(html, $"set by {paths.Key}", string.Join(", ", paths));
        }

        if (session.StartedUtc.Length > 0)
        {
            Fact(html, "run", $"{session.StartedUtc}, {session.OperatingSystem}, {session.Runtime}");
            Fact(html, "host", session.Cpu);
            Fact(html, "speed", string.Create(CultureInfo.InvariantCulture, $"{session.ElapsedSeconds:0.00} s, {session.RecordsPerSecond / 1e6:0.0} M records/s, {session.Jobs} {(session.Jobs == 1 ? "job" : "jobs")}"));
        }

        html.Close("dl").Line().Open("details").Element("summary", "Resolved configuration").Open("pre").Raw(Configuration(provenance.Configuration)).Close("pre").Close("details").Line();
        html.Element("p", "Two results of one experiment are equal byte for byte but for the section 'session'. Charts are drawn by ScottPlot (MIT) and set in Inter (SIL OFL 1.1), all inside this file; it loads nothing.", ("class", "note"))
            .Close("section").Line();
    }

    private static void Fact(Html html, string name, string value) => html.Element("dt", name).Open("dd").Element("bdi", value).Close("dd");

    /// <summary>Pretty JSON as text. Labels in it keep JSON's own escapes; line feeds are only those between members.</summary>
    private static string Configuration(string json)
    {
        using JsonDocument document = JsonDocument.Parse(json);
        return System.Net.WebUtility.HtmlEncode(JsonSerializer.Serialize(document.RootElement, Readable));
    }

    /// <summary>Data for the script. The default encoder writes everything that HTML could read (and all beyond ASCII) as escapes.</summary>
    private static string Data(RunSet set, IReadOnlyList<(string Name, ChartFigure? Figure, string Absent)> charts) => new JsonObject
    {
        ["runs"] = new JsonArray([.. RunNames(set).Select(run => JsonValue.Create(InertText.OneLine(run)))]),
        ["policies"] = new JsonArray([.. RunNames(set).Select(name => JsonValue.Create(RunNames(set).IndexOf(set.Runs.First(run => run.Run == name || run.Case == name).Case)))]),
        ["yardsticks"] = new JsonArray([.. Yardsticks(set).Select(run => JsonValue.Create(RunNames(set).IndexOf(run.Run)))]),
        ["charts"] = new JsonArray([.. charts.Where(chart => chart.Figure is not null).Select(chart => chart.Figure!.Data)]),
    }.ToJsonString(Plain);

    private static RunResult[] Yardsticks(RunSet set) => [.. set.Runs.Where(run => run.IsYardstick && !ReferenceEquals(run, set.Reference))];

    private static string Style() =>
        FontFace(400, Inter.Regular) + FontFace(600, Inter.SemiBold)
        + $":root{{{SvgDrawing.Variables(ChartTheme.Light)}}}\n@media (prefers-color-scheme: dark){{:root{{{SvgDrawing.Variables(ChartTheme.Dark)}}}}}\n@media print{{:root{{{SvgDrawing.Variables(ChartTheme.Print)}}}}}\n"
        + Resource("report.css");

    private static string FontFace(int weight, byte[] font) =>
        $"@font-face{{font-family:\"Inter\";font-weight:{weight};font-display:block;src:url(data:font/ttf;base64,{Convert.ToBase64String(TrueTypeSubset.Of(font, Characters))}) format(\"truetype\")}}\n";

    private static string Resource(string name)
    {
        using Stream stream = Assembly.GetExecutingAssembly().GetManifestResourceStream(name)!;
        using StreamReader reader = new(stream);
        return reader.ReadToEnd();
    }

    private static string Policy(string script, string style) =>
        $"default-src 'none'; script-src '{Hash(script)}'; style-src '{Hash(style)}'; font-src data:; base-uri 'none'; form-action 'none'";

    private static string Hash(string content) => "sha256-" + Convert.ToBase64String(SHA256.HashData(System.Text.Encoding.UTF8.GetBytes(content)));
}
