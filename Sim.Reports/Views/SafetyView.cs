using System.Globalization;
using Sim.Reports.Results;

namespace Sim.Reports.Views;

/// <summary>Which policies are safe on the trace, and how those fail that are not.</summary>
public static class SafetyView
{
    /// <summary>A table of verdicts; nothing if no run was judged.</summary>
    public static IReadOnlyList<Table> Of(IReadOnlyList<RunResult> runs)
    {
        if (runs.All(run => run.Safety is null))
        {
            return [];
        }

        return
        [
            new(
                "Safety on this trace",
                ["policy", "verdict", "wrong outcomes", "permitted old uses", "pages of them"],
                [.. runs.Select(run => (IReadOnlyList<string>)[run.Run, Word(run, runs), run.Safety is null ? "-" : Numbers.Whole(run.Safety.Findings.Sum(finding => finding.Count)), run.Safety is null ? "-" : Numbers.Whole(run.Safety.PermittedStaleUses), run.Safety is null ? "-" : Numbers.Whole(run.Safety.PermittedPages)])]),
        ];
    }

    /// <summary>The first story of each kind of wrong outcome, as lines of text; empty if there is none.</summary>
    public static IReadOnlyList<string> Stories(IReadOnlyList<RunResult> runs) => [.. runs.SelectMany(run => Stories(run.Run, run.Safety))];

    /// <summary>The first story of each kind of wrong outcome of one run or other thing that was judged.</summary>
    /// <param name="name">Who is judged.</param>
    /// <param name="verdict">What went wrong; null if nobody watched.</param>
    public static IEnumerable<string> Stories(string name, SafetyVerdict? verdict) => (verdict?.Findings ?? []).SelectMany(finding => (string[])
    [
        "",
        $"{name} is unsafe: {finding.Kind} {Numbers.Whole(finding.Count)} {(finding.Count == 1 ? "time" : "times")}. The first:",
        .. finding.Story.Select(line => "  " + line),
    ]);

    /// <summary>Kinds and counts of wrong outcomes in one line.</summary>
    public static string Counts(SafetyVerdict verdict) => string.Join(", ", verdict.Findings.Select(finding => $"{finding.Kind} {Numbers.Whole(finding.Count)}"));

    /// <summary>Where each kind of wrong outcome happened: pages and contexts, most uses first. Nothing where the story of the first one tells all.</summary>
    /// <param name="runs">The runs.</param>
    /// <param name="top">Rows of each table; the others are one row.</param>
    public static IReadOnlyList<Table> Pages(IReadOnlyList<RunResult> runs, int top) =>
        [.. from run in runs from finding in run.Safety?.Findings ?? [] where finding.PageCount > 1 select Pages(run, finding, top)];

    private static Table Pages(RunResult run, SafetyFinding finding, int top)
    {
        List<IReadOnlyList<string>> rows =
        [
            .. finding.Pages.Take(top).Select(page => (IReadOnlyList<string>)
            [
                Numbers.Hex(page.Page), string.Create(CultureInfo.InvariantCulture, $"vCPU {page.Vcpu} L{page.Level}"), page.Tag, Numbers.Hex(page.Root), Numbers.Whole(page.Uses), Numbers.Whole(page.FirstTime),
            ]),
        ];
        int rest = finding.PageCount - rows.Count;
        if (rest > 0)
        {
            rows.Add([$"{Numbers.Whole(rest)} others", "", "", "", Numbers.Whole(finding.Count - finding.Pages.Take(top).Sum(page => page.Uses)), ""]);
        }

        return new Table($"{run.Run}: {finding.Kind} by page", ["page", "who", "virtual tag", "root", "uses", "first at time"], rows) { TextColumns = 4 };
    }

    private static string Word(RunResult run, IReadOnlyList<RunResult> runs) =>
        new Standing(run, Verdict.Judge(run, [.. runs.Where(other => Verdict.PointOf(other) == Verdict.PointOf(run))]), null).SafetyWord;
}
