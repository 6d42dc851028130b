using Sim.Core.Stats;
using Sim.Reports.Charts;
using Sim.Reports.Charts.Description;
using Sim.Reports.Charts.Rendering;
using Sim.Reports.Results;

namespace Sim.Reports.Tests.Charts;

/// <summary>What every chart owes its reader. A new chart is enrolled by being found.</summary>
[TestFixtureSource(nameof(Names))]
public sealed class ChartContractTests(string name)
{
    private static readonly ChartSize Screen = new(ChartFiles.DefaultWidth);
    private static readonly ChartSize Column = new(ChartFiles.ColumnWidth);

    private static IEnumerable<string> Names => ChartCatalogue.All.Entries.Select(entry => entry.Name);

    [Test]
    public void It_draws_results_that_have_its_data() => Assert.That(Draw(ChartSample.For(name)).Absent, Is.Null);

    [Test]
    public void It_says_in_a_sentence_what_is_missing_instead_of_drawing_emptiness()
    {
        Drawing drawing = Draw(ChartSample.Empty());

        Assert.That(drawing.Chart, Is.Null);
        Assert.That(drawing.Absent, Has.Length.GreaterThan(20).And.EndsWith(".").And.Not.Contain("cannot be drawn"));
    }

    [Test]
    public void Results_in_which_every_run_failed_have_no_chart()
    {
        Drawing drawing = Draw(ChartSample.Empty() with { Runs = [new RunResult("a", "a", new StatSheet(), [], new RunFailure(4, "broken"))] });

        Assert.That(drawing.Chart, Is.Null);
        Assert.That(drawing.Absent, Does.Not.Contain("cannot be drawn"));
    }

    [Test]
    public void Every_position_on_an_axis_of_names_has_a_name_and_every_axis_of_numbers_says_what_it_measures()
    {
        Chart chart = Chart();
        IEnumerable<int> rows = chart.Marks.SelectMany(mark => mark switch
        {
            Bars bars => bars.Items.Select(bar => bar.Row),
            Cells cells => cells.Items.Select(cell => cell.Row),
            Spans spans => spans.Items.Select(span => span.Row),
            Labels labels => labels.Items.Select(label => label.Row),
            _ => [],
        });

        Assert.That(rows, Has.All.InRange(0, chart.Y.Categories.Count - 1));
        Assert.That(new[] { chart.X, chart.Y }.Where(axis => axis.Kind != AxisKind.Category), Has.All.Matches<Axis>(axis => axis!.Title.Length + axis.Unit.Length > 0));
    }

    [Test]
    public void Every_datum_has_facts_and_the_run_that_it_is_about()
    {
        Datum[] data = [.. Data(Chart())];

        Assert.That(data, Is.Not.Empty);
        Assert.That(data, Has.All.Matches<Datum>(datum => datum!.Facts.Count > 1 && datum.Facts.All(fact => fact.Name.Length > 0 && fact.Text.Length > 0)));
        Assert.That(data.SelectMany(datum => datum.Runs).Distinct(), Is.SubsetOf(ChartSample.For(name).Runs.SelectMany(run => new[] { run.Run, run.Case })));
    }

    [Test]
    public void Every_datum_of_the_chart_is_at_a_place_of_the_drawing()
    {
        Chart chart = Chart();
        foreach (ChartSize size in new[] { Screen, Column })
        {
            using ChartPlot plot = new(chart, size, titled: false, new NumberedInks());

            Assert.That(plot.Places.Select(place => place.Datum).Distinct().Count(), Is.EqualTo(Data(chart).Distinct().Count()));
            Assert.That(plot.Places, Has.All.Matches<Place>(place => place!.Left >= -8 && place.Left + place.Width <= plot.Width + 8 && place.Top >= -8 && place.Top + place.Height <= plot.Height + 8));
        }
    }

    [Test]
    public void No_text_leaves_the_drawing_and_no_name_is_cut_however_narrow_it_is()
    {
        const string Long = "kvm-6.12 posted/deferred machine.seed=7 second_level[0].replacement=random, a name that nobody would type by hand";
        Chart chart = Draw(ChartSample.For(name, Long)).Chart!;
        foreach (ChartSize size in new[] { Screen, Column, new ChartSize(ChartFiles.LeastWidth) })
        {
            using ChartPlot plot = new(chart, size, titled: true, new NumberedInks());
            foreach (Lettering text in plot.Texts)
            {
                float length = Typography.Width(text.Text, text.Size, text.Bold);
                float left = text.X - (text.Anchor switch { Anchor.Start => 0, Anchor.Middle => length / 2, _ => length });
                Assert.That(left, Is.GreaterThanOrEqualTo(-1), $"'{text.Text}' at width {size.Width}");
                Assert.That(left + length, Is.LessThanOrEqualTo(plot.Width + 1), $"'{text.Text}' at width {size.Width}");
                Assert.That(text.Baseline, Is.InRange(0, plot.Height));
            }

            if (chart.Y.Categories.Any(category => category.Name.Contains(Long, StringComparison.Ordinal)))
            {
                Assert.That(string.Concat(plot.Texts.Select(text => text.Text)).Replace(" ", "", StringComparison.Ordinal), Does.Contain(Long.Replace(" ", "", StringComparison.Ordinal)));
            }
        }
    }

    [TestCase(ChartFormat.Png)]
    [TestCase(ChartFormat.Svg)]
    [TestCase(ChartFormat.Pdf)]
    [TestCase(ChartFormat.Json)]
    public void The_same_results_give_the_same_bytes(ChartFormat format)
    {
        byte[] Bytes() => ChartFiles.Of(name, Draw(ChartSample.For(name)).Chart!, format, Column, ChartTheme.Print);

        Assert.That(Bytes(), Is.EqualTo(Bytes()));
    }

    [Test]
    public void A_label_that_would_turn_text_or_break_lines_is_written_out()
    {
        Chart chart = Draw(ChartSample.For(name, "a\u202Eb\n<script>")).Chart!;
        string json = ChartJson.ToText(name, chart).Replace("\n", "", StringComparison.Ordinal);
        string svg = SvgDrawing.ToFile(chart, Screen, ChartTheme.Light);
        NumberedInks inks = new();
        using ChartPlot plot = new(chart, Screen, titled: false, inks);
        string element = SvgDrawing.ToElement(plot, inks, chart.Title, "all wide", _ => 0);

        Assert.That(json + svg + element, Does.Not.Contain("\u202E").And.Not.Contain("<script"));
        Assert.That(plot.Texts, Has.None.Matches<Lettering>(text => text!.Text.Contains('\n', StringComparison.Ordinal)));
    }

    [Test]
    public void Without_yardsticks_runs_keep_their_colours()
    {
        RunSet set = ChartSample.For(name, "never");
        ReportInput all = new(set with { Runs = [.. set.Runs.Select(run => run with { IsYardstick = run.Policy == "never" })] });
        if (all.WithoutYardsticks() is not { } proposals || ChartCatalogue.Draw(name, proposals).Chart is not { } fewer)
        {
            Assert.That(name, Is.EqualTo("difference"), "only a chart of differences has nothing to show for the reference alone");
            return;
        }

        Assert.That(ColoursOfA(fewer), Is.SubsetOf(ColoursOfA(ChartCatalogue.Draw(name, all).Chart!)));
    }

    private static IEnumerable<Shade> ColoursOfA(Chart chart) => chart.Marks.OfType<Curve>().Where(curve => curve.Runs.Contains("a")).Select(curve => curve.Shade);

    private static IEnumerable<Datum> Data(Chart chart) => chart.Marks.SelectMany(mark => mark switch
    {
        Bars bars => bars.Items.Where(bar => bar.From != bar.To).Select(bar => bar.Datum),
        Cells cells => cells.Items.Select(cell => cell.Datum),
        Spans spans => spans.Items.Select(span => span.Datum),
        Points points => points.Items.Select(point => point.Datum),
        Curve curve => curve.Points.Select(point => point.Datum),
        Rule rule => [rule.Datum],
        _ => Array.Empty<Datum>(),
    });

    private Chart Chart() => Draw(ChartSample.For(name)).Chart ?? throw new AssertionException($"{name} draws nothing");

    private Drawing Draw(RunSet set) => ChartCatalogue.Draw(name, new ReportInput(set));
}
