using Sim.Core.Stats;

namespace Sim.Reports.Views;

/// <summary>Figures of interrupt delivery, derived from a run's statistics. A ratio without a denominator is null.</summary>
public static class InterruptFigures
{
    /// <summary>Levels that interrupts can be for.</summary>
    public static IReadOnlyList<int> Levels { get; } = [1, 2];

    /// <summary>Interrupts sent.</summary>
    public static long Sent(StatSheet s) => s.Total(StatNames.IrqSent);

    /// <summary>Interrupts sent to APICs of a level.</summary>
    public static long Sent(StatSheet s, int level) => s.Total(StatNames.IrqSent, $"level={level}");

    /// <summary>Recorded interrupts that were delivered anew.</summary>
    public static long Recorded(StatSheet s) => s.Total(StatNames.TraceIrqSent);

    /// <summary>Interrupts whose handler ran.</summary>
    public static long Handled(StatSheet s) => s.Total(StatNames.IrqHandled);

    /// <summary>Interrupts that were merged with an equal vector that still waited.</summary>
    public static long Coalesced(StatSheet s) => s.Total(StatNames.IrqCoalesced);

    /// <summary>Interrupts on their way at the end.</summary>
    public static long Pending(StatSheet s) => s.Total(StatNames.IrqPending);

    /// <summary>Interrupts that nothing will deliver any more.</summary>
    public static long Lost(StatSheet s) => s.Total(StatNames.IrqLost);

    /// <summary>VM-exits of all vCPUs on interrupts' way, HLT and VMRESUME included, for each handled interrupt.</summary>
    public static double? ExitsEach(StatSheet s) => Each(s, s.Total(StatNames.IrqExits));

    /// <summary>VM-exits by reason.</summary>
    public static SortedDictionary<string, long> Exits(StatSheet s) => s.TotalsBy(StatNames.IrqExits, "cause");

    /// <summary>Nested VM-exits for each handled interrupt.</summary>
    public static double? NestedExitsEach(StatSheet s) => Each(s, s.Total(StatNames.IrqNestedExits));

    /// <summary>Cycles in L0 taken from those that interrupts are for, from senders, or from bystanders, for each handled interrupt.</summary>
    public static double? StolenEach(StatSheet s, string from) => Each(s, s.Total(StatNames.IrqStolen, $"from={from}"));

    /// <summary>Cycles in L0 behind exits, by whose guest time they take and why.</summary>
    public static IEnumerable<KeyValuePair<string, long>> Stolen(StatSheet s) =>
        s.All(StatNames.IrqStolen).Select(stat => KeyValuePair.Create($"{StatQuery.Value(stat.Label, "from")}, {StatQuery.Value(stat.Label, "cause")}", stat.Value));

    /// <summary>A percentile of the latency of interrupts for a level, in cycles; null if none was handled.</summary>
    /// <param name="s">The run's statistics.</param>
    /// <param name="level">1 or 2.</param>
    /// <param name="percentile">p50, p90, p99 or p999.</param>
    public static double? Latency(StatSheet s, int level, string percentile) => s.Total(StatNames.IrqHandled, $"level={level}") == 0 ? null : s.Total(StatNames.IrqLatencyOf(percentile), $"level={level}");

    /// <summary>A plain count: notifications, coalesced_notifications, suppressed_notifications, kicks, doorbells, wake_ups or spurious_wake_ups.</summary>
    public static long Count(StatSheet s, string what) => s.Total(StatNames.IrqPrefix + what);

    private static double? Each(StatSheet s, long total) => Handled(s) is > 0 and var handled ? (double)total / handled : null;
}
