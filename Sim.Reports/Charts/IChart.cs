using Sim.Core;
using Sim.Reports.Charts.VegaLite;

namespace Sim.Reports.Charts;

/// <summary>A kind of chart: one file under Charts/, found by its <see cref="ComponentAttribute"/>. Charts know statistics' names through <see cref="Views.Figures"/> alone, and no hardware.</summary>
public interface IChart
{
    /// <summary>Draws the results, or says why there is nothing to draw.</summary>
    Drawing Draw(ReportInput input);
}

/// <summary>What became of a chart: exactly one of the two is null.</summary>
/// <param name="Specification">The chart.</param>
/// <param name="Absent">One sentence: what the results lack and how to get it.</param>
public sealed record Drawing(Specification? Specification, string? Absent)
{
    /// <summary>Results that have no data for the chart.</summary>
    public static Drawing Without(string reason) => new(null, reason);

    /// <summary>A chart.</summary>
    public static implicit operator Drawing(Specification specification) => new(specification, null);
}
