using System.Text.Json.Nodes;
using Sim.Reports.Charts.Description;
using Sim.Reports.Charts.Rendering;
using Sim.Reports.Views;

namespace Sim.Reports.Html;

/// <summary>
/// A chart in the page: drawn for a wide and a narrow screen, and, where yardsticks would dwarf what is compared, once more without them. The page's script shows one of the drawings,
/// hides what is about runs that are not wanted, and reads tooltips from the places that the drawings report; without script the first drawing stands.
/// </summary>
internal sealed class ChartFigure
{
    private const int Wide = 920;
    private const int Narrow = 332;

    private readonly string _name;
    private readonly Chart _chart;
    private readonly List<string> _drawings = [];
    private readonly JsonArray _places = [];
    private readonly JsonArray _data = [];
    private readonly JsonArray _names = [];
    private readonly Dictionary<Datum, int> _numbers = [];
    private readonly Dictionary<string, int> _same = new(StringComparer.Ordinal);
    private readonly Dictionary<string, int> _nameLists = new(StringComparer.Ordinal);
    private readonly Func<string, int> _numberOf;

    /// <summary>Draws it.</summary>
    /// <param name="name">Name of the chart.</param>
    /// <param name="chart">The chart of all runs.</param>
    /// <param name="proposals">The chart without yardsticks; null if that is the same.</param>
    /// <param name="numberOf">The number of a run in the page.</param>
    public ChartFigure(string name, Chart chart, Chart? proposals, Func<string, int> numberOf)
    {
        _name = name;
        _chart = chart;
        _numberOf = numberOf;
        Draw(chart, "all");
        if (proposals is not null && ChartJson.ToText(name, proposals) != ChartJson.ToText(name, chart))
        {
            Draw(proposals, "proposals");
        }
    }

    /// <summary>What the script needs: lists of the names of facts; data as number of their list, runs and texts (0: the names of the runs); for each drawing x, y, width, height and number of datum of each place.</summary>
    public JsonObject Data => new() { ["name"] = _name, ["names"] = _names, ["data"] = _data, ["places"] = _places };

    /// <summary>Writes it.</summary>
    public void Write(Html html)
    {
        html.Open("figure", ("id", $"chart-{_name}")).Open("figcaption").Element("h3", _chart.Title).Element("p", _chart.Reading, ("class", "note")).Close("figcaption")
            .Open("div", ("class", _drawings.Count > 2 ? "plot choice" : "plot"), ("data-chart", _name)).Line();
        foreach (string drawing in _drawings)
        {
            html.Raw(drawing);
        }

        html.Close("div").Close("figure").Line();
    }

    private void Draw(Chart chart, string variant)
    {
        foreach ((string size, int width) in new[] { ("wide", Wide), ("narrow", Narrow) })
        {
            NumberedInks inks = new();
            using ChartPlot plot = new(chart, new ChartSize(width), titled: false, inks);
            _drawings.Add(SvgDrawing.ToElement(plot, inks, InertText.OneLine($"{chart.Title}. {chart.Reading}"), $"{variant} {size}", _numberOf));
            JsonArray places = [];
            foreach (Place place in plot.Places)
            {
                foreach (float length in new[] { place.Left, place.Top, place.Width, place.Height })
                {
                    places.Add((int)MathF.Round(length));
                }

                places.Add(NumberOf(place.Datum));
            }

            _places.Add(places);
        }
    }

    private int NumberOf(Datum datum)
    {
        if (_numbers.TryGetValue(datum, out int number))
        {
            return number;
        }

        JsonArray row = [ListOf(datum), new JsonArray([.. datum.Runs.Select(run => JsonValue.Create(_numberOf(run)))])];
        foreach (Fact fact in datum.Facts)
        {
            row.Add(fact.Name == "run" && fact.Text == InertText.OneLine(string.Join(", ", datum.Runs)) ? 0 : JsonValue.Create(fact.Text));
        }

        if (!_same.TryGetValue(row.ToJsonString(), out number))
        {
            number = _data.Count;
            _same.Add(row.ToJsonString(), number);
            _data.Add(row);
        }

        _numbers.Add(datum, number);
        return number;
    }

    private int ListOf(Datum datum)
    {
        string key = string.Join('\n', datum.Facts.Select(fact => fact.Name));
        if (!_nameLists.TryGetValue(key, out int number))
        {
            number = _names.Count;
            _nameLists.Add(key, number);
            _names.Add(new JsonArray([.. datum.Facts.Select(fact => JsonValue.Create(fact.Name))]));
        }

        return number;
    }
}
