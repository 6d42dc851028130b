using System.Text.Json.Nodes;
using Sim.Core.Stats;
using Sim.Reports.Charts;
using Sim.Reports.Charts.VegaLite;
using Sim.Reports.Results;

namespace Sim.Reports.Tests.Charts;

/// <summary>What every chart owes its reader. A new chart is enrolled by being found.</summary>
[TestFixtureSource(nameof(Names))]
public sealed class ChartContractTests(string name)
{
    private static readonly string[] Okabe =
        [Palette.Blue, Palette.SkyBlue, Palette.Green, Palette.Yellow, Palette.Orange, Palette.Vermillion, Palette.Purple, Palette.Grey, "#6F6B64"];

    private static IEnumerable<string> Names => ChartCatalogue.All.Entries.Select(entry => entry.Name);

    [Test]
    public void It_draws_results_that_have_its_data() => Assert.That(Draw(ChartSample.For(name)).Absent, Is.Null);

    [Test]
    public void It_says_in_a_sentence_what_is_missing_instead_of_drawing_emptiness()
    {
        Drawing drawing = Draw(ChartSample.Empty());

        Assert.That(drawing.Specification, Is.Null);
        Assert.That(drawing.Absent, Has.Length.GreaterThan(20).And.EndsWith("."));
    }

    [Test]
    public void Results_in_which_every_run_failed_have_no_chart() =>
        Assert.That(Draw(ChartSample.Empty() with { Runs = [new RunResult("a", "a", new StatSheet(), [], new RunFailure(4, "broken"))] }).Specification, Is.Null);

    [Test]
    public void Every_layer_has_rows_and_its_encodings_name_their_members()
    {
        foreach (Layer layer in Specification().Layers)
        {
            Assert.That(layer.Rows, Is.Not.Empty);
            foreach (string member in layer.Encodings.Select(encoding => encoding.Member).Concat(layer.Tips.Select(tip => tip.Member)))
            {
                Assert.That(layer.Rows, Has.All.Matches<JsonObject>(row => row?.ContainsKey(member) == true), member);
            }
        }
    }

    [Test]
    public void Every_axis_with_numbers_and_every_colour_with_numbers_has_a_title()
    {
        foreach (Encoding encoding in Specification().Layers.SelectMany(layer => layer.Encodings))
        {
            bool shown = encoding.Channel is Channel.X or Channel.Y or Channel.Color && encoding.Kind == ValueKind.Quantitative;
            Assert.That(!shown || !string.IsNullOrEmpty(encoding.Title), Is.True, $"{encoding.Channel} {encoding.Member}");
        }
    }

    [Test]
    public void Tooltips_tell_numbers_as_exact_text()
    {
        Layer[] layers = [.. Specification().Layers];

        Assert.That(layers, Has.Some.Matches<Layer>(layer => layer?.Tips.Count > 0));
        foreach ((Layer layer, string member) in layers.SelectMany(layer => layer.Tips.Select(tip => (layer, tip.Member))))
        {
            Assert.That(layer.Rows.Select(row => row[member]?.GetValueKind()), Has.All.EqualTo(System.Text.Json.JsonValueKind.String), member);
        }
    }

    [Test]
    public void Colours_of_names_are_those_that_the_colour_blind_tell_apart_and_differ()
    {
        foreach (Encoding encoding in Specification().Layers.SelectMany(layer => layer.Encodings).Where(encoding => encoding.Channel == Channel.Color && !encoding.Sequential))
        {
            string[] colours = [.. encoding.Range!.Select(node => node.GetValue<string>())];
            Assert.That(colours, Is.SubsetOf(Okabe).And.Unique);
            Assert.That(encoding.Names, Has.Count.EqualTo(colours.Length));
        }
    }

    [Test]
    public void The_same_results_give_the_same_bytes()
    {
        Assert.That(Text(Draw(ChartSample.For(name))), Is.EqualTo(Text(Draw(ChartSample.For(name)))));
    }

    [Test]
    public void A_label_that_would_turn_text_or_break_lines_is_written_out()
    {
        string text = Text(Draw(ChartSample.For(name, "a\u202Eb\n<script>")));

        Assert.That(text, Does.Not.Contain("\u202E").And.Not.Contain(@"\u202E<").And.Not.Contain(@"b\n"));
        Assert.That(text, Does.Not.Contain("<script"), "JSON that a page carries must not look like markup");
    }

    private static string Text(Drawing drawing) => drawing.Specification!.ToJson(ChartTheme.Light, 640).ToJsonString();

    private Specification Specification() => Draw(ChartSample.For(name)).Specification ?? throw new AssertionException($"{name} draws nothing");

    private Drawing Draw(RunSet set) => ChartCatalogue.All.Create(name).Draw(new ReportInput(set));
}
