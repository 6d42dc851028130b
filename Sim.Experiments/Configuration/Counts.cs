using System.Globalization;
using Sim.Core;

namespace Sim.Experiments;

/// <summary>Counts as people type them: <c>2_000_000</c>, <c>10M</c>, <c>1.5G</c> (K, M and G are powers of a thousand).</summary>
public static class Counts
{
    /// <summary>The count, or null if the text is none.</summary>
    public static ulong? TryParse(string text)
    {
        string digits = text.Replace("_", "", StringComparison.Ordinal);
        decimal scale = digits.Length == 0 ? 1 : char.ToUpperInvariant(digits[^1]) switch { 'K' => 1e3m, 'M' => 1e6m, 'G' => 1e9m, _ => 1 };
        if (scale != 1)
        {
            digits = digits[..^1];
        }

        return decimal.TryParse(digits, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out decimal number) && decimal.IsInteger(number * scale) && number * scale <= ulong.MaxValue
            ? (ulong)(number * scale) : null;
    }

    /// <summary>The count.</summary>
    /// <exception cref="ConfigurationException">The text is no count; the message names <paramref name="what"/>.</exception>
    public static ulong Parse(string text, string what) =>
        TryParse(text) ?? throw new ConfigurationException($"{what}: expected a count such as 5000, 2_000_000, 10K, 10M or 1G, found '{text}'.");
}
