using Sim.Core;
using Sim.Core.Stats;
using Sim.Reports.Charts.Description;
using Sim.Reports.Views;

namespace Sim.Reports.Charts;

/// <summary>Where the cycles go that the trace itself does not take, as far as the runs differ in them.</summary>
[Component("cost-by-cause", Summary = "cycles on top of what every policy takes, split by what takes them")]
public sealed class CostByCause : IChart
{
    private static readonly (string Path, string Name, Shade Shade)[] Activities =
    [
        (StatNames.CyclesHypervisor, "hypervisor software", Shade.SkyBlue),
        (StatNames.CyclesTransition, "VM-entries and VM-exits", Shade.Blue),
        (StatNames.CyclesInvalidation, "invalidation instructions", Shade.Purple),
    ];

    /// <inheritdoc/>
    public Drawing Draw(ReportInput input)
    {
        IReadOnlyList<BarPart> parts = Parts(input);
        if (!input.Good.Any(run => parts.Any(part => part.Value(run.Statistics) != 0)))
        {
            return Drawing.Without("The results have no cycles beyond the trace's own.");
        }

        long Least(BarPart part) => input.Good.Min(run => part.Value(run.Statistics));
        bool differ = parts.Any(part => input.Good.Any(run => part.Value(run.Statistics) != Least(part)));
        return differ
            ? StackedBars.Of(
                "Where the cost differs",
                $"Of each cause, what a policy takes beyond the policy that takes least of it; {StackedBars.Exact(parts.Sum(Least))} cycles that all of them take are left out, as are the trace's own. "
                + "What is orange-red exists only because of flushes.",
                new Axis(AxisKind.Linear, "beyond the least", "cycles"),
                input,
                parts,
                Least)
            : StackedBars.Of(
                "Cost on top of the trace's own cycles",
                input.Good.Count == 1 ? "What is orange-red exists only because of flushes." : "Every policy costs the same here.",
                new Axis(AxisKind.Linear, "on top of the trace's own", "cycles"),
                input,
                parts);
    }

    /// <summary>All causes of cost beyond the trace's own, in the order of a stack; of each run they sum to its total without the trace's own.</summary>
    internal static IReadOnlyList<BarPart> Parts(ReportInput input)
    {
        IEnumerable<string> extra = input.Good.SelectMany(run => run.Statistics.PathsUnder(StatNames.CyclesPrefix)).Where(path => path is not (StatNames.CyclesTrace or StatNames.CyclesTranslation)).Distinct();
        return
        [
            .. extra.OrderBy(path => (uint)Array.FindIndex(Activities, activity => activity.Path == path)).ThenBy(path => path, StringComparer.Ordinal).Select(Activity),
            new BarPart("second-level TLB hits", Shade.Yellow, sheet => (long)(Figures.TranslationCycles(sheet) ?? 0) - Figures.WalkCyclesOf(sheet)),
            new BarPart("walks, cause not recorded", Shade.DarkGrey, sheet => Figures.WalkCyclesOf(sheet) - Figures.Causes.Sum(cause => Figures.WalkCyclesOf(sheet, cause))),
            .. MissesByCause.Shades.Select(cause => new BarPart($"walks: {cause.Cause}", cause.Shade, sheet => Figures.WalkCyclesOf(sheet, cause.Cause))),
        ];
    }

    private static BarPart Activity(string path)
    {
        int known = Array.FindIndex(Activities, activity => activity.Path == path);
        return new BarPart(known >= 0 ? Activities[known].Name : path[StatNames.CyclesPrefix.Length..].Replace('_', ' '), known >= 0 ? Activities[known].Shade : Shade.Green, sheet => sheet.Total(path));
    }
}
