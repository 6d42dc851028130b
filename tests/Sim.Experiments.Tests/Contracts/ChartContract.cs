using Sim.Core.Stats;
using Sim.Reports;
using Sim.Reports.Charts;
using Sim.Reports.Charts.Description;
using Sim.Reports.Charts.Rendering;
using Sim.Reports.Results;
using Sim.Reports.Tests.Charts;

namespace Sim.Experiments.Tests.Contracts;

/// <summary>A chart never throws: it draws results that have its data, and says in a sentence what others lack.</summary>
internal static class ChartContract
{
    public static IEnumerable<string> Of(string name, IChart chart)
    {
        foreach ((string what, RunSet set) in new[]
        {
            ("results with everything", ChartSample.Full()),
            ("results of a sweep of seeds", ChartSample.Swept("b", ("machine.seed", ["1", "2", "3"]))),
            ("results of a sweep of two things", ChartSample.Swept("b", ("second_level[0].ways", ["4", "8"]), ("second_level[0].replacement", ["lru", "b"]))),
            ("results that measured nothing", ChartSample.Empty()),
            ("results without a good run", ChartSample.Empty() with { Runs = [new RunResult("a", "a", new StatSheet(), [], new RunFailure(4, "broken"))] }),
        })
        {
            if (Draw(chart, set) is { } broken)
            {
                yield return $"{name} {broken} on {what}. A report with such a chart would lack it; one that has no data says so with Drawing.Without.";
            }
        }
    }

    private static string? Draw(IChart chart, RunSet set)
    {
        try
        {
            Drawing drawing = chart.Draw(new ReportInput(set));
            if (drawing.Chart is not { } drawn)
            {
                return drawing.Absent is { Length: > 10 } absent && absent.EndsWith('.') ? null : $"gives '{drawing.Absent}' as the reason for no chart, which is no sentence";
            }

            if (drawn.Y.Kind == AxisKind.Category && drawn.Y.Categories.Count == 0)
            {
                return "has an axis of names without names";
            }

            foreach (ChartFormat format in Enum.GetValues<ChartFormat>())
            {
                _ = ChartFiles.Of("contract", drawn, format, new ChartSize(ChartFiles.ColumnWidth), ChartTheme.Print);
            }

            return null;
        }
        catch (Exception e) when (e is not OutOfMemoryException)
        {
            return $"throws {e.GetType().Name} ('{e.Message}')";
        }
    }
}
