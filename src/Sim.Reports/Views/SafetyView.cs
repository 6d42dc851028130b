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
                ["policy", "verdict", "wrong uses", "permitted old uses"],
                [.. runs.Select(run => (IReadOnlyList<string>)[run.Run, Word(run), run.Safety is null ? "-" : Numbers.Whole(run.Safety.Findings.Sum(finding => finding.Count)), run.Safety is null ? "-" : Numbers.Whole(run.Safety.PermittedStaleUses)])]),
        ];
    }

    /// <summary>The first story of each kind of wrong outcome, as lines of text; empty if there is none.</summary>
    public static IReadOnlyList<string> Stories(IReadOnlyList<RunResult> runs)
    {
        List<string> lines = [];
        foreach (RunResult run in runs)
        {
            foreach (SafetyFinding finding in run.Safety?.Findings ?? [])
            {
                lines.Add("");
                lines.Add($"{run.Run} is unsafe: {finding.Kind} {Numbers.Whole(finding.Count)} {(finding.Count == 1 ? "time" : "times")}. The first:");
                lines.AddRange(finding.Story.Select(line => "  " + line));
            }
        }

        return lines;
    }

    private static string Word(RunResult run) => run.Safety is null ? "not judged" : run.Safety.IsSafe ? "safe" : "UNSAFE";
}
