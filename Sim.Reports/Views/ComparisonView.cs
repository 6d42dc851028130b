using Sim.Core.Stats;
using Sim.Reports.Results;

namespace Sim.Reports.Views;

/// <summary>What each policy costs and why, side by side: one row for each policy, one table for each question.</summary>
public static class ComparisonView
{
    /// <summary>The tables. Columns named <c>vs ref</c> compare with the set's reference run.</summary>
    public static IReadOnlyList<Table> Of(RunSet set)
    {
        RunResult reference = set.Reference;
        RunResult[] good = [.. set.Runs.Where(run => run.Failure is null)];
        List<Table> tables = [];
        if (good.Length > 0)
        {
            tables.Add(Cost(good, reference));
            tables.Add(Misses(good));
            tables.Add(Walks(good, reference));
            tables.Add(Flushes(good));
            AddCycles(tables, good);
            tables.AddRange(InterruptView.Of(good));
            tables.AddRange(SafetyView.Of(good));
        }

        if (set.Runs.Any(run => run.Failure is not null))
        {
            tables.Add(new Table("Failed runs", ["policy", "exit code"], [.. set.Runs.Where(run => run.Failure is not null).Select(run => (IReadOnlyList<string>)[run.Run, Numbers.Whole(run.Failure!.ExitCode)])]));
        }

        return tables;
    }

    private static Table Cost(IReadOnlyList<RunResult> runs, RunResult reference) => Rows(
        "Cost (cycles; nt = per nested transition)",
        runs,
        ("total", s => Numbers.Whole(Figures.TotalCycles(s))),
        ("vs ref", s => Change(Figures.TotalCycles, s, reference)),
        ("total/nt", s => Numbers.Fraction(Figures.TotalPerTransition(s))),
        ("translation", s => Numbers.Whole(Figures.TranslationCycles(s))),
        ("vs ref", s => Change(Figures.TranslationCycles, s, reference)),
        ("translation/nt", s => Numbers.Fraction(Figures.TranslationPerTransition(s))));

    private static Table Misses(IReadOnlyList<RunResult> runs) => Rows(
        "Misses by cause (walks; nt = per nested transition)",
        runs,
        ("walks", s => Numbers.Whole(Figures.Walks(s))),
        ("cold", s => Numbers.Whole(Figures.Cold(s))),
        ("capacity", s => Numbers.Whole(Figures.Capacity(s))),
        ("conflict", s => Numbers.Whole(Figures.Conflict(s))),
        ("flushed", s => Numbers.Whole(Figures.Flushed(s))),
        ("flushed/nt", s => Numbers.Fraction(Figures.FlushedPerTransition(s))));

    private static Table Walks(IReadOnlyList<RunResult> runs, RunResult reference) => Rows(
        "Walks",
        runs,
        ("references", s => Numbers.Whole(Figures.WalkReferences(s))),
        ("vs ref", s => Change(Figures.WalkReferences, s, reference)),
        ("per walk", s => Numbers.Fraction(Figures.ReferencesPerWalk(s))),
        ("cycles/walk", s => Numbers.Fraction(Figures.CyclesPerWalk(s))),
        ("L1 miss %", s => Numbers.Fraction(Figures.FirstLevelMissPercent(s))),
        ("walk %", s => Numbers.Fraction(Figures.WalkPercent(s))));

    private static Table Flushes(IReadOnlyList<RunResult> runs)
    {
        List<string> headers = ["policy"];
        List<Func<RunResult, string>> cells = [run => run.Run];
        AddKinds(Figures.FlushRequests, name => name + " req.");
        AddKinds(Figures.Invalidations, name => name);
        headers.Add("entries dropped");
        cells.Add(run => Numbers.Whole(Figures.EntriesDropped(run.Statistics)));
        headers.Add("failed entries");
        cells.Add(run => Numbers.Whole(run.FailedVmEntries.Count));
        return new Table("Flushes by kind", headers, [.. runs.Select(run => (IReadOnlyList<string>)[.. cells.Select(cell => cell(run))])]);

        void AddKinds(Func<StatSheet, SortedDictionary<string, long>> kinds, Func<string, string> header)
        {
            foreach (string kind in runs.SelectMany(run => kinds(run.Statistics)).Where(pair => pair.Value > 0).Select(pair => pair.Key).Distinct().Order(StringComparer.Ordinal))
            {
                headers.Add(header(kind));
                cells.Add(run => Numbers.Whole(kinds(run.Statistics).GetValueOrDefault(kind)));
            }
        }
    }

    private static void AddCycles(List<Table> tables, IReadOnlyList<RunResult> runs)
    {
        string[] paths = [.. runs.SelectMany(run => run.Statistics.PathsUnder(StatNames.CyclesPrefix)).Distinct().Order(StringComparer.Ordinal)];
        if (paths.Length > 0)
        {
            tables.Add(Rows("Cycles by activity", runs, [.. paths.Select(path => (path[StatNames.CyclesPrefix.Length..], (Func<StatSheet, string>)(s => Numbers.Whole(s.Total(path)))))]));
        }
    }

    private static string Change(Func<StatSheet, double?> figure, StatSheet sheet, RunResult reference) =>
        ReferenceEquals(sheet, reference.Statistics) ? "ref" : reference.Failure is not null ? "-" : Numbers.Change(figure(sheet), figure(reference.Statistics));

    private static Table Rows(string title, IReadOnlyList<RunResult> runs, params IReadOnlyList<(string Header, Func<StatSheet, string> Cell)> columns) => new(
        title,
        ["policy", .. columns.Select(column => column.Header)],
        [.. runs.Select(run => (IReadOnlyList<string>)[run.Run, .. columns.Select(column => column.Cell(run.Statistics))])]);
}
