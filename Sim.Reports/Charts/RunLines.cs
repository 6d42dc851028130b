using System.Text.Json.Nodes;
using Sim.Reports.Charts.VegaLite;
using Sim.Reports.Views;

namespace Sim.Reports.Charts;

/// <summary>The encodings of charts with one line for each run: a run has the same colour in all of them.</summary>
internal static class RunLines
{
    /// <summary>Colour by run.</summary>
    public static Encoding Colour(ReportInput input)
    {
        string[] names = Names(input);
        return new Encoding(Channel.Color, "run", ValueKind.Nominal) { Names = names, Range = Palette.Colours(names.Length) };
    }

    /// <summary>Dashes by run, so that lines differ without colour.</summary>
    public static Encoding Dash(ReportInput input)
    {
        string[] names = Names(input);
        return new Encoding(Channel.StrokeDash, "run", ValueKind.Nominal) { Names = names, Range = Palette.Dashes(names.Length) };
    }

    /// <summary>Dashes by another member.</summary>
    public static Encoding Dash(string member, IReadOnlyList<string> names) => new(Channel.StrokeDash, member, ValueKind.Nominal) { Names = names, Range = Palette.Dashes(names.Count) };

    /// <summary>A row with the run's name.</summary>
    public static JsonObject Row(string run, params IReadOnlyList<(string Member, JsonNode Value)> members)
    {
        JsonObject row = new() { ["run"] = InertText.OneLine(run) };
        foreach ((string member, JsonNode value) in members)
        {
            row[member] = value;
        }

        return row;
    }

    private static string[] Names(ReportInput input) => [.. input.Good.Select(run => InertText.OneLine(run.Run))];
}
