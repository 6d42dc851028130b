using Sim.Reports.Views;

namespace Sim.Validation;

/// <summary>The table of the first seed thread for a terminal of 80 columns.</summary>
public static class NestedEntryView
{
    private const string Legend =
        "Each row is two replays. In one L1 had edited a last-level entry of the page\n"
        + "tables that run next: requests, invalidations, stale uses, synced pages and the\n"
        + "cost in cycles are of that one. In the other who ran before had used the same\n"
        + "linear address instead: foreign uses are of that one. A * marks what only the\n"
        + "edit brings about. docs/seed-1.md explains the table.\n";

    private static readonly string[] Headers = ["policy", "request", "invalidations", "outcome", "sync", "cost"];

    /// <summary>Sums by policy, what must not be used and is, then every situation; those in which nothing differs share a table.</summary>
    public static IReadOnlyList<Table> Of(NestedEntryTable table) => [Summary(table), .. Findings(table), .. Situations(table)];

    /// <summary>What is said below the tables: how to read them, and why entries failed.</summary>
    public static string Remarks(NestedEntryTable table) =>
        Legend + string.Concat(table.Rows.Select(row => row.FailedEntry).Where(check => check is not null).Distinct().Select(check => $"No entry: {check}.\n"));

    private static Table Summary(NestedEntryTable table)
    {
        (Seed1Row Edit, Seed1Row Shared)[] entered = [.. Pairs(table.Rows).Where(pair => pair.Edit.FailedEntry is null)];
        return new Table(
            "Sums over the situations in which L2 is entered",
            ["policy", "verdict", "entered", "stale", "foreign", "flushes", "cost"],
            [.. table.Configuration.Policies.Select(policy =>
            {
                (Seed1Row Edit, Seed1Row Shared)[] pairs = [.. entered.Where(pair => pair.Edit.Policy == policy)];
                return (IReadOnlyList<string>)
                [
                    policy,
                    pairs.All(pair => pair.Edit.IsSafe && pair.Shared.IsSafe) ? "safe" : "UNSAFE",
                    Numbers.Whole(pairs.Length),
                    Numbers.Whole(pairs.Sum(pair => pair.Edit.StaleUses)),
                    Numbers.Whole(pairs.Sum(pair => pair.Shared.ForeignUses)),
                    Numbers.Whole(pairs.Sum(pair => pair.Edit.Invalidations.Count)),
                    Numbers.Whole(pairs.Sum(pair => pair.Edit.Cycles)),
                ];
            })]) { TextColumns = 2 };
    }

    private static IEnumerable<Table> Findings(NestedEntryTable table)
    {
        IReadOnlyList<string>[] rows =
        [
            .. from policy in table.Configuration.Policies
               from row in table.Rows
               where row.Policy == policy
               from finding in Findings(row)
               group row.Situation.Vpid12Word by (policy, finding, row.Situation.L0Ept, row.Situation.L1Ept, row.Situation.IsEntry) into equal
               select (IReadOnlyList<string>)
               [
                   equal.Key.policy, equal.Key.finding, NestedEntrySituation.OnOff(equal.Key.L0Ept), NestedEntrySituation.OnOff(equal.Key.L1Ept), equal.Key.IsEntry ? "entry" : "exit",
                   string.Join(", ", equal),
               ],
        ];
        return rows.Length == 0 ? []
            : [new Table("Uses of translations that must not exist any more (stale) or there (foreign)", ["policy", "outcome", "L0 EPT", "L1 EPT", "transition", "vpid12"], rows) { TextColumns = 6 }];
    }

    private static IEnumerable<Table> Situations(NestedEntryTable table) =>
        Pairs(table.Rows).GroupBy(pair => pair.Edit.Situation)
            .Select(situation => (Situation: situation.Key, Lines: situation.SelectMany(Lines).ToArray()))
            .GroupBy(each => (each.Situation.Configuration, Text: string.Join('\n', each.Lines.Select(line => string.Join('\t', line)))))
            .Select(equal => new Table(Title([.. equal.Select(each => each.Situation)]), Headers, equal.First().Lines) { TextColumns = 4 });

    /// <summary>Situations of one configuration in words: each transition with what vpid12 is.</summary>
    private static string Title(IReadOnlyList<NestedEntrySituation> situations)
    {
        IEnumerable<string> transitions = situations
            .GroupBy(situation => situation.IsEntry, (isEntry, some) => (Transition: isEntry ? "entry" : "exit", Vpid12: some.Select(situation => situation.Vpid12Word).ToArray()))
            .GroupBy(each => each.Vpid12.Length == Enum.GetValues<Vpid12Use>().Length ? "any vpid12" : $"vpid12 {string.Join(", ", each.Vpid12)}", each => each.Transition)
            .Select(group => $"{string.Join(" and ", group)} with {group.Key}");
        return $"{situations[0].Configuration}: {string.Join("; ", transitions)}";
    }

    /// <summary>A policy's row, and below it what does not fit on its line.</summary>
    private static IEnumerable<IReadOnlyList<string>> Lines((Seed1Row Edit, Seed1Row Shared) pair)
    {
        (Seed1Row edit, Seed1Row shared) = pair;
        if (edit.FailedEntry is not null)
        {
            return [[edit.Policy, "-", "-", "no entry", "-", "-"]];
        }

        string[] requests = edit.Requests.Count == 0 ? ["-"] : [.. edit.Requests];
        string[] invalidations = edit.Invalidations.Count == 0 ? ["-"] : Marked(edit.Invalidations, shared.Invalidations);
        string[] findings = [.. Findings(edit), .. Findings(shared)];
        string[] outcomes = findings.Length == 0 ? ["safe"] : findings;
        return Enumerable.Range(0, Math.Max(Math.Max(requests.Length, invalidations.Length), outcomes.Length)).Select(line => (IReadOnlyList<string>)
        [
            line == 0 ? edit.Policy : "", At(requests, line), At(invalidations, line), At(outcomes, line),
            line == 0 ? Numbers.Whole(edit.SyncedPages) : "", line == 0 ? Numbers.Whole(edit.Cycles) : "",
        ]);
    }

    /// <summary>Stale uses after an edit, foreign ones of a shared address.</summary>
    private static IEnumerable<string> Findings(Seed1Row row)
    {
        (long count, string word) = row.Story == Seed1Story.Edit ? (row.StaleUses, "stale") : (row.ForeignUses, "foreign");
        return count == 0 ? [] : [$"{Numbers.Whole(count)} {word}"];
    }

    /// <summary>The first list, with a mark on what is not in the second.</summary>
    private static string[] Marked(IReadOnlyList<string> invalidations, IReadOnlyList<string> others)
    {
        List<string> left = [.. others];
        return [.. invalidations.Select(name => left.Remove(name) ? name : name + "*")];
    }

    private static string At(string[] lines, int index) => index < lines.Length ? lines[index] : "";

    private static IEnumerable<(Seed1Row Edit, Seed1Row Shared)> Pairs(IReadOnlyList<Seed1Row> rows) =>
        rows.Where(row => row.Story == Seed1Story.Edit).Zip(rows.Where(row => row.Story == Seed1Story.SharedAddress));
}
