using System.Globalization;
using Sim.Reports.Results;

namespace Sim.Reports.Views;

/// <summary>
/// Sweeps of one trace or several as rows for a plotting program: one for each run and metric, with a column for every axis (trace, policy, ways to deliver interrupts if they were
/// chosen, every value that was varied). A run that failed, or a metric that it does not have, has no row.
/// </summary>
public static class SweepRows
{
    /// <summary>The rows as CSV (docs/sweep.md#rows).</summary>
    /// <param name="sets">One sweep for each trace.</param>
    /// <param name="metrics">Names of metrics, or paths of statistics; none: all of <see cref="Metric.All"/>.</param>
    /// <exception cref="Core.ConfigurationException">There is no such metric.</exception>
    public static string ToText(IReadOnlyList<RunSet> sets, IReadOnlyList<string> metrics)
    {
        string[] axes = [.. sets.SelectMany(set => set.Runs).SelectMany(run => run.Parameters).Select(parameter => parameter.Path).Distinct(StringComparer.Ordinal)];
        bool delivers = sets.Any(set => set.Runs.Any(run => run.InterruptPath is not null));
        string[] delivery = delivers ? ["interrupt_path", "apicv_update"] : [];
        List<IReadOnlyList<string>> rows = [];
        foreach (RunSet set in sets)
        {
            Metric[] wanted = metrics.Count == 0 ? [.. Metric.All] : [.. metrics.Select(name => Metric.Find(name, set))];
            foreach (RunResult run in set.Runs.Where(run => run.Failure is null))
            {
                string[] point =
                [
                    set.Provenance.Trace.Name,
                    run.Policy,
                    .. delivers ? [run.InterruptPath ?? "", run.ApicvUpdate ?? ""] : Array.Empty<string>(),
                    .. axes.Select(axis => run.Parameters.FirstOrDefault(parameter => parameter.Path == axis)?.Value ?? ""),
                ];
                rows.AddRange(wanted.Select(metric => (metric, Value: metric.Of(run.Statistics))).Where(cell => cell.Value is not null)
                    .Select(cell => (IReadOnlyList<string>)[.. point, cell.metric.Name, cell.metric.Unit, cell.Value!.Value.ToString("R", CultureInfo.InvariantCulture)]));
            }
        }

        return CsvText.Of(["trace", "policy", .. delivery, .. axes, "metric", "unit", "value"], rows);
    }
}
