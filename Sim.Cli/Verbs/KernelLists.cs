using System.Text;
using Sim.Core;
using Sim.Core.Profiles;
using Sim.Experiments;
using Sim.Kvm;
using Sim.Reports.Views;

namespace Sim.Cli.Verbs;

/// <summary>What <c>nestsim list kernels</c>, <c>list rules</c> and <c>list holes</c> print: which rule of KVM is in which kernel, and which hole is open there (docs/kernels.md).</summary>
internal static class KernelLists
{
    /// <summary>Every policy that is a release, and the kernels that were read.</summary>
    public static Table Kernels()
    {
        List<IReadOnlyList<string>> rows = [];
        foreach (Catalogue<IFlushPolicy>.Entry entry in Components.Policies.Entries)
        {
            if (Components.Policies.Create(entry.Name) is { Release: { } release } policy)
            {
                rows.Add(Row(entry.Name, policy.Supports(Vendor.Amd) ? Vendor.Amd : Vendor.Intel, release));
            }
        }

        foreach (KernelName name in KernelTable.Shipped.Names.Where(name => rows.TrueForAll(row => row[0] != name.Name)))
        {
            rows.Add(Row(name.Name, name.Vendor, name.Version));
        }

        foreach (Vendor vendor in new[] { Vendor.Intel, Vendor.Amd })
        {
            rows.AddRange(KernelTable.Shipped.Kernels.Where(kernel => vendor == Vendor.Intel || kernel >= new KernelVersion(5, 10, 0)).Select(kernel => Row(NamedKernel.NameOf(vendor, kernel), vendor, kernel)));
        }

        return new Table($"Kernels by name; every other version works too (known as of {KernelTable.Shipped.Known})", ["name", "release", "holes open", "rules not known"], [.. rows.DistinctBy(row => row[0])]) { TextColumns = 4 };

        static IReadOnlyList<string> Row(string name, Vendor vendor, KernelVersion release) =>
        [
            name,
            release.ToString(),
            Words(KernelTable.Shipped.Holes.Where(hole => (hole.Vendor ?? vendor) == vendor && hole.In(release).IsPresent()).Select(hole => hole.Id)),
            Words(KernelTable.Shipped.Rules.Where(rule => rule.IsFor(vendor) && rule.In(release) == Presence.Unknown).Select(rule => rule.Id)),
        ];
    }

    /// <summary>Every rule with its versions; of one kernel, whether it has each.</summary>
    /// <exception cref="ConfigurationException">There is no such kernel.</exception>
    public static Table Rules(string? kernel)
    {
        if (kernel is null)
        {
            return new Table(
                $"Rules of KVM x86 (known as of {KernelTable.Shipped.Known})", ["rule", "for", "since", "until", "stable series", "CVE", "modelled", "what it changes", "title", "source"],
                [.. KernelTable.Shipped.Rules.Select(rule => (IReadOnlyList<string>)
                [
                    rule.Id, VendorOf(rule.Vendor), rule.Since?.Mainline ?? "always", rule.Until?.Mainline ?? "", Stable(rule), rule.Cve ?? "", rule.IsModelled ? "yes" : "no", rule.Changes, rule.Title, rule.Source,
                ])]) { TextColumns = 10 };
        }

        (Vendor vendor, KernelVersion version) = Named(kernel);
        return new Table(
            $"Rules of {kernel} (known as of {KernelTable.Shipped.Known})", ["rule", "has it", "modelled", "CVE", "what it changes"],
            [.. KernelTable.Shipped.Rules.Where(rule => rule.IsFor(vendor)).Select(rule => (IReadOnlyList<string>)[rule.Id, rule.In(version).InWords(), rule.IsModelled ? "yes" : "no", rule.Cve ?? "", rule.Changes])]) { TextColumns = 5 };
    }

    /// <summary>Every hole in the kernels that tables are printed for; of one kernel, which are open, with what closes each.</summary>
    /// <exception cref="ConfigurationException">There is no such kernel.</exception>
    public static Table Holes(string? kernel)
    {
        if (kernel is null)
        {
            KernelVersion[] kernels = [.. KernelTable.Shipped.Kernels];
            return new Table(
                $"Holes that are open, by kernel (known as of {KernelTable.Shipped.Known})", ["hole", "for", .. kernels.Select(version => version.ToString()), "what goes wrong"],
                [.. KernelTable.Shipped.Holes.Select(hole => (IReadOnlyList<string>)[hole.Id, VendorOf(hole.Vendor), .. kernels.Select(version => State(hole, version)), hole.Meaning])]) { TextColumns = kernels.Length + 3 };
        }

        (Vendor vendor, KernelVersion release) = Named(kernel);
        return new Table(
            $"Holes of {kernel} (known as of {KernelTable.Shipped.Known})", ["hole", "state", "closed by", "CVE", "scenario", "what goes wrong"],
            [.. KernelTable.Shipped.Holes.Where(hole => (hole.Vendor ?? vendor) == vendor).Select(hole => (IReadOnlyList<string>)
            [
                hole.Id, State(hole, release), string.Join(" or ", hole.ClosedBy.Select(rule => rule.Id)), Words(hole.Cves), hole.Scenario ?? "",
                hole.Meaning + (hole.WithoutEpt ? " (L0 without EPT)" : "") + (hole.Note is { } note ? $"; {note}" : ""),
            ])]) { TextColumns = 6 };
    }

    /// <summary>A table as CSV.</summary>
    public static string Csv(Table table)
    {
        StringBuilder text = new();
        foreach (IReadOnlyList<string> row in table.Rows.Prepend(table.Headers))
        {
            text.AppendJoin(',', row.Select(Quoted)).Append('\n');
        }

        return text.ToString();

        static string Quoted(string cell) => cell.AsSpan().IndexOfAny("\",\n") < 0 ? cell : $"\"{cell.Replace("\"", "\"\"", StringComparison.Ordinal)}\"";
    }

    private static (Vendor Vendor, KernelVersion Version) Named(string kernel)
    {
        if (Components.Policies.Entries.Any(entry => entry.Name == kernel) && Components.Policies.Create(kernel) is { Release: { } release } policy)
        {
            return (policy.Supports(Vendor.Amd) ? Vendor.Amd : Vendor.Intel, release);
        }

        return NamedKernel.TryParse(kernel, out Vendor vendor, out KernelVersion version)
            ? (vendor, version)
            : throw new ConfigurationException(NearestNames.Unknown("kernel", kernel, [.. KernelTable.Shipped.Kernels.SelectMany(known => new[] { NamedKernel.NameOf(Vendor.Intel, known), NamedKernel.NameOf(Vendor.Amd, known) })]) + " A kernel is named by its version: kvm-6.12.117 on Intel, nsvm-6.12.117 on AMD.");
    }

    private static string State(KernelHole hole, KernelVersion version) => hole.In(version) switch
    {
        Presence.Present => hole.IsHidden ? "hidden" : "OPEN",
        Presence.BelievedPresent => "open?",
        Presence.Unknown => "?",
        Presence.BelievedAbsent => "no?",
        _ => "no",
    };

    private static string Stable(DatedRule rule) => string.Join("; ", (rule.Since?.Stable ?? new Dictionary<string, string>()).Concat(rule.Until?.Stable.Select(cell => KeyValuePair.Create(cell.Key + " until", cell.Value)) ?? []).Select(cell => $"{cell.Key}: {cell.Value}"));

    private static string VendorOf(Vendor? vendor) => vendor?.Name() ?? "both";

    private static string Words(IEnumerable<string> words) => string.Join(' ', words);
}
