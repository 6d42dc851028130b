using Sim.Core;
using Sim.Reports.Results;
using Sim.Reports.Views;

namespace Sim.Reports.Charts;

/// <summary>All charts there are.</summary>
public static class ChartCatalogue
{
    // The order in which a report shows them; charts that are not named here follow in the order of their names.
    private static readonly string[] Order =
    [
        "difference", "cost-by-cause", "misses-by-cause", "flushed-misses", "sweep-lines", "sweep-heat-map", "seeds", "refill-curve", "occupancy", "intervals", "timeline", "interrupt-latency", "exits",
    ];

    /// <summary>Charts by name.</summary>
    public static Catalogue<IChart> All { get; } = new(typeof(IChart).Assembly);

    /// <summary>Draws every chart, in the order of a report. A chart that fails is one without data, and says so; the others stand.</summary>
    public static IReadOnlyList<(string Name, Drawing Drawing)> Draw(ReportInput input) =>
        [.. All.Entries.OrderBy(entry => (uint)Array.IndexOf(Order, entry.Name)).ThenBy(entry => entry.Name, StringComparer.Ordinal).Select(entry => (entry.Name, Draw(entry.Name, input)))];

    /// <summary>Draws the chart with a name.</summary>
    public static Drawing Draw(string name, ReportInput input)
    {
        try
        {
            IChart chart = All.Create(name);
            RunResult? first = input.Good.FirstOrDefault(run => run.Parameters.Count > 0);
            if (chart.IsOfSweeps || first is null)
            {
                return chart.Draw(input);
            }

            Drawing drawing = chart.Draw(input.AtPointOf(first));
            string point = InertText.OneLine(string.Join(", ", first.Parameters.Select(parameter => $"{parameter.Path}={parameter.Value}")));
            return drawing.Chart is { } drawn ? drawn with { Reading = $"At {point} alone, the first point. {drawn.Reading}" } : drawing;
        }
        catch (Exception e) when (e is ArithmeticException or InvalidOperationException or ArgumentException or IndexOutOfRangeException or KeyNotFoundException or NullReferenceException)
        {
            return Drawing.Without($"This chart cannot be drawn from these results: {e.GetType().Name}, {e.Message.TrimEnd('.')}.");
        }
    }
}
