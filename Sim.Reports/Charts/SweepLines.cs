using Sim.Core;
using Sim.Reports.Charts.Description;
using Sim.Reports.Views;

namespace Sim.Reports.Charts;

/// <summary>A metric against one swept parameter, a line for each policy; with several seeds, a band from the least to the most.</summary>
[Component("sweep-lines", Summary = "any metric (--metric) against one swept parameter, by policy, with a band over seeds")]
public sealed class SweepLines : IChart
{
    private const double WideRange = 8;

    /// <inheritdoc/>
    public bool IsOfSweeps => true;

    /// <inheritdoc/>
    public Drawing Draw(ReportInput input)
    {
        Sweep sweep = Sweep.Of(input);
        if (sweep.Paths.Count != 1 || sweep.ValuesOf(0).Count < 2)
        {
            return Drawing.Without(Sweep.Missing(input, sweep, "one swept parameter with two or more values: use 'nestsim sweep'"));
        }

        string path = InertText.OneLine(sweep.Paths[0]);
        string[] values = [.. sweep.ValuesOf(0)];
        double?[] numbers = [.. values.Select(SeriesFigures.Number)];
        bool numeric = numbers.All(number => number is not null);
        Axis x = !numeric ? Axis.Of(values.Select(value => new Category(InertText.OneLine(value), [])), path)
            : numbers.Min() > 0 && numbers.Max() >= WideRange * numbers.Min() ? new Axis(AxisKind.Log, path) : new Axis(AxisKind.Linear, path);
        double At(SweepPoint point) => numeric ? SeriesFigures.Number(point.Values[0])!.Value : Array.IndexOf(values, point.Values[0]);
        SweepPoint[][] policies = [.. sweep.Points.GroupBy(point => point.Policy, StringComparer.Ordinal).Select(group => group.OrderBy(At).ToArray())];
        IEnumerable<RunCurve> curves = policies.Select(points => new RunCurve(points[0].Policy, "", [.. points.Select(point => (At(point), point.Mean, Facts(point, path, sweep)))]));
        IEnumerable<Mark> bands = sweep.Seeds < 2 ? [] : policies.Select(points => new Band(
            [points[0].Policy], Shades.OfCurve(RunCurves.IndexOf(input, points[0].Policy)).Shade, [.. points.Select(point => new BandEdge(At(point), point.Costs.Min(), point.Costs.Max()))]));
        return new Chart(
            $"{char.ToUpperInvariant(sweep.Metric.Title[0])}{sweep.Metric.Title[1..]} against {path}",
            sweep.Seeds > 1 ? $"Lines: mean over {sweep.Seeds} seeds; bands: from the least to the most." : "Lines that are the same are drawn once.",
            x,
            new Axis(AxisKind.Linear, sweep.Metric.Title, sweep.Metric.Unit),
            [.. bands, .. RunCurves.Of(input, CurveKind.Line, curves, dots: true)]);
    }

    private static (string, string)[] Facts(SweepPoint point, string path, Sweep sweep) =>
    [
        (path, point.Values[0]),
        (sweep.Metric.Title, $"{Numbers.Fraction(point.Mean)} {sweep.Metric.Unit}"),
        ("seeds", point.Costs.Count == 1 ? "1" : $"{point.Costs.Count}, from {Numbers.Fraction(point.Costs.Min())} to {Numbers.Fraction(point.Costs.Max())}"),
    ];
}
