using System.Text.Json.Nodes;
using Sim.Core;
using Sim.Core.Stats;
using Sim.Reports.Charts.VegaLite;
using Sim.Reports.Results;
using Sim.Reports.Views;

namespace Sim.Reports.Charts;

/// <summary>When nested transitions happened and when flushes did. Single events are in 'nestsim run --timeline'.</summary>
[Component("timeline", Summary = "nested transitions and invalidations in each interval, by policy")]
public sealed class TransitionTimeline : IChart
{
    private const int Height = 220;

    /// <inheritdoc/>
    public Drawing Draw(ReportInput input)
    {
        JsonObject[] flushes = [.. input.Good.SelectMany(run => Rows(run.Run, SeriesFigures.PerInterval(run.Statistics, "invalidations"), "invalidations"))];
        RunResult? first = input.Good.FirstOrDefault(run => SeriesFigures.PerInterval(run.Statistics, "nested_transitions").Count > 0);
        if (flushes.Length == 0 || first is null)
        {
            return Drawing.Without("Events over time were not recorded: use --interval.");
        }

        Encoding x = new(Channel.X, "x", ValueKind.Quantitative, "records of the measured window") { Tight = true };
        Encoding y = new(Channel.Y, "events", ValueKind.Quantitative, "events in the interval");
        (string, string)[] tips = [("run", "policy"), ("at", "interval's end"), ("exact", "events")];
        return new Specification(
            "Nested transitions and invalidations over the trace",
            "Grey: nested VM-entries and VM-exits, which the trace decides. Lines: invalidations, which the policy decides.",
            new Layer(new Mark("area") { Interpolate = "step-after", Opacity = 0.35 }, [.. Rows("all policies", SeriesFigures.PerInterval(first.Statistics, "nested_transitions"), "nested transitions")], x, y) { Tips = tips },
            new Layer(new Mark("line") { Interpolate = "step-after" }, flushes, x, y, RunLines.Colour(input), RunLines.Dash(input)) { Tips = tips })
        {
            Height = Height,
        };
    }

    /// <summary>A step for each interval from its begin; the last one ends with a row of its own.</summary>
    private static IEnumerable<JsonObject> Rows(string run, IReadOnlyList<SeriesPoint> points, string what)
    {
        for (int i = 0; i <= points.Count && points.Count > 0; i++)
        {
            SeriesPoint point = points[Math.Min(i, points.Count - 1)];
            yield return RunLines.Row(
                run,
                ("x", i == 0 ? 0 : points[i - 1].X),
                ("events", point.Y),
                ("at", $"{StackedBars.Exact(point.X)} records"),
                ("exact", $"{StackedBars.Exact(point.Y)} {what}"));
        }
    }
}
