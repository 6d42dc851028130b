using Sim.Core;
using Sim.Reports.Charts.VegaLite;
using Sim.Reports.Views;

namespace Sim.Reports.Charts;

/// <summary>Where the cycles go that the trace itself does not take.</summary>
[Component("cost-by-cause", Summary = "cycles on top of the trace's own, by policy, split by what takes them")]
public sealed class CostByCause : IChart
{
    private static readonly Dictionary<string, (string Name, string Colour)> Activities = new(StringComparer.Ordinal)
    {
        ["cycles.hypervisor"] = ("hypervisor software", Palette.SkyBlue),
        ["cycles.transition"] = ("VM-entries and VM-exits", Palette.Blue),
        ["cycles.invalidation"] = ("invalidation instructions", Palette.Purple),
    };

    /// <inheritdoc/>
    public Drawing Draw(ReportInput input)
    {
        string[] paths = [.. input.Good.SelectMany(run => run.Statistics.PathsUnder("cycles.")).Distinct().Order(StringComparer.Ordinal)];
        string[] extra = [.. paths.Where(path => path is not ("cycles.trace" or "cycles.translation"))];
        List<BarPart> parts = [.. extra.OrderBy(path => (uint)Activities.Keys.ToList().IndexOf(path)).Select(Activity)];
        parts.AddRange(
        [
            new BarPart("second-level TLB hits", Palette.Yellow, sheet => (long)(Figures.TranslationCycles(sheet) ?? 0) - Figures.WalkCyclesOf(sheet)),
            new BarPart("walks, cause not recorded", "#6F6B64", sheet => Figures.WalkCyclesOf(sheet) - Figures.Causes.Sum(cause => Figures.WalkCyclesOf(sheet, cause))),
            .. MissesByCause.Colours.Select(cause => new BarPart($"walks: {cause.Cause}", cause.Colour, sheet => Figures.WalkCyclesOf(sheet, cause.Cause))),
        ]);
        return input.Good.Any(run => parts.Any(part => part.Value(run.Statistics) != 0))
            ? StackedBars.Of(
                "Cost on top of the trace's own cycles",
                "The dashed line is the reference. What is orange-red exists only because of flushes; a policy can change that part, the invalidation instructions and its own software.",
                "cycles",
                input,
                parts)
            : Drawing.Without("The results have no cycles beyond the trace's own.");
    }

    private static BarPart Activity(string path)
    {
        (string name, string colour) = Activities.TryGetValue(path, out (string, string) known) ? known : (path["cycles.".Length..].Replace('_', ' '), Palette.Green);
        return new BarPart(name, colour, sheet => sheet.Total(path));
    }
}
