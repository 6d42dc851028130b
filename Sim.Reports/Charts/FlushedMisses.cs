using Sim.Core;
using Sim.Reports.Charts.Description;
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
        // In the order of the whole set, so that a transition keeps its colour when runs are left out.
        string[] transitions =
        [
            .. input.Set.Runs.SelectMany(run => Figures.FlushedByCause(run.Statistics)).Where(cause => cause.Value != 0)
                .Select(cause => Transition(cause.Key)).Distinct().Order(StringComparer.Ordinal),
        ];
        List<Bar> bars = [];
        List<Label> labels = [];
        for (int row = 0; row < input.Good.Count; row++)
        {
            RunResult run = input.Good[row];
            long end = 0;
            foreach ((string label, long walks) in Figures.FlushedByCause(run.Statistics).Where(cause => cause.Value != 0).OrderBy(cause => Array.IndexOf(transitions, Transition(cause.Key))).ThenBy(cause => cause.Key, StringComparer.Ordinal))
            {
                bars.Add(new Bar(row, end, end + walks, Shades.OfArea(Array.IndexOf(transitions, Transition(label))), Datum.Of(
                    run.Run,
                    ("decided at", Transition(label)),
                    ("by rule", StatQuery.Value(label, "rule")),
                    ("invalidation", StatQuery.Value(label, "invalidation")),
                    ("misses", $"{StackedBars.Exact(walks)} walks"))));
                end += walks;
            }

            labels.Add(new Label(row, end, Numbers.Whole(end), [run.Run]));
        }

        return bars.Count == 0
            ? Drawing.Without("No miss was caused by a flush.")
            : new Chart(
                "Misses caused by flushes, by transition",
                "Where the flush was decided that dropped the translation; each piece of a bar is one invalidation and rule.",
                new Axis(AxisKind.Linear, "misses caused by flushes", "walks") { FromZero = true },
                StackedBars.Rows(input.Good),
                new Bars(bars),
                new Labels(labels))
            {
                Key = [.. bars.Select(bar => bar.Shade).Distinct().Order().SelectMany(shade => transitions.Where((_, i) => Shades.OfArea(i) == shade).Select(name => new KeyEntry(name, shade)))],
            };
    }

    private static string Transition(string label) => InertText.OneLine(StatQuery.Value(label, "transition")).Replace('_', ' ');
}
