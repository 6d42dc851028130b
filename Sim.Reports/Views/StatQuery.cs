using System.Text.RegularExpressions;
using Sim.Core.Stats;

namespace Sim.Reports.Views;

/// <summary>Sums statistics over lanes and labels. Views ask with it; a statistic that does not exist counts 0.</summary>
public static partial class StatQuery
{
    /// <summary>
    /// The sum of all statistics whose path is <paramref name="path"/>, where <c>[*]</c> stands for every index, and whose label has the part
    /// <paramref name="label"/> (<c>key=value</c>; empty: any label).
    /// </summary>
    public static long Total(this StatSheet sheet, string path, string label = "") =>
        sheet.All(path).Where(stat => label.Length == 0 || stat.Label.Split(',').Contains(label)).Sum(stat => stat.Value);

    /// <summary>All statistics whose path is <paramref name="path"/>, where <c>[*]</c> stands for every index, in ordinal order of their keys.</summary>
    public static IEnumerable<Stat> All(this StatSheet sheet, string path) => sheet.Stats.Where(stat => Matches(stat, path));

    /// <summary>The sums by the value of one key of the label, in ordinal order of the values; statistics without the key count under the empty value.</summary>
    public static SortedDictionary<string, long> TotalsBy(this StatSheet sheet, string path, string key)
    {
        SortedDictionary<string, long> totals = new(StringComparer.Ordinal);
        foreach (Stat stat in sheet.All(path))
        {
            string value = Value(stat.Label, key);
            totals[value] = totals.GetValueOrDefault(value) + stat.Value;
        }

        return totals;
    }

    /// <summary>The distinct paths that begin with <paramref name="prefix"/>, indices replaced by <c>[*]</c>, in ordinal order.</summary>
    public static IReadOnlyList<string> PathsUnder(this StatSheet sheet, string prefix) =>
        [.. sheet.Stats.Select(stat => Index().Replace(stat.Path, "[*]")).Where(path => path.StartsWith(prefix, StringComparison.Ordinal)).Distinct().Order(StringComparer.Ordinal)];

    /// <summary>The value of a key in a label, or the empty text.</summary>
    public static string Value(string label, string key)
    {
        foreach (string part in label.Split(','))
        {
            if (part.StartsWith(key, StringComparison.Ordinal) && part.Length > key.Length && part[key.Length] == '=')
            {
                return part[(key.Length + 1)..];
            }
        }

        return "";
    }

    /// <summary>True if the path is the pattern, in which <c>[*]</c> stands for every index.</summary>
    private static bool Matches(Stat stat, string pattern)
    {
        string path = stat.Path;
        int at = 0;
        foreach (char wanted in pattern)
        {
            if (wanted == '*')
            {
                while (at < path.Length && char.IsAsciiDigit(path[at]))
                {
                    at++;
                }
            }
            else if (at == path.Length || path[at++] != wanted)
            {
                return false;
            }
        }

        return at == path.Length;
    }

    [GeneratedRegex(@"\[\d+\]", RegexOptions.CultureInvariant)]
    private static partial Regex Index();
}
