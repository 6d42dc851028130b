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
        List<Bar> bars = [];
        List<Label> labels = [];
        for (int row = 0; row < top.Length; row++)
        {
            for (int lane = 0; lane < shown.Length; lane++)
            {
                string[] about = same ? [] : [shown[lane].Run.Run];
                long end = 0;
                foreach (ExitCount exit in shown[lane].Exits.Where(exit => exit.Reason == top[row]))
                {
                    Datum datum = Datum.Of(about, [("run", same ? "all policies" : about[0]), ("reason", $"{input.ExitName(exit.Reason)} ({exit.Reason})"), ("from", $"L{exit.Level}"), ("count", $"{StackedBars.Exact(exit.Count)} exits")]);
                    bars.Add(new Bar(row, end, end + exit.Count, Level(exit.Level), datum) { Lane = lane, Lanes = shown.Length });
                    end += exit.Count;
                }

                labels.Add(new Label(row, end, same ? Numbers.Whole(end) : $"{Numbers.Whole(end)}  {InertText.OneLine(about[0])}", about) { Lane = lane, Lanes = shown.Length });
            }
        }

        string which = same ? "The same for every policy." : "One bar for each policy.";
        return new Chart(
            "VM-exits by reason and level",
            reasons.Length > top.Length ? $"{which} The {top.Length} most frequent of {reasons.Length} reasons." : which,
            new Axis(AxisKind.Linear, "", "exits") { FromZero = true },
            Axis.Of(top.Select(reason => new Category(InertText.OneLine(input.ExitName(reason)), []))),
            new Bars(bars),
            new Labels(labels))
        {
            Key = [.. bars.Select(bar => bar.Shade).Distinct().Order().Select(shade => new KeyEntry(shade == Level(1) ? "from L1" : "from L2", shade))],
        };
    }

    private static Shade Level(long level) => level == 1 ? Shade.Blue : Shade.Orange;
}
