using Sim.Core;
using Sim.Reports.Charts.Description;
using Sim.Reports.Views;

namespace Sim.Reports.Charts;

/// <summary>How long a guest pays for a flush.</summary>
[Component("refill-curve", Summary = "share of accesses that walk, against accesses since the last flush")]
public sealed class RefillCurve : IChart
{
    /// <inheritdoc/>
    public Drawing Draw(ReportInput input)
    {
        (string Run, RefillPoint Point)[] points = [.. input.Good.SelectMany(run => SeriesFigures.Refill(run.Statistics).Select(point => (run.Run, point)))];
        if (points.Length == 0)
        {
            return Drawing.Without("No refill curve was recorded: use --refill-curve.");
        }

        // L0's curves are left out where a guest has one: a handful of CR3 loads when the machine starts.
        string[] levels = [.. points.Select(item => item.Point.Level).Distinct().OrderDescending(StringComparer.Ordinal)];
        string[] shown = levels.Length > 1 ? [.. levels.Where(level => level != "0")] : levels;
        IEnumerable<RunCurve> curves = points.Where(item => shown.Contains(item.Point.Level)).GroupBy(item => (item.Run, item.Point.Level)).Select(group => new RunCurve(
            group.Key.Run,
            $"L{group.Key.Level}",
            [
                .. group.Select(item => ((double)item.Point.Since + 1, 100.0 * item.Point.Walks / item.Point.Accesses, new[]
                {
                    ("since the flush", $"from access {StackedBars.Exact(item.Point.Since + 1)} on"), ("walks of accesses", $"{StackedBars.Exact(item.Point.Walks)} of {StackedBars.Exact(item.Point.Accesses)}"),
                })),
            ])
        {
            Dash = (Dash)Array.IndexOf(shown, group.Key.Level),
        });
        return new Chart(
            "Refill after a flush",
            "Share of a context's accesses that walk, by how many it has made since an invalidation last took its translations. A curve that falls late is a flush that hurts long.",
            new Axis(AxisKind.Log, "accesses since the flush (first of each power-of-two bucket)"),
            new Axis(AxisKind.Linear, "walks", "% of accesses") { FromZero = true },
            [.. RunCurves.Of(input, CurveKind.Line, curves, dots: true)]);
    }
}
