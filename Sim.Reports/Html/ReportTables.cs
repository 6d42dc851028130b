using Sim.Core.Stats;
using Sim.Reports.Results;
using Sim.Reports.Views;

namespace Sim.Reports.Html;

/// <summary>The tables of a report, with exact numbers.</summary>
internal static class ReportTables
{
    private const int FailedEntriesShown = 50;

    private static readonly (string Title, Func<StatSheet, double?> Figure, bool Whole)[] CostColumns =
    [
        ("total cycles", Figures.TotalCycles, true),
        ("per nested transition", Figures.TotalPerTransition, false),
        ("translation cycles", Figures.TranslationCycles, true),
        ("per nested transition", Figures.TranslationPerTransition, false),
    ];

    private static readonly (string Title, Func<StatSheet, double?> Figure, bool Whole)[] MissColumns =
    [
        ("accesses", Figures.Accesses, true),
        ("first-level misses, %", Figures.FirstLevelMissPercent, false),
        ("walks", Figures.Walks, true),
        ("of accesses, %", Figures.WalkPercent, false),
        ("cold", Figures.Cold, true),
        ("capacity", Figures.Capacity, true),
        ("conflict", Figures.Conflict, true),
        ("flushed", Figures.Flushed, true),
        ("flushed per nested transition", Figures.FlushedPerTransition, false),
    ];

    private static readonly (string Title, Func<StatSheet, double?> Figure, bool Whole)[] WalkColumns =
    [
        ("walk cycles", Figures.WalkCycles, true),
        ("cycles per walk", Figures.CyclesPerWalk, false),
        ("walk references", Figures.WalkReferences, true),
        ("references per walk", Figures.ReferencesPerWalk, false),
        ("entries dropped by invalidations", Figures.EntriesDropped, true),
    ];

    private static readonly (string Title, Func<StatSheet, double?> Figure, bool Whole)[] InterruptColumns =
    [
        ("sent", s => InterruptFigures.Sent(s), true),
        ("handled", s => InterruptFigures.Handled(s), true),
        ("merged", s => InterruptFigures.Coalesced(s), true),
        ("pending", s => InterruptFigures.Pending(s), true),
        ("lost", s => InterruptFigures.Lost(s), true),
        .. InterruptFigures.Levels.SelectMany(level => new[] { "p50", "p90", "p99", "p999" }.Select(percentile =>
            ($"L{level} {percentile}", (Func<StatSheet, double?>)(s => InterruptFigures.Latency(s, level, percentile)), true))),
        ("exits", InterruptFigures.ExitsEach, false),
        ("nested exits", InterruptFigures.NestedExitsEach, false),
        ("from target", s => InterruptFigures.StolenEach(s, "target"), false),
        ("from sender", s => InterruptFigures.StolenEach(s, "sender"), false),
        ("from bystanders", s => InterruptFigures.StolenEach(s, "bystander"), false),
    ];

    /// <summary>Where a kind of wrong outcome happened.</summary>
    public static DataTable WrongPages(SafetyFinding finding) => new(
        $"Where: {Numbers.Whole(finding.PageCount)} pages",
        finding.Pages.Count < finding.PageCount ? $"The {finding.Pages.Count} pages with the most uses, of {Numbers.Whole(finding.PageCount)}; a page counts once for each context." : "",
        ["page", "uses", "vCPU", "level", "virtual tag", "root", "first at time"],
        [
            .. finding.Pages.Select(page => (IReadOnlyList<DataCell>)
                [new(Numbers.Hex(page.Page)), DataCell.Whole(page.Uses), DataCell.Whole(page.Vcpu), DataCell.Whole(page.Level), new(page.Tag), new(Numbers.Hex(page.Root)), DataCell.Whole(page.FirstTime)]),
        ])
    {
        Folded = true,
    };

    /// <summary>All tables of these results, in the order of the page.</summary>
    public static IReadOnlyList<DataTable> Of(ReportInput input)
    {
        List<DataTable> tables = [];
        IReadOnlyList<RunResult> runs = input.Good;
        if (runs.Count > 0)
        {
            tables.Add(ByRun("Cycles", "Of the measured window. Per nested transition: divided by nested VM-entries plus nested VM-exits.", runs, CostColumns));
            AddCounts(tables, "Cycles by activity", "The parts of the total.", "activity", runs, CyclesByActivity, folded: false);
            tables.Add(ByRun("Misses", "A walk is an access that missed in every TLB level; its four causes add up to it.", runs, MissColumns));
            tables.Add(ByRun("Walks", "A reference is one paging-structure entry read, guest and host together.", runs, WalkColumns));
            AddCounts(tables, "Flush requests and invalidations", "What the hypervisor asked for, and what hardware executed, by whomever.", "kind", runs, Flushes, folded: false);
            AddCounts(tables, "Misses caused by flushes", "By what dropped the translation, at which transition, decided by which rule.", "cause", runs, FlushedMisses, folded: false);
            AddCounts(tables, "VM-exits", "By level and reason.", "exit", runs, sheet => Exits(sheet, input.ExitName), folded: false);
            AddInterrupts(tables, runs);
            AddFailedEntries(tables, runs);
            AddCounts(tables, "All statistics", "Exact, as in the result file.", "statistic", runs, sheet => sheet.Stats.Select(stat => KeyValuePair.Create(stat.Key, stat.Value)), folded: true);
        }

        RunResult[] failed = [.. input.Set.Runs.Where(run => run.Failure is not null)];
        if (failed.Length > 0)
        {
            tables.Add(new DataTable(
                "Failed runs", "", ["policy", "exit code", "why"], [.. failed.Select(run => (IReadOnlyList<DataCell>)[new(run.Run), DataCell.Whole(run.Failure!.ExitCode), new(run.Failure.Message)])]) { RowsAreRuns = true });
        }

        return tables;
    }

    private static DataTable ByRun(string title, string note, IReadOnlyList<RunResult> runs, (string Title, Func<StatSheet, double?> Figure, bool Whole)[] columns) => new(
        title,
        note,
        ["policy", .. columns.Select(column => column.Title)],
        [.. runs.Select(run => (IReadOnlyList<DataCell>)[new(run.Run), .. columns.Select(column => column.Whole ? DataCell.Whole(column.Figure(run.Statistics)) : DataCell.Ratio(column.Figure(run.Statistics)))])])
    {
        RowsAreRuns = true,
    };

    /// <summary>One row for each name that any run has, one column for each run; the largest first.</summary>
    private static void AddCounts(
        List<DataTable> tables, string title, string note, string what, IReadOnlyList<RunResult> runs, Func<StatSheet, IEnumerable<KeyValuePair<string, long>>> counts, bool folded)
    {
        Dictionary<string, long>[] byRun = [.. runs.Select(run => counts(run.Statistics).ToDictionary(pair => pair.Key, pair => pair.Value, StringComparer.Ordinal))];
        IEnumerable<string> names = byRun.SelectMany(run => run.Where(pair => folded || pair.Value != 0).Select(pair => pair.Key)).Distinct().Order(StringComparer.Ordinal);
        string[] rows = folded ? [.. names] : [.. names.OrderByDescending(name => byRun.Max(run => run.GetValueOrDefault(name)))];
        if (rows.Length > 0)
        {
            tables.Add(new DataTable(
                title,
                note,
                [what, .. runs.Select(run => run.Run)],
                [.. rows.Select(name => (IReadOnlyList<DataCell>)[new(name.Length == 0 ? "(none)" : name), .. byRun.Select(run => DataCell.Whole(run.GetValueOrDefault(name)))])])
            {
                ColumnsAreRuns = true,
                Folded = folded,
            });
        }
    }

    private static IEnumerable<KeyValuePair<string, long>> CyclesByActivity(StatSheet sheet) =>
        sheet.PathsUnder(StatNames.CyclesPrefix).Select(path => KeyValuePair.Create(path[StatNames.CyclesPrefix.Length..], sheet.Total(path)));

    private static IEnumerable<KeyValuePair<string, long>> Flushes(StatSheet sheet) =>
        Figures.FlushRequests(sheet).Select(pair => KeyValuePair.Create($"{pair.Key} requests", pair.Value)).Concat(Figures.Invalidations(sheet));

    private static IEnumerable<KeyValuePair<string, long>> FlushedMisses(StatSheet sheet) => Figures.FlushedByCause(sheet)
        .Select(pair => KeyValuePair.Create($"{StatQuery.Value(pair.Key, "invalidation")} at {StatQuery.Value(pair.Key, "transition")}, rule {StatQuery.Value(pair.Key, "rule")}", pair.Value));

    private static IEnumerable<KeyValuePair<string, long>> Exits(StatSheet sheet, Func<long, string> name) =>
        Figures.ExitsByLevel(sheet).Select(exit => KeyValuePair.Create($"L{exit.Level} {name(exit.Reason)} ({exit.Reason})", exit.Count));

    private static void AddInterrupts(List<DataTable> tables, IReadOnlyList<RunResult> runs)
    {
        RunResult[] delivering = [.. runs.Where(run => run.InterruptPath is not null)];
        if (delivering.Length > 0)
        {
            tables.Add(ByRun("Interrupts", "Latency in cycles from source to handler, by the level the interrupt was for; exits and stolen cycles for each one handled.", delivering, InterruptColumns));
            AddCounts(tables, "VM-exits on interrupts' way", "By reason.", "reason", delivering, InterruptFigures.Exits, folded: false);
            AddCounts(tables, "Cycles stolen by interrupts", "By whose guest time they take, and why.", "from, reason", delivering, InterruptFigures.Stolen, folded: false);
        }
    }

    private static void AddFailedEntries(List<DataTable> tables, IReadOnlyList<RunResult> runs)
    {
        int all = runs.Sum(run => run.FailedVmEntries.Count);
        IReadOnlyList<DataCell>[] rows =
        [
            .. runs.SelectMany(run => run.FailedVmEntries.Take(FailedEntriesShown).Select(entry => (IReadOnlyList<DataCell>)
                [new(run.Run), new(entry.Check), DataCell.Whole(entry.Time), DataCell.Whole(entry.Lane), DataCell.Whole(entry.Vcpu), new($"0x{entry.Vmcs12:x}")])),
        ];
        if (rows.Length > 0)
        {
            tables.Add(new DataTable(
                "Failed VM-entries",
                all > rows.Length ? $"The first {FailedEntriesShown} of each policy; {all} in all. The result file has every one." : "VM-entries that hardware, or L0 on its behalf, refused.",
                ["policy", "check", "time, cycles", "lane", "vCPU", "vmcs12"], rows) { RowsAreRuns = true });
        }
    }
}
