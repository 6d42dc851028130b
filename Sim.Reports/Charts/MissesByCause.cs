using Sim.Core;
using Sim.Reports.Charts.Description;
using Sim.Reports.Views;

namespace Sim.Reports.Charts;

/// <summary>Why accesses missed in every TLB level.</summary>
[Component("misses-by-cause", Summary = "walks by policy, split by why the translation was not in the TLB")]
public sealed class MissesByCause : IChart
{
    /// <summary>The causes and their colours, in every chart.</summary>
    internal static IReadOnlyList<(string Cause, Shade Shade)> Shades { get; } = [("cold", Shade.Grey), ("capacity", Shade.Green), ("conflict", Shade.Orange), ("flushed", Shade.Vermillion)];

    /// <inheritdoc/>
    public Drawing Draw(ReportInput input)
    {
        BarPart[] parts = [.. Shades.Select(cause => new BarPart(cause.Cause, cause.Shade, sheet => Figures.WalksOf(sheet, cause.Cause)))];
        return input.Good.Any(run => parts.Any(part => part.Value(run.Statistics) != 0))
            ? StackedBars.Of(
                "TLB misses by cause",
                "Cold: never translated before. Capacity and conflict: evicted. Flushed: an invalidation had dropped the translation.",
                new Axis(AxisKind.Linear, "misses in every level", "walks"),
                input,
                parts)
            : Drawing.Without("No walk has a cause: nothing missed, or machine.attribution was off.");
    }
}
