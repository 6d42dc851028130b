using Sim.Core.Stats;
using Sim.Reports.Results;
using Sim.Reports.Views;

namespace Sim.Reports.Explain;

/// <summary>
/// Where the difference between two runs comes from: their translation cycles and walks divided along several dimensions, in each of which the parts sum to the whole
/// exactly; and their cycles of every activity.
/// </summary>
public sealed class Decomposition
{
    private const string SecondLevelHits = "second-level hits";

    private readonly SortedSet<string> _missing = new(StringComparer.Ordinal);

    /// <summary>Divides the difference.</summary>
    /// <param name="before">The first run; it must not have failed.</param>
    /// <param name="after">The second run, likewise.</param>
    public Decomposition(RunResult before, RunResult after)
    {
        Before = before;
        After = after;
        Total = new Contribution("total", TotalOf(before.Statistics), TotalOf(after.Statistics));
        List<Dimension> dimensions = [];
        Add("level", "Who translated", Levels);
        Add("transition", "Why: kind of transition or instruction that flushed", sheet => Causes(sheet, "transition", "flushed at "));
        Add("invalidation", "Why: invalidation that flushed", sheet => Causes(sheet, "invalidation", "flushed by "));
        Add("rule", "Why: rule that decided the flush", sheet => Causes(sheet, "rule", "flushed because of "));
        Add("size", "Page size of the translation", sheet => Breakdown(sheet, "size"));
        Add("page", "Page", sheet => Breakdown(sheet, "page"));
        Add("site", "Code page that was fetched from last", sheet => Breakdown(sheet, "site"));
        Dimensions = dimensions;
        Activities =
        [
            .. before.Statistics.PathsUnder(StatNames.CyclesPrefix).Union(after.Statistics.PathsUnder(StatNames.CyclesPrefix)).Order(StringComparer.Ordinal)
                .Select(path => new Contribution(path[StatNames.CyclesPrefix.Length..], new WalkCount(0, before.Statistics.Total(path)), new WalkCount(0, after.Statistics.Total(path)))),
        ];

        void Add(string name, string title, Func<StatSheet, SortedDictionary<string, WalkCount>> divide)
        {
            SortedDictionary<string, WalkCount> first = divide(before.Statistics);
            SortedDictionary<string, WalkCount> second = divide(after.Statistics);
            if (SumOf(first) != Total.Before || SumOf(second) != Total.After)
            {
                _missing.Add(name);
                return;
            }

            IEnumerable<Contribution> parts = first.Keys.Union(second.Keys).Select(part => new Contribution(part, first.GetValueOrDefault(part), second.GetValueOrDefault(part)))
                .Where(part => part.Before != default || part.After != default);
            dimensions.Add(new Dimension(
                name,
                title,
                [.. parts.OrderByDescending(part => Math.Abs(part.Difference.Cycles)).ThenByDescending(part => Math.Abs(part.Difference.Walks)).ThenBy(part => part.Name, StringComparer.Ordinal)]));
        }
    }

    /// <summary>The first run.</summary>
    public RunResult Before { get; }

    /// <summary>The second run.</summary>
    public RunResult After { get; }

    /// <summary>Walks and translation cycles of each.</summary>
    public Contribution Total { get; }

    /// <summary>The dimensions whose parts both runs have counted in full.</summary>
    public IReadOnlyList<Dimension> Dimensions { get; }

    /// <summary>Cycles by activity (no walks); they sum to <see cref="Figures.TotalCycles"/>.</summary>
    public IReadOnlyList<Contribution> Activities { get; }

    /// <summary>Names of dimensions that a run did not count: attribution was off, or no breakdown was asked for.</summary>
    public IReadOnlyCollection<string> Missing => _missing;

    private static WalkCount TotalOf(StatSheet sheet) => new(sheet.Total(StatNames.LaneStlbMisses), sheet.Total(StatNames.LaneStallCycles));

    private static WalkCount SumOf(SortedDictionary<string, WalkCount> parts) => parts.Values.Aggregate(default(WalkCount), (sum, part) => sum + part);

    private static SortedDictionary<string, WalkCount> Levels(StatSheet sheet)
    {
        SortedDictionary<string, WalkCount> parts = new(StringComparer.Ordinal);
        AddAll(parts, sheet, StatNames.LaneStlbMisses, StatNames.LaneStallCycles, label => $"L{StatQuery.Value(label, "level")}");
        return parts;
    }

    /// <summary>Walks by cause; those that a flush caused by one key of their cause.</summary>
    private static SortedDictionary<string, WalkCount> Causes(StatSheet sheet, string key, string flushed)
    {
        SortedDictionary<string, WalkCount> parts = WithSecondLevelHits(sheet);
        foreach (string cause in new[] { "cold", "capacity", "conflict" })
        {
            AddAll(parts, sheet, StatNames.WalksOf(cause), StatNames.WalkCyclesOf(cause), _ => cause);
        }

        AddAll(parts, sheet, StatNames.LaneWalksFlushed, StatNames.LaneWalkCyclesFlushed, label => flushed + StatQuery.Value(label, key));
        return parts;
    }

    private static SortedDictionary<string, WalkCount> Breakdown(StatSheet sheet, string dimension)
    {
        SortedDictionary<string, WalkCount> parts = WithSecondLevelHits(sheet);
        AddAll(parts, sheet, StatNames.WalksBy(dimension), StatNames.WalkCyclesBy(dimension), Readable);
        return parts;
    }

    /// <summary><c>level=2,root=0x1000,page=0x7000,size=4K</c> as <c>L2 0x7000, root 0x1000, 4K</c>.</summary>
    private static string Readable(string label)
    {
        string[] words =
        [
            $"L{StatQuery.Value(label, "level")} {StatQuery.Value(label, "page")}{StatQuery.Value(label, "site")}".TrimEnd(),
            StatQuery.Value(label, "root") switch { "" => "", "shared" => "shared", string root => $"root {root}" },
            StatQuery.Value(label, "size"),
        ];
        return string.Join(", ", words.Where(word => word.Length > 0));
    }

    private static SortedDictionary<string, WalkCount> WithSecondLevelHits(StatSheet sheet) => new(StringComparer.Ordinal)
    {
        [SecondLevelHits] = new WalkCount(0, sheet.Total(StatNames.LaneStallCycles) - sheet.Total(StatNames.LaneWalkCycles)),
    };

    /// <summary>Adds the walks and the cycles of two statistics to the parts that their labels name.</summary>
    private static void AddAll(SortedDictionary<string, WalkCount> parts, StatSheet sheet, string walks, string cycles, Func<string, string> name)
    {
        foreach (Stat stat in sheet.All(walks))
        {
            parts[name(stat.Label)] = parts.GetValueOrDefault(name(stat.Label)) + new WalkCount(stat.Value, 0);
        }

        foreach (Stat stat in sheet.All(cycles))
        {
            parts[name(stat.Label)] = parts.GetValueOrDefault(name(stat.Label)) + new WalkCount(0, stat.Value);
        }
    }
}
