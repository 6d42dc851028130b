using System.Globalization;
using Sim.Core;

namespace Sim.Workloads.Generators;

/// <summary>One option of a generator: a whole number in a range, or one of some words.</summary>
/// <param name="Name">Kebab-case name.</param>
/// <param name="Help">One sentence with the unit.</param>
/// <param name="Default">Value if not given.</param>
/// <param name="Minimum">Smallest number.</param>
/// <param name="Maximum">Largest number.</param>
/// <param name="Choices">The words; empty for a number.</param>
public sealed record GeneratorOption(string Name, string Help, string Default, ulong Minimum, ulong Maximum, IReadOnlyList<string> Choices)
{
    /// <summary>A number. Users may write 10k, 10M, 10G (powers of 1000), 10_000 and 0x hexadecimal.</summary>
    public static GeneratorOption Number(string name, string help, ulong standard, ulong minimum, ulong maximum) =>
        new(name, help, standard.ToString(CultureInfo.InvariantCulture), minimum, maximum, []);

    /// <summary>One of some words; the first is the default.</summary>
    public static GeneratorOption Choice(string name, string help, params IReadOnlyList<string> choices) => new(name, help, choices[0], 0, 0, choices);

    /// <summary>"1 to 100" or "none, same or alternate".</summary>
    public string Range => Choices.Count == 0
        ? string.Create(CultureInfo.InvariantCulture, $"{Minimum} to {Maximum}")
        : string.Join(", ", Choices.Take(Choices.Count - 1)) + " or " + Choices[^1];

    /// <summary>The value in its canonical form.</summary>
    /// <exception cref="ConfigurationException">It is no number in the range, or none of the words.</exception>
    public string Parse(string text)
    {
        if (Choices.Count > 0)
        {
            return Choices.Contains(text) ? text : throw new ConfigurationException(NearestNames.Unknown($"value for {Name}", text, Choices));
        }

        return TryNumber(text, out ulong number) && number >= Minimum && number <= Maximum
            ? number.ToString(CultureInfo.InvariantCulture)
            : throw new ConfigurationException($"The option {Name} is a number from {Minimum} to {Maximum} (10k, 10M, 10G, 10_000 and 0x... are understood), not '{text}'. It means: {Help}");
    }

    private static bool TryNumber(string text, out ulong number)
    {
        string plain = text.Replace("_", "", StringComparison.Ordinal);
        if (plain.StartsWith("0x", StringComparison.Ordinal))
        {
            return ulong.TryParse(plain[2..], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out number);
        }

        ulong unit = plain.Length == 0 ? 1 : plain[^1] switch { 'k' => 1_000, 'M' => 1_000_000, 'G' => 1_000_000_000, _ => 1UL };
        bool parsed = ulong.TryParse(unit == 1 ? plain : plain[..^1], NumberStyles.None, CultureInfo.InvariantCulture, out number);
        UInt128 product = (UInt128)number * unit;
        number = (ulong)product;
        return parsed && product <= ulong.MaxValue;
    }
}

/// <summary>The values of all options of one generation.</summary>
public sealed class GeneratorSettings
{
    private readonly SortedDictionary<string, string> _values = new(StringComparer.Ordinal);

    /// <summary>These values, by option.</summary>
    public GeneratorSettings(IEnumerable<KeyValuePair<string, string>> values)
    {
        foreach (KeyValuePair<string, string> value in values)
        {
            _values.Add(value.Key, value.Value);
        }
    }

    /// <summary>The option's value as a word.</summary>
    public string this[string name] => _values[name];

    /// <summary>The option's value as a number.</summary>
    public ulong Number(string name) => ulong.Parse(_values[name], NumberStyles.None, CultureInfo.InvariantCulture);

    /// <summary>True if the option's value is "on".</summary>
    public bool IsOn(string name) => _values[name] == GeneratorCatalogue.On;

    /// <summary>A stream of random numbers of its own for one part of the generator.</summary>
    public Rng Random(string part) => Rng.Fork(Number(GeneratorCatalogue.Seed), part);

    /// <summary>"key=value ..." in ordinal order of keys.</summary>
    public override string ToString() => string.Join(' ', _values.Select(value => $"{value.Key}={value.Value}"));
}
