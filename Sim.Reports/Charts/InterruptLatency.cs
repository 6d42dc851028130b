using System.Globalization;
using Sim.Core;
using Sim.Core.Stats;
using Sim.Reports.Charts.Description;
using Sim.Reports.Views;

namespace Sim.Reports.Charts;

/// <summary>How late interrupts come.</summary>
[Component("interrupt-latency", Summary = "distribution of interrupt latency from source to handler (ECDF), by policy or path and level")]
public sealed class InterruptLatency : IChart
{
    /// <inheritdoc/>
    public Drawing Draw(ReportInput input)
    {
        (string Run, string Level, IReadOnlyList<SeriesPoint> Points)[] latencies =
            [.. input.Good.SelectMany(run => SeriesFigures.InterruptLatency(run.Statistics).Select(level => (run.Run, $"L{InertText.OneLine(level.Level)}", level.Points)))];
        if (latencies.Length == 0)
        {
            return Drawing.Without("The results have no interrupt latencies: the trace has no interrupts, or their delivery was not simulated.");
        }

        // All curves end where the latest interrupt of any run came: they share the axis.
        long latest = latencies.Max(latency => latency.Points.Last(point => point.Y > 0).X);
        string[] levels = [.. latencies.Select(latency => latency.Level).Distinct().Order(StringComparer.Ordinal)];
        IReadOnlyList<Curve> curves = RunCurves.Of(input, CurveKind.Step, latencies.Select(latency => new RunCurve(latency.Run, levels.Length > 1 ? latency.Level : "", Ecdf(latency.Points, latest))
        {
            Dash = levels.Length > 1 ? (Dash)(Array.IndexOf(levels, latency.Level) % 4) : null,
        }));
        return new Chart(
            "Interrupt latency",
            $"Share of interrupts{(levels.Length == 1 ? $" for {levels[0]}" : "")} whose handler ran within so much time of their source; a curve further left is faster. Buckets are at most 1/64 wide.",
            new Axis(AxisKind.Log, "from source to handler", "cycles"),
            new Axis(AxisKind.Linear, "interrupts", "%") { Ends = new AxisEnds(0, 100) },
            [.. curves]);
    }

    private static (double, double, (string, string)[])[] Ecdf(IReadOnlyList<SeriesPoint> points, long latest)
    {
        long all = points.Sum(point => point.Y);
        SeriesPoint[] data = [.. points.Where(point => point.Y > 0)];

        // A curve rises from zero at its first datum and stays at one behind its last.
        List<(double, double, (string, string)[])> curve = [(Math.Max(1, data[0].X), 0, Facts(data[0].X, 0))];
        long seen = 0;
        foreach (SeriesPoint point in data)
        {
            seen += point.Y;
            curve.Add((Math.Max(1, point.X), 100.0 * seen / all, Facts(point.X, seen)));
        }

        if (data[^1].X < latest)
        {
            curve.Add((latest, 100, Facts(data[^1].X, all)));
        }

        return [.. curve];

        (string, string)[] Facts(long cycles, long handled) =>
        [
            ("latency", $"{StackedBars.Exact(cycles)} cycles"),
            ("interrupts so far", $"{StackedBars.Exact(handled)} of {StackedBars.Exact(all)}"),
            ("share", (100.0 * handled / all).ToString("0.###", CultureInfo.InvariantCulture) + " %"),
        ];
    }
}
