using Sim.Core.Stats;
using Sim.Reports.Results;

namespace Sim.Reports.Views;

/// <summary>What each way of delivering interrupts costs, side by side.</summary>
public static class InterruptView
{
    /// <summary>One table: a row for each run, and latencies of each level that had interrupts; nothing if no run delivered interrupts.</summary>
    public static IReadOnlyList<Table> Of(IReadOnlyList<RunResult> runs)
    {
        RunResult[] delivering = [.. runs.Where(run => run.InterruptPath is not null)];
        if (delivering.Length == 0)
        {
            return [];
        }

        int[] levels = [.. InterruptFigures.Levels.Where(level => delivering.Any(run => InterruptFigures.Sent(run.Statistics, level) > 0))];
        List<(string Header, Func<StatSheet, string> Cell)> columns =
        [
            ("handled", s => Numbers.Whole(InterruptFigures.Handled(s))),
            ("merged", s => Numbers.Whole(InterruptFigures.Coalesced(s))),
            ("lost", s => Numbers.Whole(InterruptFigures.Lost(s))),
        ];
        foreach (int level in levels)
        {
            string suffix = levels.Length > 1 || level == 2 ? $" L{level}" : "";
            columns.Add(("p50" + suffix, s => Numbers.Whole(InterruptFigures.Latency(s, level, "p50"))));
            columns.Add(("p99" + suffix, s => Numbers.Whole(InterruptFigures.Latency(s, level, "p99"))));
        }

        columns.Add(("exits", s => Numbers.Fraction(InterruptFigures.ExitsEach(s))));
        columns.Add(("nested exits", s => Numbers.Fraction(InterruptFigures.NestedExitsEach(s))));
        columns.Add(("from target", s => Numbers.Fraction(InterruptFigures.StolenEach(s, "target"))));
        if (delivering.Any(run => InterruptFigures.StolenEach(run.Statistics, "sender") > 0))
        {
            columns.Add(("from sender", s => Numbers.Fraction(InterruptFigures.StolenEach(s, "sender"))));
        }

        return
        [
            new(
                "Interrupts (latency from source to handler; exits and stolen cycles for each one handled)",
                ["policy", .. columns.Select(column => column.Header)],
                [.. delivering.Select(run => (IReadOnlyList<string>)[run.Run, .. columns.Select(column => column.Cell(run.Statistics))])]),
        ];
    }
}
