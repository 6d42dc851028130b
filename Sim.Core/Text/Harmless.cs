using System.Globalization;

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

    /// <summary>The code of a character as text, as JSON and C# write it: <c>\u202e</c>.</summary>
    public static string CodeOf(char c) => string.Create(CultureInfo.InvariantCulture, $"\\u{(int)c:x4}");
}
