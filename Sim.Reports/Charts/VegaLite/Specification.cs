using System.Text.Json.Nodes;

namespace Sim.Reports.Charts.VegaLite;

/// <summary>One chart as a Vega-Lite specification (https://vega.github.io/schema/vega-lite/v6.json) that is as wide as its container. It holds its data and names no colours of the page.</summary>
/// <param name="Title">What is shown, with its unit.</param>
/// <param name="Reading">One or two sentences: how to read it.</param>
/// <param name="Layers">Layers, the first at the bottom.</param>
public sealed record Specification(string Title, string Reading, params IReadOnlyList<Layer> Layers)
{
    private const string Schema = "https://vega.github.io/schema/vega-lite/v6.json";

    /// <summary>Height in pixels; null to give each of the names on the Y of the first layer the room of <see cref="Step"/>.</summary>
    public int? Height { get; init; }

    /// <summary>Pixels for each name if <see cref="Height"/> is null; the page makes the plot lower when it hides some.</summary>
    public int Step { get; init; } = 30;

    private int Categories => Layers[0].Encodings.First(encoding => encoding.Channel == Channel.Y).Names!.Count;

    /// <summary>The specification.</summary>
    /// <param name="theme">Colours and fonts; null leaves them to who draws it.</param>
    /// <param name="width">Width of the plot in pixels; null fills the container.</param>
    public JsonObject ToJson(ChartTheme? theme = null, int? width = null)
    {
        JsonObject json = new()
        {
            ["$schema"] = Schema,
            ["description"] = $"{Title}. {Reading}",
            ["width"] = width is { } pixels ? pixels : "container",
            ["height"] = Height ?? (Step * Categories),
            ["layer"] = new JsonArray([.. Layers.Select(layer => layer.ToJson())]),
        };
        if (Height is null)
        {
            json["usermeta"] = new JsonObject { ["step"] = Step };
        }

        if (theme is not null)
        {
            json["title"] = Title;
            json["config"] = theme.ToJson();
        }

        return json;
    }
}

/// <summary>Rows drawn with one mark.</summary>
/// <param name="Mark">How a row looks.</param>
/// <param name="Rows">The data: flat objects with the same members.</param>
/// <param name="Encodings">What shows what.</param>
public sealed record Layer(Mark Mark, IReadOnlyList<JsonObject> Rows, params IReadOnlyList<Encoding> Encodings)
{
    /// <summary>Members shown when the pointer rests on a mark, with their titles. Numbers belong here as text, exactly: JavaScript rounds beyond 2^53.</summary>
    public IReadOnlyList<(string Member, string Title)> Tips { get; init; } = [];

    internal JsonObject ToJson()
    {
        JsonObject encoding = [];
        foreach (Encoding one in Encodings)
        {
            encoding[one.ChannelWord] = one.ToJson();
        }

        if (Tips.Count > 0)
        {
            encoding["tooltip"] = new JsonArray([.. Tips.Select(tip => new JsonObject { ["field"] = tip.Member, ["type"] = "nominal", ["title"] = tip.Title })]);
        }

        return new JsonObject
        {
            ["data"] = new JsonObject { ["values"] = new JsonArray([.. Rows.Select(row => row.DeepClone())]) },
            ["mark"] = Mark.ToJson(),
            ["encoding"] = encoding,
        };
    }
}

/// <summary>How a row looks.</summary>
/// <param name="Type">bar, rule, line, rect, point, tick or area.</param>
public sealed record Mark(string Type)
{
    /// <summary>line: linear, step-after or monotone.</summary>
    public string? Interpolate { get; init; }

    /// <summary>A dashed line.</summary>
    public bool Dashed { get; init; }

    /// <summary>line: dots on its points.</summary>
    public bool Points { get; init; }

    /// <summary>From 0 to 1.</summary>
    public double? Opacity { get; init; }

    internal JsonObject ToJson()
    {
        JsonObject json = new() { ["type"] = Type };
        if (Interpolate is not null)
        {
            json["interpolate"] = Interpolate;
        }

        if (Dashed)
        {
            json["strokeDash"] = new JsonArray(5, 4);
        }

        if (Points)
        {
            json["point"] = new JsonObject { ["size"] = 34, ["filled"] = true };
        }

        if (Opacity is { } opacity)
        {
            json["opacity"] = opacity;
        }

        return json;
    }
}
