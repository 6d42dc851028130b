using System.Globalization;
using System.Text.Json;
using Sim.Core.Profiles;

namespace Sim.Kvm;

/// <summary>A name without a third number that stands for a certain stable release, and why.</summary>
/// <param name="Name">The name: kvm-7.2.</param>
/// <param name="Version">What it stands for.</param>
/// <param name="Why">Why it is not the release of mainline.</param>
public sealed record KernelName(string Name, KernelVersion Version, string Why)
{
    /// <summary>Whose hardware it is for.</summary>
    public Vendor Vendor => Name.StartsWith("nsvm-", StringComparison.Ordinal) ? Vendor.Amd : Vendor.Intel;
}

/// <summary>profiles/kernels.json: which rule of KVM x86 is in which kernel, and which hole is open there (docs/kernels.md).</summary>
public sealed class KernelTable
{
    private static readonly Lazy<KernelTable> OfProgram = new(() =>
    {
        using Stream file = typeof(KernelTable).Assembly.GetManifestResourceStream("kernels.json")!;
        return new KernelTable(file);
    });

    private readonly Dictionary<string, DatedRule> _rules = new(StringComparer.OrdinalIgnoreCase);

    /// <summary>Reads a table.</summary>
    /// <exception cref="FormatException">A row is not written as docs/kernels.md says; the message names it.</exception>
    public KernelTable(Stream json)
    {
        using JsonDocument document = JsonDocument.Parse(json);
        JsonElement root = document.RootElement;
        Known = root.GetProperty("known").GetString()!;
        Names = [.. root.GetProperty("names").EnumerateArray().Select(name => new KernelName(name.GetProperty("name").GetString()!, KernelVersion.Parse(name.GetProperty("version").GetString()!), name.GetProperty("why").GetString()!))];
        Kernels = [.. root.GetProperty("kernels").EnumerateArray().Select(kernel => KernelVersion.Parse(kernel.GetString()!))];
        foreach (JsonElement row in root.GetProperty("rules").EnumerateArray())
        {
            DatedRule rule = Rule(row);
            if (!_rules.TryAdd(rule.Id, rule))
            {
                throw new FormatException($"Two rules are called {rule.Id}.");
            }
        }

        Rules = [.. root.GetProperty("rules").EnumerateArray().Select(row => _rules[row.GetProperty("id").GetString()!])];
        Holes = [.. root.GetProperty("holes").EnumerateArray().Select(Hole)];
    }

    /// <summary>The table that comes with the program.</summary>
    public static KernelTable Shipped => OfProgram.Value;

    /// <summary>Day up to which it tells what is known.</summary>
    public string Known { get; }

    /// <summary>Names that stand for stable releases.</summary>
    public IReadOnlyList<KernelName> Names { get; }

    /// <summary>Kernels that tables are printed for.</summary>
    public IReadOnlyList<KernelVersion> Kernels { get; }

    /// <summary>Every rule, in the order of the file.</summary>
    public IReadOnlyList<DatedRule> Rules { get; }

    /// <summary>Every hole, in the order of the file.</summary>
    public IReadOnlyList<KernelHole> Holes { get; }

    /// <summary>The rule with that name, whatever its case; null if there is none.</summary>
    public DatedRule? Find(string id) => _rules.GetValueOrDefault(id);

    private static DatedRule Rule(JsonElement row)
    {
        string id = row.GetProperty("id").GetString()!;
        try
        {
            return new DatedRule(
                id, VendorOf(row), row.GetProperty("changes").GetString()!, row.GetProperty("title").GetString()!, Text(row, "cve"), row.GetProperty("source").GetString()!,
                row.GetProperty("kind").GetString() == "feature", !row.TryGetProperty("modelled", out JsonElement modelled) || modelled.GetBoolean())
            {
                Since = Date(row, "since"),
                Until = Date(row, "until"),
            };
        }
        catch (Exception error) when (error is KeyNotFoundException or FormatException)
        {
            throw new FormatException(string.Create(CultureInfo.InvariantCulture, $"Rule {id}: {error.Message}"), error);
        }
    }

    private static RuleDate? Date(JsonElement row, string name)
    {
        if (!row.TryGetProperty(name, out JsonElement date))
        {
            return null;
        }

        SortedDictionary<string, string> stable = new(StringComparer.Ordinal);
        if (date.TryGetProperty("stable", out JsonElement cells))
        {
            foreach (JsonProperty cell in cells.EnumerateObject())
            {
                stable.Add(cell.Name, cell.Value.GetString()!);
            }
        }

        return new RuleDate(date.GetProperty("mainline").GetString()!, Text(date, "believed"), stable);
    }

    private KernelHole Hole(JsonElement row) => new(
        row.GetProperty("id").GetString()!, VendorOf(row), row.GetProperty("meaning").GetString()!, RulesOf(row, "opened_by"), RulesOf(row, "closed_by"),
        row.TryGetProperty("without_ept", out JsonElement without) && without.GetBoolean(), Text(row, "scenario"), Text(row, "note"));

    private DatedRule[] RulesOf(JsonElement row, string name) =>
        row.TryGetProperty(name, out JsonElement ids) ? [.. ids.EnumerateArray().Select(id => _rules[id.GetString()!])] : [];

    private static string? Text(JsonElement row, string name) => row.TryGetProperty(name, out JsonElement text) ? text.GetString() : null;

    private static Vendor? VendorOf(JsonElement row) => row.GetProperty("vendor").GetString() switch
    {
        "intel" => Vendor.Intel,
        "amd" => Vendor.Amd,
        "both" => null,
        var other => throw new FormatException($"'{other}' is no vendor: intel, amd or both."),
    };
}
