using System.Globalization;
using Sim.Core.Stats;
using Sim.Reports.Charts.Description;
using Sim.Reports.Results;
using Sim.Reports.Views;

namespace Sim.Reports.Charts;

/// <summary>A part of a stacked bar.</summary>
/// <param name="Name">What it counts.</param>
/// <param name="Shade">Its colour.</param>
/// <param name="Value">Its length.</param>
internal sealed record BarPart(string Name, Shade Shade, Func<StatSheet, long> Value);

/// <summary>One horizontal bar for each run, made of parts, with the sum at its end and a line where the reference's bar ends.</summary>
internal static class StackedBars
{
    /// <summary>The chart.</summary>
    /// <param name="title">What is shown.</param>
    /// <param name="reading">How to read it.</param>
    /// <param name="axis">What the length of a bar is.</param>
    /// <param name="input">The runs.</param>
    /// <param name="parts">Parts from left to right; those that no run has are left out.</param>
    /// <param name="shared">What is left out of each part, because every run has it.</param>
    public static Chart Of(string title, string reading, Axis axis, ReportInput input, IReadOnlyList<BarPart> parts, Func<BarPart, long>? shared = null)
    {
        shared ??= _ => 0;
        BarPart[] used = [.. parts.Where(part => input.Good.Any(run => part.Value(run.Statistics) != shared(part)))];
        List<Bar> bars = [];
        List<Label> labels = [];
        for (int row = 0; row < input.Good.Count; row++)
        {
            RunResult run = input.Good[row];
            long end = 0;
            foreach (BarPart part in used)
            {
                long value = part.Value(run.Statistics);
                long length = value - shared(part);
                (string, string)[] facts =
                [
                    ("part", part.Name),
                    (shared(part) == 0 ? "total" : "more than the least", $"{Exact(length)} {axis.Unit}"),
                    .. shared(part) == 0 ? Array.Empty<(string, string)>() : [("in all", $"{Exact(value)} {axis.Unit}")],
                    ("per nested transition", $"{Numbers.Fraction(Per(length, Figures.NestedTransitions(run.Statistics)))} {axis.Unit}"),
                ];
                bars.Add(new Bar(row, end, end + length, part.Shade, Datum.Of(run.Run, facts)));
                end += length;
            }

            labels.Add(new Label(row, end, Numbers.Whole(end), [run.Run]));
        }

        List<Mark> marks = [new Bars(bars), new Labels(labels)];
        if (input.Set.Reference.Failure is null && input.Good.Count > 1)
        {
            long end = used.Sum(part => part.Value(input.Set.Reference.Statistics) - shared(part));
            marks.Add(new Rule(end, "reference", Datum.Of(Array.Empty<string>(), ("reference", input.Set.Reference.Run), ("all parts", $"{Exact(end)} {axis.Unit}"))));
        }

        return new Chart(title, reading, axis with { FromZero = true }, Rows(input.Good), marks) { Key = [.. used.Select(part => new KeyEntry(part.Name, part.Shade))] };
    }

    /// <summary>A row for each run.</summary>
    public static Axis Rows(IEnumerable<RunResult> runs) => Axis.Of(runs.Select(run => new Category(InertText.OneLine(run.Run), [run.Run])));

    /// <summary>A whole number in full.</summary>
    public static string Exact(long value) => value.ToString("#,##0", CultureInfo.InvariantCulture);

    private static double? Per(long value, double? transitions) => transitions is null or 0 ? null : value / transitions;
}
