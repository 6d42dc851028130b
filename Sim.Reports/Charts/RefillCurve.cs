using System.Text.Json.Nodes;
using Sim.Core;
using Sim.Reports.Charts.VegaLite;
using Sim.Reports.Results;
using Sim.Reports.Views;

namespace Sim.Reports.Charts;

/// <summary>How long a guest pays for a flush.</summary>
[Component("refill-curve", Summary = "share of accesses that walk, against accesses since the last flush")]
public sealed class RefillCurve : IChart
{
    private const int Height = 260;

    /// <inheritdoc/>
    public Drawing Draw(ReportInput input)
    {
        (RunResult Run, RefillPoint Point)[] points = [.. input.Good.SelectMany(run => SeriesFigures.Refill(run.Statistics).Select(point => (run, point)))];
        if (points.Length == 0)
        {
            return Drawing.Without("No refill curve was recorded: use --refill-curve.");
        }

        // L0's curves are left out where a guest has one: a handful of CR3 loads when the machine starts.
        string[] levels = [.. points.Select(item => item.Point.Level).Distinct().OrderDescending(StringComparer.Ordinal)];
        string[] shown = levels.Length > 1 ? [.. levels.Where(level => level != "0")] : levels;
        JsonObject[] rows =
        [
            .. points.Where(item => shown.Contains(item.Point.Level)).Select(item => RunLines.Row(
                item.Run.Run,
                ("level", Level(item.Point.Level)),
                ("line", InertText.OneLine($"{item.Run.Run} {item.Point.Level}")),
                ("nth", item.Point.Since + 1),
                ("share", 100.0 * item.Point.Walks / item.Point.Accesses),
                ("from", $"from access {StackedBars.Exact(item.Point.Since + 1)} on"),
                ("exact", $"{StackedBars.Exact(item.Point.Walks)} of {StackedBars.Exact(item.Point.Accesses)}"))),
        ];
        return new Specification(
            "Refill after a flush",
            "Share of a context's accesses that walk, by how many it has made since an invalidation last took its translations. A curve that falls late is a flush that hurts long.",
            new Layer(
                new Mark("line") { Points = true },
                rows,
                new Encoding(Channel.X, "nth", ValueKind.Quantitative, "accesses since the flush (first of each power-of-two bucket)") { Scale = ScaleKind.Log2 },
                new Encoding(Channel.Y, "share", ValueKind.Quantitative, "walks, % of accesses"),
                RunLines.Colour(input),
                RunLines.Dash("level", [.. shown.Select(Level)]),
                new Encoding(Channel.Detail, "line", ValueKind.Nominal))
            {
                Tips = [("run", "policy"), ("level", "who"), ("from", "since the flush"), ("exact", "walks of accesses")],
            })
        {
            Height = Height,
        };
    }

    private static string Level(string level) => $"L{level}";
}
