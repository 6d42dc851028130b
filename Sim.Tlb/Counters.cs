using System.Globalization;

using Sim.Core.Stats;

namespace Sim.Tlb;

/// <summary>The counters that every structure has, and the laws they obey.</summary>
internal static class Counters
{
    public static void CollectContents(StatSheet sheet, string path, LruTable table, CauseCounts invalidated, FlushCauses causes) =>
        CollectContents(sheet, path, table.Fills, table.Evictions, table.Live, invalidated, causes);

    public static void CollectContents(StatSheet sheet, string path, long fills, long evictions, int live, CauseCounts invalidated, FlushCauses causes)
    {
        sheet.Counter(path + StatNames.FillsSuffix, "entries", "Entries put in.", fills);
        sheet.Counter(path + StatNames.EvictionsSuffix, "entries", "Entries that made room for others.", evictions);
        sheet.Gauge(path + StatNames.LiveSuffix, "entries", "Entries held now.", live);
        CollectByCause(sheet, path + StatNames.InvalidatedSuffix, "entries", "Entries dropped by invalidations.", invalidated, causes);
    }

    /// <summary>One counter per cause that is not 0.</summary>
    public static void CollectByCause(StatSheet sheet, string path, string unit, string help, CauseCounts counts, FlushCauses causes)
    {
        for (int cause = 0; cause < causes.Count; cause++)
        {
            if (counts[cause] != 0)
            {
                FlushCause label = causes[cause];
                sheet.Counter(path, unit, help, counts[cause], $"invalidation={label.Invalidation},transition={label.Transition},rule={label.Rule}");
            }
        }
    }

    public static void CheckContents(string path, LruTable table, CauseCounts invalidated)
    {
        int live = table.Keys.Length - table.Keys.Count(0UL);
        Check($"{path}: fills", table.Fills, "evictions + invalidated + live", table.Evictions + invalidated.Total + live);
    }

    /// <exception cref="InvalidOperationException">The two differ.</exception>
    public static void Check(string left, long leftValue, string right, long rightValue)
    {
        if (leftValue != rightValue)
        {
            throw new InvalidOperationException(string.Create(CultureInfo.InvariantCulture, $"Conservation law broken: {left} = {leftValue}, but {right} = {rightValue}."));
        }
    }
}
