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

    /// <summary>Tables whose page sizes neither the trace tells nor follow from what it tells.</summary>
    private static IEnumerable<Doubt> PageSizes(TraceHeader trace, RunConfiguration configuration)
    {
        MachineSpec machine = configuration.Machine;
        (MapTable Table, string Name, PageSize? Size)[] tables =
        [
            (MapTable.L0, "L0", machine.L0Pages), (MapTable.L1, "L1", machine.L1Pages), (MapTable.L2, "L2", machine.L2Pages),
            (MapTable.Tdp01, "EPT01", machine.Ept01Pages), (MapTable.Tdp12, "EPT12", machine.Ept12Pages),
        ];
        string[] assumed =
        [
            .. tables.Where(table => machine.PageSizes == PageSizeSource.Assumed || !trace.Properties.ContainsKey(TraceHeader.PageSizesOf(table.Table)))
                .GroupBy(table => table.Size, table => table.Name).Select(size => $"{(size.Key is { } known ? ProfileReader.PageSizes.Single(page => page.Size == known).Word : "4K (upper half 2M)")} in {string.Join(", ", size)}"),
        ];
        return assumed.Length == 0 ? [] : [new Doubt(DoubtKind.PageSizes, $"page sizes are not in the trace; assumed: {string.Join("; ", assumed)}")];
    }

    private static Doubt Costs(CpuProfile profile)
    {
        string[] all = [.. profile.Sources.Where(source => source.Key.StartsWith("costs.", StringComparison.Ordinal)).Select(source => source.Value).Where(source => !source.StartsWith("not applicable", StringComparison.Ordinal))];
        int assumed = all.Count(source => source.StartsWith(Assumed, StringComparison.Ordinal));
        return new Doubt(DoubtKind.Costs, string.Create(CultureInfo.InvariantCulture, $"{assumed} of {all.Length} operation costs of {profile.Name} are assumed, because nobody has published them"), assumed, all.Length);
    }
}
