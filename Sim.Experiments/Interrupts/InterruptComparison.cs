using Sim.Core;
using Sim.Core.Profiles;
using Sim.Kvm.Interrupts;
using Sim.Reports.Results;
using Sim.Reports.Views;

namespace Sim.Experiments;

/// <summary>What the oracle says of one path, or of one APICv update rule in one case.</summary>
/// <param name="Name">The path, or the rule and the case.</param>
/// <param name="Sent">Interrupts sent.</param>
/// <param name="Handled">Interrupts whose handler ran.</param>
/// <param name="Verdict">What went wrong.</param>
public sealed record InterruptVerdict(string Name, long Sent, long Handled, SafetyVerdict Verdict);

/// <summary>Interrupt paths and APICv update rules side by side, as tables.</summary>
/// <param name="Tables">One table of all paths, for each update rule what happened in order, then all verdicts.</param>
/// <param name="Verdicts">One for each path, then for each rule and case.</param>
public sealed record InterruptComparison(IReadOnlyList<Table> Tables, IReadOnlyList<InterruptVerdict> Verdicts)
{
    /// <summary>Path names that exist on this vendor's hardware.</summary>
    public static IReadOnlyList<string> PathsOf(Vendor vendor) =>
        [.. Components.InterruptPaths.Entries.Select(entry => entry.Name).Where(name => Components.InterruptPaths.Create(name).Supports(vendor))];

    /// <summary>Path names that this processor offers.</summary>
    public static IReadOnlyList<string> PathsOf(CpuProfile profile) =>
        [.. PathsOf(profile.Vendor).Where(name => profile.IpiVirtualization || profile.Vendor == Vendor.Amd || !Components.InterruptPaths.Create(name).EnableIpiv)];

    /// <summary>Runs the table of each path, and seed 2's two cases under each update rule (VMX only).</summary>
    /// <param name="spec">Costs, vendor, guests and host.</param>
    /// <param name="paths">Names of interrupt paths.</param>
    /// <param name="updateRules">Names of APICv update rules; none on AMD, whose AVIC needs no rule.</param>
    /// <exception cref="ConfigurationException">A name is unknown, or does not exist on this hardware.</exception>
    public static InterruptComparison Run(InterruptSpec spec, IReadOnlyList<string> paths, IReadOnlyList<string> updateRules)
    {
        CpuProfile profile = spec.Profile;
        if (updateRules.Count > 0 && profile.Vendor != Vendor.Intel)
        {
            throw new ConfigurationException(
                $"APICv update rules are about vmcs01 and vmcs02, and profile '{profile.Name}' is {profile.Vendor.Name()}, which writes VMCB01 explicitly. Leave --apicv-update out, or choose an Intel profile.");
        }

        IApicvUpdateRule any = new DeferredUpdate();
        InterruptTableRow[] rows = [.. paths.SelectMany(path => InterruptTable.Rows(spec, path, Components.InterruptPaths.Create(path), any))];
        BroadcastRow[] broadcasts = [.. paths.SelectMany(path => BroadcastTable.Rows(spec, path, Components.InterruptPaths.Create(path)))];
        List<Table> tables = [];
        if (rows.Length > 0)
        {
            tables.Add(PathTable(profile, rows));
            tables.Add(BroadcastTableOf(broadcasts));
        }

        List<InterruptVerdict> verdicts = [.. paths.Select(path => Verdict(path, rows.Where(row => row.Path == path), broadcasts.Where(row => row.Path == path)))];
        foreach (string name in updateRules)
        {
            IApicvUpdateRule rule = Components.ApicvUpdateRules.Create(name);
            foreach ((string what, ApicvUpdateScenario run) in new[]
            {
                ("un-inhibited while L2 without TPR shadow is active", ApicvUpdateScenario.Uninhibited(spec, rule)),
                ("inhibited while L2 with APICv is active", ApicvUpdateScenario.Inhibited(spec, rule)),
            })
            {
                tables.Add(Moments($"APICv {what}: {name}", run));
                verdicts.Add(new InterruptVerdict($"{name}, {what.Split(' ')[0]}", run.Sent, run.Handled, new SafetyVerdict([.. run.Findings.Select(Finding)], 0)));
            }
        }

        tables.Add(new Table(
            "Safety",
            ["path or rule", "verdict", "sent", "handled", "wrong outcomes"],
            [.. verdicts.Select(each => (IReadOnlyList<string>)[each.Name, each.Verdict.IsSafe ? "safe" : "UNSAFE", Numbers.Whole(each.Sent), Numbers.Whole(each.Handled), Numbers.Whole(each.Verdict.Findings.Sum(finding => finding.Count))])]));
        return new InterruptComparison(tables, verdicts);
    }

    /// <summary>What went wrong in any row of a path: counts by kind, and the first story of each.</summary>
    private static InterruptVerdict Verdict(string path, IEnumerable<InterruptTableRow> rows, IEnumerable<BroadcastRow> broadcasts)
    {
        (string What, long Sent, long Handled, IReadOnlyList<InterruptFinding> Findings)[] all =
        [
            .. rows.Select(row => (Text(row), row.Interrupts, row.Handled, row.Findings)),
            .. broadcasts.Select(row => ($"IPI to several, {row.Destination}, {row.State}", row.Sent * BroadcastTable.Targets, row.Handled, row.Findings)),
        ];
        return new InterruptVerdict(path, all.Sum(row => row.Sent), all.Sum(row => row.Handled), new SafetyVerdict(Findings(all), 0));
    }

    private static IReadOnlyList<SafetyFinding> Findings(IEnumerable<(string What, long Sent, long Handled, IReadOnlyList<InterruptFinding> Findings)> rows) =>
    [
        .. rows.SelectMany(row => row.Findings.Count > 0 || row.Handled == row.Sent ? row.Findings.Select(Finding) : [new SafetyFinding("interrupt_not_delivered", 1, [$"{row.What}: an interrupt was not handled in time"])])
            .GroupBy(finding => finding.Kind, StringComparer.Ordinal).OrderBy(kind => kind.Key, StringComparer.Ordinal)
            .Select(kind => kind.First() with { Count = kind.Sum(finding => finding.Count) }),
    ];

    private static SafetyFinding Finding(InterruptFinding finding) => new(finding.Kind, finding.Count, finding.Story);

    private static string Text(InterruptTableRow row) => $"{(row.Source == InterruptSource.Ipi ? "IPI" : "device")} for L{row.Level}, target {Text(row.State)}";

    private static Table PathTable(CpuProfile profile, IEnumerable<InterruptTableRow> rows) => new(
        $"Interrupt paths on {profile.Name}: VM-exits per interrupt, latency from source to handler in cycles",
        ["path", "source", "APIC", "target", "exits", "nested exits", "p50", "p99", "outcome"],
        [.. rows.Select(row => (IReadOnlyList<string>)
        [
            row.Path, row.Source == InterruptSource.Ipi ? "IPI" : "device", $"L{row.Level}", Text(row.State), Numbers.Fraction((double)row.Exits / row.Interrupts),
            Numbers.Fraction((double)row.NestedExits / row.Interrupts), Numbers.Whole(row.P50), Numbers.Whole(row.P99), row.Outcome,
        ])]);

    private static Table BroadcastTableOf(IEnumerable<BroadcastRow> rows) => new(
        $"One IPI to {BroadcastTable.Targets} vCPUs that run or sleep in L1: VM-exits per ICR write",
        ["path", "destination", "targets", "exits", "p50", "p99", "outcome"],
        [.. rows.Select(row => (IReadOnlyList<string>)
        [
            row.Path, row.Destination == IpiDestination.Logical ? "logical" : "all but self", row.State == TargetState.Halted ? "halted" : "run", Numbers.Fraction((double)row.Exits / row.Sent),
            Numbers.Whole(row.P50), Numbers.Whole(row.P99), row.Outcome,
        ])]);

    private static Table Moments(string title, ApicvUpdateScenario run) => new(
        title,
        ["event", "time", "active", "apicv_active", "vmcs01", "vmcs02"],
        [.. run.Moments.Select(moment => (IReadOnlyList<string>)
            [Short(moment.Event), Numbers.Whole(moment.Time), $"L{moment.Level}", moment.ApicvActive ? "1" : "0", moment.Vmcs01 ? "on" : "off", moment.Vmcs02 ? "on" : "off"])]);

    /// <summary>An event without its explanation, which the outcome gives.</summary>
    private static string Short(string text) => text.Split(':')[0];

    private static string Text(TargetState state) => state switch
    {
        TargetState.RunningL1 => "runs L1",
        TargetState.RunningL2 => "runs L2",
        TargetState.Preempted => "preempted",
        _ => "halted",
    };
}
