using System.Globalization;
using Sim.Core.Stats;
using Sim.Reports.Results;

namespace Sim.Reports.Views;

/// <summary>The unit in which a reader thinks of a difference in cost: nanoseconds for each L2 round trip where the results say how fast the clock is and have nested entries, else what comes nearest.</summary>
/// <param name="Name">In words.</param>
/// <param name="Symbol">Short.</param>
/// <param name="Factor">Of a number of cycles of the measured window.</param>
public sealed record CostUnit(string Name, string Symbol, double Factor)
{
    /// <summary>The unit of a set; all its runs share it.</summary>
    public static CostUnit Of(RunSet set)
    {
        double trips = set.Reference.Failure is null ? set.Reference.Statistics.Total(StatNames.VmNestedEntries) : 0;
        double? nanoseconds = 1e6 / ResolvedMachine.Kilohertz(set.Provenance.Configuration);
        return (nanoseconds, trips) switch
        {
            ({ } each, > 0) => new CostUnit("ns for each L2 round trip", "ns", each / trips),
            (null, > 0) => new CostUnit("cycles for each L2 round trip", "cycles", 1 / trips),
            ({ } each, _) => new CostUnit("\u00b5s of the whole window", "\u00b5s", each / 1000),
            _ => new CostUnit("cycles of the whole window", "cycles", 1),
        };
    }

    /// <summary>A number of cycles in this unit.</summary>
    public double Of(long cycles) => cycles * Factor;

    /// <summary>With its sign and the unit in words.</summary>
    public string Text(long cycles) => $"{Signed(cycles)} {Name}";

    /// <summary>With its sign and the short unit.</summary>
    public string Short(long cycles) => $"{Signed(cycles)} {Symbol}";

    private string Signed(long cycles)
    {
        double value = Of(cycles);
        string digits = Math.Abs(value) switch { >= 1000 => "#,##0", >= 100 => "0", >= 1 => "0.0", _ => "0.###" };
        return value.ToString($"+{digits};-{digits};0", CultureInfo.InvariantCulture);
    }
}
