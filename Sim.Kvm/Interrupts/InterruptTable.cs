namespace Sim.Kvm.Interrupts;

/// <summary>What the target vCPU is doing when an interrupt is sent.</summary>
public enum TargetState
{
    /// <summary>Runs L1.</summary>
    RunningL1,

    /// <summary>Runs L2.</summary>
    RunningL2,

    /// <summary>Waits for its CPU, which another vCPU has.</summary>
    Preempted,

    /// <summary>Sleeps in HLT.</summary>
    Halted,
}

/// <summary>One path, source, target APIC and target state.</summary>
/// <param name="Path">Name of the path.</param>
/// <param name="Source">Device, or another vCPU's IPI.</param>
/// <param name="Level">APIC: 1 for L1's, 2 for L2's (L1 delivers to that).</param>
/// <param name="State">What the target does.</param>
/// <param name="Interrupts">Interrupts sent, one after the other.</param>
/// <param name="Handled">Interrupts whose handler ran in time.</param>
/// <param name="Exits">VM-exits of all CPUs that they cause.</param>
/// <param name="NestedExits">Nested VM-exits among what follows.</param>
/// <param name="P50">Median latency from source to handler, cycles.</param>
/// <param name="P99">99th percentile.</param>
/// <param name="Findings">What went wrong.</param>
public sealed record InterruptTableRow(
    string Path, InterruptSource Source, int Level, TargetState State, long Interrupts, long Handled, long Exits, long NestedExits, long P50, long P99, IReadOnlyList<InterruptFinding> Findings)
{
    /// <summary>delivered, or what went wrong.</summary>
    public string Outcome => Findings.Count > 0 ? string.Join(", ", Findings.Select(finding => finding.Kind)) : Handled == Interrupts ? "delivered" : "not delivered";
}

/// <summary>The table of interrupt paths: what each path costs for each state of the target, one interrupt at a time.</summary>
public static class InterruptTable
{
    private const int Sent = 100;
    private const byte Vector = 0x51;
    private const int Sender = 0;
    private const int Target = 1;
    private const long WarmUp = 3_500_000;
    private const long Grain = 5_000;
    private const long Settle = 100_000;
    private const long Patience = 20_000_000;

    /// <summary>All rows of one path.</summary>
    /// <param name="spec">The machine; lanes, vCPUs and polling are the table's own.</param>
    /// <param name="name">The path's name.</param>
    /// <param name="path">The path.</param>
    /// <param name="updateRule">APICv update rule (no row depends on it).</param>
    public static IReadOnlyList<InterruptTableRow> Rows(InterruptSpec spec, string name, IInterruptPath path, IApicvUpdateRule updateRule)
    {
        List<InterruptTableRow> rows = [];
        foreach (InterruptSource source in new[] { InterruptSource.Device, InterruptSource.Ipi })
        {
            foreach (TargetState state in Enum.GetValues<TargetState>())
            {
                rows.Add(Row(spec, name, path, updateRule, source, 1, state));
            }
        }

        foreach (TargetState state in new[] { TargetState.RunningL2, TargetState.Preempted, TargetState.Halted })
        {
            rows.Add(Row(spec, name, path, updateRule, InterruptSource.Ipi, 2, state));
        }

        return rows;
    }

    private static InterruptTableRow Row(InterruptSpec spec, string name, IInterruptPath path, IApicvUpdateRule rule, InterruptSource source, byte level, TargetState state)
    {
        bool preempted = state == TargetState.Preempted;
        GuestActionKind idle = state == TargetState.Halted ? GuestActionKind.Halt : GuestActionKind.Spin;
        CommandedBehaviour guests = new((1, GuestActionKind.Spin), (state == TargetState.RunningL2 ? 2 : level, idle), (1, GuestActionKind.Halt), (1, GuestActionKind.Spin));
        InterruptSpec two = spec with { Lanes = 2, VcpusPerLane = preempted ? 2 : 1, HaltPollCycles = 0, SliceCycles = 1_000_000 };
        InterruptSimulation simulation = new(two, path, rule, guests, []);
        InterruptLedger ledger = simulation.Ledger;
        long exits = 0;
        long nestedExits = 0;
        long until = WarmUp;
        for (int i = 0; i < Sent; i++)
        {
            Await(simulation, ref until, () => IsIn(simulation.System.Vcpus[Target], state));
            if (preempted)
            {
                // The places within the other's time slice differ, so that the waiting times do.
                until += i * 61 % 180 * Grain;
                Await(simulation, ref until, () => IsIn(simulation.System.Vcpus[Target], state));
            }

            long exitsBefore = ledger.TotalExits - ledger.Preemptions;
            long nestedBefore = ledger.NestedExits;
            long handledBefore = ledger.Handled;
            Delivery delivery = new(Vector, Target, level, source);
            if (source == InterruptSource.Ipi)
            {
                guests.Command(Sender, new GuestAction(GuestActionKind.SendIpi, 0, Target, level, Vector));
                simulation.Rouse(Sender);
            }
            else
            {
                simulation.Send(delivery, hostLane: 0);
            }

            if (!Await(simulation, ref until, () => ledger.Handled > handledBefore))
            {
                break;
            }

            until += Settle;
            simulation.Run(until: until);
            exits += ledger.TotalExits - ledger.Preemptions - exitsBefore;
            nestedExits += ledger.NestedExits - nestedBefore;
        }

        LatencyHistogram latency = ledger.Latency(level);
        return new InterruptTableRow(name, source, level, state, Sent, latency.Count, exits, nestedExits, latency.Percentile(500), latency.Percentile(990), simulation.Findings);
    }

    /// <summary>Runs on until something is so; false if it is not within <see cref="Patience"/>.</summary>
    private static bool Await(InterruptSimulation simulation, ref long until, Func<bool> condition)
    {
        long end = until + Patience;
        simulation.Run(until: until);
        while (!condition())
        {
            if (until >= end)
            {
                return false;
            }

            until += Grain;
            simulation.Run(until: until);
        }

        return true;
    }

    private static bool IsIn(Vcpu vcpu, TargetState state)
    {
        bool runs = vcpu.Cpu.Current == vcpu && vcpu.Cpu.InGuest && vcpu.Thread.IsIdle && vcpu.Guest(vcpu.Level).Work == 0;
        return state switch
        {
            TargetState.RunningL1 => runs && !vcpu.GuestMode,
            TargetState.RunningL2 => runs && vcpu.GuestMode,
            TargetState.Halted => vcpu.State == VcpuThreadState.Asleep,
            _ => vcpu is { State: VcpuThreadState.Runnable, IsLoaded: false } && vcpu.Cpu is { InGuest: true, Interrupts.IsIdle: true },
        };
    }
}
