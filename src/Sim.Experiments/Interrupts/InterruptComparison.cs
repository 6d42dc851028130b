using Sim.Core;
using Sim.Core.Profiles;
using Sim.Kvm.Interrupts;
using Sim.Reports.Views;

namespace Sim.Experiments;

/// <summary>Interrupt paths and APICv update rules side by side, as tables.</summary>
/// <param name="Tables">One table of all paths, then for each update rule what happened in order and what went wrong.</param>
/// <param name="Unsafe">What the oracle found: a path or rule and a kind of finding in each line; empty if nothing.</param>
public sealed record InterruptComparison(IReadOnlyList<Table> Tables, IReadOnlyList<string> Unsafe)
{
    /// <summary>Path names that exist on this vendor's hardware.</summary>
    public static IReadOnlyList<string> PathsOf(Vendor vendor) =>
        [.. Components.InterruptPaths.Entries.Select(entry => entry.Name).Where(name => Components.InterruptPaths.Create(name).Supports(vendor))];

    /// <summary>Runs the table of each path, and seed 2's two cases under each update rule (VMX only).</summary>
    /// <param name="profile">Costs and vendor.</param>
    /// <param name="paths">Names of interrupt paths.</param>
    /// <param name="updateRules">Names of APICv update rules; none on AMD, whose AVIC needs no rule.</param>
    /// <param name="nestedEarlyCheck">The module parameter nested_early_check.</param>
    /// <exception cref="ConfigurationException">A name is unknown, or does not exist on this hardware.</exception>
    public static InterruptComparison Run(CpuProfile profile, IReadOnlyList<string> paths, IReadOnlyList<string> updateRules, bool nestedEarlyCheck)
    {
        if (updateRules.Count > 0 && profile.Vendor != Vendor.Intel)
        {
            throw new ConfigurationException(
                $"APICv update rules are about vmcs01 and vmcs02, and profile '{profile.Name}' is {profile.Vendor}, which writes VMCB01 explicitly. Leave --apicv-update out, or choose an Intel profile.");
        }

        InterruptSpec spec = new() { Profile = profile, NestedEarlyCheck = nestedEarlyCheck };
        IApicvUpdateRule any = new DeferredUpdate();
        InterruptTableRow[] rows = [.. paths.SelectMany(path => InterruptTable.Rows(spec, path, Components.InterruptPaths.Create(path), any))];
        BroadcastRow[] broadcasts = [.. paths.SelectMany(path => BroadcastTable.Rows(spec, path, Components.InterruptPaths.Create(path)))];
        List<Table> tables = [];
        if (rows.Length > 0)
        {
            tables.Add(PathTable(profile, rows));
            tables.Add(BroadcastTableOf(broadcasts));
        }

        List<string> found = [.. rows.Where(row => row.Outcome != "delivered").Select(row => $"{row.Path}: {row.Outcome} ({row.Source}, L{row.Level}, {row.State})")];
        found.AddRange(broadcasts.Where(row => row.Outcome != "delivered").Select(row => $"{row.Path}: {row.Outcome} (IPI to several, {row.Destination}, {row.State})"));
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
                tables.Add(Findings($"Outcome of {name}: {run.Handled} of {run.Sent} interrupts handled", run));
                found.AddRange(run.Findings.Select(finding => $"{name}: {finding.Kind} ({what})"));
            }
        }

        return new InterruptComparison(tables, found);
    }

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

    private static Table Findings(string title, ApicvUpdateScenario run) => new(
        title,
        ["finding", "count", "the first"],
        run.Findings.Count == 0 ? [["none", "0", ""]]
            : [.. run.Findings.Select(finding => (IReadOnlyList<string>)[finding.Kind, Numbers.Whole(finding.Count), finding.Story[^1]])]);

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
