using System.Globalization;
using Sim.Core.Stats;

namespace Sim.Reports.Views;

/// <summary>
/// The headline figures of a run, derived from its statistics. A ratio without a denominator is null
/// and prints as a dash.
/// </summary>
public static class Figures
{
    /// <summary>Memory references of the trace, folded ones counted in full; those of interrupt handlers are not among them, so that runs which are compared share the number.</summary>
    public static double? Accesses(StatSheet s) => OfTrace(s, StatNames.TraceAccesses) ?? s.Total(StatNames.LaneAccesses);

    /// <summary>Cycles spent in translation beyond first-level hits.</summary>
    public static double? TranslationCycles(StatSheet s) => s.Total(StatNames.LaneStallCycles);

    /// <summary>Nested VM-entries and nested VM-exits of the trace together. What is told per nested transition is divided by this, so that runs which are compared share the number.</summary>
    public static double? NestedTransitions(StatSheet s) => OfTrace(s, StatNames.TraceNestedTransitions) ?? RunTransitions(s);

    /// <summary>Nested transitions that the run made beyond those of the trace, as interrupts do; negative if nested VM-entries of the trace failed. Null if it is not known.</summary>
    public static double? AddedTransitions(StatSheet s) => RunTransitions(s) - OfTrace(s, StatNames.TraceNestedTransitions);

    /// <summary>Translation cycles per nested transition.</summary>
    public static double? TranslationPerTransition(StatSheet s) => Ratio(TranslationCycles(s), NestedTransitions(s));

    /// <summary>Cycles of everything: the trace's own, translation, transitions, invalidations, hypervisor work.</summary>
    public static double? TotalCycles(StatSheet s) => s.PathsUnder(StatNames.CyclesPrefix).Sum(path => s.Total(path));

    /// <summary>Total cycles per nested transition.</summary>
    public static double? TotalPerTransition(StatSheet s) => Ratio(TotalCycles(s), NestedTransitions(s));

    /// <summary>Walks: accesses that missed in every level.</summary>
    public static double? Walks(StatSheet s) => s.Total(StatNames.LaneStlbMisses);

    /// <summary>Misses on pages never translated before.</summary>
    public static double? Cold(StatSheet s) => WalksOf(s, "cold");

    /// <summary>Misses that a fully associative level of the same size would have had too.</summary>
    public static double? Capacity(StatSheet s) => WalksOf(s, "capacity");

    /// <summary>Misses that such a level would not have had.</summary>
    public static double? Conflict(StatSheet s) => WalksOf(s, "conflict");

    /// <summary>Misses on translations that an invalidation had dropped.</summary>
    public static double? Flushed(StatSheet s) => s.Total(StatNames.LaneWalksFlushed);

    /// <summary>Misses caused by flushes, per nested transition.</summary>
    public static double? FlushedPerTransition(StatSheet s) => Ratio(Flushed(s), NestedTransitions(s));

    /// <summary>Memory references of walks.</summary>
    public static double? WalkReferences(StatSheet s) => s.Total(StatNames.LaneWalkReferences);

    /// <summary>Memory references of a mean walk.</summary>
    public static double? ReferencesPerWalk(StatSheet s) => Ratio(WalkReferences(s), Walks(s));

    /// <summary>Cycles spent in walks.</summary>
    public static double? WalkCycles(StatSheet s) => s.Total(StatNames.LaneWalkCycles);

    /// <summary>Cycles of a mean walk.</summary>
    public static double? CyclesPerWalk(StatSheet s) => Ratio(WalkCycles(s), Walks(s));

    /// <summary>Why an access can miss in every level.</summary>
    public static IReadOnlyList<string> Causes { get; } = ["cold", "capacity", "conflict", "flushed"];

    /// <summary>Walks of one of the <see cref="Causes"/>.</summary>
    public static long WalksOf(StatSheet s, string cause) => s.Total(StatNames.WalksOf(cause));

    /// <summary>Cycles of walks of one of the <see cref="Causes"/>, or of all walks.</summary>
    public static long WalkCyclesOf(StatSheet s, string? cause = null) => s.Total(cause is null ? StatNames.LaneWalkCycles : StatNames.WalkCyclesOf(cause));

    /// <summary>First-level misses in percent of accesses.</summary>
    public static double? FirstLevelMissPercent(StatSheet s) => 100 * Ratio(s.Total(StatNames.LaneL1Misses), Accesses(s));

    /// <summary>Walks in percent of accesses.</summary>
    public static double? WalkPercent(StatSheet s) => 100 * Ratio(Walks(s), Accesses(s));

    /// <summary>Entries that invalidations dropped, over all structures.</summary>
    public static double? EntriesDropped(StatSheet s) => s.Stats.Where(stat => stat.Path.EndsWith(StatNames.InvalidatedSuffix, StringComparison.Ordinal)).Sum(stat => stat.Value);

    /// <summary>Executed invalidations of all kinds.</summary>
    public static double? Flushes(StatSheet s) => s.Total(StatNames.LaneInvalidations);

    /// <summary>Cycles that are not the trace's own: translation, invalidations, transitions, hypervisor work.</summary>
    public static double? AddedCycles(StatSheet s) => TotalCycles(s) - s.Total(StatNames.CyclesTrace);

    /// <summary>A figure divided by the trace's nested transitions; null if it has none.</summary>
    public static double? PerTransition(StatSheet s, Func<StatSheet, double?> figure) => Ratio(figure(s), NestedTransitions(s));

    /// <summary>Executed invalidations by name.</summary>
    public static SortedDictionary<string, long> Invalidations(StatSheet s) => s.TotalsBy(StatNames.LaneInvalidations, "invalidation");

    /// <summary>Flushes that the hypervisor requested, by kind.</summary>
    public static SortedDictionary<string, long> FlushRequests(StatSheet s) => s.TotalsBy(StatNames.FlushRequests, "request");

    /// <summary>Flush-caused misses by what flushed, at which transition, decided by which rule.</summary>
    public static SortedDictionary<string, long> FlushedByCause(StatSheet s)
    {
        SortedDictionary<string, long> causes = new(StringComparer.Ordinal);
        foreach (Stat stat in s.Stats.Where(stat => StatNames.IsOnAnyLane(stat.Path, StatNames.LaneWalksFlushed)))
        {
            causes[stat.Label] = causes.GetValueOrDefault(stat.Label) + stat.Value;
        }

        return causes;
    }

    /// <summary>VM-exits by reason.</summary>
    public static SortedDictionary<string, long> Exits(StatSheet s) => s.TotalsBy(StatNames.VmExits, "reason");

    /// <summary>VM-exits by reason and level, those that happened; by reason, then level.</summary>
    public static IReadOnlyList<ExitCount> ExitsByLevel(StatSheet s) =>
    [
        .. s.Stats.Where(stat => stat.Path == StatNames.VmExits && stat.Value != 0)
            .Select(stat => new ExitCount(Number(StatQuery.Value(stat.Label, "reason")), Number(StatQuery.Value(stat.Label, "level")), stat.Value))
            .OrderBy(exit => exit.Reason).ThenBy(exit => exit.Level),
    ];

    private static double RunTransitions(StatSheet s) => s.Total(StatNames.VmNestedEntries) + s.Total(StatNames.VmNestedExits);

    /// <summary>A count of the measured window's records; null in files before version 1.3.</summary>
    private static double? OfTrace(StatSheet s, string path) => s.Stats.Any(stat => stat.Path == path) ? s.Total(path) : null;

    private static long Number(string text) => long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out long number) ? number : -1;

    private static double? Ratio(double? numerator, double? denominator) => denominator is null or 0 ? null : numerator / denominator;
}

/// <summary>How often one reason ended one level's stay on the CPU.</summary>
/// <param name="Reason">The SDM's basic exit reason, or the APM's exit code.</param>
/// <param name="Level">Level that exited.</param>
/// <param name="Count">How often.</param>
public readonly record struct ExitCount(long Reason, long Level, long Count);
