using Sim.Core.Stats;
using Sim.Reports.Results;

namespace Sim.Reports.Views;

/// <summary>One policy in full: headline figures, who caused the flushed misses, exits by reason, refused VM-entries.</summary>
public static class RunView
{
    private const int RowsShown = 20;

    private static readonly (string Name, string Unit, Func<StatSheet, string> Cell)[] Headlines =
    [
        ("accesses", "accesses", s => Numbers.Whole(Figures.Accesses(s))),
        ("nested transitions", "events", s => Numbers.Whole(Figures.NestedTransitions(s))),
        ("total cycles", "cycles", s => Numbers.Whole(Figures.TotalCycles(s))),
        ("  per nested transition", "cycles", s => Numbers.Fraction(Figures.TotalPerTransition(s))),
        ("translation cycles", "cycles", s => Numbers.Whole(Figures.TranslationCycles(s))),
        ("  per nested transition", "cycles", s => Numbers.Fraction(Figures.TranslationPerTransition(s))),
        ("first-level misses", "% of accesses", s => Numbers.Fraction(Figures.FirstLevelMissPercent(s))),
        ("walks", "walks", s => Numbers.Whole(Figures.Walks(s))),
        ("  of accesses", "%", s => Numbers.Fraction(Figures.WalkPercent(s))),
        ("  cold", "walks", s => Numbers.Whole(Figures.Cold(s))),
        ("  capacity", "walks", s => Numbers.Whole(Figures.Capacity(s))),
        ("  conflict", "walks", s => Numbers.Whole(Figures.Conflict(s))),
        ("  flushed", "walks", s => Numbers.Whole(Figures.Flushed(s))),
        ("  flushed per nested transition", "walks", s => Numbers.Fraction(Figures.FlushedPerTransition(s))),
        ("walk references", "references", s => Numbers.Whole(Figures.WalkReferences(s))),
        ("  per walk", "references", s => Numbers.Fraction(Figures.ReferencesPerWalk(s))),
        ("walk cycles", "cycles", s => Numbers.Whole(Figures.WalkCycles(s))),
        ("  per walk", "cycles", s => Numbers.Fraction(Figures.CyclesPerWalk(s))),
        ("entries dropped by invalidations", "entries", s => Numbers.Whole(Figures.EntriesDropped(s))),
    ];

    private static readonly (string Name, string Unit, Func<StatSheet, string> Cell)[] InterruptLines =
    [
        ("sent", "interrupts", s => Numbers.Whole(InterruptFigures.Sent(s))),
        ("handled", "interrupts", s => Numbers.Whole(InterruptFigures.Handled(s))),
        ("merged with an equal vector", "interrupts", s => Numbers.Whole(InterruptFigures.Coalesced(s))),
        ("pending at the end", "interrupts", s => Numbers.Whole(InterruptFigures.Pending(s))),
        ("lost", "interrupts", s => Numbers.Whole(InterruptFigures.Lost(s))),
        .. InterruptFigures.Levels.SelectMany(level => new[] { ("median", "p50"), ("90th percentile", "p90"), ("99th percentile", "p99"), ("99.9th percentile", "p999") }.Select(
            percentile => ($"latency to L{level}, {percentile.Item1}", "cycles", (Func<StatSheet, string>)(s => Numbers.Whole(InterruptFigures.Latency(s, level, percentile.Item2)))))),
        ("exits for each one handled", "exits", s => Numbers.Fraction(InterruptFigures.ExitsEach(s))),
        ("nested exits", "exits", s => Numbers.Fraction(InterruptFigures.NestedExitsEach(s))),
        ("stolen from its target", "cycles", s => Numbers.Fraction(InterruptFigures.StolenEach(s, "target"))),
        ("stolen from its sender", "cycles", s => Numbers.Fraction(InterruptFigures.StolenEach(s, "sender"))),
        ("stolen from a bystander", "cycles", s => Numbers.Fraction(InterruptFigures.StolenEach(s, "bystander"))),
        ("notifications", "IPIs", s => Numbers.Whole(InterruptFigures.Count(s, "notifications"))),
        ("notifications spared: one was outstanding", "IPIs", s => Numbers.Whole(InterruptFigures.Count(s, "coalesced_notifications"))),
        ("notifications spared: target not running", "IPIs", s => Numbers.Whole(InterruptFigures.Count(s, "suppressed_notifications"))),
        ("kicks", "IPIs", s => Numbers.Whole(InterruptFigures.Count(s, "kicks"))),
        ("doorbells", "doorbells", s => Numbers.Whole(InterruptFigures.Count(s, "doorbells"))),
        ("wake-ups", "wake-ups", s => Numbers.Whole(InterruptFigures.Count(s, "wake_ups"))),
        ("spurious wake-ups", "wake-ups", s => Numbers.Whole(InterruptFigures.Count(s, "spurious_wake_ups"))),
    ];

    /// <summary>The tables of one run that did not fail.</summary>
    /// <param name="run">The run.</param>
    /// <param name="everything">Adds a table of all statistics.</param>
    /// <param name="exitName">The name of an exit reason's number.</param>
    public static IReadOnlyList<Table> Of(RunResult run, bool everything, Func<long, string> exitName)
    {
        List<Table> tables =
        [
            new($"Summary of {run.Case}", ["figure", "value", "unit"], [.. Headlines.Select(line => (IReadOnlyList<string>)[line.Name, line.Cell(run.Statistics), line.Unit])]),
        ];
        AddCounts(tables, "Cycles by activity", "activity", run.Statistics.PathsUnder(StatNames.CyclesPrefix).Select(path => KeyValuePair.Create(path[StatNames.CyclesPrefix.Length..], run.Statistics.Total(path))));
        AddCounts(tables, "Flush requests", "kind", Figures.FlushRequests(run.Statistics));
        AddCounts(tables, "Invalidations executed", "invalidation", Figures.Invalidations(run.Statistics));
        AddCounts(tables, "Misses caused by flushes", "cause", Figures.FlushedByCause(run.Statistics));
        AddCounts(tables, "VM-exits", "reason", Figures.ExitsByLevel(run.Statistics).GroupBy(exit => exit.Reason, (reason, exits) => KeyValuePair.Create(exitName(reason), exits.Sum(exit => exit.Count))));
        if (run.InterruptPath is not null)
        {
            tables.Add(new("Interrupts", ["figure", "value", "unit"], [.. InterruptLines.Select(line => (IReadOnlyList<string>)[line.Name, line.Cell(run.Statistics), line.Unit])]));
            AddCounts(tables, "VM-exits on interrupts' way", "reason", InterruptFigures.Exits(run.Statistics));
            AddCounts(tables, "Cycles stolen by interrupts", "from, reason", InterruptFigures.Stolen(run.Statistics));
        }

        if (run.FailedVmEntries.Count > 0)
        {
            tables.Add(new Table(
                $"Failed VM-entries ({run.FailedVmEntries.Count}; the first {Math.Min(RowsShown, run.FailedVmEntries.Count)})",
                ["check", "time", "lane", "vcpu"],
                [.. run.FailedVmEntries.Take(RowsShown).Select(entry => (IReadOnlyList<string>)[entry.Check, Numbers.Whole(entry.Time), Numbers.Whole(entry.Lane), Numbers.Whole(entry.Vcpu)])]));
        }

        tables.AddRange(SafetyView.Of([run]));
        if (everything)
        {
            tables.Add(new Table("All statistics", ["statistic", "value", "unit"], [.. run.Statistics.Stats.Select(stat => (IReadOnlyList<string>)[stat.Key, Numbers.Whole(stat.Value), stat.Unit])]));
        }

        return tables;
    }

    /// <summary>The largest counts first; ties in ordinal order of their names.</summary>
    private static void AddCounts(List<Table> tables, string title, string what, IEnumerable<KeyValuePair<string, long>> counts)
    {
        KeyValuePair<string, long>[] sorted = [.. counts.Where(pair => pair.Value > 0).OrderByDescending(pair => pair.Value).ThenBy(pair => pair.Key, StringComparer.Ordinal)];
        if (sorted.Length == 0)
        {
            return;
        }

        double total = sorted.Sum(pair => pair.Value);
        string shown = sorted.Length > RowsShown ? $"{title} ({sorted.Length}; the largest {RowsShown})" : title;
        tables.Add(new Table(
            shown,
            [what, "count", "share %"],
            [.. sorted.Take(RowsShown).Select(pair => (IReadOnlyList<string>)[pair.Key.Length == 0 ? "(none)" : pair.Key, Numbers.Whole(pair.Value), Numbers.Fraction(100 * pair.Value / total)])]));
    }
}
