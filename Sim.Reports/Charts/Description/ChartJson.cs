using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;

namespace Sim.Reports.Charts.Description;

/// <summary>A chart's description as JSON, schema <c>nestsim-chart</c> (docs/report.md): what <c>nestsim report --charts json</c> writes.</summary>
public static class ChartJson
{
    /// <summary>Version of the schema: its first number grows when a reader of an older one would be wrong.</summary>
    public const string Version = "1.0";

    private static readonly JsonSerializerOptions Options = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
        Encoder = JavaScriptEncoder.Default,
        WriteIndented = true,
        NewLine = "\n",
        IncludeFields = true,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.KebabCaseLower) },
    };

    /// <summary>The text, which ends with a line feed.</summary>
    /// <param name="name">Name of the chart.</param>
    /// <param name="chart">The chart.</param>
    public static string ToText(string name, Chart chart)
    {
        JsonObject json = new()
        {
            ["schema"] = "nestsim-chart",
            ["schema_version"] = Version,
            ["name"] = name,
            ["title"] = chart.Title,
            ["reading"] = chart.Reading,
            ["x"] = Node(chart.X),
            ["y"] = Node(chart.Y),
            ["key"] = Node(chart.Key),
            ["marks"] = new JsonArray([.. chart.Marks.Select(OfMark)]),
        };
        return json.ToJsonString(Options) + "\n";
    }

    private static JsonObject OfMark(Mark mark)
    {
        JsonObject json = new() { ["mark"] = mark.GetType().Name.ToLowerInvariant() };
        foreach ((string member, JsonNode? value) in JsonSerializer.SerializeToNode(mark, mark.GetType(), Options)!.AsObject())
        {
            json[member] = value?.DeepClone();
        }

        return json;
    }

    private static JsonNode? Node<T>(T value) => JsonSerializer.SerializeToNode(value, Options);
}
