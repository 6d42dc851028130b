using System.Globalization;
using Sim.Reports.Results;

namespace Sim.Reports.Views;

/// <summary>The unit in which a chart shows a difference in cost: that of <see cref="Pricing"/> at the reference clock and with costs as the profile has them, where the results have round trips; else what comes nearest.</summary>
/// <param name="Name">In words.</param>
/// <param name="Symbol">Short.</param>
/// <param name="Factor">Of a number of cycles of the measured window.</param>
public sealed record CostUnit(string Name, string Symbol, double Factor)
{
    /// <summary>The unit of a set; all its runs share it.</summary>
    public static CostUnit Of(RunSet set)
    {
        if (Pricing.Of(set) is { } pricing)
        {
            return new CostUnit($"ns for each {pricing.GuestTrip}", "ns", pricing.EachNanosecond.Most);
        }

        return ResolvedMachine.Kilohertz(set.Provenance.Configuration) is { } kilohertz
            ? new CostUnit("\u00b5s of the whole window", "\u00b5s", 1e3 / kilohertz)
            : new CostUnit("cycles of the whole window", "cycles", 1);
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
