using System.Text.Json.Nodes;
using Sim.Core;
using Sim.Reports.Charts.VegaLite;
using Sim.Reports.Views;

namespace Sim.Reports.Charts;

/// <summary>Cost against two swept parameters, a block of rows for each policy.</summary>
[Component("sweep-heat-map", Summary = "cost against two swept parameters, by policy: a heat map")]
public sealed class SweepHeatMap : IChart
{
    /// <inheritdoc/>
    public Drawing Draw(ReportInput input)
    {
        Sweep sweep = Sweep.Of(input);
        if (sweep.Paths.Count != 2)
        {
            return Drawing.Without("The results have no two swept parameters: use 'nestsim sweep' with two of them.");
        }

        string[] paths = [.. sweep.Paths.Select(InertText.OneLine)];
        JsonObject[] rows =
        [
            .. sweep.Points.Select(point => RunLines.Row(
                point.Policy,
                ("x", InertText.OneLine(point.Values[0])),
                ("y", RowName(point.Policy, point.Values[1])),
                ("second", InertText.OneLine(point.Values[1])),
                ("cost", point.Mean),
                ("exact", Numbers.Fraction(point.Mean)))),
        ];
        return new Specification(
            $"Cost against {paths[0]} and {paths[1]}",
            $"Rows: {paths[1]}, within each policy.{(sweep.Seeds > 1 ? $" Mean over {sweep.Seeds} seeds." : "")}",
            new Layer(
                new Mark("rect"),
                rows,
                new Encoding(Channel.Y, "y", ValueKind.Nominal) { Names = [.. sweep.Policies.SelectMany(policy => sweep.ValuesOf(1).Select(value => RowName(policy, value)))] },
                new Encoding(Channel.X, "x", ValueKind.Ordinal, paths[0]) { Names = [.. sweep.ValuesOf(0).Select(InertText.OneLine)] },
                new Encoding(Channel.Color, "cost", ValueKind.Quantitative, Sweep.Unit) { Sequential = true })
            {
                Tips = [("run", "policy"), ("x", paths[0]), ("second", paths[1]), ("exact", Sweep.Unit)],
            })
        {
            Step = 24,
        };
    }

    private static string RowName(string policy, string value) => InertText.OneLine($"{policy}: {value}");
}
