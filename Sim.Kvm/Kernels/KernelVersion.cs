using System.Globalization;

namespace Sim.Kvm;

/// <summary>A release of Linux: 6.12 (as 6.12.0), 6.12.117, 7.3-rc7. Candidates come before their release.</summary>
/// <param name="Major">First number.</param>
/// <param name="Minor">Second number.</param>
/// <param name="Patch">Stable release; 0 for the release of mainline and its candidates.</param>
/// <param name="Candidate">Number behind -rc; null for a release.</param>
public readonly record struct KernelVersion(int Major, int Minor, int Patch, int? Candidate = null) : IComparable<KernelVersion>
{
    private const int Largest = 9999;

    /// <summary>The stable series: 6.12.</summary>
    public string Series => string.Create(CultureInfo.InvariantCulture, $"{Major}.{Minor}");

    /// <summary>The release of mainline that the series begins with, or this candidate of it.</summary>
    public KernelVersion Mainline => this with { Patch = 0 };

    /// <summary>Reads a version; false if it is none, or if Linux never had it (6.21). A series is its first release.</summary>
    public static bool TryParse(string text, out KernelVersion version)
    {
        version = default;
        string[] halves = text.Split("-rc");
        string[] numbers = halves[0].Split('.');
        int? candidate = null;
        if (halves.Length > 2 || numbers.Length is < 2 or > 3 || !Array.TrueForAll(numbers, IsNumber))
        {
            return false;
        }

        if (halves.Length == 2)
        {
            if (!IsNumber(halves[1]) || numbers.Length != 2 || Number(halves[1]) == 0)
            {
                return false;
            }

            candidate = Number(halves[1]);
        }

        if (Number(numbers[1]) > LastOf(Number(numbers[0])))
        {
            return false;
        }

        version = new KernelVersion(Number(numbers[0]), Number(numbers[1]), numbers.Length == 3 ? Number(numbers[2]) : 0, candidate);
        return true;

        static bool IsNumber(string word) => word.Length > 0 && word.All(char.IsAsciiDigit) && (word.Length == 1 || word[0] != '0') && int.TryParse(word, NumberStyles.None, CultureInfo.InvariantCulture, out int number) && number <= Largest;

        // 4.20, 5.19 and 6.19 were followed by the next first number.
        static int LastOf(int major) => major switch { 4 => 20, 5 or 6 => 19, _ => Largest };

        static int Number(string word) => int.Parse(word, NumberStyles.None, CultureInfo.InvariantCulture);
    }

    /// <summary>Reads a version that is known to be one.</summary>
    /// <exception cref="FormatException">It is none.</exception>
    public static KernelVersion Parse(string text) => TryParse(text, out KernelVersion version) ? version : throw new FormatException($"'{text}' is no kernel version, such as 6.12.117 or 7.3-rc7.");

    /// <inheritdoc/>
    public int CompareTo(KernelVersion other) =>
        (Major, Minor, Patch, Candidate ?? int.MaxValue).CompareTo((other.Major, other.Minor, other.Patch, other.Candidate ?? int.MaxValue));

    /// <summary>Earlier.</summary>
    public static bool operator <(KernelVersion left, KernelVersion right) => left.CompareTo(right) < 0;

    /// <summary>Later.</summary>
    public static bool operator >(KernelVersion left, KernelVersion right) => left.CompareTo(right) > 0;

    /// <summary>Not later.</summary>
    public static bool operator <=(KernelVersion left, KernelVersion right) => left.CompareTo(right) <= 0;

    /// <summary>Not earlier.</summary>
    public static bool operator >=(KernelVersion left, KernelVersion right) => left.CompareTo(right) >= 0;

    /// <summary>As it is written: 6.12, 6.12.117, 7.3-rc7.</summary>
    public override string ToString() =>
        Series + (Patch > 0 ? string.Create(CultureInfo.InvariantCulture, $".{Patch}") : "") + (Candidate is { } candidate ? string.Create(CultureInfo.InvariantCulture, $"-rc{candidate}") : "");
}
