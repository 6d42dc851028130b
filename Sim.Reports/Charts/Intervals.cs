using System.Text.Json.Nodes;
using Sim.Core;
using Sim.Core.Stats;
using Sim.Reports.Charts.VegaLite;
using Sim.Reports.Results;
using Sim.Reports.Views;

namespace Sim.Reports.Charts;

/// <summary>How the cost goes over the trace.</summary>
[Component("intervals", Summary = "cycles on top of the trace's own in each interval, by policy")]
public sealed class Intervals : IChart
{
    private const int Height = 240;
    private const int Records = 1_000;

    /// <inheritdoc/>
    public Drawing Draw(ReportInput input)
    {
        JsonObject[] rows = [.. input.Good.SelectMany(Rows)];
        return rows.Length == 0
            ? Drawing.Without("Figures over time were not recorded: use --interval.")
            : new Specification(
                "Cost over the trace",
                "Cycles on top of the trace's own in each interval, per thousand records of it.",
                new Layer(
                    new Mark("line") { Interpolate = "step-after" },
                    rows,
                    new Encoding(Channel.X, "x", ValueKind.Quantitative, "records of the measured window") { Tight = true },
                    new Encoding(Channel.Y, "cost", ValueKind.Quantitative, "cycles per 1,000 records"),
                    RunLines.Colour(input),
                    RunLines.Dash(input))
                {
                    Tips = [("run", "policy"), ("at", "interval's end"), ("exact", "cost"), ("walks", "of them walks"), ("flushed", "flush-caused walks")],
                })
            {
                Height = Height,
            };
    }

    private static IEnumerable<JsonObject> Rows(RunResult run)
    {
        IReadOnlyList<SeriesPoint> total = SeriesFigures.PerInterval(run.Statistics, "total_cycles");
        IReadOnlyList<SeriesPoint> trace = SeriesFigures.PerInterval(run.Statistics, "trace_cycles");
        IReadOnlyList<SeriesPoint> walkCycles = SeriesFigures.PerInterval(run.Statistics, "walk_cycles");
        IReadOnlyList<SeriesPoint> flushed = SeriesFigures.PerInterval(run.Statistics, "walks_flushed");
        int count = new[] { total.Count, trace.Count, walkCycles.Count, flushed.Count }.Min();
        for (int i = 0; i <= count && count > 0; i++)
        {
            // A step for each interval from its begin; the last one ends with a row of its own.
            int at = Math.Min(i, count - 1);
            long cost = total[at].Y - trace[at].Y;
            long records = Math.Max(1, total[at].X - (at == 0 ? 0 : total[at - 1].X));
            yield return RunLines.Row(
                run.Run,
                ("x", i == 0 ? 0 : total[i - 1].X),
                ("cost", (double)Records * cost / records),
                ("at", $"{StackedBars.Exact(total[at].X)} records"),
                ("exact", $"{StackedBars.Exact(cost)} cycles in {StackedBars.Exact(records)} records"),
                ("walks", $"{StackedBars.Exact(walkCycles[at].Y)} cycles"),
                ("flushed", $"{StackedBars.Exact(flushed[at].Y)} walks"));
        }
    }
}
