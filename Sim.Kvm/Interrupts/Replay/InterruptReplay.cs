using Sim.Core;
using Sim.Core.Stats;
using Sim.Core.Traces;

namespace Sim.Kvm.Interrupts;

/// <summary>
/// A trace under one flush policy, one interrupt path and one APICv update rule at once: the interrupt simulation is the clock, the trace is what guests and L0 do. Translation makes a guest slower and so
/// moves interrupts; interrupts exit, flush and pollute.
/// </summary>
/// <remarks>Feeding the records in other portions changes no result. Memory does not grow with the length of the trace.</remarks>
public sealed class InterruptReplay
{
    private readonly Machine _machine;
    private readonly TraceReplay _trace;
    private readonly RecordedInterrupts _interrupts;
    private readonly InterruptSimulation _simulation;
    private bool _hasBegun;

    /// <summary>A run at its beginning.</summary>
    /// <param name="machine">Translation hardware and L0's capabilities.</param>
    /// <param name="policy">L0's flush policy.</param>
    /// <param name="replay">Must be <see cref="ReplayKind.ByPolicy"/>: a recorded flush has no place in a run that moves exits.</param>
    /// <param name="lanes">Physical CPUs of the trace.</param>
    /// <param name="spec">Interrupt hardware; its number of CPUs and vCPUs is replaced by the trace's and the load's.</param>
    /// <param name="path">How interrupts are delivered to L1.</param>
    /// <param name="updateRule">When APICv controls are written.</param>
    /// <param name="load">Where interrupts come from.</param>
    /// <param name="footprints">What their handling touches; null for nothing.</param>
    /// <param name="observer">Told of every invalidation, if somebody wants to know.</param>
    /// <param name="steps">Told of every step of delivery.</param>
    /// <param name="cancellation">Breaks a call off that takes long: nothing can be done with the run any more.</param>
    /// <exception cref="ConfigurationException">Policy, path, hardware and load do not fit each other.</exception>
    public InterruptReplay(
        MachineSpec machine,
        IFlushPolicy policy,
        ReplayKind replay,
        int lanes,
        InterruptSpec spec,
        IInterruptPath path,
        IApicvUpdateRule updateRule,
        InterruptLoad load,
        HandlerFootprints? footprints = null,
        Action<IssuedInvalidation>? observer = null,
        Action<ExecutedStep>? steps = null,
        CancellationToken cancellation = default)
    {
        if (replay != ReplayKind.ByPolicy)
        {
            throw new ConfigurationException(
                "Interrupt paths move exits to other places than the trace has them, so its recorded flushes mean nothing there. Replay by policy, or leave the interrupt paths out.");
        }

        TraceVcpus vcpus = new(lanes, load.Peers);
        _machine = new Machine(machine, policy, replay, lanes, vcpus.Of, observer);
        _interrupts = new RecordedInterrupts(load.Recorded, lanes, vcpus, new DeliveryExits(machine.Profile.Vendor, keepsIcr: path.HardwareIpi is null));
        _trace = new TraceReplay(_machine, lanes, vcpus, _interrupts, footprints ?? HandlerFootprints.None, machine.Profile.Vendor, shootsDown: load.Ipis?.Pattern == IpiPattern.Shootdown);
        _simulation = new InterruptSimulation(
            spec with { Lanes = lanes + load.Peers, VcpusPerLane = TraceVcpus.PerLane },
            path,
            updateRule,
            new TraceGuests(_trace, load),
            load.MakeSources(lanes, lanes + load.Peers),
            _trace,
            steps,
            cancellation);
        _trace.Simulation = _simulation;
    }

    /// <summary>Simulated time, in reference cycles since the first record.</summary>
    public long Now => _simulation.Now;

    /// <summary>What went wrong with interrupts so far.</summary>
    public IReadOnlyList<InterruptFinding> Findings => _simulation.Findings;

    /// <summary>VM-entries that failed, for L1's vmcs12 or for APICv.</summary>
    public IReadOnlyList<FailedVmEntry> FailedVmEntries =>
        [.. _machine.FailedVmEntries.Concat(_simulation.Ledger.FailedEntries.Select(Failed)).OrderBy(entry => entry.Time)];

    /// <summary>Incidents of translation, then those of interrupts; null if the oracle of translation does not watch.</summary>
    public SafetyReport? Safety =>
        _machine.Safety is { } seen ? seen with { Incidents = [.. seen.Incidents, .. Findings.Select(finding => new SafetyIncident(finding.Kind, finding.Count, finding.Story))] } : null;

    internal InterruptSimulation Simulation => _simulation;

    internal Machine Machine => _machine;

    /// <summary>For tests: most blocks that lanes kept at the end of a call.</summary>
    internal int MostBlocks { get; private set; }

    /// <summary>
    /// Takes <paramref name="count"/> records of the block from record <paramref name="first"/> on, and runs as far as they reach: a lane looks ahead a little, and no lane runs ahead of one whose next
    /// record is not known.
    /// </summary>
    public void Replay(TraceBlock block, int first, int count)
    {
        if (count == 0)
        {
            return;
        }

        TraceLane lane = _trace.Lanes[block.Lane];
        lane.Supply.Add(block, first, count);
        ulong reached = block.FirstTime;
        foreach (TraceLane other in _trace.Lanes)
        {
            if (!_hasBegun)
            {
                other.Cursor = reached;
            }

            other.Frontier = Math.Max(other.Frontier, reached);
        }

        _hasBegun = true;
        _simulation.Run();
        MostBlocks = Math.Max(MostBlocks, _trace.Lanes.Sum(each => each.Supply.Blocks));
    }

    /// <summary>The trace is cut here: what was fed is replayed without a look ahead (with several lanes: as far as all of them reach). Call it at the border of a measured window.</summary>
    public void Settle()
    {
        foreach (TraceLane lane in _trace.Lanes)
        {
            lane.IsCut = true;
        }

        _simulation.Run();
        foreach (TraceLane lane in _trace.Lanes)
        {
            lane.IsCut = false;
        }
    }

    /// <summary>There are no more records: the rest is replayed, sources stop, and what is on its way is delivered.</summary>
    public void Finish()
    {
        foreach (TraceLane lane in _trace.Lanes)
        {
            lane.Supply.IsComplete = true;
        }

        do
        {
            _simulation.Run();
        }
        while (!_trace.IsOver && _trace.Host.WakeSleepers());
    }

    /// <summary>All statistics now: the machine's and the interrupts'. Changes nothing.</summary>
    public StatSheet Snapshot()
    {
        StatSheet sheet = _machine.Snapshot();
        _simulation.Ledger.Collect(sheet, _simulation.IsDrained);
        sheet.Counter(StatNames.CyclesInterrupts, "cycles", "Cycles that interrupt delivery took from the guests: exits, entries, L0, L1 and handlers, without refills.", _trace.DeliveryCycles);
        sheet.Counter(StatNames.TraceIrqSent, "records", "Recorded interrupts that were sent anew.", _interrupts.Sent);
        sheet.Counter(StatNames.TraceIrqExitsDropped, "transitions", "Recorded exits that only delivery had caused: delivery is decided anew.", _interrupts.Dropped);
        return sheet;
    }

    /// <summary>See <see cref="Machine.Occupancy"/>.</summary>
    public StatSheet Occupancy() => _machine.Occupancy();

    /// <summary>Checks the conservation laws; throws <see cref="InvalidOperationException"/> with both sides of the one that fails.</summary>
    public void CheckConservation()
    {
        _machine.CheckConservation();
        _simulation.System.CheckConservation();
    }

    /// <summary>The measured window begins: incidents before it are forgotten.</summary>
    public void RestartSafety()
    {
        _machine.RestartSafety();
        _simulation.Ledger.ForgetFindings();
    }

    private FailedVmEntry Failed((long Time, int Vcpu, string Check) entry) => new((ulong)entry.Time, _trace.LaneOf(entry.Vcpu)?.Index ?? 0, _trace.Vcpus.All[entry.Vcpu].Number, 0, entry.Check);
}
