using System.Globalization;
using Sim.Core;
using Sim.Core.Traces;

namespace Sim.Workloads.Generators;

/// <summary>A generator with all its options resolved.</summary>
/// <param name="Name">Name of the generator.</param>
/// <param name="Settings">Values of all options.</param>
public sealed record GeneratorSpec(string Name, GeneratorSettings Settings);

/// <summary>All generators, and how to run one.</summary>
public static class GeneratorCatalogue
{
    internal const string Seed = "seed";
    internal const string On = "on";
    internal const string Off = "off";
    private const string AccessesOption = "accesses";
    private const string CyclesNumerator = "cpi-num";
    private const string CyclesDenominator = "cpi-den";
    private const string Cpi = "cpi";
    private const string Fold = "fold";

    /// <summary>The generators.</summary>
    public static Catalogue<IWorkloadGenerator> All { get; } = new(typeof(IWorkloadGenerator).Assembly);

    /// <summary>Options that every generator has. <c>cpi=num/den</c> may be written for the two of its parts.</summary>
    public static IReadOnlyList<GeneratorOption> CommonOptions { get; } =
    [
        GeneratorOption.Number(AccessesOption, "Accesses to make.", 1_000_000, 1, 1UL << 50),
        GeneratorOption.Number(Seed, "Seed of the random numbers; the same seed gives the same bytes.", 1, 0, ulong.MaxValue),
        GeneratorOption.Number(CyclesNumerator, "Reference cycles per access: numerator of cpi=num/den.", 1, 1, 1_000_000),
        GeneratorOption.Number(CyclesDenominator, "Reference cycles per access: denominator of cpi=num/den.", 1, 1, 1_000_000),
        GeneratorOption.Choice(Fold, "Fold runs on one page into one record.", Off, On),
    ];

    /// <summary>The options of a generator, its own first.</summary>
    /// <exception cref="ConfigurationException">There is no such generator.</exception>
    public static IReadOnlyList<GeneratorOption> Options(string name) => [.. All.Create(name).Options, .. CommonOptions];

    /// <summary>Reads "key=value" words.</summary>
    /// <exception cref="ConfigurationException">The generator, a key or a value is unknown, out of range or given twice.</exception>
    public static GeneratorSpec Parse(string name, IEnumerable<string> words)
    {
        IReadOnlyList<GeneratorOption> options = Options(name);
        SortedDictionary<string, string> values = new(StringComparer.Ordinal);
        foreach ((string key, string text) in words.SelectMany(SplitWord))
        {
            GeneratorOption option = options.FirstOrDefault(candidate => candidate.Name == key)
                ?? throw new ConfigurationException(NearestNames.Unknown($"option of the generator {name}", key, options.Select(candidate => candidate.Name)));
            if (!values.TryAdd(key, option.Parse(text)))
            {
                throw new ConfigurationException($"The option {key} of the generator {name} is given twice.");
            }
        }

        foreach (GeneratorOption option in options)
        {
            values.TryAdd(option.Name, option.Default);
        }

        return new GeneratorSpec(name, new GeneratorSettings(values));
    }

    /// <summary>The header of the trace: generator and all its settings are in the properties.</summary>
    public static TraceHeader Header(GeneratorSpec spec)
    {
        SortedDictionary<string, string> properties = new(StringComparer.Ordinal) { ["source"] = "generator", ["generator"] = spec.Name, ["spec"] = spec.Settings.ToString() };
        string cpi = string.Create(CultureInfo.InvariantCulture, $"{spec.Settings.Number(CyclesNumerator)}/{spec.Settings.Number(CyclesDenominator)}");
        return new TraceHeader(1, spec.Settings.IsOn(Fold), cpi, properties);
    }

    /// <summary>Generates the trace block by block into a sink whose completion is the caller's. Returns the records written.</summary>
    public static ulong Generate(GeneratorSpec spec, ITraceSink sink)
    {
        GeneratorSettings settings = spec.Settings;
        TraceAppender trace = new(sink, 1, settings.IsOn(Fold));
        All.Create(spec.Name).Generate(settings, new GeneratedLane(trace, settings.Number(AccessesOption), settings.Number(CyclesNumerator), settings.Number(CyclesDenominator)));
        trace.Complete();
        return trace.Records;
    }

    private static IEnumerable<(string Key, string Text)> SplitWord(string word)
    {
        int equals = word.IndexOf('=', StringComparison.Ordinal);
        if (equals < 0)
        {
            throw new ConfigurationException($"'{word}' is not key=value. For instance: accesses=10M seed=7.");
        }

        string key = word[..equals];
        string text = word[(equals + 1)..];
        if (key != Cpi)
        {
            return [(key, text)];
        }

        string[] parts = text.Split('/');
        return parts.Length <= 2
            ? [(CyclesNumerator, parts[0]), (CyclesDenominator, parts.Length == 2 ? parts[1] : "1")]
            : throw new ConfigurationException($"cpi is num/den, for instance 3/2, not '{text}'.");
    }
}
