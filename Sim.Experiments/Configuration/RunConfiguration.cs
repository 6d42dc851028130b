using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Sim.Core;
using Sim.Core.Configuration;
using Sim.Core.Profiles;
using Sim.Core.Traces;
using Sim.Kvm;
using Sim.Workloads.Scenarios;

namespace Sim.Experiments;

/// <summary>One value that the user gives outside a file.</summary>
/// <param name="Path">Path in the configuration, for instance second_level[0].ways.</param>
/// <param name="Value">JSON, or plain text.</param>
/// <param name="Origin">The option, for instance --set.</param>
public sealed record Assignment(string Path, string Value, string Origin);

/// <summary>
/// Everything that decides the result of an experiment besides the trace: CPU profile, machine, policies, windows. Resolved from
/// defaults, then the profile's file, then a configuration file, then options; later ones win, and each value knows its origin.
/// </summary>
public sealed class RunConfiguration
{
    /// <summary>Profile used if none is named.</summary>
    public static string DefaultProfile { get; } = ProfileLibrary.DefaultFor(Vendor.Intel);

    /// <summary>Path of the value that decides how large pages are.</summary>
    internal const string PageSizesPath = "machine.page_sizes";

    /// <summary>Both ends of <see cref="PageSizeEnds"/> are run.</summary>
    private const string Bracket = "bracket";

    private const int MostSeeds = 1000;

    // All pages of one size, or both of these in turn, is said by the same word that says where sizes come from.
    private static readonly (string Word, PageSizeSource Source, PageSize? All)[] PageSizeWords =
    [
        ("recorded", PageSizeSource.Recorded, null), ("assumed", PageSizeSource.Assumed, null),
        ("4K", PageSizeSource.Assumed, PageSize.Size4K), ("2M", PageSizeSource.Assumed, PageSize.Size2M), (Bracket, PageSizeSource.Recorded, null),
    ];

    private static readonly (string, ReplayKind)[] ReplayKinds = [("by-policy", ReplayKind.ByPolicy), ("as-recorded", ReplayKind.AsRecorded)];

    private RunConfiguration(SettingsNode resolved, string profileFile, MachineSpec machine, ReplayKind replay, InterruptSettings interrupts, IReadOnlyList<string> policies, string reference, Windows windows, IReadOnlyList<string> over, int seeds)
    {
        Resolved = resolved;
        ProfileFile = profileFile;
        Machine = machine;
        Replay = replay;
        Interrupts = interrupts;
        Policies = policies;
        Reference = reference;
        Windows = windows;
        Over = over;
        Seeds = seeds;
        Variants = [new Variant([], machine, interrupts)];
        Json = resolved.ToCanonicalJson();
        Hash = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(Json)));
    }

    /// <summary>Every value with its origin and source.</summary>
    public SettingsNode Resolved { get; }

    /// <summary>How origins name the profile's file.</summary>
    public string ProfileFile { get; }

    /// <summary>The machine with its profile.</summary>
    public MachineSpec Machine { get; }

    /// <summary>What happens to recorded invalidations.</summary>
    public ReplayKind Replay { get; }

    /// <summary>How interrupts are delivered, and where they come from.</summary>
    public InterruptSettings Interrupts { get; }

    /// <summary>Policies in the order of the results.</summary>
    public IReadOnlyList<string> Policies { get; }

    /// <summary>The policy that the others are compared with.</summary>
    public string Reference { get; }

    /// <summary>What is skipped, warmed up with and measured.</summary>
    public Windows Windows { get; }

    /// <summary>The machines that every policy runs on: one, unless seeds are repeated or a parameter is swept.</summary>
    public IReadOnlyList<Variant> Variants { get; private set; }

    /// <summary>Axes of a sweep, each <c>path=value,value,...</c>; empty if nothing is swept.</summary>
    public IReadOnlyList<string> Over { get; }

    /// <summary>How many seeds every policy is run with.</summary>
    public int Seeds { get; }

    /// <summary>Every policy is run with all pages 4 KiB and with all pages 2 MiB.</summary>
    public bool BracketsPageSizes => Resolved["machine"]?["page_sizes"]?.Text == Bracket;

    /// <summary>Page sizes that a bracket runs, smallest first.</summary>
    internal static IReadOnlyList<string> PageSizeEnds { get; } = ["4K", "2M"];

    /// <summary>Runs of the experiment: every policy with every way to deliver interrupts on every machine.</summary>
    public int RunCount => Variants.Count * Cases;

    /// <summary>Runs on one machine: every policy with every way to deliver interrupts.</summary>
    internal int Cases => Policies.Count * Math.Max(1, Interrupts.Deliveries.Count);

    /// <summary>The resolved values as canonical JSON; may be used as a configuration file.</summary>
    public string Json { get; }

    /// <summary>SHA-256 of <see cref="Json"/>, lower-case hexadecimal.</summary>
    public string Hash { get; }

    /// <summary>Who set each value that is neither a default nor the profile's, by path.</summary>
    public IReadOnlyDictionary<string, string> Origins => new SortedDictionary<string, string>(
        Resolved.Leaves().Where(leaf => leaf.Origin != "default" && !leaf.Origin.StartsWith(ProfileFile + ":", StringComparison.Ordinal)).ToDictionary(leaf => leaf.Path, leaf => leaf.Origin),
        StringComparer.Ordinal);

    /// <summary>Resolves a configuration.</summary>
    /// <param name="file">Path of a configuration file, or null.</param>
    /// <param name="assignments">Values from options, in order.</param>
    /// <exception cref="ConfigurationException">Anything is wrong; the message has all errors with their places.</exception>
    public static RunConfiguration Load(string? file, IReadOnlyList<Assignment> assignments) => Load(file, assignments, []);

    /// <summary>Resolves a configuration for a trace that says which machine it was made for (<see cref="SuggestedBy"/>); the file and options win over that.</summary>
    /// <param name="file">Path of a configuration file, or null.</param>
    /// <param name="assignments">Values from options, in order.</param>
    /// <param name="suggested">What the trace suggests.</param>
    /// <exception cref="ConfigurationException">Anything is wrong; the message has all errors with their places.</exception>
    public static RunConfiguration Load(string? file, IReadOnlyList<Assignment> assignments, IReadOnlyList<Assignment> suggested)
    {
        RunConfiguration whole = Resolve(file, assignments, suggested);
        Assignment[] onePoint = [new Assignment("over", "null", "default"), new Assignment("seeds", "1", "default")];
        whole.Variants = VariantGrid.Of(whole, values => Resolve(file, [.. assignments, .. values, .. onePoint], suggested));
        return whole;
    }

    /// <summary>The configuration that a trace was made for: a profile of its vendor, then its header's property <see cref="Scenario.ConfigurationProperty"/>. A program's trace has neither.</summary>
    public static IReadOnlyList<Assignment> SuggestedBy(TraceHeader header) =>
        [.. header.Vendor is { } vendor && ProfileLibrary.DefaultFor(vendor) != DefaultProfile ? [new Assignment("profile", ProfileLibrary.DefaultFor(vendor), "the trace's vendor")] : Array.Empty<Assignment>(), .. header.Properties.GetValueOrDefault(Scenario.ConfigurationProperty, "").Split(' ', StringSplitOptions.RemoveEmptyEntries)
            .Select(word => word.Split('=', 2)).Select(pair => new Assignment(pair[0], pair[^1], "the trace's header"))];

    /// <summary>Refuses a trace of the other vendor's virtualization: its exit reasons and operands mean something else.</summary>
    /// <exception cref="ConfigurationException">The trace says that it is of another vendor than the profile.</exception>
    public void CheckVendor(TraceHeader header, string trace)
    {
        Vendor own = Machine.Profile.Vendor;
        if (header.Vendor is { } vendor && vendor != own)
        {
            throw new ConfigurationException(
                $"{trace} is {Named(vendor)} trace, and the profile '{Machine.Profile.Name}' is {Named(own)} CPU: exit reasons, VPIDs and ASIDs would not mean what they say. "
                + $"Take --profile {ProfileLibrary.DefaultFor(vendor)}, or another {(vendor == Vendor.Amd ? "AMD" : "Intel")} one of 'nestsim list profiles'.");
        }

        static string Named(Vendor vendor) => vendor == Vendor.Amd ? "an AMD (SVM)" : "an Intel (VMX)";
    }

    private static RunConfiguration Resolve(string? file, IReadOnlyList<Assignment> assignments, IReadOnlyList<Assignment> suggested)
    {
        List<string> errors = [];
        SettingsNode? fromFile = file is null ? null : SettingsNode.ParseFile(file, file, errors);
        SettingsNode root = Defaults();
        string profile = assignments.LastOrDefault(assignment => assignment.Path == "profile")?.Value ?? (fromFile?["profile"] is { Kind: SettingsKind.Text } named ? named.Text : suggested.LastOrDefault(assignment => assignment.Path == "profile")?.Value ?? DefaultProfile);
        (string path, string displayName) = ProfileLibrary.Find(profile);
        root.Merge(ProfileReader.Parse(path, displayName, errors));
        Vendor vendor = root["vendor"]?.Text == "amd" ? Vendor.Amd : Vendor.Intel;
        root.Set("policies", JsonSerializer.Serialize(Components.DefaultPolicies(vendor)), "default");
        InterruptSettings.SetDefaults((path, value) => root.Set($"interrupts.{path}", JsonSerializer.Serialize(value), "default"), vendor);
        foreach (Assignment suggestion in suggested)
        {
            root.Set(suggestion.Path, suggestion.Value, suggestion.Origin);
        }

        if (fromFile is not null)
        {
            root.Merge(fromFile);
        }

        foreach (Assignment assignment in assignments)
        {
            root.Set(assignment.Path, assignment.Value, assignment.Origin);
        }

        InterruptSettings.Complete(root);

        // A path to a profile is not part of what was computed; its content is.
        if (root["name"] is { } name && root["profile"] is { Kind: SettingsKind.Text } given)
        {
            root.Set("profile", JsonSerializer.Serialize(name.Text), given.Origin);
        }

        return Bind(root, displayName, errors);
    }

    private static RunConfiguration Bind(SettingsNode root, string profileFile, List<string> errors)
    {
        SettingsReader reader = new(root, errors);
        reader.Text("profile");
        MachineSpec machine = BindMachine(reader.Object("machine"), ProfileReader.Bind(reader, Components.Replacements));
        ReplayKind replay = reader.Choice("replay", ReplayKinds);
        InterruptSettings interrupts = InterruptSettings.Bind(reader.Object("interrupts"), machine, replay);
        IReadOnlyList<string> policies = reader.Texts("policies");
        string reference = reader.OptionalText("reference") ?? policies.FirstOrDefault("");
        Windows windows = BindWindows(reader.Object("windows"));
        IReadOnlyList<string> over = reader.OptionalTexts("over");
        int seeds = (int)reader.Integer("seeds", 1, MostSeeds);
        reader.Close();
        foreach (string policy in policies)
        {
            try
            {
                Components.Policy(policy, machine.Profile.Vendor);
            }
            catch (ConfigurationException error)
            {
                reader.Report("policies", error.Message);
            }
        }

        foreach (string twice in policies.GroupBy(policy => policy, StringComparer.Ordinal).Where(group => group.Count() > 1).Select(group => group.Key))
        {
            reader.Report("policies", $"names '{twice}' twice");
        }

        if (policies.Count > 0 && !policies.Contains(reference))
        {
            reader.Report("reference", $"'{reference}' is not among the policies {string.Join(", ", policies)}");
        }

        SettingsReader.ThrowIfAny("Configuration", errors);
        return new RunConfiguration(root, profileFile, machine, replay, interrupts, policies, reference, windows, over, seeds);
    }

    private static SettingsNode Defaults()
    {
        MachineSpec machine = new() { Profile = null! };
        SettingsNode root = SettingsNode.Empty();
        Set("profile", DefaultProfile);
        Set("replay", "by-policy");
        Set("reference", (string?)null);
        Set("over", (string?)null);
        Set("seeds", 1);
        Set("windows.skip", "0");
        Set("windows.warm_up", "0");
        Set("windows.measure", "all");
        Set("windows.interval", "0");
        Set("machine.l0_ept", machine.L0Ept);
        Set("machine.l0_vpid", machine.L0Vpid);
        Set(PageSizesPath, PageSizeWords[0].Word);
        Set("machine.l0_pages", (string?)null);
        Set("machine.l1_pages", Word(machine.L1Pages));
        Set("machine.l2_pages", Word(machine.L2Pages));
        Set("machine.ept01_pages", Word(machine.Ept01Pages));
        Set("machine.ept12_pages", Word(machine.Ept12Pages));
        Set("machine.paging_levels", machine.PagingLevels);
        Set("machine.global_kernel_pages", machine.GlobalKernelPages);
        Set("machine.vpid02_pool", machine.Vpid02Pool);
        Set("machine.attribution", machine.Attribution);
        Set("machine.refill_curve", machine.RefillCurve);
        Set("machine.walk_breakdown", machine.WalkBreakdown);
        Set("machine.safety", machine.Safety);
        Set("machine.seed", machine.Seed);
        return root;

        void Set<T>(string path, T value) => root.Set(path, JsonSerializer.Serialize(value), "default");
    }

    private static MachineSpec BindMachine(SettingsReader reader, CpuProfile profile)
    {
        (PageSizeSource source, PageSize? all) = reader.Choice("page_sizes", [.. PageSizeWords.Select(word => (word.Word, (word.Source, word.All)))]);
        MachineSpec machine = new()
        {
            Profile = profile,
            L0Ept = reader.Flag("l0_ept"),
            L0Vpid = reader.Flag("l0_vpid"),
            PageSizes = source,
            L0Pages = reader.IsNull("l0_pages") ? all : Pages("l0_pages"),
            L1Pages = Pages("l1_pages"),
            L2Pages = Pages("l2_pages"),
            Ept01Pages = Pages("ept01_pages"),
            Ept12Pages = Pages("ept12_pages"),
            PagingLevels = (int)reader.Integer("paging_levels", 4, 5),
            GlobalKernelPages = reader.Flag("global_kernel_pages"),
            Vpid02Pool = (int)reader.Integer("vpid02_pool", 1, 4096),
            Attribution = reader.Flag("attribution"),
            RefillCurve = reader.Flag("refill_curve"),
            WalkBreakdown = reader.Flag("walk_breakdown"),
            Safety = reader.Flag("safety"),
            Seed = (ulong)reader.Integer("seed", 0, long.MaxValue),
        };
        reader.Close();
        if (profile.Vendor == Vendor.Amd && !machine.L0Vpid)
        {
            reader.Report("l0_vpid", $"must be true with '{profile.Name}': AMD guests always have an ASID");
        }

        return machine;

        PageSize Pages(string name)
        {
            PageSize given = reader.Choice(name, ProfileReader.PageSizes);
            return all ?? given;
        }
    }

    private static Windows BindWindows(SettingsReader reader)
    {
        Windows windows = new(Length("skip"), Length("warm_up"), Length("measure"), Interval());
        reader.Close();
        foreach (string name in new[] { "skip", "warm_up" })
        {
            if ((name == "skip" ? windows.Skip : windows.WarmUp) is WindowLength.Rest)
            {
                reader.Report(name, $"expected {WindowLength.Grammar}, found 'all': nothing would be left to measure");
            }
        }

        return windows;

        long Interval()
        {
            string text = reader.TextOrNumber("interval");
            if (Counts.TryParse(text) is { } records and <= long.MaxValue)
            {
                return (long)records;
            }

            reader.Report("interval", $"expected a count of records such as 100K, or 0 for none, found '{text}'");
            return 0;
        }

        WindowLength Length(string name)
        {
            string text = reader.TextOrNumber(name);
            if (text.Length > 0 && WindowLength.TryParse(text) is { } length)
            {
                return length;
            }

            reader.Report(name, $"expected {WindowLength.Grammar}, found '{text}'");
            return new WindowLength.OfRecords(0);
        }
    }

    private static string Word(PageSize size) => ProfileReader.PageSizes.Single(page => page.Size == size).Word;
}
