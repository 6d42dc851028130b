using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using PuppeteerSharp;
using PuppeteerSharp.Media;

namespace Sim.Cli.Tests.Browser;

/// <summary>The HTML report in headless Chromium: what a reader sees and does. Screenshots are kept in out/browser/. Compiled where Chromium is (Sim.Cli.Tests.csproj).</summary>
[Category("Browser")]
public sealed partial class ReportPageTests
{
    private const string Trace = "traces/nested-sqlite-vpid-new.nst.gz";
    private static readonly string[] Policies = ["kvm-5.14", "kvm-6.12", "always-guest", "always-current", "never"];
    private static readonly string Out = RepositoryFolder.Of("out", "browser");
    private static readonly string[] Parts = ["findings", "charts", "tables", "reproduce"];
    private static readonly string[] Refused = ["connect-src", "img-src", "script-src-attr", "script-src-elem", "style-src-elem"];

    private static readonly string[] Hostile =
        ["<img src=x onerror=window.hit=1>", "</script><script>window.hit=1</script>", "\"><svg onload=window.hit=1>", "=1+1", "a\nb\r\tc", "abc\u202Efdp.exe", "\0\u2028\u200F", "');window.hit=1;//"];

    private IBrowser _browser = null!;
    private JsonObject _results = null!;

    [OneTimeSetUp]
    public async Task MakeReport()
    {
        if (Directory.Exists(Out))
        {
            Directory.Delete(Out, recursive: true);
        }

        Directory.CreateDirectory(Out);
        Nestsim("compare", RepositoryFolder.Of(Trace), "--policies", string.Join(',', Policies), "--measure", "300000", "--interval", "10000", "--refill-curve", "-q", "-o", At("results"));
        Nestsim("report", At("results/results.json"), "-o", At("report.html"));
        _results = JsonNode.Parse(await File.ReadAllTextAsync(At("results/results.json")))!.AsObject();
        _browser = await Puppeteer.LaunchAsync(new LaunchOptions { ExecutablePath = Environment.GetEnvironmentVariable("CHROMIUM") ?? "/usr/bin/chromium", Args = ["--no-sandbox", "--force-color-profile=srgb"] });
    }

    [OneTimeTearDown]
    public async Task CloseBrowser() => await (_browser?.DisposeAsync() ?? ValueTask.CompletedTask);

    [TestCase("desktop", 1280, false)]
    [TestCase("phone", 390, false)]
    [TestCase("dark", 1280, true)]
    [TestCase("dark-phone", 390, true)]
    public Task Every_chart_is_drawn_fits_the_page_and_no_text_of_it_is_cut(string name, int width, bool dark) => Visit(At("report.html"), width, dark, async page =>
    {
        string[] charts = await Charts(page);
        Assert.That(charts, Does.Contain("difference").And.Contain("cost-by-cause").And.Length.GreaterThanOrEqualTo(9));
        foreach (string chart in charts)
        {
            Plot plot = await page.EvaluateFunctionAsync<Plot>(
                """
                chart => {
                  const place = document.querySelector(`#chart-${chart} .plot`);
                  const shown = [...place.querySelectorAll('svg')].filter((svg) => svg.getBoundingClientRect().width > 0);
                  const box = shown[0].getBoundingClientRect();
                  const texts = [...shown[0].querySelectorAll('text')];
                  return {
                    drawings: shown.length,
                    marks: shown[0].querySelectorAll('rect, path, ellipse').length,
                    labels: texts.length,
                    right: box.right - place.getBoundingClientRect().right,
                    cut: texts.filter((text) => { const t = text.getBoundingClientRect(); return t.left < box.left - 2 || t.right > box.right + 2; }).map((text) => text.textContent).join(),
                  };
                }
                """,
                chart);
            Assert.That((plot.Drawings, plot.Cut), Is.EqualTo((1, "")), chart);
            Assert.That(plot.Marks, Is.GreaterThan(3), chart);
            Assert.That(plot.Labels, Is.GreaterThan(3), chart);
            Assert.That(plot.Right, Is.LessThanOrEqualTo(1), chart);
        }

        Assert.That(await page.EvaluateExpressionAsync<int>("document.documentElement.scrollWidth"), Is.EqualTo(width));
        await page.ScreenshotAsync(At($"{name}-top.png"));
        foreach (string part in Parts)
        {
            await page.EvaluateFunctionAsync("part => document.getElementById(part).scrollIntoView()", part);
            await page.ScreenshotAsync(At($"{name}-{part}.png"));
        }
    });

    [Test]
    public Task The_ground_is_dark_for_a_reader_who_likes_it_dark_and_ink_is_light() => Visit(At("report.html"), 1280, true, async page =>
    {
        Assert.That(Brightness(await page.EvaluateExpressionAsync<string>("getComputedStyle(document.body).backgroundColor")), Is.LessThan(40));
        Assert.That(Brightness(await page.EvaluateExpressionAsync<string>("getComputedStyle(document.querySelector('#chart-exits text')).fill")), Is.GreaterThan(150));
    });

    [Test]
    public Task The_first_screen_answers_the_question_policy_cost_safety_reference() => Visit(At("report.html"), 1280, false, async page =>
    {
        string screen = await page.EvaluateExpressionAsync<string>(
            "[...document.querySelectorAll('h1, .lead, .about, .standings')].filter((e) => e.getBoundingClientRect().bottom <= innerHeight).map((e) => e.textContent).join('\\n')");

        Assert.That(screen, Does.Contain("kvm-6.12").And.Contain("the only choice").And.Contain("for each nested transition").And.Contain("against kvm-5.14").And.Contain("yardstick").And.Contain("not exercised"));
    });

    [Test]
    public async Task What_speaks_against_the_verdict_stands_on_the_first_screen_beside_it()
    {
        JsonObject wrong = JsonNode.Parse(_results.ToJsonString())!.AsObject();
        wrong["runs"]![0]!["safety"] = new JsonObject
        {
            ["permitted_stale_uses"] = 0, ["findings"] = new JsonArray(new JsonObject { ["kind"] = "stale_use", ["count"] = 42, ["story"] = new JsonArray("L2 used it") }),
        };
        await File.WriteAllTextAsync(At("caution.json"), wrong.ToJsonString());
        Nestsim("report", At("caution.json"), "-o", At("caution.html"));

        await Visit(At("caution.html"), 1280, false, async page =>
        {
            (double top, double left, string text) = await BoxOf(page, ".caution");
            (double h1, double h1Right, _) = await BoxOf(page, "h1");

            Assert.That(text, Does.Contain("kvm-5.14 went wrong: 42 stale uses."));
            Assert.That(left, Is.GreaterThan(640).And.GreaterThan(h1Right));
            Assert.That(top, Is.EqualTo(h1).Within(60), "beside the headline, not below");
            await page.ScreenshotAsync(At("caution.png"));
        });
    }

    [Test]
    public Task A_table_sorts_by_its_exact_numbers_largest_first_then_smallest_first() => Visit(At("report.html"), 1280, false, async page =>
    {
        string[] sorted = [.. Policies.OrderByDescending(Total)];
        const string Click = "[...document.querySelectorAll('.standings thead th')].find((th) => th.textContent === 'ns/trip').querySelector('button').click()";
        await page.EvaluateExpressionAsync(Click);
        Assert.That((await FirstCells(page, ".standings")).Select(Total), Is.EqualTo(sorted.Select(Total)));
        Assert.That(await page.EvaluateExpressionAsync<string>("[...document.querySelectorAll('.standings thead th')].find((th) => th.textContent === 'ns/trip').getAttribute('aria-sort')"), Is.EqualTo("descending"));
        await page.EvaluateExpressionAsync(Click);
        Assert.That((await FirstCells(page, ".standings")).Select(Total), Is.EqualTo(sorted.Reverse().Select(Total)));
    });

    [Test]
    public Task The_filter_keeps_the_rows_that_have_every_word() => Visit(At("report.html"), 1280, false, async page =>
    {
        async Task<(int Rows, string Names, string Count)> Filter(string words)
        {
            JsonElement found = await page.EvaluateFunctionAsync<JsonElement>(
                """
                words => {
                  const section = [...document.querySelectorAll('section.table')].find((s) => s.querySelector('summary')?.textContent === 'All statistics');
                  section.querySelector('details').open = true;
                  const input = section.querySelector('input');
                  input.value = words;
                  input.dispatchEvent(new Event('input'));
                  const rows = [...section.querySelectorAll('tbody tr:not([hidden]) th')].map((th) => th.textContent);
                  return { rows: rows.length, names: rows.join('\n'), count: section.querySelector('.count').textContent };
                }
                """,
                words);
            return (found.GetProperty("rows").GetInt32(), found.GetProperty("names").GetString()!, found.GetProperty("count").GetString()!);
        }

        (int all, _, _) = await Filter("");
        (int kept, string names, string count) = await Filter("LANE[0] walk_cycles");
        Assert.That(kept, Is.InRange(1, all - 1));
        Assert.That(names.Split('\n'), Has.All.Contains("walk_cycles"));
        Assert.That(count, Is.EqualTo($"{kept} of {all} rows"));
        Assert.That((await Filter("no such statistic")).Rows, Is.Zero);
        Assert.That((await Filter("")).Rows, Is.EqualTo(all));
    });

    [Test]
    public Task A_tooltip_tells_the_exact_number_under_the_pointer_and_goes_away() => Visit(At("report.html"), 1280, false, async page =>
    {
        // The middle of the place that the drawing reports for the flushed walks of always-current.
        JsonElement at = await page.EvaluateExpressionAsync<JsonElement>(
            """
            (() => {
              const chart = report.charts.find((one) => one.name === 'misses-by-cause');
              const svg = document.querySelector('#chart-misses-by-cause svg');
              svg.scrollIntoView({ block: 'center' });
              const box = svg.getBoundingClientRect();
              const scale = box.width / svg.viewBox.baseVal.width;
              const run = report.runs.indexOf('always-current');
              const places = chart.places[0];
              for (let i = 0; i < places.length; i += 5) {
                const datum = chart.data[places[i + 4]];
                if (datum[1].includes(run) && datum.includes('flushed')) {
                  return { x: box.left + (places[i] + places[i + 2] / 2) * scale, y: box.top + (places[i + 1] + places[i + 3] / 2) * scale };
                }
              }
            })()
            """);
        await page.Mouse.MoveAsync((decimal)at.GetProperty("x").GetDouble(), (decimal)at.GetProperty("y").GetDouble());
        string tip = await page.EvaluateExpressionAsync<string>("document.querySelector('.tip').hidden ? '' : document.querySelector('.tip').textContent");
        long flushed = Run("always-current")["values"]!.AsArray().Where(value => (string)value!["path"]! == "lane[0].walks.flushed").Sum(value => (long)value!["value"]!);
        Assert.That(tip, Does.Contain("always-current").And.Contain("flushed").And.Contain($"{flushed.ToString("#,##0", CultureInfo.InvariantCulture)} walks"));
        await page.ScreenshotAsync(At("tooltip.png"));
        await page.Mouse.MoveAsync(5, 5);
        Assert.That(await page.EvaluateExpressionAsync<bool>("document.querySelector('.tip').hidden"), Is.True);
    });

    [Test]
    public Task A_policy_that_is_not_wanted_leaves_charts_and_tables_and_comes_back() => Visit(At("report.html"), 1280, false, async page =>
    {
        Assert.That(await VisibleTexts(page, "cost-by-cause"), Does.Contain("never"));
        await Toggle(page, "never");
        Assert.That(await VisibleTexts(page, "cost-by-cause"), Does.Not.Contain("never").And.Contain("always-guest"));
        Assert.That(await FirstCells(page, ".standings"), Is.EqualTo(Policies.Where(policy => policy != "never")));
        Assert.That(await Columns(page), Is.EqualTo(Policies.Length));
        await Toggle(page, "never");
        Assert.That(await VisibleTexts(page, "cost-by-cause"), Does.Contain("never"));
        Assert.That(await Columns(page), Is.EqualTo(Policies.Length + 1));
    });

    [Test]
    public Task Without_the_yardsticks_charts_are_drawn_at_the_scale_of_what_is_left() => Visit(At("report.html"), 1280, false, async page =>
    {
        string all = await VisibleTexts(page, "misses-by-cause");
        await page.EvaluateExpressionAsync("document.querySelector('.runs input[data-yardsticks]').click()");
        string proposals = await VisibleTexts(page, "misses-by-cause");

        Assert.That(all, Does.Contain("always-guest"));
        Assert.That(proposals, Does.Contain("kvm-6.12").And.Not.Contain("always-guest").And.Not.Contain("never"));
        Assert.That(await page.EvaluateExpressionAsync<string>("[...document.querySelectorAll('#chart-misses-by-cause svg')].find((svg) => svg.getBoundingClientRect().width > 0).getAttribute('class')"), Is.EqualTo("proposals wide"));
        await page.EvaluateExpressionAsync("document.querySelector('.runs input[data-yardsticks]').click()");
        Assert.That(await VisibleTexts(page, "misses-by-cause"), Is.EqualTo(all));
    });

    [Test]
    public Task Print_is_black_on_white_with_the_charts() => Visit(At("report.html"), 1280, true, async page =>
    {
        await page.PdfAsync(At("print.pdf"), new PdfOptions { Format = PaperFormat.A4 });
        await page.EmulateMediaTypeAsync(MediaType.Print);
        Assert.That(await page.EvaluateExpressionAsync<string>("getComputedStyle(document.body).backgroundColor"), Is.EqualTo("rgb(255, 255, 255)"));
        Assert.That(await page.EvaluateExpressionAsync<string>("getComputedStyle(document.querySelector('#chart-exits text')).fill"), Is.EqualTo("rgb(0, 0, 0)"));
        Assert.That(await page.EvaluateExpressionAsync<int>("[...document.querySelectorAll('.plot')].filter((plot) => [...plot.querySelectorAll('svg')].filter((svg) => svg.getBoundingClientRect().width > 0).length !== 1).length"), Is.Zero);
    });

    [Test]
    public async Task Without_its_script_the_page_still_has_every_chart_and_table()
    {
        await using IPage page = await _browser.NewPageAsync();
        await page.SetJavaScriptEnabledAsync(false);
        await page.GoToAsync(Url(At("report.html")));

        // Chromium still answers questions about a page whose own script is off.
        Assert.That(await page.EvaluateExpressionAsync<int>("[...document.querySelectorAll('.plot')].filter((plot) => [...plot.querySelectorAll('svg')].filter((svg) => svg.getBoundingClientRect().width > 0).length !== 1).length"), Is.Zero);
        Assert.That(await page.EvaluateExpressionAsync<bool>("document.documentElement.classList.contains('live')"), Is.False);
        Assert.That(await page.EvaluateExpressionAsync<double>("document.querySelector('.runs').getBoundingClientRect().height"), Is.Zero, "boxes that would do nothing are not shown");
    }

    [Test]
    public Task A_table_that_goes_on_behind_the_edge_of_a_phone_shows_so() => Visit(At("report.html"), 390, false, async page =>
    {
        Assert.That(await page.EvaluateExpressionAsync<bool>("document.querySelector('.standings .scroll').classList.contains('more')"), Is.True);
        await page.EvaluateExpressionAsync("document.querySelector('.standings .scroll').scrollLeft = 9999");
        await page.WaitForExpressionAsync("!document.querySelector('.standings .scroll').classList.contains('more')");
    });

    [Test]
    public async Task The_policy_of_the_page_refuses_code_that_is_not_its_own()
    {
        await using IPage page = await _browser.NewPageAsync();
        await page.GoToAsync(Url(At("report.html")));
        JsonElement refused = await page.EvaluateFunctionAsync<JsonElement>(
            """
            async () => {
              const directives = [];
              document.addEventListener('securitypolicyviolation', (violation) => directives.push(violation.effectiveDirective));
              const script = document.createElement('script');
              script.textContent = 'window.hit = 1';
              document.body.append(script);
              const button = document.createElement('button');
              button.setAttribute('onclick', 'window.hit = 1');
              document.body.append(button);
              button.click();
              const style = document.createElement('style');
              style.textContent = 'body { display: none }';
              document.body.append(style);
              const image = document.createElement('img');
              image.src = 'data:image/gif;base64,R0lGODlhAQABAAAAACw=';
              document.body.append(image);
              await fetch('https://example.com/').catch(() => {});
              await new Promise((done) => setTimeout(done, 50));
              return { hit: window.hit ?? 0, display: getComputedStyle(document.body).display, directives: directives.sort() };
            }
            """);

        Assert.That((refused.GetProperty("hit").GetInt32(), refused.GetProperty("display").GetString()), Is.EqualTo((0, "block")));
        Assert.That(refused.GetProperty("directives").EnumerateArray().Select(directive => directive.GetString()), Is.EqualTo(Refused));
        Assert.That(await page.EvaluateExpressionAsync<string>("document.querySelector('meta[http-equiv=\"Content-Security-Policy\"]').content"), Does.Not.Contain("unsafe"));
    }

    [Test]
    public async Task Hostile_labels_stay_text_in_the_page_and_in_the_charts()
    {
        JsonObject bad = JsonNode.Parse(_results.ToJsonString())!.AsObject();
        JsonArray runs = bad["runs"]!.AsArray();
        for (int i = 0; i < runs.Count; i++)
        {
            runs[i]!["run"] = Hostile[i];
            runs[i]!["policy"] = Hostile[i];
            JsonNode flushed = runs[i]!["values"]!.AsArray().First(value => (string)value!["path"]! == "lane[0].walks.flushed")!;
            flushed["label"] = $"invalidation={Hostile[0]},transition={Hostile[1]},rule={Hostile[5]}";
        }

        bad["provenance"]!["reference"] = Hostile[0];
        bad["provenance"]!["trace"]!["name"] = Hostile[1];
        bad["provenance"]!["trace"]!["properties"] = new JsonObject(Hostile.Select((text, i) => KeyValuePair.Create($"{i}{text}", (JsonNode?)JsonValue.Create(text))));
        bad["provenance"]!["profile"] = Hostile[2];
        bad["session"]!["command_line"] = string.Join(' ', Hostile);
        runs[0]!["failed_vm_entries"] = new JsonArray(new JsonObject { ["time"] = 1, ["lane"] = 0, ["vcpu"] = 0, ["vmcs12"] = 1, ["check"] = Hostile[1] });
        runs[1]!["failure"] = new JsonObject { ["exit_code"] = 4, ["message"] = Hostile[0] + Hostile[5] };
        runs[2]!["safety"] = new JsonObject
        {
            ["permitted_stale_uses"] = 0, ["findings"] = new JsonArray(new JsonObject { ["kind"] = Hostile[0], ["count"] = 3, ["story"] = new JsonArray(Hostile[1], Hostile[5]) }),
        };
        await File.WriteAllTextAsync(At("hostile.json"), bad.ToJsonString());
        Nestsim("report", At("hostile.json"), "-o", At("hostile.html"));

        await Visit(At("hostile.html"), 1280, false, async page =>
        {
            JsonElement found = await page.EvaluateExpressionAsync<JsonElement>(
                """
                ({
                  hit: window.hit ?? 0,
                  images: document.querySelectorAll('img').length,
                  handlers: document.querySelectorAll('[onload], [onerror]').length,
                  scripts: document.scripts.length,
                  turned: /[\u202A-\u202E\u2066-\u2069]/.test(document.body.textContent.replace(document.getElementById('report-data').textContent, '')),
                  shown: document.querySelector('.standings').textContent,
                  axis: [...document.querySelectorAll('#chart-cost-by-cause text')].map((label) => label.textContent).join(),
                })
                """);
            Assert.That(
                (found.GetProperty("hit").GetInt32(), found.GetProperty("images").GetInt32(), found.GetProperty("handlers").GetInt32(), found.GetProperty("scripts").GetInt32(), found.GetProperty("turned").GetBoolean()),
                Is.EqualTo((0, 0, 0, 2, false)));
            Assert.That(found.GetProperty("shown").GetString(), Does.Contain(Hostile[0]).And.Contain(@"a\u000ab"));
            Assert.That(found.GetProperty("axis").GetString(), Does.Contain("<img"));
            await page.ScreenshotAsync(At("hostile.png"));
        });

        Nestsim("report", At("hostile.json"), "--charts", "svg", "-o", At("hostile-svg"));
        await using IPage svg = await _browser.NewPageAsync();
        foreach (string file in Directory.GetFiles(At("hostile-svg")))
        {
            await svg.GoToAsync(Url(file));
            Assert.That(
                await svg.EvaluateExpressionAsync<string>("`${document.documentElement.tagName} ${window.hit} ${document.querySelectorAll('script, img, foreignObject, [onload], [onerror]').length}`"),
                Is.EqualTo("svg undefined 0"),
                file);
        }
    }

    [Test]
    public async Task An_svg_file_looks_in_a_browser_without_the_font_as_the_png_does()
    {
        Nestsim("report", At("results/results.json"), "--charts", "svg,png", "-o", At("files"));
        await using IPage page = await _browser.NewPageAsync();
        foreach (string file in Directory.GetFiles(At("files"), "*.svg"))
        {
            Match size = Size().Match(await File.ReadAllTextAsync(file));
            await page.SetViewportAsync(new ViewPortOptions { Width = int.Parse(size.Groups[1].Value, CultureInfo.InvariantCulture), Height = int.Parse(size.Groups[2].Value, CultureInfo.InvariantCulture), DeviceScaleFactor = 2 });
            await page.GoToAsync(Url(file));
            await page.ScreenshotAsync(Path.ChangeExtension(file, ".chromium.png"));

            Assert.That(Pixels.Difference(Path.ChangeExtension(file, ".png"), Path.ChangeExtension(file, ".chromium.png")), Is.LessThan(0.01), $"{file}: share of pixels that differ clearly");
        }
    }

    private static string At(string name) => Path.Combine(Out, name);

    private static string Url(string file) => new Uri(Path.GetFullPath(file)).AbsoluteUri;

    private static void Nestsim(params string[] words)
    {
        using StringWriter output = new();
        using StringWriter error = new();
        int code = CliApplication.Run(words, output, error);
        Assert.That(code, Is.Zero, error.ToString());
    }

    private static double Brightness(string colour) => Regex.Matches(colour, @"\d+").Take(3).Average(part => int.Parse(part.Value, CultureInfo.InvariantCulture));

    private static Task<string[]> Charts(IPage page) => page.EvaluateExpressionAsync<string[]>("report.charts.map((chart) => chart.name)");

    private static Task<string[]> FirstCells(IPage page, string table) =>
        page.EvaluateFunctionAsync<string[]>("table => [...document.querySelectorAll(`${table} tbody tr:not([hidden])`)].map((row) => row.cells[0].textContent)", table);

    private static Task<string> VisibleTexts(IPage page, string chart) => page.EvaluateFunctionAsync<string>(
        "chart => [...document.querySelectorAll(`#chart-${chart} svg text:not([hidden])`)].filter((text) => text.getBoundingClientRect().width > 0).map((text) => text.textContent).join('\\n')", chart);

    private static Task<int> Columns(IPage page) => page.EvaluateExpressionAsync<int>(
        "[...document.querySelectorAll('section.table')].find((s) => s.querySelector('h3')?.textContent === 'Cycles by activity').querySelectorAll('thead th:not([hidden])').length");

    private static Task Toggle(IPage page, string run) =>
        page.EvaluateFunctionAsync("run => [...document.querySelectorAll('.runs label')].find((label) => label.textContent === run).querySelector('input').click()", run);

    private static async Task<(double Top, double Side, string Text)> BoxOf(IPage page, string selector)
    {
        JsonElement box = await page.EvaluateFunctionAsync<JsonElement>(
            "selector => { const e = document.querySelector(selector); const range = document.createRange(); range.selectNodeContents(e); const r = range.getBoundingClientRect(); return { top: r.top, side: selector === 'h1' ? r.right : r.left, text: e.textContent }; }", selector);
        return (box.GetProperty("top").GetDouble(), box.GetProperty("side").GetDouble(), box.GetProperty("text").GetString()!);
    }

    private JsonNode Run(string name) => _results["runs"]!.AsArray().First(run => (string)run!["run"]! == name)!;

    private long Total(string run) => Run(run)["values"]!.AsArray().Where(value => ((string)value!["path"]!).StartsWith("cycles.", StringComparison.Ordinal)).Sum(value => (long)value!["value"]!);

    /// <summary>Opens a page, hands it to the body, and fails if the browser had anything to complain about or the page asked for anything.</summary>
    private async Task Visit(string file, int width, bool dark, Func<IPage, Task> body)
    {
        List<string> complaints = [];
        await using IPage page = await _browser.NewPageAsync();
        await page.SetViewportAsync(new ViewPortOptions { Width = width, Height = 900, IsMobile = width < 640, HasTouch = width < 640 });
        await page.EmulateMediaFeaturesAsync([new MediaFeatureValue { MediaFeature = MediaFeature.PrefersColorScheme, Value = dark ? "dark" : "light" }]);
        page.Console += (_, e) => complaints.Add($"{e.Message.Type}: {e.Message.Text}");
        page.PageError += (_, e) => complaints.Add(e.Message);
        page.Request += (_, e) =>
        {
            if (!e.Request.Url.StartsWith("data:font/", StringComparison.Ordinal) && e.Request.Url != Url(file))
            {
                complaints.Add($"request: {e.Request.Url}");
            }
        };
        await page.GoToAsync(Url(file));
        await page.WaitForExpressionAsync("document.documentElement.dataset.ready === 'yes'");
        await body(page);
        Assert.That(complaints, Is.Empty);
    }

    [GeneratedRegex("""width="(\d+)" height="(\d+)" """)]
    private static partial Regex Size();

    private sealed record Plot(int Drawings, int Marks, int Labels, double Right, string Cut);
}
