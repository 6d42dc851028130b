using System.Text.Json.Nodes;

namespace Sim.Reports.Charts.VegaLite;

/// <summary>What a member of the rows is shown as.</summary>
public enum Channel
{
    /// <summary>Horizontal position.</summary>
    X,

    /// <summary>End of a horizontal range.</summary>
    X2,

    /// <summary>Vertical position.</summary>
    Y,

    /// <summary>End of a vertical range.</summary>
    Y2,

    /// <summary>Colour.</summary>
    Color,

    /// <summary>Dashes of a line, beside its colour.</summary>
    StrokeDash,

    /// <summary>Which points make one line.</summary>
    Detail,

    /// <summary>Order of stacking.</summary>
    Order,

    /// <summary>Shift of bars within a category of Y.</summary>
    YOffset,
}

/// <summary>What kind of values a member has.</summary>
public enum ValueKind
{
    /// <summary>Numbers.</summary>
    Quantitative,

    /// <summary>Names.</summary>
    Nominal,

    /// <summary>Names or numbers with an order, each with its own place.</summary>
    Ordinal,
}

/// <summary>How numbers become positions.</summary>
public enum ScaleKind
{
    /// <summary>In proportion, from 0.</summary>
    Linear,

    /// <summary>Powers of ten.</summary>
    Log,

    /// <summary>Powers of two.</summary>
    Log2,

    /// <summary>In proportion, without 0 if the data are far from it.</summary>
    LinearNotFromZero,
}

/// <summary>One channel of a layer.</summary>
/// <param name="Channel">What the member is shown as.</param>
/// <param name="Member">Name of the member.</param>
/// <param name="Kind">What values it has.</param>
/// <param name="Title">Title of axis or legend, with its unit; null for none.</param>
public sealed record Encoding(Channel Channel, string Member, ValueKind Kind, string? Title = null)
{
    /// <summary>Order of the names; null for that of the data.</summary>
    public IReadOnlyList<string>? Names { get; init; }

    /// <summary>Colours of <see cref="Names"/>, or dash patterns (<see cref="Palette.Dashes"/>).</summary>
    public IReadOnlyList<JsonNode>? Range { get; init; }

    /// <summary>How numbers become positions or colours.</summary>
    public ScaleKind Scale { get; init; }

    /// <summary>Stack bars of one category.</summary>
    public bool Stacked { get; init; }

    /// <summary>A sequential colour scheme for a heat map.</summary>
    public bool Sequential { get; init; }

    /// <summary>The axis ends where the data do.</summary>
    public bool Tight { get; init; }

    internal string ChannelWord => Channel switch
    {
        Channel.StrokeDash => "strokeDash",
        Channel.YOffset => "yOffset",
        _ => Channel.ToString().ToLowerInvariant(),
    };

    internal JsonObject ToJson()
    {
        JsonObject json = new() { ["field"] = Member };
        if (Channel is Channel.X2 or Channel.Y2)
        {
            return json;
        }

        json["type"] = Kind.ToString().ToLowerInvariant();
        if (Channel is Channel.Detail or Channel.Order)
        {
            return json;
        }

        json["title"] = Title;
        if (Channel is Channel.X or Channel.Y)
        {
            json["stack"] = Stacked ? JsonValue.Create("zero") : null;
        }

        if (Names is not null && Channel != Channel.Color && Channel != Channel.StrokeDash)
        {
            json["sort"] = Array(Names);
        }

        if (ScaleJson() is { } scale)
        {
            json["scale"] = scale;
        }

        if (Channel is Channel.X or Channel.Y && Kind == ValueKind.Quantitative)
        {
            json["axis"] = new JsonObject { ["labelExpr"] = Scale == ScaleKind.Log2 ? "format(datum.value, ',')" : "format(datum.value, '~s')" };
        }

        if (Sequential)
        {
            json["legend"] = new JsonObject { ["format"] = "~s" };
        }

        return json;
    }

    private JsonObject? ScaleJson()
    {
        JsonObject scale = [];
        switch (Scale)
        {
            case ScaleKind.Log:
                scale["type"] = "log";
                break;
            case ScaleKind.Log2:
                scale["type"] = "log";
                scale["base"] = 2;
                break;
            case ScaleKind.LinearNotFromZero:
                scale["zero"] = false;
                break;
            default:
                break;
        }

        if (Tight)
        {
            scale["nice"] = false;
        }

        if (Sequential)
        {
            scale["scheme"] = "cividis";
        }

        if (Range is not null)
        {
            scale["domain"] = Array(Names!);
            scale["range"] = new JsonArray([.. Range.Select(node => node.DeepClone())]);
        }

        return scale.Count > 0 ? scale : null;
    }

    private static JsonArray Array(IEnumerable<string> names) => new([.. names.Select(name => JsonValue.Create(name))]);
}
