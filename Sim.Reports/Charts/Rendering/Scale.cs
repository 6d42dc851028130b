using System.Globalization;
using Sim.Reports.Charts.Description;

namespace Sim.Reports.Charts.Rendering;

/// <summary>Numbers on an axis: which reach it shows, and where its grid lines are.</summary>
/// <param name="Least">Left or lower end.</param>
/// <param name="Most">Right or upper end.</param>
/// <param name="IsLog">Equal ratios have equal lengths.</param>
internal sealed record Scale(double Least, double Most, bool IsLog)
{
    /// <summary>A logarithmic axis of powers of two, as sizes of caches are.</summary>
    public bool IsBinary { get; private init; }

    private const double Margin = 0.05;

    // A smallest value below this part of the largest is so near to zero that the axis may as well begin there; so it may if all values are the same.
    private const double NearZero = 0.4;

    private const double LongLog = 500;
    private const double Rounding = 1e-9;

    private static readonly (double Factor, string Suffix)[] Suffixes = [(1e9, " G"), (1e6, " M"), (1e3, " k")];

    /// <summary>True if the axis has numbers but not zero, where lengths do not stand for amounts.</summary>
    public bool IsBroken => !IsLog && (Least > 0 || Most < 0);

    /// <summary>The scale of an axis.</summary>
    /// <param name="axis">The axis.</param>
    /// <param name="values">All positions on it.</param>
    public static Scale Of(Axis axis, IReadOnlyCollection<double> values)
    {
        if (axis.Kind == AxisKind.Category)
        {
            return new Scale(-0.5, axis.Categories.Count - 0.5, false);
        }

        (double least, double most) = axis.Ends is { } ends ? (ends.Least, ends.Most) : (values.Min(), values.Max());
        if (axis.Kind == AxisKind.Log)
        {
            bool binary = values.All(value => double.IsInteger(Math.Log2(value)));
            return (least < most ? new Scale(least, most, true) : new Scale(least / 2, most * 2, true)) with { IsBinary = binary };
        }

        if (axis.Ends is not null || axis.Kind == AxisKind.Time)
        {
            return new Scale(least, least < most ? most : least + 1, false);
        }

        if (axis.FromZero || (least >= 0 && (least < NearZero * most || least.Equals(most))))
        {
            least = Math.Min(0, least);
            most = Math.Max(0, most);
        }

        double room = least < most ? Margin * (most - least) : Math.Max(Math.Abs(most) * Margin, 1);
        return new Scale(least == 0 ? 0 : least - room, most == 0 ? 0 : most + room, false);
    }

    /// <summary>The same with some room at both ends, as a part of its length.</summary>
    public Scale Wider(double part)
    {
        double room = part * (At(Most) - At(Least));
        return IsLog ? this with { Least = Math.Pow(10, At(Least) - room), Most = Math.Pow(10, At(Most) + room) } : this with { Least = Least - room, Most = Most + room };
    }

    /// <summary>Where ScottPlot's axis has a value.</summary>
    public double At(double value) => IsLog ? Math.Log10(value) : value;

    /// <summary>Where a value is, from 0 at the least to 1 at the most.</summary>
    public double Share(double value) => (At(value) - At(Least)) / (At(Most) - At(Least));

    /// <summary>Round numbers on the axis, ascending, and their texts.</summary>
    /// <param name="wanted">How many there should be, about.</param>
    public IReadOnlyList<(double Value, string Text)> Ticks(int wanted) => IsLog ? LogTicks(wanted) : LinearTicks(wanted);

    private List<(double, string)> LinearTicks(int wanted)
    {
        double rough = (Most - Least) / Math.Max(1, wanted);
        double power = Math.Pow(10, Math.Floor(Math.Log10(rough)));
        double step = power * (rough / power) switch { <= 1 => 1, <= 2 => 2, <= 5 => 5, _ => 10 };
        double largest = Math.Max(Math.Abs(Least), Math.Abs(Most));
        (double factor, string suffix) = largest >= 10_000 ? Suffixes.First(suffix => largest >= suffix.Factor) : (1, "");
        int decimals = Math.Clamp((int)Math.Ceiling(-Math.Log10(step / factor) - 1e-9), 0, 6);
        List<(double, string)> ticks = [];
        for (long i = (long)Math.Ceiling((Least / step) - 1e-9); i * step <= Most + (step * 1e-9); i++)
        {
            ticks.Add((i * step, i == 0 ? "0" : (i * step / factor).ToString($"#,##0.{new string('0', decimals)}", CultureInfo.InvariantCulture) + suffix));
        }

        return ticks;
    }

    /// <summary>Powers of two where all values are; else 1, 2 and 5 in each decade, or decades alone on a long axis.</summary>
    private List<(double, string)> LogTicks(int wanted)
    {
        double[] steps = IsBinary || Most / Least >= LongLog ? [1] : [1, 2, 5];
        double power = IsBinary ? 2 : 10;
        List<double> ticks = [];
        for (double value = Math.Pow(power, Math.Floor(Math.Log(Least, power) + Rounding)); value <= Most * (1 + Rounding); value *= power)
        {
            ticks.AddRange(steps.Select(step => step * value).Where(tick => tick >= Least * (1 - Rounding) && tick <= Most * (1 + Rounding)));
        }

        int every = Math.Max(1, (ticks.Count + wanted - 1) / wanted);
        return [.. ticks.Where((_, i) => i % every == 0).Select(value => (value, Text(value)))];
    }

    private static string Text(double value)
    {
        (double factor, string suffix) = value >= 10_000 ? Suffixes.First(suffix => value >= suffix.Factor) : (1, "");
        return (value / factor).ToString("#,##0.####", CultureInfo.InvariantCulture) + suffix;
    }
}
