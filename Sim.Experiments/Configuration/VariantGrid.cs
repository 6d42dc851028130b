using System.Globalization;
using Sim.Core;
using Sim.Kvm;
using Sim.Reports.Results;

namespace Sim.Experiments;

/// <summary>One point of an experiment's grid: a machine, and the values that set it apart from the others.</summary>
/// <param name="Parameters">Values of this point; empty if the experiment has one point only.</param>
/// <param name="Machine">The machine.</param>
/// <param name="Interrupts">Where interrupts come from, and what decides what delivery costs.</param>
public sealed record Variant(IReadOnlyList<RunParameter> Parameters, MachineSpec Machine, InterruptSettings Interrupts);

/// <summary>The points that <c>over</c> (a sweep's axes, each <c>path=value,value,...</c>) and <c>seeds</c> span, and a bracket of page sizes: all combinations, the last axis running fastest, seeds fastest of all.</summary>
internal static class VariantGrid
{
    private const string SeedPath = "machine.seed";
    private const int MostRuns = 1000;

    /// <summary>The points.</summary>
    /// <param name="whole">The configuration with its axes, and its own values where no axis sets them.</param>
    /// <param name="resolve">Resolves the configuration again with more values.</param>
    /// <exception cref="ConfigurationException">An axis makes no sense, a point is no machine, or there are too many points.</exception>
    public static IReadOnlyList<Variant> Of(RunConfiguration whole, Func<IReadOnlyList<Assignment>, RunConfiguration> resolve)
    {
        if (whole.Over.Count == 0 && whole.Seeds == 1 && !whole.BracketsPageSizes)
        {
            return [new Variant([], whole.Machine, whole.Interrupts)];
        }

        List<(string Path, IReadOnlyList<string> Values)> axes = [.. whole.Over.Select(Axis)];
        if (whole.BracketsPageSizes)
        {
            axes.Add((RunConfiguration.PageSizesPath, RunConfiguration.PageSizeEnds));
        }

        if (whole.Seeds > 1)
        {
            axes.Add((SeedPath, [.. Enumerable.Range(0, whole.Seeds).Select(i => (whole.Machine.Seed + (ulong)i).ToString(CultureInfo.InvariantCulture))]));
        }

        if (axes.GroupBy(axis => axis.Path, StringComparer.Ordinal).FirstOrDefault(group => group.Count() > 1) is { } twice)
        {
            throw new ConfigurationException($"Two axes of the sweep vary '{twice.Key}'{(twice.Key == SeedPath ? " (--seeds is one)" : "")}. Give all its values in one.");
        }

        long runs = axes.Aggregate((long)whole.Cases, (product, axis) => Math.Min(product * axis.Values.Count, int.MaxValue));
        if (runs > MostRuns)
        {
            throw new ConfigurationException($"The sweep has {runs} runs (policies times ways to deliver interrupts times values of every axis times seeds); at most {MostRuns} run side by side. Split it.");
        }

        return [.. Points(axes).Select(point => Resolve(whole, point, resolve))];
    }

    private static (string Path, IReadOnlyList<string> Values) Axis(string text)
    {
        int equals = text.IndexOf('=', StringComparison.Ordinal);
        string[] values = equals > 0 ? text[(equals + 1)..].Split(',', StringSplitOptions.TrimEntries) : [];
        if (values.Length == 0 || values.Any(value => value.Length == 0))
        {
            throw new ConfigurationException($"over '{text}': expected path=value,value,..., as in second_level[0].sets=64,128,256. 'nestsim config show' lists the paths.");
        }

        return values.Distinct(StringComparer.Ordinal).Count() == values.Length ? (text[..equals], values)
            : throw new ConfigurationException($"over '{text}': a value stands twice.");
    }

    private static IEnumerable<IReadOnlyList<RunParameter>> Points(IReadOnlyList<(string Path, IReadOnlyList<string> Values)> axes)
    {
        IEnumerable<IReadOnlyList<RunParameter>> points = [[]];
        foreach ((string path, IReadOnlyList<string> values) in axes)
        {
            points = points.SelectMany(point => values.Select(value => (IReadOnlyList<RunParameter>)[.. point, new RunParameter(path, value)]));
        }

        return points;
    }

    private static Variant Resolve(RunConfiguration whole, IReadOnlyList<RunParameter> point, Func<IReadOnlyList<Assignment>, RunConfiguration> resolve)
    {
        string name = string.Join(' ', point.Select(parameter => $"{parameter.Path}={parameter.Value}"));
        RunConfiguration resolved;
        try
        {
            resolved = resolve([.. point.Select(parameter => new Assignment(parameter.Path, parameter.Value, "over"))]);
        }
        catch (ConfigurationException e)
        {
            throw new ConfigurationException($"At {name} of the sweep: {e.Message}", e);
        }

        return resolved.Windows == whole.Windows && resolved.Replay == whole.Replay && resolved.Reference == whole.Reference && resolved.Policies.SequenceEqual(whole.Policies) && resolved.Interrupts.Deliveries.SequenceEqual(whole.Interrupts.Deliveries)
            ? new Variant(point, resolved.Machine, resolved.Interrupts)
            : throw new ConfigurationException($"At {name} of the sweep: only the machine, its profile and its interrupts can be varied; windows, replay, policies, interrupt paths and reference are the same for all runs. Policies and paths are axes by themselves: name them with -p and --irq-paths.");
    }
}
