using Sim.Core;

namespace Sim.Reports.Charts;

/// <summary>All charts there are.</summary>
public static class ChartCatalogue
{
    // The order in which a report shows them; charts that are not named here follow in the order of their names.
    private static readonly string[] Order =
        ["cost-by-cause", "misses-by-cause", "flushed-misses", "sweep-lines", "sweep-heat-map", "seeds", "refill-curve", "occupancy", "intervals", "timeline", "interrupt-latency", "exits"];

    /// <summary>Charts by name.</summary>
    public static Catalogue<IChart> All { get; } = new(typeof(IChart).Assembly);

    /// <summary>Draws every chart, in the order of a report.</summary>
    public static IReadOnlyList<(string Name, Drawing Drawing)> Draw(ReportInput input) =>
        [.. All.Entries.OrderBy(entry => (uint)Array.IndexOf(Order, entry.Name)).ThenBy(entry => entry.Name, StringComparer.Ordinal).Select(entry => (entry.Name, All.Create(entry.Name).Draw(input)))];
}
