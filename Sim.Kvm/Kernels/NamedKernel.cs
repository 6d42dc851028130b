using Sim.Core;
using Sim.Core.Profiles;

namespace Sim.Kvm;

/// <summary>
/// KVM of a certain release: kvm-6.1.192 on Intel, nsvm-6.1.192 on AMD (docs/kernels.md). Rules can be put in or left out behind the name: kvm-6.1.192~with-v11, kvm-6.12.117~without-v9; what is not
/// known of a release must be assumed: kvm-6.6.160~assume-absent.
/// </summary>
public sealed class NamedKernel : IFlushPolicy
{
    private const string Vmx = "kvm-";
    private const string Svm = "nsvm-";
    private const string With = "with-";
    private const string Without = "without-";
    private const string AssumeAbsent = "assume-absent";
    private const string AssumePresent = "assume-present";

    private static readonly KernelVersion OldestVmx = new(4, 2, 0);
    private static readonly KernelVersion OldestSvm = new(5, 10, 0);

    private readonly string _name;
    private readonly Vendor _vendor;
    private readonly KernelRules _rules;
    private readonly Action<NestedTransition, FlushDecision> _decide;

    private NamedKernel(string name, Vendor vendor, KernelVersion release, IReadOnlyList<string> changes)
    {
        _name = name;
        _vendor = vendor;
        Release = release;
        Dictionary<string, bool> set = new(StringComparer.Ordinal);
        bool? assumed = null;
        foreach (string change in changes)
        {
            if (change is AssumeAbsent or AssumePresent)
            {
                assumed = change == AssumePresent;
                continue;
            }

            bool with = change.StartsWith(With, StringComparison.Ordinal);
            DatedRule rule = RuleOf(change[(with ? With : Without).Length..], vendor);
            if (rule.In(release) is var presence && presence != Presence.Unknown && presence.IsPresent() == with)
            {
                throw new ConfigurationException($"'{name}': {release} has {(with ? "" : "not ")}{rule.Id} anyhow: {rule.Changes}.");
            }

            set[rule.Id] = with;
        }

        bool Has(string id) => set.TryGetValue(id, out bool with) ? with : KernelTable.Shipped.Find(id)!.In(release) is var presence && presence == Presence.Unknown ? assumed ?? false : presence.IsPresent();

        _rules = KernelComposition.Rules(vendor, Has);
        _decide = KernelComposition.Decisions(vendor, Has);
        Assumed = [.. KernelTable.Shipped.Rules.Where(rule => rule.IsFor(vendor) && rule.IsModelled && !set.ContainsKey(rule.Id) && rule.In(release) is not (Presence.Present or Presence.Absent))];
        DatedRule[] missing = assumed is null ? [.. Assumed.Where(rule => rule.In(release) == Presence.Unknown && Matters(rule))] : [];
        if (missing.Length > 0)
        {
            string[] lines = [.. missing.Select(rule => $"{rule.Id} ({rule.Changes})")];
            throw new ConfigurationException(
                $"'{name}': as of {KernelTable.Shipped.Known} nobody has looked whether {release} has {string.Join(", or ", lines)}. "
                + $"Say which you mean: {name}{MutatedPolicy.Separator}{AssumeAbsent}, {AssumePresent}, or one by one {name}{MutatedPolicy.Separator}{With}{missing[0].Id.ToLowerInvariant()}. 'nestsim list rules {Prefix(vendor)}{release}' shows all.");
        }

        bool Matters(DatedRule rule)
        {
            bool Toggled(string id) => id == rule.Id || Has(id);
            return KernelComposition.Rules(vendor, Toggled) != _rules || rule.Id is "V4b" or "V4c" or "V5";
        }
    }

    /// <inheritdoc/>
    public KernelVersion? Release { get; }

    /// <summary>Modelled rules of which it is not certain whether the release has them: taken from memory, or assumed because the name says so.</summary>
    public IReadOnlyList<DatedRule> Assumed { get; }

    /// <summary>True if a name, up to the first change behind it, is that of a kernel by version.</summary>
    public static bool IsName(string name) => TryParse(name, out _, out _);

    /// <summary>The version and vendor that a name stands for; false if it is none of a kernel.</summary>
    public static bool TryParse(string name, out Vendor vendor, out KernelVersion version)
    {
        vendor = name.StartsWith(Svm, StringComparison.Ordinal) ? Vendor.Amd : Vendor.Intel;
        version = default;
        if (KernelTable.Shipped.Names.FirstOrDefault(known => known.Name == name) is { } special)
        {
            version = special.Version;
            return true;
        }

        string prefix = Prefix(vendor);
        return name.StartsWith(prefix, StringComparison.Ordinal) && KernelVersion.TryParse(name[prefix.Length..], out version);
    }

    /// <summary>True if a word behind a kernel's name puts a rule in, leaves one out, or assumes what is not known.</summary>
    public static bool IsChange(string word) =>
        word is AssumeAbsent or AssumePresent || word.StartsWith(With, StringComparison.Ordinal) || word.StartsWith(Without, StringComparison.Ordinal);

    /// <summary>The kernel with that name.</summary>
    /// <param name="name">The name, for messages.</param>
    /// <param name="vendor">Whose hardware it is for.</param>
    /// <param name="release">Which release.</param>
    /// <param name="changes">Words behind the name, each with <see cref="IsChange"/>.</param>
    /// <exception cref="ConfigurationException">The release is older or newer than what is known, or something about it is not known; or a change is none.</exception>
    public static NamedKernel Create(string name, Vendor vendor, KernelVersion release, params IReadOnlyList<string> changes)
    {
        KernelVersion newest = KernelTable.Shipped.Kernels.Max();
        KernelVersion oldest = vendor == Vendor.Intel ? OldestVmx : OldestSvm;
        if (release < oldest)
        {
            throw new ConfigurationException($"'{name}': {release} is older than {oldest}, the oldest whose {(vendor == Vendor.Intel ? "nVMX" : "nSVM")} was read.");
        }

        if ((release.Major, release.Minor).CompareTo((newest.Major, newest.Minor)) > 0)
        {
            throw new ConfigurationException($"'{name}': {release} is newer than {newest}, the newest kernel that is known as of {KernelTable.Shipped.Known}.");
        }

        return new NamedKernel(name, vendor, release, changes);
    }

    /// <summary>The name of a kernel: kvm-6.12.117, nsvm-6.12.117.</summary>
    public static string NameOf(Vendor vendor, KernelVersion release) => Prefix(vendor) + release;

    /// <summary>The name it was made by.</summary>
    public override string ToString() => _name;

    /// <inheritdoc/>
    public bool Supports(Vendor vendor) => vendor == _vendor;

    /// <inheritdoc/>
    public KernelRules Rules(Vendor vendor) => _rules;

    /// <inheritdoc/>
    public int L2Tags(int pool) => _vendor == Vendor.Intel ? 1 : 0;

    /// <inheritdoc/>
    public void OnTransition(in NestedTransition transition, FlushDecision decision) => _decide(transition, decision);

    private static string Prefix(Vendor vendor) => vendor == Vendor.Intel ? Vmx : Svm;

    private static DatedRule RuleOf(string id, Vendor vendor)
    {
        DatedRule[] known = [.. KernelTable.Shipped.Rules.Where(rule => rule.IsFor(vendor) && rule.IsModelled)];
        return known.FirstOrDefault(rule => string.Equals(rule.Id, id, StringComparison.OrdinalIgnoreCase))
            ?? throw new ConfigurationException(
                KernelTable.Shipped.Find(id) is { } other
                    ? $"Rule {other.Id} {(other.IsModelled ? $"is not one of {vendor.Name()} hardware" : "is known, but no part of the model")}: {other.Changes}."
                    : NearestNames.Unknown("rule", id, known.Select(rule => rule.Id)) + " 'nestsim list rules' has all.");
    }
}
