using Sim.Core;
using Sim.Core.Stats;
using Sim.Reports.Results;

namespace Sim.Reports.Views;

/// <summary>A figure that runs are compared by.</summary>
/// <param name="Name">What users type.</param>
/// <param name="Title">What it is, for an axis.</param>
/// <param name="Unit">Its unit.</param>
/// <param name="Of">The figure of a run; null where it is not defined.</param>
public sealed record Metric(string Name, string Title, string Unit, Func<StatSheet, double?> Of)
{
    private const double Accesses = 1_000;

    /// <summary>All that have a name; any statistic of a run is one too.</summary>
    public static IReadOnlyList<Metric> All { get; } =
    [
        new("total-per-transition", "total cost of a nested transition", "cycles", Figures.TotalPerTransition),
        new("translation-per-transition", "translation for each nested transition", "cycles", Figures.TranslationPerTransition),
        new("flushed-per-transition", "misses caused by flushes for each nested transition", "walks", Figures.FlushedPerTransition),
        new("translation-per-access", "translation for 1,000 accesses", "cycles", s => Accesses * Ratio(Figures.TranslationCycles(s), Figures.Accesses(s))),
        new("walks-per-access", "walks for 1,000 accesses", "walks", s => Accesses * Ratio(Figures.Walks(s), Figures.Accesses(s))),
        new("total", "total cycles", "cycles", Figures.TotalCycles),
        new("translation", "translation", "cycles", Figures.TranslationCycles),
        new("walks", "walks", "walks", Figures.Walks),
        new("flushed", "misses caused by flushes", "walks", Figures.Flushed),
        new("cycles-per-walk", "cost of a walk", "cycles", Figures.CyclesPerWalk),
        new("references-per-walk", "references of a walk", "references", Figures.ReferencesPerWalk),
        new("first-level-misses", "first-level misses", "% of accesses", Figures.FirstLevelMissPercent),
    ];

    /// <summary>What results are compared by if nobody says: the total for each nested transition; on a trace without those, translation for each access.</summary>
    public static Metric Default(RunSet set) => All.First(metric => metric.Name == (set.Runs.Any(run => Figures.NestedTransitions(run.Statistics) > 0) ? "total-per-transition" : "translation-per-access"));

    /// <summary>The metric with a name: one of <see cref="All"/>, or the path of a statistic of these results (<c>lane[*].walks.cold</c>).</summary>
    /// <exception cref="ConfigurationException">There is none; the message lists the nearest names.</exception>
    public static Metric Find(string name, RunSet set)
    {
        if (All.FirstOrDefault(metric => metric.Name == name) is { } known)
        {
            return known;
        }

        Stat[] found = [.. set.Runs.SelectMany(run => run.Statistics.All(name))];
        return found.Length > 0
            ? new Metric(name, name, found[0].Unit, s => s.Total(name))
            : throw new ConfigurationException(
                $"{NearestNames.Unknown("metric", name, All.Select(metric => metric.Name))} 'nestsim list metrics' has them all; the path of any statistic of the results is one too, as in {StatNames.WalksOf("cold")}.");
    }

    private static double? Ratio(double? numerator, double? denominator) => denominator is null or 0 ? null : numerator / denominator;
}
