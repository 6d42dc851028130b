using System.Globalization;
using Sim.Reports.Results;
using Sim.Reports.Views;

namespace Sim.Reports.Explain;

/// <summary>A decomposition as text, tables and CSV.</summary>
public static class ExplainView
{
    private static readonly string[] Columns = ["dimension", "part", "walks_before", "walks_after", "walks_difference", "cycles_before", "cycles_after", "cycles_difference"];

    /// <summary>What costs more, by how much, and whether each run is safe, in lines.</summary>
    public static IReadOnlyList<string> Verdict(Decomposition decomposition)
    {
        (string before, string after) = (decomposition.Before.Run, decomposition.After.Run);
        WalkCount difference = decomposition.Total.Difference;
        List<string> lines =
        [
            difference.Cycles == 0
                ? $"{before} and {after} spend the same number of translation cycles: {Exact(decomposition.Total.Before.Cycles)}."
                : $"{after} spends {Exact(Math.Abs(difference.Cycles))} translation cycles {(difference.Cycles > 0 ? "more" : "fewer")} than {before} ({Numbers.Change(decomposition.Total.After.Cycles, decomposition.Total.Before.Cycles)}), "
                + $"with {Exact(Math.Abs(difference.Walks))} {(difference.Walks < 0 ? "fewer" : "more")} walks.",
        ];
        RunResult[] runs = [decomposition.Before, decomposition.After];
        lines.AddRange(runs.All(run => run.Safety is null) ? ["Nobody judged their safety."] : runs.SelectMany(SafetyOf));
        return [.. lines.Select(InertText.OneLine)];
    }

    /// <summary>Where unsafe runs went wrong, cycles by activity, then one table for each dimension.</summary>
    /// <param name="decomposition">What to show.</param>
    /// <param name="top">Parts shown of each dimension, of many only those that differ; the others are one row.</param>
    public static IReadOnlyList<Table> Tables(Decomposition decomposition, int top)
    {
        List<Table> tables = [.. SafetyView.Pages([decomposition.Before, decomposition.After], top), Activities(decomposition)];
        foreach (Dimension dimension in decomposition.Dimensions)
        {
            List<Contribution> rows = [.. dimension.Parts.Take(top).Where(part => dimension.Parts.Count <= top || part.Difference != default)];
            Contribution[] rest = [.. dimension.Parts.Skip(rows.Count)];
            if (rest.Length > 0)
            {
                rows.Add(rest.Aggregate(
                    new Contribution($"{rest.Length} others", default, default), (sum, part) => sum with { Before = sum.Before + part.Before, After = sum.After + part.After }));
            }

            rows.Add(decomposition.Total);
            tables.Add(new Table(
                $"{dimension.Title} (walks, translation cycles; {decomposition.Before.Run} -> {decomposition.After.Run})",
                [dimension.Name, "walks before", "after", "diff.", "cycles before", "after", "diff.", "share %"],
                [.. rows.Select(row => Row(row, decomposition.Total.Difference.Cycles))]));
        }

        return tables;
    }

    /// <summary>Every part of every dimension, exact, as CSV; rows of the dimension <c>activity</c> have cycles only.</summary>
    public static string ToCsv(Decomposition decomposition) => CsvText.Of(
        Columns,
        decomposition.Activities.Select(activity => CsvRow("activity", activity))
            .Append(CsvRow("total", decomposition.Total))
            .Concat(decomposition.Dimensions.SelectMany(dimension => dimension.Parts.Select(part => CsvRow(dimension.Name, part)))));

    private static IEnumerable<string> SafetyOf(RunResult run)
    {
        switch (run.Safety)
        {
            case null:
                yield return $"{run.Run}: nobody judged its safety.";
                break;
            case { IsSafe: true } safe:
                yield return $"{run.Run}: safe on this trace{(safe.PermittedStaleUses == 0 ? "" : $" (uses of old translations: {Exact(safe.PermittedStaleUses)}, all permitted)")}.";
                break;
            case var unsafeRun:
                yield return $"{run.Run}: UNSAFE: {string.Join(", ", unsafeRun.Findings.Select(finding => $"{finding.Kind} {Exact(finding.Count)} {(finding.Count == 1 ? "time" : "times")}"))}.";
                foreach (SafetyFinding finding in unsafeRun.Findings)
                {
                    yield return $"  The first {finding.Kind}:";
                    foreach (string line in finding.Story)
                    {
                        yield return "    " + line;
                    }
                }

                break;
        }
    }

    private static Table Activities(Decomposition decomposition)
    {
        Contribution total = decomposition.Activities.Aggregate(
            new Contribution("total", default, default), (sum, part) => sum with { Before = sum.Before + part.Before, After = sum.After + part.After });
        return new Table(
            $"Cycles by activity ({decomposition.Before.Run} -> {decomposition.After.Run})",
            ["activity", "before", "after", "diff.", "share %"],
            [
                .. decomposition.Activities.Append(total).Select(part => (IReadOnlyList<string>)
                    [part.Name, Exact(part.Before.Cycles), Exact(part.After.Cycles), Signed(part.Difference.Cycles), Share(part.Difference.Cycles, total.Difference.Cycles)]),
            ]);
    }

    private static IReadOnlyList<string> Row(Contribution part, long total) =>
    [
        part.Name,
        Exact(part.Before.Walks),
        Exact(part.After.Walks),
        Signed(part.Difference.Walks),
        Exact(part.Before.Cycles),
        Exact(part.After.Cycles),
        Signed(part.Difference.Cycles),
        Share(part.Difference.Cycles, total),
    ];

    private static IReadOnlyList<string> CsvRow(string dimension, Contribution part) =>
    [
        dimension,
        part.Name,
        .. new[] { part.Before.Walks, part.After.Walks, part.Difference.Walks, part.Before.Cycles, part.After.Cycles, part.Difference.Cycles }.Select(number => number.ToString(CultureInfo.InvariantCulture)),
    ];

    private static string Share(long part, long total) => Numbers.Fraction(total == 0 ? null : part == 0 ? 0 : 100.0 * part / total);

    private static string Exact(long number) => number.ToString("#,##0", CultureInfo.InvariantCulture);

    private static string Signed(long number) => number.ToString("+#,##0;-#,##0;0", CultureInfo.InvariantCulture);
}
