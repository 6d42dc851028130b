using System.Globalization;
using Sim.Core.Stats;
using Sim.Reports.Results;
using Sim.Reports.Views;

namespace Sim.Experiments;

/// <summary>Makes a baseline of results, and says what that changes.</summary>
public static class BaselineUpdate
{
    private const int ShownOfHash = 12;

    /// <summary>Rules of a baseline that has none yet: what the workload is must not change at all, what it costs must not grow.</summary>
    private static readonly GateRule[] FirstRules =
    [
        Rule(StatNames.TraceRecords + "*", GateDirection.Exact, "records", "The gate must see the same workload."),
        Rule(StatNames.LaneAccesses + "*", GateDirection.Exact, "accesses", "The gate must see the same workload."),
        Rule(StatNames.VmNestedPrefix + "*", GateDirection.Exact, "transitions", "Nested transitions are the workload's; a policy does not choose them."),
        Rule(StatNames.VmEntries, GateDirection.Exact, "transitions", "Real VM-entries."),
        Rule(StatNames.VmExits + "*", GateDirection.Exact, "transitions", "Real VM-exits, by level and reason."),
        Rule("failed_vm_entries", GateDirection.Exact, "entries", "A VM-entry that fails its checks is a wrong outcome."),
        Rule("safety.*", GateDirection.Lower, "outcomes", "A policy must not become less safe."),
        Rule(StatNames.CyclesPrefix + "*", GateDirection.Lower, "cycles", "What a policy costs."),
        Rule(StatNames.FlushRequests + "*", GateDirection.Exact, "events", "What a policy decides."),
        Rule(StatNames.LaneInvalidations + "*", GateDirection.Exact, "invalidations", "What hardware is asked to do."),
        Rule(StatNames.LaneWalks + ".*", GateDirection.Lower, "walks", "Why each walk was needed."),
        Rule(StatNames.LaneWalkReferences + "*", GateDirection.Lower, "references", "What walks read."),
    ];

    /// <summary>The baseline that these results are equal to: the old one's rules, or the first rules that fit a metric.</summary>
    /// <param name="old">The baseline so far; null if there is none.</param>
    /// <param name="results">Repetitions of one experiment.</param>
    public static Baseline Of(Baseline? old, IReadOnlyList<RunSet> results)
    {
        IReadOnlyList<BaselineValue> values = GateMetrics.Simulated(results[0]);
        IReadOnlyList<GateRule> rules = old?.Rules ?? [.. FirstRules.Where(rule => values.Any(value => rule.Fits(value.Metric)))];
        return new Baseline(
            GateMetrics.SubjectOf(results[0]),
            rules,
            [.. values.Where(value => rules.Any(rule => rule.Fits(value.Metric)))],
            [.. GateMetrics.WallClock(results).Where(samples => rules.Any(rule => rule.Fits(samples.Metric)))]);
    }

    /// <summary>What differs, as a table: metric by metric, none if nothing does.</summary>
    public static IReadOnlyList<Table> Changes(Baseline? old, Baseline now)
    {
        List<IReadOnlyList<string>> rows = [];
        if (old is not null)
        {
            Subject("profile", old.Subject.Profile, now.Subject.Profile);
            Subject("trace", old.Subject.Trace, now.Subject.Trace);
            Subject("trace SHA-256", Short(old.Subject.TraceSha256), Short(now.Subject.TraceSha256));
            Subject("records measured", Text((long)old.Subject.MeasuredRecords), Text((long)now.Subject.MeasuredRecords));
            Subject("configuration hash", Short(old.Subject.ConfigurationHash), Short(now.Subject.ConfigurationHash));
        }

        Dictionary<(string, string), BaselineValue> before = (old?.Values ?? []).ToDictionary(value => (value.Run, value.Metric));
        Dictionary<(string, string), BaselineValue> after = now.Values.ToDictionary(value => (value.Run, value.Metric));
        foreach ((string Run, string Metric) key in before.Keys.Union(after.Keys))
        {
            BaselineValue? was = before.GetValueOrDefault(key);
            BaselineValue? @is = after.GetValueOrDefault(key);
            if (was != @is)
            {
                rows.Add([$"{key.Run}: {InertText.OneLine(key.Metric)}", was is null ? "-" : Text(was.Value), @is is null ? "-" : Text(@is.Value), (@is ?? was)!.Unit]);
            }
        }

        return rows.Count == 0 ? [] : [new Table($"{rows.Count} changes of the baseline", ["metric", "was", "is", "unit"], rows)];

        void Subject(string what, string was, string @is)
        {
            if (was != @is)
            {
                rows.Add([what, InertText.OneLine(was), InertText.OneLine(@is), ""]);
            }
        }
    }

    private static GateRule Rule(string pattern, GateDirection direction, string unit, string reason) => new(pattern, direction, default, unit, reason);

    private static string Short(string? hash) => hash is null ? "-" : hash.Length > ShownOfHash ? hash[..ShownOfHash] : hash;

    private static string Text(long value) => value.ToString("#,##0", CultureInfo.InvariantCulture);
}
