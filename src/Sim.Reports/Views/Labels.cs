using System.Globalization;
using System.Text;

namespace Sim.Reports.Views;

/// <summary>
/// Makes names that come from traces, files and plug-ins safe to show anywhere: what would break a line or turn the reading direction is written out as <c>\u202E</c>.
/// Escaping for a format (HTML, JSON, CSV) comes on top.
/// </summary>
public static class Labels
{
    private const int LongestShown = 400;

    /// <summary>The text without control, format (bidirectional, zero width) and line-breaking characters and without lone surrogates; at most 400 characters and an ellipsis.</summary>
    public static string Inert(string text)
    {
        StringBuilder? changed = null;
        int length = Math.Min(text.Length, LongestShown);
        for (int i = 0; i < length; i++)
        {
            char c = text[i];
            bool pair = char.IsHighSurrogate(c) && i + 1 < length && char.IsLowSurrogate(text[i + 1]);
            if (!pair && IsActive(c))
            {
                changed ??= new StringBuilder(text, 0, i, text.Length + 16);
                changed.Append(CultureInfo.InvariantCulture, $"\\u{(int)c:X4}");
                continue;
            }

            changed?.Append(c);
            if (pair)
            {
                i++;
                changed?.Append(text[i]);
            }
        }

        string inert = changed?.ToString() ?? text[..length];
        return length < text.Length ? inert + "…" : inert;
    }

    private static bool IsActive(char c) => char.GetUnicodeCategory(c) is UnicodeCategory.Control or UnicodeCategory.Format
        or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator or UnicodeCategory.Surrogate or UnicodeCategory.PrivateUse;
}
