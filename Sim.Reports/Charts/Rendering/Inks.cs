using System.Globalization;
using Sim.Reports.Charts.Description;

namespace Sim.Reports.Charts.Rendering;

/// <summary>What something is drawn with: a colour by name or by level, a pattern, and the runs it is about.</summary>
/// <param name="Colour">A <see cref="Shade"/>, or <see cref="FirstLevel"/> plus a level of <see cref="ChartTheme.OfLevel"/>.</param>
/// <param name="Dash">Pattern of a line.</param>
/// <param name="Runs">Names of runs, joined by <see cref="Separator"/>; empty: all.</param>
internal readonly record struct Ink(int Colour, Dash Dash, string Runs)
{
    /// <summary>Colours from here on are levels.</summary>
    public const int FirstLevel = 100;

    /// <summary>Between the names of runs: no name holds it, names are one line.</summary>
    public const char Separator = '\n';

    /// <summary>An ink by the name of its colour.</summary>
    public static Ink Of(Shade shade, IReadOnlyList<string> runs, Dash dash = Dash.Solid) => new((int)shade, dash, string.Join(Separator, runs));

    /// <summary>An ink of everything.</summary>
    public static Ink Of(Shade shade) => new((int)shade, Dash.Solid, "");

    /// <summary>An ink for a number.</summary>
    public static Ink OfLevel(int level, IReadOnlyList<string> runs) => new(FirstLevel + level, Dash.Solid, string.Join(Separator, runs));

    /// <summary>What it looks like.</summary>
    public string In(ChartTheme theme) => Colour >= FirstLevel ? theme.OfLevel(Colour - FirstLevel) : theme.Of((Shade)Colour);
}

/// <summary>Turns inks into what ScottPlot draws with.</summary>
internal interface IInks
{
    /// <summary>The colour to draw with.</summary>
    ScottPlot.Color Of(Ink ink);

    /// <summary>The pattern to draw with.</summary>
    ScottPlot.LinePattern PatternOf(Ink ink);
}

/// <summary>Inks as they look in one theme: for pixels and PDF.</summary>
internal sealed class ThemeInks(ChartTheme theme) : IInks
{
    /// <inheritdoc/>
    public ScottPlot.Color Of(Ink ink) => ScottPlot.Color.FromHex(ink.In(theme));

    /// <inheritdoc/>
    public ScottPlot.LinePattern PatternOf(Ink ink) => ink.Dash == Dash.Solid ? ScottPlot.LinePattern.Solid : new ScottPlot.LinePattern([.. Dashes.Of(ink.Dash)], 0, ink.Dash.ToString());
}

/// <summary>
/// Inks as numbers: the drawing is SVG, whose elements carry a colour and nothing else. Each ink gets a colour of its own, by which <see cref="SvgDrawing"/> finds it again and writes
/// what the ink means: a theme's colour or a CSS variable, the pattern, the runs.
/// </summary>
internal sealed class NumberedInks : IInks
{
    private readonly List<Ink> _inks = [];
    private readonly Dictionary<Ink, int> _numbers = [];

    /// <inheritdoc/>
    public ScottPlot.Color Of(Ink ink)
    {
        if (!_numbers.TryGetValue(ink, out int number))
        {
            number = _inks.Count;
            _inks.Add(ink);
            _numbers.Add(ink, number);
        }

        // Black and white have names in SVG: numbers begin at 1.
        return ScottPlot.Color.FromHex("#" + (number + 1).ToString("X6", CultureInfo.InvariantCulture));
    }

    /// <inheritdoc/>
    public ScottPlot.LinePattern PatternOf(Ink ink) => ScottPlot.LinePattern.Solid;

    /// <summary>The ink of a colour as SVG writes it: #RRGGBB, #RGB, or one of the few names that Skia shortens; null for a colour that is no ink.</summary>
    public Ink? Find(string colour)
    {
        if (colour is "black" or "white")
        {
            return null;
        }

        string digits = colour switch { "blue" => "0000FF", _ when colour.Length == 4 => string.Concat(colour[1..].Select(digit => new string(digit, 2))), _ => colour[1..] };
        return _inks[int.Parse(digits, NumberStyles.HexNumber, CultureInfo.InvariantCulture) - 1];
    }
}

/// <summary>Lengths of dashes and gaps.</summary>
internal static class Dashes
{
    /// <summary>Dash, gap, ...; empty for a solid line.</summary>
    public static IReadOnlyList<float> Of(Dash dash) => dash switch { Dash.Dashed => [7, 3], Dash.Dotted => [2, 2], Dash.DashDot => [9, 3, 2, 3], _ => [] };
}
