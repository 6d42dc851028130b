using System.Globalization;

namespace Sim.Reports.Views;

/// <summary>Numbers as tables show them. Data files have the exact values.</summary>
public static class Numbers
{
    private static readonly (double Scale, string Suffix)[] Suffixes = [(1e12, " T"), (1e9, " G"), (1e6, " M")];

    /// <summary>A whole number: in full with commas below ten million, else five significant digits with M, G or T; a dash if undefined.</summary>
    public static string Whole(double? value)
    {
        if (value is not { } number)
        {
            return "-";
        }

        foreach ((double scale, string suffix) in Suffixes)
        {
            double scaled = number / scale;
            if (Math.Abs(number) >= 1e7 && Math.Abs(scaled) >= 1)
            {
                string format = Math.Abs(scaled) switch { >= 100 => "#,##0.0", >= 10 => "0.00", _ => "0.000" };
                return scaled.ToString(format, CultureInfo.InvariantCulture) + suffix;
            }
        }

        return number.ToString("#,##0", CultureInfo.InvariantCulture);
    }

    /// <summary>An address: hexadecimal with 0x.</summary>
    public static string Hex(ulong value) => "0x" + value.ToString("x", CultureInfo.InvariantCulture);

    /// <summary>A ratio: three decimals below ten, two below a thousand, one above; a dash if undefined.</summary>
    public static string Fraction(double? value) => value is not { } number ? "-"
        : number.ToString(Math.Abs(number) switch { < 10 => "0.000", < 1000 => "0.00", _ => "#,##0.0" }, CultureInfo.InvariantCulture);

    /// <summary>A change against a reference as <c>+12.3%</c>; <c>=</c> only if exactly equal, a dash if undefined.</summary>
    public static string Change(double? value, double? reference)
    {
        if (value is not { } number || reference is not { } against)
        {
            return "-";
        }

        if (number.Equals(against))
        {
            return "=";
        }

        double percent = 100 * (number - against) / Math.Abs(against);
        if (against != 0 && Math.Abs(percent) < 0.0005)
        {
            return percent > 0 ? "+<0.001%" : "-<0.001%";
        }

        return against == 0 ? "-"
            : percent.ToString(Math.Abs(percent) switch { < 0.1 => "+0.000'%';-0.000'%'", < 1000 => "+0.0'%';-0.0'%'", _ => "+#,##0'%';-#,##0'%'" }, CultureInfo.InvariantCulture);
    }
}
