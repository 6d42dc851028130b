using Sim.Core.Traces;
using Sim.Workloads;
using Sim.Workloads.Generators;

namespace Sim.Experiments.Tests.Contracts;

/// <summary>A generator makes the accesses it is asked for, the same from the same seed, within the ranges of its options.</summary>
internal static class GeneratorContract
{
    private const ulong Accesses = 3_000;

    public static IEnumerable<string> Of(string name, IWorkloadGenerator generator)
    {
        foreach (IGrouping<string, GeneratorOption> twins in generator.Options.Concat(GeneratorCatalogue.CommonOptions).GroupBy(option => option.Name, StringComparer.Ordinal).Where(group => group.Count() > 1))
        {
            yield return $"{name} has two options called '{twins.Key}'.";
        }

        foreach (GeneratorOption option in generator.Options.Where(option => option.Help.Length < 5))
        {
            yield return $"The option {option.Name} of {name} has no help.";
        }

        string? broken = null;
        try
        {
            string first = Generate(generator, 1);
            broken = first != Generate(generator, 1) ? "makes another trace from the same seed" : first.Length == 0 ? "makes nothing" : null;
        }
        catch (Exception e) when (e is not OutOfMemoryException)
        {
            broken = $"ends with {e.GetType().Name}, {e.Message}";
        }

        if (broken is not null)
        {
            yield return $"{name} {broken}.";
        }
    }

    private static string Generate(IWorkloadGenerator generator, ulong seed)
    {
        SortedDictionary<string, string> values = new(StringComparer.Ordinal);
        foreach (GeneratorOption option in generator.Options.Concat(GeneratorCatalogue.CommonOptions))
        {
            values.TryAdd(option.Name, option.Default);
        }

        values["seed"] = seed.ToString(System.Globalization.CultureInfo.InvariantCulture);
        MemoryTrace trace = new();
        TraceAppender appender = new(trace, 1, false);
        generator.Generate(new GeneratorSettings(values), new GeneratedLane(appender, Accesses, 1, 1));
        appender.Complete();
        TraceBlock block = new();
        System.Text.StringBuilder told = new();
        ulong made = 0;
        while (trace.Read(block))
        {
            foreach (TraceEvent e in block.Events[..block.EventCount])
            {
                told.Append(e.Time).Append(e.Kind).Append(e.A).Append(';');
            }

            for (int i = 0; i < block.AccessCount; i++)
            {
                told.Append(block.Time[i]).Append(' ').Append(block.Address[i]).Append(';');
                made++;
            }
        }

        return made == Accesses ? told.ToString() : throw new InvalidOperationException($"{made} accesses instead of {Accesses}");
    }
}
