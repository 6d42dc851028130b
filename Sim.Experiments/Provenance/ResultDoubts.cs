using System.Globalization;
using Sim.Core.Profiles;
using Sim.Core.Traces;
using Sim.Kvm;

namespace Sim.Experiments;

/// <summary>What a result rests on that nobody has seen: the trace's doubts, and what the configuration assumes.</summary>
internal static class ResultDoubts
{
    private const string Assumed = "assumed";

    /// <summary>The doubts of an experiment with a trace.</summary>
    public static IReadOnlyList<Doubt> Of(TraceHeader trace, RunConfiguration configuration) =>
        [.. trace.Doubts, .. PageSizes(trace, configuration), Costs(configuration.Machine.Profile)];

    /// <summary>A trace says nothing of page sizes yet.</summary>
    private static IEnumerable<Doubt> PageSizes(TraceHeader trace, RunConfiguration configuration)
    {
        if (trace.Doubts.Any(doubt => doubt.Kind == DoubtKind.PageSizes))
        {
            return [];
        }

        MachineSpec machine = configuration.Machine;
        (string Table, PageSize Size)[] tables = [("L0", machine.L0Pages), ("L1", machine.L1Pages), ("L2", machine.L2Pages), ("EPT01", machine.Ept01Pages), ("EPT12", machine.Ept12Pages)];
        string sizes = string.Join("; ", tables.GroupBy(table => table.Size, table => table.Table)
            .Select(tables => $"{ProfileReader.PageSizes.Single(page => page.Size == tables.Key).Word} in {string.Join(", ", tables)}"));
        return [new Doubt(DoubtKind.PageSizes, $"page sizes are not in the trace; assumed: {sizes}")];
    }

    private static Doubt Costs(CpuProfile profile)
    {
        string[] all = [.. profile.Sources.Where(source => source.Key.StartsWith("costs.", StringComparison.Ordinal)).Select(source => source.Value).Where(source => !source.StartsWith("not applicable", StringComparison.Ordinal))];
        int assumed = all.Count(source => source.StartsWith(Assumed, StringComparison.Ordinal));
        return new Doubt(DoubtKind.Costs, string.Create(CultureInfo.InvariantCulture, $"{assumed} of {all.Length} operation costs of {profile.Name} are assumed, because nobody has published them"), assumed, all.Length);
    }
}
