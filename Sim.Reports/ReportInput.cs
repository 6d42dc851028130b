using System.Globalization;
using Sim.Reports.Results;
using Sim.Reports.Views;

namespace Sim.Reports;

/// <summary>What charts and reports are made of: results, and what the results themselves do not say.</summary>
/// <param name="Set">The results.</param>
public sealed record ReportInput(RunSet Set)
{
    /// <summary>The name of an exit reason, for instance <c>VMRESUME</c> for 24; its number if nobody knows better.</summary>
    public Func<long, string> ExitName { get; init; } = reason => reason.ToString(CultureInfo.InvariantCulture);

    /// <summary>The 95 % interval of the mean of repeated samples; null if all are equal. Without statistics at hand: the least and the most of them.</summary>
    public Func<IReadOnlyList<double>, (double Low, double High)?> MeanInterval { get; init; } = samples => samples.Distinct().Count() == 1 ? null : (samples.Min(), samples.Max());

    /// <summary>What charts of sweeps show; null: what fits the results.</summary>
    public Metric? Metric { get; init; }

    /// <summary>The runs that have statistics, in their order.</summary>
    public IReadOnlyList<RunResult> Good { get; init; } = [.. Set.Runs.Where(run => run.Failure is null)];

    /// <summary>The same results with the runs alone that have a run's parameters.</summary>
    public ReportInput AtPointOf(RunResult run) => this with { Good = [.. Good.Where(other => other.Parameters.SequenceEqual(run.Parameters))] };

    /// <summary>The same results without the yardsticks, bounds that nobody proposes; null if there is none, or nothing else.</summary>
    public ReportInput? WithoutYardsticks()
    {
        RunResult[] proposals = [.. Good.Where(run => !run.IsYardstick || ReferenceEquals(run, Set.Reference))];
        return proposals.Length == Good.Count || proposals.Length == 0 ? null : this with { Good = proposals };
    }
}
