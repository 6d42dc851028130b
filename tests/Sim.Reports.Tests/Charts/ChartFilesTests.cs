using System.Text;
using System.Text.Json;
using System.Xml.Linq;
using Sim.Core;
using Sim.Core.Files;
using Sim.Reports.Charts;
using Sim.Reports.Charts.Description;
using Sim.Reports.Charts.Rendering;
using Sim.Reports.Fonts;
using SkiaSharp;

namespace Sim.Reports.Tests.Charts;

/// <summary>Charts as files. That a browser shows an SVG as the PNG looks is tested in Sim.Cli.Tests.</summary>
public sealed class ChartFilesTests
{
    private static readonly ChartSize Screen = new(ChartFiles.DefaultWidth);
    private string _folder = "";

    [SetUp]
    public void MakeFolder() => _folder = Directory.CreateTempSubdirectory().FullName;

    [TearDown]
    public void DeleteFolder() => Directory.Delete(_folder, recursive: true);

    [Test]
    public void Json_is_the_description_with_every_datum()
    {
        string folder = Path.Combine(_folder, "new", "charts");

        using OutputFolder claimed = OutputFolder.Claim(folder, "chart");
        IReadOnlyList<string> files = ChartFiles.Write([("cost-by-cause", Cost())], claimed, [ChartFormat.Json], Screen, ChartTheme.Dark, NoFailure);

        Assert.That(files, Is.EqualTo(new[] { Path.Combine(folder, "cost-by-cause.json") }));
        JsonElement root = JsonDocument.Parse(File.ReadAllText(files[0])).RootElement;
        Assert.That((root.GetProperty("schema").GetString(), root.GetProperty("schema_version").GetString(), root.GetProperty("name").GetString()), Is.EqualTo(("nestsim-chart", "1.0", "cost-by-cause")));
        Assert.That(root.GetProperty("x").GetProperty("kind").GetString(), Is.EqualTo("linear"));
        JsonElement bar = root.GetProperty("marks")[0].GetProperty("items")[0];
        Assert.That(root.GetProperty("marks")[0].GetProperty("mark").GetString(), Is.EqualTo("bars"));
        Assert.That((bar.GetProperty("shade").GetString(), bar.GetProperty("datum").GetProperty("facts")[0].GetProperty("text").GetString()), Is.EqualTo(("yellow", "a")));
    }

    [Test]
    public void A_png_has_two_pixels_for_each_unit_and_the_ground_of_its_theme()
    {
        foreach (ChartTheme theme in ChartTheme.All)
        {
            using SKBitmap picture = SKBitmap.Decode(ChartFiles.Of("c", Cost(), ChartFormat.Png, new ChartSize(500, 400), theme));

            Assert.That((picture.Width, picture.Height), Is.EqualTo((1_000, 800)), "a least height is reached");
            Assert.That(picture.GetPixel(2, 2), Is.EqualTo(SKColor.Parse(theme.Of(Shade.Ground))));
        }
    }

    [Test]
    public void Pdf_is_one_page_of_the_size_in_points_without_a_date_that_carries_a_few_glyphs_of_its_font()
    {
        byte[] pdf = ChartFiles.Of("c", Cost(), ChartFormat.Pdf, new ChartSize(ChartFiles.ColumnWidth), ChartTheme.Print);
        string text = Encoding.Latin1.GetString(pdf);

        // 336 units of 1/96 inch are 252 points: 3.5 inches.
        Assert.That(text, Does.StartWith("%PDF").And.Contain("/MediaBox [0 0 252 ").And.Not.Contain("/CreationDate").And.Not.Contain("/ModDate"));
        Assert.That(text, Does.Contain("Inter"));
        Assert.That(pdf, Has.Length.LessThan(40_000), "the whole font has 310,000 bytes");
    }

    [Test]
    public void Svg_has_no_text_that_would_need_a_font_and_only_colours_of_its_theme()
    {
        XElement svg = XElement.Parse(SvgDrawing.ToFile(Cost(), Screen, ChartTheme.Light));
        XName[] names = [.. svg.Descendants().Select(element => element.Name).Distinct()];

        Assert.That(names.Select(name => name.LocalName), Is.SubsetOf(new[] { "title", "desc", "rect", "path", "ellipse" }));
        Assert.That(svg.Descendants().SelectMany(element => element.Attributes("fill").Concat(element.Attributes("stroke"))).Select(colour => colour.Value).Distinct(), Is.SubsetOf(ChartTheme.Light.Colours.Append("none")));
        Assert.That(svg.Descendants().Count(element => (string?)element.Attribute("fill") == ChartTheme.Light.Of(Shade.Yellow)), Is.GreaterThanOrEqualTo(2), "key and bar");
    }

    /// <summary>The glyphs come from the font in the assembly: no text asks the system for one. An I is a bar, an O is a ring, and both are where they are at any place with any fonts.</summary>
    [Test]
    public void Text_is_drawn_with_the_font_that_travels()
    {
        Chart chart = new("IO", "", new Axis(AxisKind.Linear, "x") { FromZero = true }, Axis.Of([Category.Of("a")]), new Bars([new Bar(0, 0, 1, Shade.Blue, Datum.Of("a", ("x", "1")))]));
        using SKBitmap picture = SKBitmap.Decode(ChartFiles.Of("c", chart, ChartFormat.Png, new ChartSize(300), ChartTheme.Print));
        bool Dark(int x, int y) => picture.GetPixel(x, y).Red < 100;

        // The title stands at 12 units from the left, its line in the middle of 12 to 31: in pixels, letters from about 35 to 53. Semi-bold Inter: I's stem is 4 of its 7.7 pixels wide.
        int[] rows = [.. Enumerable.Range(0, 70).Where(y => Enumerable.Range(20, 60).Any(x => Dark(x, y)))];
        Assert.That((rows[0], rows[^1], rows.Length), Is.EqualTo((33, 52, 20)).Or.EqualTo((33, 53, 21)).Or.EqualTo((32, 52, 21)), string.Join(' ', rows));
        int[] stem = [.. Enumerable.Range(20, 60).Where(x => Dark(x, 43))];
        Assert.That(stem, Has.Length.InRange(9, 13), "the stem of I, and both sides of O: " + string.Join(' ', stem));
        Assert.That(Typography.Whole.Regular.FamilyName, Is.EqualTo("Inter"));
    }

    [Test]
    public void A_subset_of_the_font_draws_its_characters_as_the_whole_does_and_lacks_the_others()
    {
        const string Characters = "Aé9 -ﬁ";
        byte[] bytes = TrueTypeSubset.Of(Inter.Regular, Characters);
        using SKTypeface subset = SKTypeface.FromData(SKData.CreateCopy(bytes));

        Assert.That(bytes, Has.Length.LessThan(4_000));
        foreach (char character in "Aé9 -")
        {
            using SKFont whole = new(Typography.Whole.Regular, 100);
            using SKFont part = new(subset, 100);
            using SKPath expected = whole.GetTextPath(character.ToString(), new SKPoint(0, 0));
            using SKPath actual = part.GetTextPath(character.ToString(), new SKPoint(0, 0));

            Assert.That(actual.ToSvgPathData(), Is.EqualTo(expected.ToSvgPathData()), $"outline of {character}");
            Assert.That(part.MeasureText(character.ToString()), Is.EqualTo(whole.MeasureText(character.ToString())), $"width of {character}");
        }

        Assert.That(subset.ContainsGlyph('B'), Is.False);
    }

    [Test]
    public void Characters_that_the_font_lacks_are_written_out() => Assert.That(Typography.Drawable("\u00e9\u4e2d"), Is.EqualTo("\u00e9\\u4e2d"));

    [Test]
    public void An_axis_that_does_not_begin_at_zero_says_so_and_is_broken()
    {
        static string[] Texts(double least, AxisKind kind)
        {
            Curve curve = new(CurveKind.Line, "a", ["a"], Shade.Blue, [new(0, least, Datum.Of("a", ("y", "1"))), new(2, 100, Datum.Of("a", ("y", "2")))]);
            using ChartPlot plot = new(new Chart("t", "r", new Axis(AxisKind.Linear, "x"), new Axis(kind, "cost", "cycles"), curve), Screen, titled: false, new NumberedInks());
            return [.. plot.Texts.Select(text => text.Text)];
        }

        Assert.That(Texts(90, AxisKind.Linear), Does.Contain("//").And.Contain("cost, cycles (the axis does not begin at 0)"));
        Assert.That(Texts(30, AxisKind.Linear), Does.Not.Contain("//").And.Contain("cost, cycles").And.Contain("0"), "so near to zero it may as well begin there");
        Assert.That(Texts(100, AxisKind.Linear), Does.Not.Contain("//").And.Contain("0"), "where all is the same there is nothing to enlarge");
        Assert.That(Texts(90, AxisKind.Log), Does.Not.Contain("//"));
    }

    [TestCase(0, 100, false, "0 20 40 60 80 100")]
    [TestCase(0, 2_500_000, false, "0 0.5 M 1.0 M 1.5 M 2.0 M 2.5 M")]
    [TestCase(-0.02, 0.03, false, "-0.02 -0.01 0 0.01 0.02 0.03")]
    [TestCase(3, 3_000, true, "10 100 1,000")]
    [TestCase(3, 40, true, "5 10 20")]
    [TestCase(1, 64, true, "1 2 5 10 20 50")]
    public void Grid_lines_are_at_round_numbers(double least, double most, bool log, string expected) =>
        Assert.That(string.Join(' ', new Scale(least, most, log).Ticks(6).Select(tick => tick.Text)), Is.EqualTo(expected));

    [Test]
    public void A_logarithmic_axis_of_powers_of_two_has_its_lines_at_them() =>
        Assert.That(Scale.Of(new Axis(AxisKind.Log, "sets"), [32, 64, 256]).Ticks(6).Select(tick => tick.Text), Is.EqualTo(new[] { "32", "64", "128", "256" }));

    [Test]
    public void A_chart_that_cannot_be_drawn_is_reported_and_the_others_are_written()
    {
        Chart broken = Cost() with { Y = Axis.Of([]) };
        List<string> failed = [];

        using OutputFolder claimed = OutputFolder.Claim(_folder, "chart");
        IReadOnlyList<string> files = ChartFiles.Write([("broken", broken), ("good", Cost())], claimed, [ChartFormat.Png], Screen, ChartTheme.Light, (name, _, why) => failed.Add($"{name} {why.Message.Length > 0}"));

        Assert.That(failed, Is.EqualTo(new[] { "broken True" }));
        Assert.That(files, Is.EqualTo(new[] { Path.Combine(_folder, "good.png") }));
    }

    [Test]
    public void A_folder_that_cannot_be_made_is_the_users_mistake()
    {
        string file = Path.Combine(_folder, "file");
        File.WriteAllText(file, "");

        ConfigurationException? error = Assert.Throws<ConfigurationException>(() => OutputFolder.Claim(Path.Combine(file, "charts"), "chart"));

        Assert.That(error?.Message, Does.Contain("cannot be made"));
    }

    private static Chart Cost() => new CostByCause().Draw(new ReportInput(ChartSample.Full())).Chart!;

    private static void NoFailure(string name, ChartFormat format, Exception why) => Assert.Fail($"{name}: {why}");
}
