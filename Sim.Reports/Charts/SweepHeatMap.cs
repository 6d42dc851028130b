using Sim.Core;
using Sim.Reports.Charts.Description;
using Sim.Reports.Views;

namespace Sim.Reports.Charts;

/// <summary>A metric against two swept parameters, a block of rows for each policy.</summary>
[Component("sweep-heat-map", Summary = "any metric (--metric) against two swept parameters, by policy: a heat map")]
public sealed class SweepHeatMap : IChart
{
    /// <inheritdoc/>
    public bool IsOfSweeps => true;

    /// <inheritdoc/>
    public Drawing Draw(ReportInput input)
    {
        Sweep sweep = Sweep.Of(input);
        if (sweep.Paths.Count != 2)
        {
            return Drawing.Without(Sweep.Missing(input, sweep, "two swept parameters: use 'nestsim sweep' with two of them"));
        }

        string[] paths = [.. sweep.Paths.Select(InertText.OneLine)];
        string[] columns = [.. sweep.ValuesOf(0)];
        string[] values = [.. sweep.ValuesOf(1)];
        string[] policies = [.. sweep.Policies];
        Cell[] cells =
        [
            .. sweep.Points.Select(point => new Cell(
                (Array.IndexOf(policies, point.Policy) * values.Length) + Array.IndexOf(values, point.Values[1]),
                Array.IndexOf(columns, point.Values[0]) - 0.5,
                Array.IndexOf(columns, point.Values[0]) + 0.5,
                point.Mean,
                Numbers.Fraction(point.Mean),
                Datum.Of(point.Policy, (paths[0], point.Values[0]), (paths[1], point.Values[1]), (sweep.Metric.Title, $"{Numbers.Fraction(point.Mean)} {sweep.Metric.Unit}")))),
        ];
        return new Chart(
            $"{char.ToUpperInvariant(sweep.Metric.Title[0])}{sweep.Metric.Title[1..]} against {paths[0]} and {paths[1]}",
            $"Rows: {paths[1]}, within each policy.{(sweep.Seeds > 1 ? $" Mean over {sweep.Seeds} seeds." : "")}",
            Axis.Of(columns.Select(value => new Category(InertText.OneLine(value), [])), paths[0]),
            Axis.Of(policies.SelectMany(policy => values.Select(value => new Category(InertText.OneLine(value), [policy], InertText.OneLine(policy))))),
            new Cells(sweep.Metric.Unit, cells.Min(cell => cell.Value), cells.Max(cell => cell.Value), cells));
    }
}
