using System.Globalization;
using Sim.Core.Profiles;
using Sim.Core.Traces;
using Sim.Kvm;
using Sim.Workloads.Weave;

namespace Sim.Experiments;

/// <summary>What a result rests on that nobody has seen: the trace's doubts, and what the configuration assumes.</summary>
internal static class ResultDoubts
{
    private const string Assumed = "assumed";

    /// <summary>The doubts of an experiment with a trace.</summary>
    public static IReadOnlyList<Doubt> Of(TraceHeader trace, RunConfiguration configuration) =>
        [.. trace.Doubts, .. Weaver.DoubtsOfOlder(trace), .. PageSizes(trace, configuration), Costs(configuration.Machine.Profile)];

    /// <summary>What the trace does not tell of page sizes, or what was asked in place of it, is assumed.</summary>
    private static IEnumerable<Doubt> PageSizes(TraceHeader trace, RunConfiguration configuration)
    {
        if (trace.Doubts.Any(doubt => doubt.Kind == DoubtKind.PageSizes))
        {
            return [];
        }

        if (configuration.BracketsPageSizes)
        {
            return [new Doubt(DoubtKind.PageSizes, $"page sizes are assumed: {string.Join(", then ", RunConfiguration.PageSizeEnds.Select(size => $"{size} everywhere"))}")];
        }

        MachineSpec machine = configuration.Machine;
        (string Name, MapTable Table, string Size)[] tables =
        [
            ("L0", MapTable.L0, machine.L0Pages is { } own ? Word(own) : $"{Word(PageSize.Size4K)} and {Word(PageSize.Size2M)} for the kernel"), ("L1", MapTable.L1, Word(machine.L1Pages)),
            ("L2", MapTable.L2, Word(machine.L2Pages)), ("EPT01", MapTable.Tdp01, Word(machine.Ept01Pages)), ("EPT12", MapTable.Tdp12, Word(machine.Ept12Pages)),
        ];
        // Sizes that are swept are no assumption.
        tables = [.. tables.Where(table => !configuration.Over.Any(axis => axis.StartsWith($"machine.{table.Name.ToLowerInvariant()}_pages=", StringComparison.Ordinal)))];
        string sizes = string.Join("; ", tables.Where(table => machine.PageSizes != PageSizeSource.Recorded || !trace.Properties.ContainsKey(TraceHeader.PageSizesOf(table.Table)))
            .GroupBy(table => table.Size, table => table.Name).Select(tables => $"{tables.Key} in {string.Join(", ", tables)}"));
        string inferred = string.Join(", ", tables.Where(table => machine.PageSizes == PageSizeSource.Recorded && trace.Properties.GetValueOrDefault(TraceHeader.PageSizesOf(table.Table)) == TraceHeader.Inferred)
            .Select(table => table.Name));
        return
        [
            .. sizes.Length == 0 ? (Doubt[])[] : [new Doubt(DoubtKind.PageSizes, $"page sizes are assumed: {sizes}")],
            .. inferred.Length == 0 ? (Doubt[])[] : [new Doubt(DoubtKind.PageSizes, $"page sizes of {inferred} are inferred from where the pages lie in host memory")],
        ];
    }

    private static string Word(PageSize size) => ProfileReader.PageSizes.Single(page => page.Size == size).Word;

    private static Doubt Costs(CpuProfile profile)
    {
        string[] all = [.. profile.Sources.Where(source => source.Key.StartsWith("costs.", StringComparison.Ordinal)).Select(source => source.Value).Where(source => !source.StartsWith("not applicable", StringComparison.Ordinal))];
        int assumed = all.Count(source => source.StartsWith(Assumed, StringComparison.Ordinal));
        return new Doubt(DoubtKind.Costs, string.Create(CultureInfo.InvariantCulture, $"{assumed} of {all.Length} operation costs of {profile.Name} are assumed, because nobody has published them"), assumed, all.Length);
    }
}
