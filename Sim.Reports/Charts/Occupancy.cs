using System.Text.Json.Nodes;
using Sim.Core;
using Sim.Core.Stats;
using Sim.Reports.Charts.VegaLite;
using Sim.Reports.Results;
using Sim.Reports.Views;

namespace Sim.Reports.Charts;

/// <summary>Who holds the TLB, and when it is emptied.</summary>
[Component("occupancy", Summary = "entries of the largest TLB array by tag, over the trace: a heat map")]
public sealed class Occupancy : IChart
{
    private const int TagsShown = 6;

    /// <inheritdoc/>
    public Drawing Draw(ReportInput input)
    {
        List<JsonObject> rows = [];
        List<string> names = [];
        string array = "";
        foreach (RunResult run in input.Good)
        {
            (string Array, string Tag, IReadOnlyList<SeriesPoint> Points)[] tags = [.. SeriesFigures.Occupancy(run.Statistics)];
            foreach ((string of, string tag, IReadOnlyList<SeriesPoint> points) in tags.OrderByDescending(tag => tag.Points.Max(point => point.Y)).Take(TagsShown).OrderBy(tag => tag.Tag, StringComparer.Ordinal))
            {
                array = of;
                string name = InertText.OneLine($"{run.Run}: {Short(tag)}");
                names.Add(name);
                long before = 0;
                foreach (SeriesPoint point in points)
                {
                    rows.Add(RunLines.Row(
                        run.Run, ("row", name), ("tag", InertText.OneLine(tag)), ("from", before), ("to", point.X), ("entries", point.Y), ("exact", $"{StackedBars.Exact(point.Y)} entries"), ("at", $"{StackedBars.Exact(point.X)} records")));
                    before = point.X;
                }
            }
        }

        return rows.Count == 0
            ? Drawing.Without("TLB occupancy was not recorded: use --interval.")
            : new Specification(
                $"Occupancy of {InertText.OneLine(array)} by tag",
                $"Entries that each tag holds at the end of each interval; at most {TagsShown} tags of a policy, those that hold most.",
                new Layer(
                    new Mark("rect"),
                    rows,
                    new Encoding(Channel.Y, "row", ValueKind.Nominal) { Names = names },
                    new Encoding(Channel.X, "from", ValueKind.Quantitative, "records of the measured window") { Tight = true },
                    new Encoding(Channel.X2, "to", ValueKind.Quantitative),
                    new Encoding(Channel.Color, "entries", ValueKind.Quantitative, "entries") { Sequential = true })
                {
                    Tips = [("run", "policy"), ("tag", "tag"), ("at", "after"), ("exact", "holds")],
                })
            {
                Step = 20,
            };
    }

    /// <summary>The parts of a tag that tell its owner; the page-table root is in the tooltip.</summary>
    private static string Short(string tag) => string.Join(' ', tag.Split(',').Where(part => !part.StartsWith("ep4ta=", StringComparison.Ordinal))
        .Select(part => part.StartsWith("level=", StringComparison.Ordinal) ? "L" + part["level=".Length..] : part == "global=true" ? "global" : part.Replace('=', ' ')));
}
