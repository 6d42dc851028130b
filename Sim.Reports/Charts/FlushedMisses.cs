using System.Text.Json.Nodes;
using Sim.Core;
using Sim.Reports.Charts.VegaLite;
using Sim.Reports.Results;
using Sim.Reports.Views;

namespace Sim.Reports.Charts;

/// <summary>Which flush caused the misses: decided at which kind of transition, by which rule, carried out by which invalidation.</summary>
[Component("flushed-misses", Summary = "flush-caused misses by policy and by the transition at which the flush was decided")]
public sealed class FlushedMisses : IChart
{
    /// <inheritdoc/>
    public Drawing Draw(ReportInput input)
    {
        string[] transitions =
        [
            .. input.Good.SelectMany(run => Figures.FlushedByCause(run.Statistics)).Where(cause => cause.Value != 0)
                .Select(cause => Transition(cause.Key)).Distinct().Order(StringComparer.Ordinal),
        ];
        if (transitions.Length == 0)
        {
            return Drawing.Without("No miss was caused by a flush.");
        }

        List<JsonObject> rows = [];
        foreach (RunResult run in input.Good)
        {
            foreach ((string label, long walks) in Figures.FlushedByCause(run.Statistics).Where(cause => cause.Value != 0))
            {
                rows.Add(new JsonObject
                {
                    ["run"] = InertText.OneLine(run.Run),
                    ["transition"] = Transition(label),
                    ["invalidation"] = InertText.OneLine(StatQuery.Value(label, "invalidation")),
                    ["rule"] = InertText.OneLine(StatQuery.Value(label, "rule")),
                    ["value"] = walks,
                    ["exact"] = $"{StackedBars.Exact(walks)} walks",
                });
            }
        }

        return new Specification(
            "Misses caused by flushes, by transition",
            "Where the flush was decided that dropped the translation; each piece of a bar is one invalidation and rule.",
            new Layer(
                new Mark("bar"),
                rows,
                new Encoding(Channel.Y, "run", ValueKind.Nominal) { Names = [.. input.Good.Select(run => InertText.OneLine(run.Run))] },
                new Encoding(Channel.X, "value", ValueKind.Quantitative, "walks") { Stacked = true },
                new Encoding(Channel.Color, "transition", ValueKind.Nominal) { Names = transitions, Range = Palette.Colours(transitions.Length) },
                new Encoding(Channel.Detail, "rule", ValueKind.Nominal))
            {
                Tips = [("run", "policy"), ("transition", "decided at"), ("rule", "by rule"), ("invalidation", "invalidation"), ("exact", "misses")],
            });
    }

    private static string Transition(string label) => InertText.OneLine(StatQuery.Value(label, "transition")).Replace('_', ' ');
}
