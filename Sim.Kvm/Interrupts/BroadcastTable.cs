namespace Sim.Kvm.Interrupts;

/// <summary>One path, way to name several targets, and state of these.</summary>
/// <param name="Path">Name of the path.</param>
/// <param name="Destination">Logical, or all but self.</param>
/// <param name="State">What all targets do: run L1, or sleep.</param>
/// <param name="Sent">ICR writes, one after the other.</param>
/// <param name="Handled">Interrupts whose handler ran in time: <see cref="BroadcastTable.Targets"/> for each write if all did.</param>
/// <param name="Exits">VM-exits of all CPUs that they cause, with those to sleep again.</param>
/// <param name="P50">Median latency from the ICR write to a target's handler, cycles.</param>
/// <param name="P99">99th percentile.</param>
/// <param name="Findings">What went wrong.</param>
public sealed record BroadcastRow(
    string Path, IpiDestination Destination, TargetState State, long Sent, long Handled, long Exits, long P50, long P99, IReadOnlyList<InterruptFinding> Findings)
{
    /// <summary>delivered, or what went wrong.</summary>
    public string Outcome => Findings.Count > 0 ? string.Join(", ", Findings.Select(finding => finding.Kind)) : Handled == Sent * BroadcastTable.Targets ? "delivered" : "not delivered";
}

/// <summary>What one ICR write to several vCPUs costs on each path.</summary>
public static class BroadcastTable
{
    /// <summary>Targets of each IPI, each on a CPU of its own.</summary>
    public const int Targets = 3;

    private const int Sent = 100;
    private const long Gap = 200_000;

    /// <summary>All rows of one path.</summary>
    /// <param name="spec">The machine; lanes, vCPUs and polling are the table's own.</param>
    /// <param name="name">The path's name.</param>
    /// <param name="path">The path.</param>
    public static IReadOnlyList<BroadcastRow> Rows(InterruptSpec spec, string name, IInterruptPath path) =>
    [
        Row(spec, name, path, IpiDestination.Logical, TargetState.RunningL1), Row(spec, name, path, IpiDestination.Logical, TargetState.Halted),
        Row(spec, name, path, IpiDestination.AllButSelf, TargetState.RunningL1), Row(spec, name, path, IpiDestination.AllButSelf, TargetState.Halted),
    ];

    private static BroadcastRow Row(InterruptSpec spec, string name, IInterruptPath path, IpiDestination destination, TargetState state)
    {
        (int, GuestActionKind) target = (1, state == TargetState.Halted ? GuestActionKind.Halt : GuestActionKind.Spin);
        CommandedBehaviour guests = new((1, GuestActionKind.Spin), target, target, target);
        InterruptSimulation simulation = new(spec with { Lanes = 1 + Targets, VcpusPerLane = 1, HaltPollCycles = 0 }, path, new DeferredUpdate(), guests, []);
        simulation.Run(until: Gap);
        long before = simulation.Ledger.TotalExits;
        for (int i = 0; i < Sent; i++)
        {
            // vCPUs 1 to 3: bits 3:1 both in x2APIC's cluster 0 and in xAPIC's flat mode.
            guests.Command(0, new GuestAction(GuestActionKind.SendIpi, 0, 0b1110, 1, 0x51, destination));
            simulation.Rouse(0);
            simulation.Run(until: simulation.Now + Gap);
        }

        LatencyHistogram latency = simulation.Ledger.Latency(1);
        return new BroadcastRow(
            name, destination, state, Sent, latency.Count, simulation.Ledger.TotalExits - before, latency.Percentile(500), latency.Percentile(990), simulation.Findings);
    }
}
