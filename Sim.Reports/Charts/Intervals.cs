using Sim.Core;
using Sim.Core.Stats;
using Sim.Reports.Charts.Description;
using Sim.Reports.Results;
using Sim.Reports.Views;

namespace Sim.Reports.Charts;

/// <summary>How the cost goes over the trace.</summary>
[Component("intervals", Summary = "cycles on top of the trace's own over the trace, by policy")]
public sealed class Intervals : IChart
{
    private const int Records = 1_000;

    /// <inheritdoc/>
    public Drawing Draw(ReportInput input)
    {
        TimeAxis time = new(input);
        RunCurve[] curves = [.. input.Good.Select(run => new RunCurve(run.Run, "", Points(run, time))).Where(curve => curve.Points.Count > 0)];
        return curves.Length == 0
            ? Drawing.Without("Figures over time were not recorded: use --interval.")
            : new Chart(
                "Cost over the trace",
                "Cycles on top of the trace's own in each interval, per thousand records of it.",
                time.Axis,
                new Axis(AxisKind.Linear, "on top of the trace's own", "cycles per 1,000 records") { FromZero = true },
                [.. RunCurves.Of(input, CurveKind.Step, curves)]);
    }

    private static (double, double, (string, string)[])[] Points(RunResult run, TimeAxis time)
    {
        IReadOnlyList<SeriesPoint> total = Of("total_cycles");
        IReadOnlyList<SeriesPoint> trace = Of("trace_cycles");
        IReadOnlyList<SeriesPoint> walkCycles = Of("walk_cycles");
        IReadOnlyList<SeriesPoint> flushed = Of("walks_flushed");
        IReadOnlyList<SeriesPoint> Of(string figure) => SeriesFigures.Merged(SeriesFigures.PerInterval(run.Statistics, figure), TimeAxis.Intervals);
        int count = new[] { total.Count, trace.Count, walkCycles.Count, flushed.Count }.Min();
        List<(double, double, (string, string)[])> points = [];
        for (int i = 0; i <= count && count > 0; i++)
        {
            // A step for each interval from its begin; the last one ends with a point of its own.
            int at = Math.Min(i, count - 1);
            long cost = total[at].Y - trace[at].Y;
            long records = Math.Max(1, total[at].X - (at == 0 ? 0 : total[at - 1].X));
            points.Add((time.Of(i == 0 ? 0 : total[i - 1].X), (double)Records * cost / records,
            [
                ("until", time.Text(total[at].X)),
                ("cost", $"{StackedBars.Exact(cost)} cycles in {StackedBars.Exact(records)} records"),
                ("of them walks", $"{StackedBars.Exact(walkCycles[at].Y)} cycles"),
                ("caused by flushes", $"{StackedBars.Exact(flushed[at].Y)} walks"),
            ]));
        }

        return [.. points];
    }
}
