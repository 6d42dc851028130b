using Sim.Core.Stats;
using Sim.Reports.Results;
using Sim.Reports.Views;

namespace Sim.Reports.Analysers;

/// <summary>Looks at results as a careful colleague would and says what is suspicious about them. Every hint is one sentence with its numbers.</summary>
public static class SanityChecks
{
    /// <summary>Fewest nested transitions that make a figure per transition worth quoting.</summary>
    public const int FewestTransitions = 100;

    /// <summary>All hints, in a fixed order. The TLB's reach is taken from the configuration that the results carry.</summary>
    /// <param name="set">The results.</param>
    public static IReadOnlyList<string> Hints(RunSet set) => Hints(set, ResolvedMachine.Reach(set.Provenance.Configuration));

    /// <summary>All hints, in a fixed order.</summary>
    /// <param name="set">The results.</param>
    /// <param name="reachEntries">Entries of the largest TLB level: a warm-up that has fewer records cannot have filled it.</param>
    public static IReadOnlyList<string> Hints(RunSet set, int reachEntries)
    {
        List<string> hints = [];
        if (set.Partial)
        {
            hints.Add($"The run was interrupted: results cover only the {set.Provenance.Windows.Measured} records of the measured window that were reached.");
        }

        WindowCounts windows = set.Provenance.Windows;
        if (windows.Measured == 0)
        {
            return hints;
        }

        if (windows.WarmedUp > 0 && windows.WarmedUp < (ulong)reachEntries)
        {
            hints.Add($"The warm-up of {windows.WarmedUp} records is shorter than the reach of the TLB ({reachEntries} entries): cold misses are still being counted. Use a longer --warm-up.");
        }

        // Of repeated seeds or a sweep, one point says what there is to say.
        RunResult[] runs = [.. set.Runs.Where(run => run.Failure is null && run.Parameters.SequenceEqual(set.Runs[0].Parameters))];
        (string Run, string Hint)[] said = [.. runs.SelectMany(run => RunHints(run).Select(hint => (run.Run, hint)))];
        foreach (IGrouping<string, string> same in said.GroupBy(each => each.Hint, each => each.Run, StringComparer.Ordinal))
        {
            hints.Add($"{(runs.Length > 1 && same.Count() == runs.Length ? "All runs" : string.Join(", ", same))}: {same.Key}");
        }

        AddInterruptHints(hints, runs);
        if (runs.Any(run => run.Safety is not { Exercised: false }))
        {
            AddTwinHints(hints, runs);
        }

        return hints;
    }

    private static IEnumerable<string> RunHints(RunResult run)
    {
        StatSheet sheet = run.Statistics;
        double accesses = Figures.Accesses(sheet) ?? 0;
        double walks = Figures.Walks(sheet) ?? 0;
        if (accesses == 0)
        {
            yield return "the measured window has no memory accesses.";
        }
        else if (walks == 0)
        {
            yield return $"none of {accesses:0} accesses missed. The window is too short, or the working set fits the first level.";
        }
        else if (walks >= accesses)
        {
            yield return $"every access missed ({accesses:0}). The trace may have no reuse, or every access is preceded by a flush.";
        }

        double transitions = Figures.NestedTransitions(sheet) ?? 0;
        if (transitions < FewestTransitions)
        {
            yield return $"only {transitions:0} nested transitions in the measured window; figures per transition rest on fewer than {FewestTransitions}.";
        }
        else if (run.Policy.StartsWith("always-", StringComparison.Ordinal) && Figures.FlushRequests(sheet).Values.Sum() == 0)
        {
            yield return $"this policy flushes on every transition, yet no flush was requested in {transitions:0}.";
        }

        if (run.Policy == "never" && run.Safety is null)
        {
            yield return "unsafe, a yardstick: a new vpid12 finds its predecessor's translations. Its cost is a bound and no proposal; safety was not judged here (docs/safety.md).";
        }

        if (run.FailedVmEntries.Count > 0)
        {
            yield return $"VM-entries that failed their checks: {run.FailedVmEntries.Count}, the first because {run.FailedVmEntries[0].Check}.";
        }
    }

    /// <summary>The load hardly depends on policy and path: the first run says it.</summary>
    private static void AddInterruptHints(List<string> hints, IReadOnlyList<RunResult> runs)
    {
        if (runs.FirstOrDefault(run => run.InterruptPath is not null) is not { } first)
        {
            return;
        }

        long sent = InterruptFigures.Sent(first.Statistics);
        long recorded = InterruptFigures.Recorded(first.Statistics);
        if (sent == 0)
        {
            hints.Add($"{first.Run}: no interrupt was sent in the measured window. The trace may have none: see interrupts.sources of 'nestsim config show'.");
        }
        else if (recorded > 0 && sent > recorded)
        {
            hints.Add($"{first.Run}: {recorded} of {sent} interrupts are the trace's own, the others generated. For the trace's alone, --set interrupts.sources=null.");
        }
    }

    private static void AddTwinHints(List<string> hints, IReadOnlyList<RunResult> runs)
    {
        foreach (IGrouping<string, RunResult> twins in runs.GroupBy(run => string.Join('\n', run.Statistics.Stats.Select(stat => $"{stat.Key}={stat.Value}")), StringComparer.Ordinal).Where(group => group.Count() > 1))
        {
            hints.Add($"{string.Join(", ", twins.Select(run => run.Run))} have identical statistics: the trace does not exercise what sets them apart.");
        }
    }
}
