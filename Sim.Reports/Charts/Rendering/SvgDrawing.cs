using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using System.Xml.Linq;
using Sim.Reports.Charts.Description;
using SkiaSharp;

namespace Sim.Reports.Charts.Rendering;

/// <summary>
/// Charts as SVG. ScottPlot draws into Skia's SVG canvas; what comes out is written anew: flat, numbers rounded, and each colour for the ink it stands for (<see cref="NumberedInks"/>).
/// </summary>
internal static partial class SvgDrawing
{
    private static readonly string[] Geometry = ["d", "x", "y", "width", "height", "cx", "cy", "rx", "ry", "x1", "y1", "x2", "y2", "points"];
    private static readonly string[] Copied = ["fill-opacity", "stroke-opacity", "stroke-linecap", "fill-rule", "transform"];

    /// <summary>A file of its own: text as outlines, so that it looks the same without the font.</summary>
    /// <param name="chart">The chart.</param>
    /// <param name="size">Of the drawing.</param>
    /// <param name="theme">Colours.</param>
    public static string ToFile(Chart chart, ChartSize size, ChartTheme theme)
    {
        NumberedInks inks = new();
        using ChartPlot plot = new(chart, size, titled: true, inks);
        StringBuilder svg = new();
        svg.Append(CultureInfo.InvariantCulture, $"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{plot.Width:0}\" height=\"{plot.Height:0}\" viewBox=\"0 0 {plot.Width:0} {plot.Height:0}\" role=\"img\">\n");
        svg.Append("<title>").Append(Escape(chart.Title)).Append("</title>\n<desc>").Append(Escape(chart.Reading)).Append("</desc>\n");
        svg.Append(CultureInfo.InvariantCulture, $"<rect width=\"{plot.Width:0}\" height=\"{plot.Height:0}\" fill=\"{theme.Of(Shade.Ground)}\"/>\n");
        WriteMarks(svg, plot, inks, ink => $"\"{ink.In(theme)}\"", _ => "");
        foreach (Lettering text in plot.Texts)
        {
            using SKFont font = Typography.Font(text.Size, text.Bold);
            float length = text.Anchor == Anchor.Start ? 0 : font.MeasureText(text.Text);
            using SKPath outlines = font.GetTextPath(text.Text, new SKPoint(text.X - (text.Anchor == Anchor.Middle ? length / 2 : length), text.Baseline));
            svg.Append(CultureInfo.InvariantCulture, $"<path fill=\"{text.Ink.In(theme)}\" d=\"{Rounded(outlines.ToSvgPathData(), "0.##")}\"/>\n");
        }

        return svg.Append("</svg>\n").ToString();
    }

    /// <summary>A part of a page: colours are CSS variables, text is text, and elements that are about runs say which.</summary>
    /// <param name="plot">Drawn with <paramref name="inks"/>.</param>
    /// <param name="inks">Its inks.</param>
    /// <param name="label">What the drawing shows, for those who do not see it.</param>
    /// <param name="size">Class of its size.</param>
    /// <param name="numberOf">The number of a run in the page.</param>
    public static string ToElement(ChartPlot plot, NumberedInks inks, string label, string size, Func<string, int> numberOf)
    {
        StringBuilder svg = new();
        svg.Append(CultureInfo.InvariantCulture, $"<svg class=\"{size}\" viewBox=\"0 0 {plot.Width:0} {plot.Height:0}\" width=\"{plot.Width:0}\" height=\"{plot.Height:0}\" role=\"img\" aria-label=\"{Escape(label)}\">\n");
        WriteMarks(svg, plot, inks, ink => $"\"var({Variable(ink)})\"", About);
        foreach (Lettering text in plot.Texts)
        {
            string anchor = text.Anchor switch { Anchor.Start => "", Anchor.Middle => " text-anchor=\"middle\"", _ => " text-anchor=\"end\"" };
            string fontSize = text.Size.Equals(ChartPlot.TextSize) ? "" : string.Create(CultureInfo.InvariantCulture, $" font-size=\"{text.Size:0.#}\"");
            svg.Append(CultureInfo.InvariantCulture, $"<text x=\"{text.X:0.#}\" y=\"{text.Baseline:0.#}\"{(text.Ink.Colour == (int)Shade.Ink ? "" : $" fill=\"var({Variable(text.Ink)})\"")}{anchor}{fontSize}{(text.Bold ? " font-weight=\"600\"" : "")}{About(text.Ink)}>{Escape(text.Text)}</text>\n");
        }

        return svg.Append("</svg>\n").ToString();

        string About(Ink ink) => ink.Runs.Length == 0 ? "" : $" data-runs=\"{string.Join(' ', ink.Runs.Split(Ink.Separator).Select(run => numberOf(run).ToString(CultureInfo.InvariantCulture)))}\"";
    }

    /// <summary>The CSS variables of a theme's colours.</summary>
    public static string Variables(ChartTheme theme)
    {
        StringBuilder css = new();
        foreach (Shade shade in Enum.GetValues<Shade>())
        {
            css.Append(CultureInfo.InvariantCulture, $"{Variable(Ink.Of(shade))}:{theme.Of(shade)};");
        }

        for (int level = 0; level < ChartTheme.Levels; level++)
        {
            css.Append(CultureInfo.InvariantCulture, $"{Variable(Ink.OfLevel(level, []))}:{theme.OfLevel(level)};");
        }

        return css.ToString();
    }

    private static string Variable(Ink ink) => ink.Colour >= Ink.FirstLevel ? $"--level-{ink.Colour - Ink.FirstLevel}" : $"--chart-{((Shade)ink.Colour).ToString().ToLowerInvariant()}";

    private static void WriteMarks(StringBuilder svg, ChartPlot plot, NumberedInks inks, Func<Ink, string> colour, Func<Ink, string> about)
    {
        using MemoryStream drawn = new();
        using (SKCanvas canvas = SKSvgCanvas.Create(new SKRect(0, 0, plot.Width, plot.Height), drawn))
        {
            plot.DrawMarks(canvas);
        }

        foreach (XElement element in XDocument.Parse(Encoding.UTF8.GetString(drawn.ToArray())).Root!.Descendants())
        {
            if (element.Name.LocalName is not ("g" or "clipPath" or "defs" or "title") && element.Parent!.Name.LocalName != "clipPath")
            {
                WriteElement(svg, element, inks, colour, about);
            }
        }
    }

    private static void WriteElement(StringBuilder svg, XElement element, NumberedInks inks, Func<Ink, string> colour, Func<Ink, string> about)
    {
        string fill = (string?)element.Attribute("fill") ?? "none";
        string stroke = (string?)element.Attribute("stroke") ?? "none";
        Ink? filled = fill == "none" || Invisible(element, "fill-opacity") ? null : inks.Find(fill);
        Ink? stroked = stroke == "none" || Invisible(element, "stroke-opacity") ? null : inks.Find(stroke);
        if (filled is null && stroked is null)
        {
            return;
        }

        svg.Append('<').Append(element.Name.LocalName).Append(CultureInfo.InvariantCulture, $" fill={(filled is { } inside ? colour(inside) : "\"none\"")}");
        if (stroked is { } line)
        {
            svg.Append(" stroke=").Append(colour(line)).Append(" stroke-width=\"").Append(Rounded((string?)element.Attribute("stroke-width") ?? "1", "0.##")).Append('"');
            if (line.Dash != Dash.Solid)
            {
                svg.Append(" stroke-dasharray=\"").AppendJoin(' ', Dashes.Of(line.Dash).Select(length => length.ToString("0.#", CultureInfo.InvariantCulture))).Append('"');
            }
        }

        foreach (XAttribute attribute in element.Attributes().Where(attribute => Copied.Contains(attribute.Name.LocalName)))
        {
            svg.Append(' ').Append(attribute.Name.LocalName).Append("=\"").Append(Rounded(attribute.Value, "0.##")).Append('"');
        }

        foreach (XAttribute attribute in element.Attributes().Where(attribute => Geometry.Contains(attribute.Name.LocalName)))
        {
            string geometry = Rounded(attribute.Value, "0.#");
            svg.Append(' ').Append(attribute.Name.LocalName).Append("=\"").Append(attribute.Name.LocalName == "d" ? Shorter(geometry) : geometry).Append('"');
        }

        svg.Append(about(filled is { Runs.Length: > 0 } ? filled.Value : stroked ?? filled!.Value)).Append("/>\n");
    }

    private static bool Invisible(XElement element, string opacity) => (string?)element.Attribute(opacity) == "0";

    private static string Rounded(string numbers, string format) =>
        Number().Replace(numbers, match => (double.Parse(match.ValueSpan, NumberStyles.Float, CultureInfo.InvariantCulture) + 0.0).ToString(format, CultureInfo.InvariantCulture));

    /// <summary>A path whose level and upright lines are written as such, with one number instead of two.</summary>
    private static string Shorter(string path)
    {
        StringBuilder shorter = new();
        (string X, string Y) last = ("", "");
        foreach (Match step in Step().Matches(path))
        {
            (string x, string y) = (step.Groups["x"].Value, step.Groups["y"].Value);
            string text = step.Groups["command"].Value != "L" ? step.Value : y == last.Y ? $"H{x}" : x == last.X ? $"V{y}" : step.Value;
            shorter.Append(text);
            last = (x, y);
        }

        return shorter.ToString();
    }

    private static string Escape(string text) => System.Net.WebUtility.HtmlEncode(text);

    /// <summary>One command of a path with its numbers; the last two are where it ends.</summary>
    [GeneratedRegex(@"(?<command>[A-Z])[^A-Z]*?((?<x>-?[\d.]+)[ ,]+(?<y>-?[\d.]+)\s*)?(?=[A-Z]|$)", RegexOptions.CultureInvariant)]
    private static partial Regex Step();

    [GeneratedRegex(@"-?\d*\.?\d+(e-?\d+)?", RegexOptions.CultureInvariant)]
    private static partial Regex Number();
}
