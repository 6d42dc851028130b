using Sim.Core;
using Sim.Reports.Charts.Description;
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
        List<Category> rows = [];
        List<Bar> bars = [];
        List<Label> labels = [];
        foreach (long reason in top)
        {
            string name = InertText.OneLine(input.ExitName(reason));
            foreach ((RunResult run, IReadOnlyList<ExitCount> exits) in shown)
            {
                string[] about = same ? [] : [run.Run];
                long end = 0;
                foreach (ExitCount exit in exits.Where(exit => exit.Reason == reason))
                {
                    Datum datum = Datum.Of(about, [("run", same ? "all policies" : run.Run), ("reason", $"{name} ({reason})"), ("from", $"L{exit.Level}"), ("count", $"{StackedBars.Exact(exit.Count)} exits")]);
                    bars.Add(new Bar(rows.Count, end, end + exit.Count, Level(exit.Level), datum));
                    end += exit.Count;
                }

                labels.Add(new Label(rows.Count, end, Numbers.Whole(end), about));
                rows.Add(same ? new Category(name, []) : new Category(InertText.OneLine(run.Run), about, name));
            }
        }

        string which = same ? "The same for every policy." : "One bar for each policy.";
        return new Chart(
            "VM-exits by reason and level",
            reasons.Length > top.Length ? $"{which} The {top.Length} most frequent of {reasons.Length} reasons." : which,
            new Axis(AxisKind.Linear, "", "exits") { FromZero = true },
            Axis.Of(rows),
            new Bars(bars),
            new Labels(labels))
        {
            Key = [.. bars.Select(bar => bar.Shade).Distinct().Order().Select(shade => new KeyEntry(shade == Level(1) ? "from L1" : "from L2", shade))],
        };
    }

    private static Shade Level(long level) => level == 1 ? Shade.Blue : Shade.Orange;
}
