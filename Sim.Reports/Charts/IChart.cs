using Sim.Core;
using Sim.Reports.Charts.Description;

namespace Sim.Reports.Charts;

/// <summary>A kind of chart: one file under Charts/, found by its <see cref="ComponentAttribute"/>. Charts know statistics' names through <see cref="Views.Figures"/> alone, and no hardware.</summary>
public interface IChart
{
    /// <summary>True if it is about runs that differ in parameters. Others are shown the runs of a sweep's first point alone: forty-eight bars say no more than three.</summary>
    bool IsOfSweeps => false;

    /// <summary>Describes the results, or says why there is nothing to show.</summary>
    Drawing Draw(ReportInput input);
}

/// <summary>What became of a chart: exactly one of the two is null.</summary>
/// <param name="Chart">The chart.</param>
/// <param name="Absent">One sentence: what the results lack and how to get it.</param>
public sealed record Drawing(Chart? Chart, string? Absent)
{
    /// <summary>Results that have no data for the chart.</summary>
    public static Drawing Without(string reason) => new(null, reason);

    /// <summary>A chart.</summary>
    public static implicit operator Drawing(Chart chart) => new(chart, null);
}
