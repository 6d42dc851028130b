using Sim.Core;
using Sim.Core.Stats;
using Sim.Reports.Charts.Description;
using Sim.Reports.Results;
using Sim.Reports.Views;

namespace Sim.Reports.Charts;

/// <summary>When nested transitions happened and when flushes did. Single events are in 'nestsim run --timeline'.</summary>
[Component("timeline", Summary = "nested transitions and invalidations over the trace, by policy")]
public sealed class TransitionTimeline : IChart
{
    /// <inheritdoc/>
    public Drawing Draw(ReportInput input)
    {
        TimeAxis time = new(input);
        RunCurve[] flushes = [.. input.Good.Select(run => new RunCurve(run.Run, "", Points(run, "invalidations", time, "invalidations"))).Where(curve => curve.Points.Count > 0)];
        RunResult? first = input.Good.FirstOrDefault(run => SeriesFigures.PerInterval(run.Statistics, "nested_transitions").Count > 0);
        if (flushes.Length == 0 || first is null)
        {
            return Drawing.Without("Events over time were not recorded: use --interval.");
        }

        CurvePoint[] transitions =
        [
            .. Points(first, "nested_transitions", time, "nested transitions")
                .Select(point => new CurvePoint(point.X, point.Y, Datum.Of(Array.Empty<string>(), [("run", "all policies"), .. point.Facts]))),
        ];
        return new Chart(
            "Nested transitions and invalidations over the trace",
            "Grey: nested VM-entries and VM-exits, which the trace decides. Lines: invalidations, which the policy decides.",
            time.Axis,
            new Axis(AxisKind.Linear, "events in the interval") { FromZero = true },
            [new Curve(CurveKind.Step, "", [], Shade.Grey, transitions) { Filled = true }, .. RunCurves.Of(input, CurveKind.Step, flushes)])
        {
            Key = [new KeyEntry("nested transitions", Shade.Grey)],
        };
    }

    /// <summary>A step for each interval from its begin; the last one ends with a point of its own.</summary>
    private static (double X, double Y, (string, string)[] Facts)[] Points(RunResult run, string figure, TimeAxis time, string what)
    {
        IReadOnlyList<SeriesPoint> points = SeriesFigures.Merged(SeriesFigures.PerInterval(run.Statistics, figure), TimeAxis.Intervals);
        return
        [
            .. Enumerable.Range(0, points.Count == 0 ? 0 : points.Count + 1).Select(i =>
            {
                SeriesPoint point = points[Math.Min(i, points.Count - 1)];
                return (time.Of(i == 0 ? 0 : points[i - 1].X), (double)point.Y, new[] { ("until", time.Text(point.X)), ("events", $"{StackedBars.Exact(point.Y)} {what}") });
            }),
        ];
    }
}
