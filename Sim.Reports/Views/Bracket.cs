using System.Globalization;

namespace Sim.Reports.Views;

/// <summary>A figure that is known to lie between two values, both included; equal ones if it is known.</summary>
/// <param name="Least">The lower end.</param>
/// <param name="Most">The upper end.</param>
public readonly record struct Bracket(double Least, double Most)
{
    private const double MicrosecondsFrom = 10_000;

    /// <summary>The ends in their order.</summary>
    public static Bracket Of(double a, double b) => new(Math.Min(a, b), Math.Max(a, b));

    /// <summary>True if it lies on one side of zero, or is zero.</summary>
    public bool HasSign => Least > 0 || Most < 0 || this == default;

    /// <summary>The figure without its sign, which must be known.</summary>
    public Bracket Magnitude => Most <= 0 ? new Bracket(-Most, -Least) : this;

    /// <summary>The smallest bracket around both.</summary>
    public Bracket Around(Bracket other) => new(Math.Min(Least, other.Least), Math.Max(Most, other.Most));

    /// <summary>Both added.</summary>
    public static Bracket operator +(Bracket a, Bracket b) => new(a.Least + b.Least, a.Most + b.Most);

    /// <summary>Both multiplied.</summary>
    public static Bracket operator *(Bracket a, Bracket b)
    {
        double[] ends = [a.Least * b.Least, a.Least * b.Most, a.Most * b.Least, a.Most * b.Most];
        return new Bracket(ends.Min(), ends.Max());
    }

    /// <summary>Divided by a figure above zero.</summary>
    public static Bracket operator /(Bracket a, Bracket b) => a * new Bracket(1 / b.Most, 1 / b.Least);

    /// <summary><c>290..340 ns</c>, in microseconds from ten thousand on; three digits.</summary>
    public string Nanoseconds()
    {
        bool micro = Math.Max(Math.Abs(Least), Math.Abs(Most)) >= MicrosecondsFrom;
        return $"{Ends(micro ? 1e-3 : 1)} {(micro ? "us" : "ns")}";
    }

    /// <summary><c>7.2..9.1%</c> of a part of one; two digits.</summary>
    public string Percent() => Ends(100, 2) + "%";

    /// <summary>Both ends without a unit; three digits.</summary>
    public string Ends() => Ends(1);

    private string Ends(double scale, int digits = 3)
    {
        (string least, string most) = (Text(Least * scale, digits), Text(Most * scale, digits));
        return least == most ? least : $"{least}..{most}";
    }

    /// <summary>A number with that many significant digits, all before the point kept.</summary>
    private static string Text(double value, int digits)
    {
        if (value == 0)
        {
            return "0";
        }

        int decimals = Math.Clamp(digits - 1 - (int)Math.Floor(Math.Log10(Math.Abs(value))), 0, 6);
        return Math.Round(value, decimals).ToString(decimals == 0 ? "#,##0" : "0." + new string('#', decimals), CultureInfo.InvariantCulture);
    }
}
