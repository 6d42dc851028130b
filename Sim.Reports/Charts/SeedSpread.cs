using Sim.Core;
using Sim.Reports.Charts.Description;
using Sim.Reports.Views;

namespace Sim.Reports.Charts;

/// <summary>How much the seed matters: a dot for each, and the interval of their mean.</summary>
[Component("seeds", Summary = "any metric (--metric) of each repeated seed, by policy, with the mean and its 95 % interval")]
public sealed class SeedSpread : IChart
{
    /// <inheritdoc/>
    public bool IsOfSweeps => true;

    /// <inheritdoc/>
    public Drawing Draw(ReportInput input)
    {
        Sweep sweep = Sweep.Of(input);
        if (sweep.Paths.Count != 0 || sweep.Seeds < 2)
        {
            return Drawing.Without("The results have no repeated seeds: use --seeds.");
        }

        List<Point> dots = [];
        List<Point> means = [];
        List<Span> spans = [];
        List<Label> labels = [];
        for (int row = 0; row < sweep.Points.Count; row++)
        {
            SweepPoint point = sweep.Points[row];
            (double Low, double High)? interval = input.MeanInterval(point.Costs);
            string unit = sweep.Metric.Unit;
            dots.AddRange(point.Costs.Distinct().Select(cost => new Point(cost, row, Shade.Blue, PointShape.Dot, Datum.Of(point.Policy, (sweep.Metric.Title, $"{Numbers.Fraction(cost)} {unit}"), ("seeds", $"{point.Costs.Count(other => other.Equals(cost))}")))));
            Datum mean = Datum.Of(
                point.Policy, ("mean", $"{Numbers.Fraction(point.Mean)} {unit}"), ("95 % interval", interval is { } of ? $"{Numbers.Fraction(of.Low)} to {Numbers.Fraction(of.High)} {unit}" : "exact: all seeds agree"), ("seeds", $"{point.Costs.Count}"));
            means.Add(new Point(point.Mean, row, Shade.Ink, PointShape.Diamond, mean));
            labels.Add(new Label(row, Math.Max(point.Costs.Max(), interval?.High ?? 0), interval is { } width ? $"{Numbers.Fraction(point.Mean)} \u00b1 {Numbers.Fraction((width.High - width.Low) / 2)}" : $"{Numbers.Fraction(point.Mean)}, exact", [point.Policy]));
            if (interval is { } ends)
            {
                spans.Add(new Span(row, ends.Low, ends.High, Shade.Ink, mean));
            }
        }

        List<Mark> marks = [new Points(dots)];
        marks.AddRange(spans.Count > 0 ? [new Spans(spans)] : []);
        marks.AddRange([new Points(means), new Labels(labels)]);
        return new Chart(
            "Spread over seeds",
            sweep.Points.All(point => point.Costs.Distinct().Count() == 1) ? "The seed changes nothing here: the model is deterministic for these policies." : "A dot is one seed; the diamond is their mean, the line its 95 % interval.",
            new Axis(AxisKind.Linear, sweep.Metric.Title, sweep.Metric.Unit),
            Axis.Of(sweep.Points.Select(point => new Category(InertText.OneLine(point.Policy), [point.Policy]))),
            [.. marks]);
    }
}
