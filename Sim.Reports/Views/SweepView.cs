using Sim.Core.Stats;
using Sim.Reports.Results;

namespace Sim.Reports.Views;

/// <summary>A sweep as tables: one row for each point, one column for each policy (and way to deliver interrupts). Several seeds of a point are averaged.</summary>
public static class SweepView
{
    private static readonly (string Title, Func<StatSheet, double?> Figure, Func<double?, string> Text)[] MainFigures =
    [
        ("Total cycles", Figures.TotalCycles, Numbers.Whole),
        ("Translation cycles", Figures.TranslationCycles, Numbers.Whole),
        ("Translation cycles per nested transition", Figures.TranslationPerTransition, Numbers.Fraction),
        ("Walks", Figures.Walks, Numbers.Whole),
        ("Walks caused by flushes", Figures.Flushed, Numbers.Whole),
    ];

    /// <summary>The tables. A point at which a policy failed shows a dash.</summary>
    /// <param name="set">Runs with parameters.</param>
    public static IReadOnlyList<Table> Of(RunSet set)
    {
        string[] policies = [.. set.Runs.Select(run => run.Case).Distinct()];
        string[] points = [.. set.Runs.Select(PointOf).Distinct()];
        ILookup<(string Point, string Policy), RunResult> runs = set.Runs.Where(run => run.Failure is null).ToLookup(run => (PointOf(run), run.Case));
        return
        [
            .. MainFigures.Select(figure => new Table(
                figure.Title,
                ["point", .. policies],
                [.. points.Select(point => (IReadOnlyList<string>)[point, .. policies.Select(policy => figure.Text(Mean(runs[(point, policy)], figure.Figure)))])])),
        ];
    }

    /// <summary>Values of the swept parameters; a seed that is repeated at every point is no axis.</summary>
    private static string PointOf(RunResult run)
    {
        string point = Verdict.PointOf(run);
        return point.Length > 0 ? point : string.Join(' ', run.Parameters.Select(parameter => $"{parameter.Path}={parameter.Value}"));
    }

    private static double? Mean(IEnumerable<RunResult> runs, Func<StatSheet, double?> figure)
    {
        double[] values = [.. runs.Select(run => figure(run.Statistics)).OfType<double>()];
        return values.Length == 0 ? null : values.Average();
    }
}
