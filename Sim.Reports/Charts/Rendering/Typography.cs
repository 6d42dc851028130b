using System.Buffers;
using System.Globalization;
using System.Text;
using Sim.Reports.Fonts;
using Sim.Reports.Views;
using SkiaSharp;

namespace Sim.Reports.Charts.Rendering;

/// <summary>The two weights that text is set in.</summary>
internal sealed class Typefaces(byte[] regular, byte[] semiBold)
{
    /// <summary>Weight 400.</summary>
    public SKTypeface Regular { get; } = SKTypeface.FromData(SKData.CreateCopy(regular));

    /// <summary>Weight 600.</summary>
    public SKTypeface SemiBold { get; } = SKTypeface.FromData(SKData.CreateCopy(semiBold));

    /// <summary>A font; the caller disposes it.</summary>
    public SKFont Font(float size, bool bold) => new(bold ? SemiBold : Regular, size) { Hinting = SKFontHinting.None, Subpixel = true, LinearMetrics = true, Edging = SKFontEdging.Antialias };
}

/// <summary>Text in charts: set in Inter, which travels with the program, so that it looks the same on every machine.</summary>
internal static class Typography
{
    private static readonly SearchValues<char> BreakCharacters = SearchValues.Create("-,/_=:");

    /// <summary>All characters of Inter.</summary>
    public static Typefaces Whole { get; } = new(Inter.Regular, Inter.SemiBold);

    /// <summary>A font; the caller disposes it.</summary>
    public static SKFont Font(float size, bool bold) => Whole.Font(size, bold);

    /// <summary>The characters of some texts only, for a file that carries its fonts.</summary>
    public static Typefaces Of(IEnumerable<Lettering> texts)
    {
        string Characters(bool bold) => string.Concat(texts.Where(text => text.Bold == bold).SelectMany(text => text.Text).Distinct().Order());
        return new Typefaces(TrueTypeSubset.Of(Inter.Regular, Characters(bold: false)), TrueTypeSubset.Of(Inter.SemiBold, Characters(bold: true)));
    }

    /// <summary>Length of a text.</summary>
    public static float Width(string text, float size, bool bold = false)
    {
        using SKFont font = Font(size, bold);
        return font.MeasureText(text);
    }

    /// <summary>Text that the font can draw: one line, characters that it lacks written as their codes.</summary>
    public static string Drawable(string text)
    {
        StringBuilder drawable = new(text.Length);
        foreach (Rune rune in InertText.OneLine(text).EnumerateRunes())
        {
            if (Whole.Regular.ContainsGlyph(rune.Value))
            {
                drawable.Append(rune.ToString());
            }
            else
            {
                drawable.Append(CultureInfo.InvariantCulture, $"\\u{rune.Value:x4}");
            }
        }

        return drawable.ToString();
    }

    /// <summary>Breaks a text into lines that are not longer than a width: at blanks, behind punctuation, and within a word only if it must be.</summary>
    public static IReadOnlyList<string> Wrap(string text, float width, float size, bool bold = false)
    {
        List<string> lines = [];
        string rest = Drawable(text);
        using SKFont font = Font(size, bold);
        while (rest.Length > 0)
        {
            int fits = Math.Max(1, font.BreakText(rest, Math.Max(width, size)));
            if (fits < rest.Length)
            {
                int at = LastBreak(rest, fits);
                fits = at > 0 ? at : fits;
                fits -= char.IsHighSurrogate(rest[fits - 1]) && fits > 1 ? 1 : 0;
            }

            lines.Add(rest[..fits].TrimEnd());
            rest = rest[fits..].TrimStart();
        }

        return lines.Count == 0 ? [""] : lines;
    }

    /// <summary>How many characters of a line come before the last place, not behind <paramref name="fits"/>, where it may be broken: a blank, else behind punctuation; 0 if there is none.</summary>
    private static int LastBreak(string text, int fits)
    {
        int blank = text.LastIndexOf(' ', fits);
        return blank > 0 ? blank : text.AsSpan(0, fits).LastIndexOfAny(BreakCharacters) + 1;
    }
}
