using System.Globalization;
using System.Text;

namespace Sim.Core.Text;

/// <summary>Which characters are read and do nothing else. All that makes text of strangers inert asks here.</summary>
public static class Harmless
{
    /// <summary>
    /// False for what acts instead of being read: control characters, line separators, those that change the direction of text or have no width, what has no meaning that everybody agrees on,
    /// and halves of surrogate pairs.
    /// </summary>
    public static bool Is(char c) => c is >= ' ' and <= '~' || char.GetUnicodeCategory(c) is not (UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.LineSeparator
        or UnicodeCategory.ParagraphSeparator or UnicodeCategory.Surrogate or UnicodeCategory.PrivateUse or UnicodeCategory.OtherNotAssigned);

    /// <summary>The same JSON document with every character in its texts that acts written as its escape. Line feeds stay.</summary>
    public static string Json(string json)
    {
        StringBuilder? inert = null;
        for (int i = 0; i < json.Length; i++)
        {
            char c = json[i];
            bool isPair = char.IsHighSurrogate(c) && i + 1 < json.Length && char.IsLowSurrogate(json[i + 1]);
            if (!isPair && c != '\n' && !Is(c))
            {
                (inert ??= new StringBuilder(json, 0, i, json.Length + 64)).Append(CodeOf(c));
                continue;
            }

            inert?.Append(c);
            if (isPair)
            {
                i++;
                inert?.Append(json[i]);
            }
        }

        return inert?.ToString() ?? json;
    }

    /// <summary>The code of a character as text, as JSON and C# write it: <c>\u202e</c>.</summary>
    public static string CodeOf(char c) => string.Create(CultureInfo.InvariantCulture, $"\\u{(int)c:x4}");
}
