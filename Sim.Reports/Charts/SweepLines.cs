using System.Text.Json.Nodes;
using Sim.Core;
using Sim.Reports.Charts.VegaLite;
using Sim.Reports.Views;

namespace Sim.Reports.Charts;

/// <summary>Cost against one swept parameter, a line for each policy; with several seeds, a band from the least to the most.</summary>
[Component("sweep-lines", Summary = "cost against one swept parameter, by policy, with a band over seeds")]
public sealed class SweepLines : IChart
{
    private const int Height = 280;
    private const double WideRange = 8;

    /// <inheritdoc/>
    public Drawing Draw(ReportInput input)
    {
        Sweep sweep = Sweep.Of(input);
        if (sweep.Paths.Count != 1 || sweep.ValuesOf(0).Count < 2)
        {
            return Drawing.Without("The results have no single swept parameter with two or more values: use 'nestsim sweep'.");
        }

        string[] policies = [.. sweep.Policies.Select(InertText.OneLine)];
        IReadOnlyList<string> values = sweep.ValuesOf(0);
        double?[] numbers = [.. values.Select(SeriesFigures.Number)];
        bool numeric = numbers.All(number => number is not null);
        string path = InertText.OneLine(sweep.Paths[0]);
        Encoding x = numeric
            ? new Encoding(Channel.X, "value", ValueKind.Quantitative, path) { Scale = numbers.Min() > 0 && numbers.Max() >= WideRange * numbers.Min() ? ScaleKind.Log2 : ScaleKind.LinearNotFromZero }
            : new Encoding(Channel.X, "value", ValueKind.Ordinal, path) { Names = [.. values.Select(InertText.OneLine)] };
        Encoding y = new(Channel.Y, "cost", ValueKind.Quantitative, Sweep.Unit) { Scale = ScaleKind.LinearNotFromZero };
        Encoding colour = new(Channel.Color, "run", ValueKind.Nominal) { Names = policies, Range = Palette.Colours(policies.Length) };
        JsonObject[] rows = [.. sweep.Points.Select(point => Row(point, numeric))];
        Layer lines = new(new Mark("line") { Points = true }, rows, x, y, colour, RunLines.Dash("run", policies)) { Tips = [("run", "policy"), ("at", path), ("exact", Sweep.Unit), ("seeds", "seeds")] };
        Layer band = new(
            new Mark("area") { Opacity = 0.22 },
            rows,
            x,
            new Encoding(Channel.Y, "least", ValueKind.Quantitative, Sweep.Unit) { Scale = ScaleKind.LinearNotFromZero },
            new Encoding(Channel.Y2, "most", ValueKind.Quantitative),
            colour);
        return new Specification(
            $"Cost against {path}",
            sweep.Seeds > 1 ? $"Lines: mean over {sweep.Seeds} seeds; bands: from the least to the most." : "Total cycles per nested transition, the trace's own included.",
            sweep.Seeds > 1 ? [band, lines] : [lines])
        {
            Height = Height,
        };
    }

    private static JsonObject Row(SweepPoint point, bool numeric) => RunLines.Row(
        point.Policy,
        ("value", numeric ? JsonValue.Create(SeriesFigures.Number(point.Values[0])!.Value) : JsonValue.Create(InertText.OneLine(point.Values[0]))),
        ("cost", point.Mean),
        ("least", point.Costs.Min()),
        ("most", point.Costs.Max()),
        ("at", InertText.OneLine(point.Values[0])),
        ("exact", Numbers.Fraction(point.Mean)),
        ("seeds", point.Costs.Count == 1 ? "1" : $"{point.Costs.Count}, from {Numbers.Fraction(point.Costs.Min())} to {Numbers.Fraction(point.Costs.Max())}"));
}
