using System.Globalization;
using Sim.Reports.Results;

namespace Sim.Reports;

/// <summary>What charts and reports are made of: results, and the words for what results hold as numbers.</summary>
/// <param name="Set">The results.</param>
public sealed record ReportInput(RunSet Set)
{
    /// <summary>The name of an exit reason, for instance <c>VMRESUME</c> for 24; its number if nobody knows better.</summary>
    public Func<long, string> ExitName { get; init; } = reason => reason.ToString(CultureInfo.InvariantCulture);

    /// <summary>The runs that have statistics, in their order.</summary>
    public IReadOnlyList<RunResult> Good { get; } = [.. Set.Runs.Where(run => run.Failure is null)];
}
