using System.Text.Json;
using Sim.Core.Stats;
using Sim.Core.Traces;
using Sim.Reports.Results;

namespace Sim.Reports.Views;

/// <summary>How large pages were taken to be and how that is known, in words; and a bracket of page sizes as tables.</summary>
public static class PageSizeView
{
    /// <summary>Where the configuration says which page sizes are simulated.</summary>
    internal const string Path = "machine.page_sizes";

    private const string Recorded = "recorded";
    private const string Assumed = "assumed";

    private static readonly (string Title, Func<StatSheet, double?> Figure, Func<double?, string> Text)[] MainFigures =
    [
        ("Walks", Figures.Walks, Numbers.Whole),
        ("Translation cycles", Figures.TranslationCycles, Numbers.Whole),
        ("Translation cycles per nested transition", Figures.TranslationPerTransition, Numbers.Fraction),
        ("Total cycles", Figures.TotalCycles, Numbers.Whole),
        ("Total cycles per nested transition", Figures.TotalPerTransition, Numbers.Fraction),
    ];

    /// <summary>For every table that the measured window used, the size of its pages and whether it was recorded, inferred or assumed.</summary>
    public static string Of(RunSet set)
    {
        using JsonDocument document = JsonDocument.Parse(set.Provenance.Configuration);
        if (!document.RootElement.TryGetProperty("machine", out JsonElement machine) || !machine.TryGetProperty("page_sizes", out JsonElement word))
        {
            return Assumed;
        }

        string[] swept = [.. set.Runs.SelectMany(run => run.Parameters).Where(parameter => parameter.Path == Path).Select(parameter => parameter.Value).Distinct()];
        string? vendor = document.RootElement.TryGetProperty("vendor", out JsonElement named) ? named.GetString() : null;
        string[] asked = swept.Length > 0 ? swept : [word.GetString()!];
        return string.Join(", then ", asked.Select(size => size is Recorded or Assumed ? OfTables(set, machine, vendor, size == Recorded) : $"{Assumed} {size} for every page"));
    }

    private static string OfTables(RunSet set, JsonElement machine, string? vendor, bool recordedCount)
    {
        (string Basis, string Table)[] tables =
        [
            .. from table in Tables(set, machine, vendor)
               let basis = Basis(set, recordedCount, table.Table)
               select (basis, basis == Assumed ? $"{table.Name} {table.Size}" : table.Name),
        ];
        return string.Join("; ", tables.GroupBy(table => table.Basis, table => table.Table, StringComparer.Ordinal).OrderBy(group => group.Key == Assumed).Select(group => $"{group.Key} {string.Join(", ", group)}"));
    }

    /// <summary>A bracket as tables: for each main figure, every policy with all pages 4 KiB and 2 MiB, and the lower and the higher of the two.</summary>
    /// <param name="set">Runs with parameter machine.page_sizes.</param>
    public static IReadOnlyList<Table> Bracket(RunSet set)
    {
        string[] sizes = [.. set.Runs.SelectMany(run => run.Parameters).Where(parameter => parameter.Path == Path).Select(parameter => parameter.Value).Distinct()];
        string[] cases = [.. set.Runs.Select(run => run.Case).Distinct()];
        List<Table> tables = [];
        foreach ((string title, Func<StatSheet, double?> figure, Func<double?, string> text) in MainFigures)
        {
            List<IReadOnlyList<string>> rows = [];
            foreach (string name in cases)
            {
                double?[] values = [.. sizes.Select(size => Find(set, name, size)).Select(run => run is { Failure: null } ? figure(run.Statistics) : null)];
                string[] range = [.. values.OfType<double>().Order().Select(value => text(value)).Distinct()];
                if (range.Length > 0)
                {
                    rows.Add([name, .. values.Select(text), range.Length == 1 ? range[0] : $"{range[0]} to {range[^1]}", .. sizes.Select(size => Change(set, name, size, figure))]);
                }
            }

            if (rows.Count > 0)
            {
                tables.Add(new Table(title, ["policy", .. sizes.Select(size => $"{size} pages"), "range", .. sizes.Select(size => $"vs ref, {size}")], rows));
            }
        }

        return [.. tables, .. SafetyView.Of([.. set.Runs.Where(run => run.Failure is null)])];
    }

    private static string Change(RunSet set, string name, string size, Func<StatSheet, double?> figure)
    {
        RunResult? run = Find(set, name, size);
        RunResult? reference = Find(set, set.Reference.Case, size);
        return run == reference ? "ref" : run is { Failure: null } && reference is { Failure: null } ? Numbers.Change(figure(run.Statistics), figure(reference.Statistics)) : "-";
    }

    private static RunResult? Find(RunSet set, string name, string size) =>
        set.Runs.FirstOrDefault(run => run.Case == name && run.Parameters.Any(parameter => parameter.Path == Path && parameter.Value == size));

    private static string Basis(RunSet set, bool recorded, MapTable table) =>
        recorded && set.Provenance.Trace.Properties.TryGetValue(TraceHeader.PageSizesOf(table), out string? known) ? known : Assumed;

    private static IEnumerable<(string Name, MapTable Table, string Size)> Tables(RunSet set, JsonElement machine, string? vendor)
    {
        bool[] used = [.. Enumerable.Range(0, 3).Select(level => set.Runs.All(run => run.Failure is not null) || set.Runs.Any(run => run.Statistics.Total(StatNames.LaneAccesses, $"level={level}") > 0))];
        string second = vendor == "amd" ? "NPT" : "EPT";
        (string Name, MapTable Table, string Setting, bool Used)[] all =
        [
            ("L0", MapTable.L0, "l0_pages", used[0]), ("L1", MapTable.L1, "l1_pages", used[1]), ("L2", MapTable.L2, "l2_pages", used[2]),
            (second + "01", MapTable.Tdp01, "ept01_pages", used[1] || used[2]), (second + "12", MapTable.Tdp12, "ept12_pages", used[2]),
        ];
        return all.Where(table => table.Used).Select(table => (table.Name, table.Table, machine.GetProperty(table.Setting).GetString() ?? "4K (upper half 2M)"));
    }
}
