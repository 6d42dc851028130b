using System.Globalization;
using System.Text.Json.Nodes;
using Sim.Core;
using Sim.Core.Stats;
using Sim.Reports.Charts.VegaLite;
using Sim.Reports.Results;
using Sim.Reports.Views;

namespace Sim.Reports.Charts;

/// <summary>How late interrupts come.</summary>
[Component("interrupt-latency", Summary = "distribution of interrupt latency from source to handler (ECDF), by policy or path and level")]
public sealed class InterruptLatency : IChart
{
    private const int Height = 260;

    /// <inheritdoc/>
    public Drawing Draw(ReportInput input)
    {
        JsonObject[] rows = [.. input.Good.SelectMany(run => SeriesFigures.InterruptLatency(run.Statistics).SelectMany(level => Rows(run, level.Level, level.Points)))];
        if (rows.Length == 0)
        {
            return Drawing.Without("The results have no interrupt latencies: the trace has no interrupts, or their delivery was not simulated.");
        }

        string[] levels = [.. rows.Select(row => (string)row["level"]!).Distinct().Order(StringComparer.Ordinal)];
        return new Specification(
            "Interrupt latency",
            "Share of interrupts whose handler ran within so many cycles of their source; a curve further left is faster. Buckets are at most 1/64 wide.",
            new Layer(
                new Mark("line") { Interpolate = "step-after" },
                rows,
                new Encoding(Channel.X, "cycles", ValueKind.Quantitative, "cycles from source to handler") { Scale = ScaleKind.Log },
                new Encoding(Channel.Y, "share", ValueKind.Quantitative, "interrupts, %"),
                RunLines.Colour(input),
                levels.Length == 1 ? RunLines.Dash(input) : RunLines.Dash("level", levels),
                new Encoding(Channel.Detail, "line", ValueKind.Nominal))
            {
                Tips = [("run", "run"), ("level", "for"), ("from", "latency"), ("exact", "interrupts so far"), ("percent", "share")],
            })
        {
            Height = Height,
        };
    }

    private static IEnumerable<JsonObject> Rows(RunResult run, string level, IReadOnlyList<SeriesPoint> points)
    {
        long all = points.Sum(point => point.Y);
        long seen = 0;

        // A curve rises from zero at its first bucket.
        foreach (SeriesPoint point in points.Prepend(points[0] with { Y = 0 }))
        {
            seen += point.Y;
            double share = 100.0 * seen / all;
            yield return RunLines.Row(
                run.Run,
                ("level", $"L{InertText.OneLine(level)}"),
                ("line", InertText.OneLine($"{run.Run} {level}")),
                ("cycles", Math.Max(1, point.X)),
                ("share", share),
                ("from", $"{StackedBars.Exact(point.X)} cycles"),
                ("exact", $"{StackedBars.Exact(seen)} of {StackedBars.Exact(all)}"),
                ("percent", share.ToString("0.###", CultureInfo.InvariantCulture) + "%"));
        }
    }
}
