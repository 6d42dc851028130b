using System.Text.Json.Nodes;
using Sim.Core;
using Sim.Reports.Charts.VegaLite;
using Sim.Reports.Results;
using Sim.Reports.Views;

namespace Sim.Reports.Charts;

/// <summary>Which exits there were, and from which level.</summary>
[Component("exits", Summary = "VM-exits by reason, split by the level that exited")]
public sealed class ExitsByReason : IChart
{
    private const int ReasonsShown = 20;

    /// <inheritdoc/>
    public Drawing Draw(ReportInput input)
    {
        // Exits come from the trace: only runs that differ are shown apart.
        (RunResult Run, IReadOnlyList<ExitCount> Exits)[] runs = [.. input.Good.Select(run => (run, Figures.ExitsByLevel(run.Statistics)))];
        bool same = runs.All(run => run.Exits.SequenceEqual(runs[0].Exits));
        (RunResult Run, IReadOnlyList<ExitCount> Exits)[] shown = same ? [.. runs.Take(1)] : runs;
        long[] reasons =
        [
            .. shown.SelectMany(run => run.Exits).GroupBy(exit => exit.Reason).OrderByDescending(group => group.Sum(exit => exit.Count)).ThenBy(group => group.Key)
                .Select(group => group.Key),
        ];
        if (reasons.Length == 0)
        {
            return Drawing.Without("The measured window has no VM-exits.");
        }

        long[] top = [.. reasons.Take(ReasonsShown)];
        List<JsonObject> rows = [];
        foreach ((RunResult run, IReadOnlyList<ExitCount> exits) in shown)
        {
            foreach (ExitCount exit in exits.Where(exit => top.Contains(exit.Reason)))
            {
                rows.Add(new JsonObject
                {
                    ["run"] = same ? "all policies" : InertText.OneLine(run.Run),
                    ["reason"] = Name(input, exit.Reason),
                    ["number"] = $"{exit.Reason}",
                    ["level"] = $"from L{exit.Level}",
                    ["value"] = exit.Count,
                    ["exact"] = $"{StackedBars.Exact(exit.Count)} exits",
                });
            }
        }

        List<Encoding> encodings =
        [
            new Encoding(Channel.Y, "reason", ValueKind.Nominal) { Names = [.. top.Select(reason => Name(input, reason))] },
            new Encoding(Channel.X, "value", ValueKind.Quantitative, "exits") { Stacked = true },
            new Encoding(Channel.Color, "level", ValueKind.Nominal) { Names = ["from L1", "from L2"], Range = Palette.Colours(2) },
        ];
        if (!same)
        {
            encodings.Add(new Encoding(Channel.YOffset, "run", ValueKind.Nominal) { Names = [.. shown.Select(run => InertText.OneLine(run.Run.Run))] });
        }

        string which = same ? "The same for every policy." : "One bar for each policy, in the order of the tables.";
        return new Specification(
            "VM-exits by reason and level",
            reasons.Length > top.Length ? $"{which} The {top.Length} most frequent of {reasons.Length} reasons." : which,
            new Layer(new Mark("bar"), rows, encodings) { Tips = [("run", "policy"), ("reason", "reason"), ("number", "number"), ("level", "level"), ("exact", "count")] })
        {
            Step = same ? 26 : 8 + (10 * shown.Length),
        };
    }

    private static string Name(ReportInput input, long reason) => InertText.OneLine(input.ExitName(reason));
}
