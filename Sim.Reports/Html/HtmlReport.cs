using System.Globalization;
using System.Reflection;
using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Nodes;
using Sim.Core.Stats;
using Sim.Core.Traces;
using Sim.Reports.Analysers;
using Sim.Reports.Charts;
using Sim.Reports.Charts.VegaLite;
using Sim.Reports.Results;
using Sim.Reports.Views;

namespace Sim.Reports.Html;

/// <summary>
/// One self-contained page about a result set: verdict, findings, charts, tables, how to reproduce. It loads nothing, runs no code but its own script (a content security
/// policy with hashes says so to the browser), and shows labels from traces as text only.
/// </summary>
public static class HtmlReport
{
    private static readonly JsonSerializerOptions Plain = new() { WriteIndented = false };

    private static readonly JsonSerializerOptions Readable = new() { WriteIndented = true, NewLine = "\n" };

    /// <summary>The page. The same results give the same text.</summary>
    /// <param name="input">The results.</param>
    /// <param name="runtime">Script and fonts.</param>
    public static string ToText(ReportInput input, PageRuntime runtime)
    {
        IReadOnlyList<(string Name, Drawing Drawing)> charts = ChartCatalogue.Draw(input);
        string style = Style(runtime);
        Html html = new();
        html.Raw("<!doctype html>\n").Open("html", ("lang", "en")).Line().Open("head").Line()
            .Open("meta", ("charset", "utf-8")).Line()
            .Open("meta", ("http-equiv", "Content-Security-Policy"), ("content", Policy(runtime.Script, style))).Line()
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
            .Open("script", ("type", "application/json"), ("id", "report-data")).Raw(Data(charts)).Close("script").Line()
            .Open("script").Raw(runtime.Script).Close("script").Line().Close("body").Line().Close("html").Line();
        return html.ToString();
    }

    private static void WriteVerdict(Html html, ReportInput input)
    {
        RunSet set = input.Set;
        Verdict verdict = Verdict.Of(set);
        WindowCounts windows = set.Provenance.Windows;
        html.Open("header").Open("p", ("class", "overline")).Text("Nestsim").Close("p").Element("h1", verdict.Sentence).Line();
        if (set.Partial)
        {
            html.Element("p", "These results are partial: the run was interrupted.", ("class", "warning"));
        }

        foreach (string sentence in verdict.Notes.Prepend(verdict.Reason).Concat(Price.Lines(set)).Where(line => line.Length > 0))
        {
            html.Element("p", sentence, ("class", "lead"));
        }

        html.Open("p", ("class", "about")).Text("Trace ").Open("bdi").Element("strong", set.Provenance.Trace.Name).Close("bdi")
            .Text($", {Numbers.Whole(windows.Measured)} records measured").Text(windows.WarmedUp > 0 ? $" after {Numbers.Whole(windows.WarmedUp)} of warm-up" : "")
            .Text(", on ").Element("strong", set.Provenance.Profile).Text(". Changes are against ").Element("strong", set.Reference.Run).Text(".").Close("p").Line();
        WriteStandings(html, set, verdict);
        WriteChoice(html, set);
        html.Close("header").Line();
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
        foreach (RunResult run in set.Runs)
        {
            html.Open("label").Open("input", ("type", "checkbox"), ("value", run.Run), ("checked", "checked"), ("autocomplete", "off")).Element("bdi", run.Run).Close("label");
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

    private static void WriteCharts(Html html, IReadOnlyList<(string Name, Drawing Drawing)> charts)
    {
        html.Open("section", ("id", "charts")).Element("h2", "Charts").Line();
        foreach ((string name, Specification specification) in charts.Where(chart => chart.Drawing.Specification is not null).Select(chart => (chart.Name, chart.Drawing.Specification!)))
        {
            html.Open("figure", ("id", $"chart-{name}")).Open("figcaption").Element("h3", specification.Title).Element("p", specification.Reading, ("class", "note")).Close("figcaption")
                .Open("div", ("class", "plot")).Close("div").Close("figure").Line();
        }

        (string Name, string Reason)[] absent = [.. charts.Where(chart => chart.Drawing.Absent is not null).Select(chart => (chart.Name, chart.Drawing.Absent!))];
        if (absent.Length > 0)
        {
            html.Open("details", ("class", "absent")).Element("summary", $"{absent.Length} {(absent.Length == 1 ? "chart has" : "charts have")} no data in these results").Open("dl");
            foreach ((string name, string reason) in absent)
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
        html.Element("p", "Two results of one experiment are equal byte for byte but for the section 'session'. Charts are drawn by Vega (BSD 3-clause), set in Inter and Source Serif (SIL OFL), all inside this file; it loads nothing.", ("class", "note"))
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
    private static string Data(IReadOnlyList<(string Name, Drawing Drawing)> charts) => new JsonObject
    {
        ["themes"] = new JsonObject { ["light"] = ChartTheme.Light.ToJson(), ["dark"] = ChartTheme.Dark.ToJson() },
        ["charts"] = new JsonArray(
        [
            .. charts.Where(chart => chart.Drawing.Specification is not null)
                .Select(chart => new JsonObject { ["name"] = chart.Name, ["specification"] = chart.Drawing.Specification!.ToJson() }),
        ]),
    }.ToJsonString(Plain);

    private static string Style(PageRuntime runtime)
    {
        using Stream stream = Assembly.GetExecutingAssembly().GetManifestResourceStream("report.css")!;
        using StreamReader reader = new(stream);
        return FontFace("Inter", runtime.Sans) + FontFace("Source Serif 4", runtime.Serif) + reader.ReadToEnd();
    }

    private static string FontFace(string name, byte[] woff2) =>
        $"@font-face{{font-family:\"{name}\";font-weight:100 900;font-display:block;src:url(data:font/woff2;base64,{Convert.ToBase64String(woff2)}) format(\"woff2\")}}\n";

    private static string Policy(string script, string style) =>
        $"default-src 'none'; script-src '{Hash(script)}'; style-src '{Hash(style)}'; font-src data:; base-uri 'none'; form-action 'none'";

    private static string Hash(string content) => "sha256-" + Convert.ToBase64String(SHA256.HashData(System.Text.Encoding.UTF8.GetBytes(content)));
}
