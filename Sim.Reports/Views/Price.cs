using Sim.Core.Stats;
using Sim.Reports.Results;

namespace Sim.Reports.Views;

/// <summary>What runs cost, as the first screen and the verdict tell it, and when two of them cost the same.</summary>
public static class Price
{
    /// <summary>Costs are whole cycles, many of them rounded or assumed: totals that differ by less than this part are the same.</summary>
    private const double Resolution = 0.001;

    /// <summary>True if the costs of two runs differ by less than what was assumed or rounded.</summary>
    public static bool IsSame(RunSet set, RunResult run, RunResult other)
    {
        ArgumentNullException.ThrowIfNull(set);
        return Figures.TotalCycles(run.Statistics) is { } a && Figures.TotalCycles(other.Statistics) is { } b && Math.Abs(a - b) < Resolution * Math.Min(a, b);
    }

    /// <summary>How much less or more a run costs than another, in words: <c>12.30 cycles less per nested transition than kvm-5.14</c>.</summary>
    public static string Difference(RunSet set, RunResult run, RunResult other)
    {
        ArgumentNullException.ThrowIfNull(set);
        double difference = (Figures.TotalCycles(run.Statistics) - Figures.TotalCycles(other.Statistics))!.Value;
        string sign = difference < 0 ? "less" : "more";
        string name = InertText.OneLine(other.Case);
        return Figures.PerTransition(run.Statistics, _ => Math.Abs(difference)) is { } each
            ? $"{Numbers.Fraction(each)} cycles {sign} per nested transition than {name}"
            : $"{Numbers.Whole(Math.Abs(difference))} cycles {sign} than {name}";
    }

    /// <summary>Columns of the first screen's table that hold prices.</summary>
    public static IReadOnlyList<(string Header, Func<RunResult, string> Cell)> Columns(RunSet set)
    {
        ArgumentNullException.ThrowIfNull(set);
        return [("cycles", run => Each(run.Statistics, Figures.AddedCycles))];
    }

    /// <summary>Lines behind the first screen's table: what the prices mean, and what was assumed.</summary>
    public static IReadOnlyList<string> Lines(RunSet set)
    {
        ArgumentNullException.ThrowIfNull(set);
        return [];
    }

    /// <summary>A figure for each nested transition, or in all if there are none.</summary>
    internal static string Each(StatSheet sheet, Func<StatSheet, double?> figure) =>
        Figures.NestedTransitions(sheet) > 0 ? Numbers.Fraction(Figures.PerTransition(sheet, figure)) : Numbers.Whole(figure(sheet));
}
