using System.Globalization;
using Sim.Core.Stats;
using Sim.Reports.Results;
using Sim.Reports.Views;

namespace Sim.Experiments;

/// <summary>Repeated seeds as tables: for each main figure, mean and interval of each policy, and its paired difference from the reference.</summary>
public static class SeedView
{
    private static readonly (string Title, Func<StatSheet, double?> Figure)[] MainFigures =
    [
        ("Total cycles", Figures.TotalCycles),
        ("Translation cycles", Figures.TranslationCycles),
        ("Walks", Figures.Walks),
    ];

    /// <summary>The tables. Failed runs are left out with their seed, for every policy.</summary>
    /// <param name="set">Runs of several seeds, the same seeds for each policy.</param>
    public static IReadOnlyList<Table> Of(RunSet set)
    {
        RunResult[] failed = [.. set.Runs.Where(run => run.Failure is not null)];
        RunResult[][] policies = [.. set.Runs.GroupBy(run => run.Case, StringComparer.Ordinal).Select(group => group.Where(run => !failed.Any(bad => SameSeed(bad, run))).ToArray())];
        return policies.Length == 0 || policies[0].Length == 0 ? [] : [.. MainFigures.Select(figure => Of(set, policies, figure.Title, figure.Figure))];
    }

    /// <summary>Policies whose runs of all seeds are equal in every statistic: nothing in their machine is random.</summary>
    public static IReadOnlyList<string> Unmoved(RunSet set) =>
    [
        .. set.Runs.Where(run => run.Failure is null).GroupBy(run => run.Case, StringComparer.Ordinal)
            .Where(group => IsUnmoved([.. group])).Select(group => group.Key),
    ];

    private static Table Of(RunSet set, RunResult[][] policies, string title, Func<StatSheet, double?> figure)
    {
        RunResult[] referenceRuns = policies.FirstOrDefault(runs => runs[0].Case == set.Reference.Case) ?? policies[0];
        double[] reference = Samples(referenceRuns, figure);
        List<IReadOnlyList<string>> rows = [];
        foreach (RunResult[] runs in policies)
        {
            double[] samples = Samples(runs, figure);
            SampleSummary summary = SampleStatistics.Summarise(samples);
            bool isReference = runs[0].Case == set.Reference.Case;
            PairedDifference difference = SampleStatistics.Compare(samples, reference);
            rows.Add(
            [
                runs[0].Case,
                Number(summary.Mean),
                Of(summary.Confidence, IsUnmoved(runs)),
                isReference ? "ref" : Number(difference.Mean),
                isReference ? "" : Of(difference.Confidence, IsUnmoved(runs) && IsUnmoved(referenceRuns)),
                isReference ? "" : difference.P is { } p ? Probability(p) : "-",
            ]);
        }

        return new Table($"{title} over {policies[0].Length} seeds", ["policy", "mean", "95% interval", "vs ref", "95% interval", "paired p"], rows);
    }

    private static double[] Samples(IEnumerable<RunResult> runs, Func<StatSheet, double?> figure) => [.. runs.Select(run => figure(run.Statistics) ?? 0)];

    private static bool SameSeed(RunResult a, RunResult b) => a.Parameters.SequenceEqual(b.Parameters);

    private static bool IsUnmoved(RunResult[] runs) => runs.All(run => run.Statistics.Stats.SequenceEqual(runs[0].Statistics.Stats));

    /// <summary>Equal samples are exact where the seed changes nothing, and no more than equal where it does.</summary>
    private static string Of(Interval? interval, bool exact) => interval is { } known ? $"{Number(known.Low)} to {Number(known.High)}" : exact ? "exact" : "equal in all";

    private static string Number(double value) => value.ToString("#,##0.#", CultureInfo.InvariantCulture);

    private static string Probability(double p) => p < 0.0001 ? "<0.0001" : p.ToString("0.0000", CultureInfo.InvariantCulture);
}
