using System.Text.Json.Nodes;

namespace Sim.Reports.Charts.VegaLite;

/// <summary>Colours that people with any kind of colour vision tell apart, on light and dark ground: those of M. Okabe and K. Ito, "Color Universal Design" (2008), without black.</summary>
public static class Palette
{
    /// <summary>Blue.</summary>
    public const string Blue = "#0072B2";

    /// <summary>Sky blue.</summary>
    public const string SkyBlue = "#56B4E9";

    /// <summary>Bluish green.</summary>
    public const string Green = "#009E73";

    /// <summary>Yellow.</summary>
    public const string Yellow = "#F0E442";

    /// <summary>Orange.</summary>
    public const string Orange = "#E69F00";

    /// <summary>Vermillion.</summary>
    public const string Vermillion = "#D55E00";

    /// <summary>Reddish purple.</summary>
    public const string Purple = "#CC79A7";

    /// <summary>Grey: what does not depend on the policy.</summary>
    public const string Grey = "#9A9A94";

    private static readonly string[] Categories = [Blue, Orange, Green, Vermillion, Purple, SkyBlue, Yellow];

    private static readonly int[][] DashPatterns = [[1, 0], [7, 3], [2, 2], [9, 3, 2, 3]];

    /// <summary>Colours for names in order; they repeat after the seventh.</summary>
    public static IReadOnlyList<JsonNode> Colours(int count) => [.. Enumerable.Range(0, count).Select(i => JsonValue.Create(Categories[i % Categories.Length]))];

    /// <summary>Dash patterns for names in order, so that lines differ without colour too, and the eighth line from the first.</summary>
    public static IReadOnlyList<JsonNode> Dashes(int count) =>
        [.. Enumerable.Range(0, count).Select(i => new JsonArray([.. DashPatterns[i % DashPatterns.Length].Select(n => JsonValue.Create(n))]))];
}
