using System.Text.Json.Nodes;

namespace Sim.Reports.Charts.VegaLite;

/// <summary>Fonts and the colours of ground, ink and lines: a Vega-Lite <c>config</c>.</summary>
/// <param name="Ground">Behind the chart.</param>
/// <param name="Ink">Titles and reference lines.</param>
/// <param name="Muted">Labels.</param>
/// <param name="Line">Grid.</param>
public sealed record ChartTheme(string Ground, string Ink, string Muted, string Line)
{
    private const string Font = "Inter, ui-sans-serif, system-ui, sans-serif";

    /// <summary>Dark on light.</summary>
    public static ChartTheme Light { get; } = new("#ffffff", "#1f1e1b", "#66625a", "#e9e5dc");

    /// <summary>Light on dark.</summary>
    public static ChartTheme Dark { get; } = new("#1b1c1f", "#ebe8e1", "#a5a199", "#34353a");

    /// <summary>The configuration.</summary>
    public JsonObject ToJson() => new()
    {
        ["background"] = Ground,
        ["font"] = Font,
        ["padding"] = 6,
        ["title"] = new JsonObject { ["color"] = Ink, ["anchor"] = "start", ["fontSize"] = 14, ["fontWeight"] = 600, ["offset"] = 14, ["frame"] = "group" },
        ["view"] = new JsonObject { ["stroke"] = null },
        ["axis"] = new JsonObject
        {
            ["domain"] = false,
            ["ticks"] = false,
            ["gridColor"] = Line,
            ["labelColor"] = Muted,
            ["titleColor"] = Muted,
            ["labelFontSize"] = 11.5,
            ["titleFontSize"] = 11.5,
            ["titleFontWeight"] = 400,
            ["titlePadding"] = 10,
            ["labelPadding"] = 6,
            ["labelLimit"] = 300,
        },
        ["axisY"] = new JsonObject { ["titleAnchor"] = "end" },
        ["axisX"] = new JsonObject { ["tickCount"] = 6 },
        ["axisBand"] = new JsonObject { ["grid"] = false, ["labelColor"] = Ink },
        ["legend"] = new JsonObject
        {
            ["orient"] = "top",
            ["direction"] = "horizontal",
            ["columns"] = 4,
            ["labelColor"] = Ink,
            ["titleColor"] = Muted,
            ["labelFontSize"] = 11.5,
            ["titleFontSize"] = 11.5,
            ["titleFontWeight"] = 400,
            ["labelLimit"] = 320,
            ["rowPadding"] = 4,
            ["columnPadding"] = 16,
            ["offset"] = 12,
        },
        ["bar"] = new JsonObject { ["stroke"] = Ground, ["strokeWidth"] = 0.7 },
        ["rule"] = new JsonObject { ["color"] = Ink, ["strokeWidth"] = 1.4 },
        ["line"] = new JsonObject { ["strokeWidth"] = 2 },
        ["area"] = new JsonObject { ["color"] = Palette.Grey },
        ["tick"] = new JsonObject { ["color"] = Ink, ["thickness"] = 2 },
        ["point"] = new JsonObject { ["filled"] = true, ["size"] = 50 },
        ["rect"] = new JsonObject { ["stroke"] = null },
    };
}
