using System.Globalization;
using System.Text.Json.Nodes;
using Sim.Core.Stats;
using Sim.Reports.Charts.VegaLite;
using Sim.Reports.Results;
using Sim.Reports.Views;

namespace Sim.Reports.Charts;

/// <summary>A part of a stacked bar.</summary>
/// <param name="Name">What it counts.</param>
/// <param name="Colour">Its colour.</param>
/// <param name="Value">Its length.</param>
internal sealed record BarPart(string Name, string Colour, Func<StatSheet, long> Value);

/// <summary>One horizontal bar for each run, made of parts, and a dashed line where the reference's bar ends.</summary>
internal static class StackedBars
{
    /// <summary>The chart.</summary>
    /// <param name="title">What is shown.</param>
    /// <param name="reading">How to read it.</param>
    /// <param name="unit">Unit of the parts.</param>
    /// <param name="input">The runs.</param>
    /// <param name="parts">Parts from left to right; those that no run has are left out.</param>
    public static Specification Of(string title, string reading, string unit, ReportInput input, IReadOnlyList<BarPart> parts)
    {
        BarPart[] used = [.. parts.Where(part => input.Good.Any(run => part.Value(run.Statistics) != 0))];
        string[] runs = [.. input.Good.Select(run => InertText.OneLine(run.Run))];
        List<JsonObject> rows = [];
        foreach (RunResult run in input.Good)
        {
            for (int rank = 0; rank < used.Length; rank++)
            {
                long value = used[rank].Value(run.Statistics);
                rows.Add(new JsonObject
                {
                    ["run"] = InertText.OneLine(run.Run),
                    ["part"] = used[rank].Name,
                    ["rank"] = rank,
                    ["value"] = value,
                    ["exact"] = $"{Exact(value)} {unit}",
                    ["each"] = $"{Numbers.Fraction(Per(value, Figures.NestedTransitions(run.Statistics)))} {unit}",
                });
            }
        }

        Layer bars = new(
            new Mark("bar"),
            rows,
            new Encoding(Channel.Y, "run", ValueKind.Nominal) { Names = runs },
            new Encoding(Channel.X, "value", ValueKind.Quantitative, unit) { Stacked = true },
            new Encoding(Channel.Color, "part", ValueKind.Nominal) { Names = [.. used.Select(part => part.Name)], Range = [.. used.Select(part => JsonValue.Create(part.Colour))] },
            new Encoding(Channel.Order, "rank", ValueKind.Quantitative))
        {
            Tips = [("run", "policy"), ("part", "part"), ("exact", "total"), ("each", "per nested transition")],
        };
        return input.Set.Reference.Failure is null && input.Good.Count > 1
            ? new Specification(title, reading, bars, ReferenceLine(input.Set.Reference, used, unit))
            : new Specification(title, reading, bars);
    }

    /// <summary>A whole number in full.</summary>
    public static string Exact(long value) => value.ToString("#,##0", CultureInfo.InvariantCulture);

    private static Layer ReferenceLine(RunResult reference, BarPart[] parts, string unit)
    {
        long end = parts.Sum(part => part.Value(reference.Statistics));
        JsonObject row = new() { ["run"] = InertText.OneLine(reference.Run), ["value"] = end, ["exact"] = $"{Exact(end)} {unit}" };
        return new Layer(new Mark("rule") { Dashed = true }, [row], new Encoding(Channel.X, "value", ValueKind.Quantitative, unit)) { Tips = [("run", "reference"), ("exact", "all parts")] };
    }

    private static double? Per(long value, double? transitions) => transitions is null or 0 ? null : value / transitions;
}
