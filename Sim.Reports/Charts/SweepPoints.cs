using Sim.Reports.Results;
using Sim.Reports.Views;

namespace Sim.Reports.Charts;

/// <summary>The runs of one policy at one point of a sweep: one for each seed.</summary>
/// <param name="Policy">The policy, with the way to deliver interrupts if that is compared too.</param>
/// <param name="Values">Values of the swept parameters, in the order of <see cref="Sweep.Paths"/>.</param>
/// <param name="Costs">The metric of each seed's run.</param>
internal sealed record SweepPoint(string Policy, IReadOnlyList<string> Values, IReadOnlyList<double> Costs)
{
    /// <summary>The mean over seeds.</summary>
    public double Mean => Costs.Average();
}

/// <summary>Results whose runs differ in configuration values.</summary>
/// <param name="Paths">Swept parameters without the seed, in the order of their first appearance.</param>
/// <param name="Points">Points in the order of the runs.</param>
/// <param name="Metric">What <see cref="SweepPoint.Costs"/> are.</param>
internal sealed record Sweep(IReadOnlyList<string> Paths, IReadOnlyList<SweepPoint> Points, Metric Metric)
{
    private const string SeedPath = "machine.seed";

    /// <summary>The most seeds of any point.</summary>
    public int Seeds => Points.Count == 0 ? 0 : Points.Max(point => point.Costs.Count);

    /// <summary>Policies in the order of the runs.</summary>
    public IReadOnlyList<string> Policies => [.. Points.Select(point => point.Policy).Distinct()];

    /// <summary>The sweep in these results. Runs without parameters, or for which the metric is not defined, are in no point.</summary>
    public static Sweep Of(ReportInput input)
    {
        Metric metric = input.Metric ?? Metric.Default(input.Set);
        (RunResult Run, double Cost)[] runs =
            [.. input.Good.Where(run => run.Parameters.Count > 0).Select(run => (run, metric.Of(run.Statistics))).Where(item => item.Item2 is not null).Select(item => (item.run, item.Item2!.Value))];
        string[] paths = [.. runs.SelectMany(item => item.Run.Parameters).Select(parameter => parameter.Path).Where(path => path != SeedPath).Distinct()];
        return new Sweep(paths, [.. runs.GroupBy(item => string.Join('\n', Values(item.Run, paths).Prepend(item.Run.Case)), StringComparer.Ordinal)
            .Select(group => new SweepPoint(group.First().Run.Case, Values(group.First().Run, paths), [.. group.Select(item => item.Cost)]))], metric);
    }

    /// <summary>Why a chart of sweeps cannot be drawn.</summary>
    /// <param name="input">The results.</param>
    /// <param name="sweep">The sweep in them.</param>
    /// <param name="wanted">What the chart needs.</param>
    public static string Missing(ReportInput input, Sweep sweep, string wanted) =>
        sweep.Points.Count == 0 && input.Good.Any(run => run.Parameters.Count > 0)
            ? $"The metric {sweep.Metric.Name} is defined for no run of this sweep: choose another with --metric."
            : $"The results do not have {wanted}.";

    /// <summary>The distinct values of one parameter: as numbers in their order if all are, else as they come.</summary>
    public IReadOnlyList<string> ValuesOf(int parameter)
    {
        string[] values = [.. Points.Select(point => point.Values[parameter]).Distinct()];
        return values.All(value => SeriesFigures.Number(value) is not null) ? [.. values.OrderBy(value => SeriesFigures.Number(value))] : values;
    }

    private static string[] Values(RunResult run, string[] paths) => [.. paths.Select(path => run.Parameters.FirstOrDefault(parameter => parameter.Path == path)?.Value ?? "")];
}
