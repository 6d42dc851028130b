using Sim.Core.Profiles;
using Sim.Core.Traces;

namespace Sim.Kvm.Interrupts;

/// <summary>Why a CPU that follows a trace takes no further step now.</summary>
internal enum LaneHalt
{
    /// <summary>It does.</summary>
    None,

    /// <summary>Its next record is not there yet: nothing else may happen before it is.</summary>
    Starved,

    /// <summary>It waits for another lane, or its trace ended: it is looked at again when it is poked.</summary>
    Blocked,
}

/// <summary>
/// The trace under an interrupt simulation: lanes with their records, each replayed by the machine at its place, and the cycles that this takes. What interrupt delivery changes about the trace is decided by
/// the simulation.
/// </summary>
internal sealed class TraceReplay
{
    private readonly Machine _machine;
    private readonly RecordedInterrupts _interrupts;
    private readonly TraceLane[] _lanes;
    private int _acting;
    private ulong? _shotDown;

    /// <summary>A trace at its beginning.</summary>
    /// <param name="machine">What replays it.</param>
    /// <param name="lanes">Its physical CPUs; those behind them follow no trace.</param>
    /// <param name="vcpus">Its vCPUs.</param>
    /// <param name="interrupts">Its interrupts.</param>
    /// <param name="footprints">What handlers touch.</param>
    /// <param name="vendor">Whose exit reasons count.</param>
    /// <param name="shootsDown">IPIs ask for a page to be dropped.</param>
    public TraceReplay(Machine machine, int lanes, TraceVcpus vcpus, RecordedInterrupts interrupts, HandlerFootprints footprints, Vendor vendor, bool shootsDown)
    {
        _machine = machine;
        _interrupts = interrupts;
        _lanes = [.. Enumerable.Range(0, lanes).Select(index => new TraceLane(index))];
        Vcpus = vcpus;
        Host = new TraceHost(machine, this, vcpus, interrupts);
        Translation = new Translation(machine, this, footprints, vendor, shootsDown);
        machine.Steps.RemoteKick = Kick;
    }

    /// <summary>The simulation that follows this trace. Set once, right behind its making.</summary>
    public InterruptSimulation Simulation { get; set; } = null!;

    public TraceVcpus Vcpus { get; }

    public TraceHost Host { get; }

    public Translation Translation { get; }

    public IReadOnlyList<TraceLane> Lanes => _lanes;

    /// <summary>No guest has work any more.</summary>
    public bool IsOver => Array.TrueForAll(_lanes, lane => lane.Supply is { IsComplete: true, Any: false });

    /// <summary>Why the CPU whose step was just tried stops.</summary>
    public LaneHalt Halt { get; private set; }

    /// <summary>Simulated time of the last record that a lane came to.</summary>
    public long LastRecord { get; private set; }

    /// <summary>Stalls that were given to steps and work.</summary>
    public long Stalls { get; private set; }

    /// <summary>Cycles that delivery cost the lanes of the trace, without stalls.</summary>
    public long DeliveryCycles { get; private set; }

    /// <summary>True if a physical CPU follows a lane of the trace.</summary>
    public bool Follows(int cpu) => cpu < _lanes.Length;

    /// <summary>The lane on which a vCPU runs, or ran last; null if it did not yet.</summary>
    public TraceLane? LaneOf(int vcpu) => Vcpus.LaneOf(vcpu) is >= 0 and var lane ? _lanes[lane] : null;

    /// <summary>True if a guest is not on a CPU at the end of the trace, or at the end L1 does not run its L2: what is for it waits, and is not lost.</summary>
    public bool MayWait(int vcpu, int level)
    {
        Vcpu waiting = Simulation.System.Vcpus[vcpu];
        return Vcpus.Follows(vcpu) && (waiting.Cpu.Current != waiting || (level == 2 && !waiting.GuestMode && LaneOf(vcpu)?.Home == 1));
    }

    /// <summary>The CPU whose step is being tried takes none: the step did nothing, and is tried again.</summary>
    public Flow Stop(LaneHalt halt)
    {
        Halt = halt;
        return Flow.Stay;
    }

    /// <summary>The reason of the present halt, which ends with this.</summary>
    public LaneHalt TakeHalt()
    {
        LaneHalt halt = Halt;
        Halt = LaneHalt.None;
        return halt;
    }

    /// <summary>Delivery took cycles of a CPU.</summary>
    public void Delivered(int cpu, long cycles) => DeliveryCycles += Follows(cpu) ? cycles : 0;

    /// <summary>Cycles by which a lane's machine fell behind since the last call.</summary>
    public long TakeStall(int lane)
    {
        long stall = _lanes[lane].TakeStall(_machine.LaneOf(lane).StallCycles);
        Stalls += stall;
        return stall;
    }

    /// <summary>
    /// Work of the guest that runs on a vCPU, up to the end of a chunk or as far as it is known. Null: there is none before something else (<paramref name="next"/>): the chunk ended here
    /// (<see cref="Supplied.Gap"/>), the guest is left for L0 (<see cref="Supplied.Event"/>), the trace ended, or nothing is known.
    /// </summary>
    public long? GuestWork(Vcpu vcpu, TraceLane lane, out Supplied next)
    {
        if (vcpu is { L2Failed: true, GuestMode: false } && lane.Home == 2)
        {
            // L1 goes on behind a VMRESUME that failed; what follows in the trace did not happen.
            next = Supplied.Event;
            return null;
        }

        Advanced(lane);
        lane.BeginChunk();
        long work = 0;
        while (true)
        {
            next = lane.Next(out ulong gap);
            bool isAtBegin = lane.ChunkWork + work == 0;
            switch (next)
            {
                case Supplied.Gap:
                    work += (long)gap;
                    lane.Cursor += gap;
                    continue;
                case Supplied.Accesses when !lane.IsTranslated || isAtBegin:
                    work += Translate(lane);
                    lane.IsTranslated = true;
                    continue;
                case Supplied.Event when isAtBegin && !LeavesGuest(lane.Supply.Event.Kind):
                    work += Happens(lane, vcpu.Id);
                    continue;
                case Supplied.Event when isAtBegin && lane.IsAtRealExit:
                    ExitFate fate = _interrupts.TryDrop(Simulation, lane, vcpu.Id);
                    if (fate == ExitFate.Dropped)
                    {
                        continue;
                    }

                    next = fate == ExitFate.Unknown ? Supplied.Unknown : next;
                    break;
                default:
                    break;
            }

            lane.ChunkWork += work;
            if (next == Supplied.Unknown)
            {
                Halt = work > 0 ? Halt : LaneHalt.Starved;
            }
            else
            {
                next = lane.ChunkWork > 0 ? Supplied.Gap : next;
                lane.IsInChunk = false;
            }

            return work > 0 ? work : null;
        }
    }

    /// <summary>Translates a chunk. Returns the trace's cycles between its first and its last access, and the stall.</summary>
    public long Translate(TraceLane lane)
    {
        Came();
        ulong from = lane.Cursor;
        ulong before = from + TraceLane.ChunkCycles;
        _acting = lane.Index;
        while (lane.HasAccess(before))
        {
            AccessRun run = lane.TakeAccesses(before);
            _machine.Replay(run.Block, run.FirstRecord, run.Count);
        }

        return (long)(lane.Cursor - from) + TakeStall(lane.Index);
    }

    /// <summary>The machine carries the next record, an event, out.</summary>
    public void Follow(TraceLane lane)
    {
        Came();
        (TraceBlock block, int first) = lane.Supply.TakeEvent();
        _acting = lane.Index;
        _machine.Replay(block, first, 1);
    }

    /// <summary>An event that needs no step of the simulation. Returns its stall.</summary>
    public long Happens(TraceLane lane, int vcpu)
    {
        TraceEvent e = lane.Supply.Event;
        Follow(lane);
        if (e.Kind == RecordKind.Interrupt)
        {
            _interrupts.Told(Simulation, lane, e);
        }
        else if (e.Kind == RecordKind.ApicvInhibit)
        {
            Simulation.RunElsewhere(ApicvSteps.Change, new Delivery((byte)e.A, vcpu, 1, InterruptSource.Software), e.B != 0);
        }
        else if (e is { Kind: RecordKind.ApicMode, Level: 1 })
        {
            Simulation.RunElsewhere(ApicModes.Change, new Delivery((byte)e.A, vcpu, 1, InterruptSource.Software));
        }

        return TakeStall(lane.Index);
    }

    /// <summary>A guest begins a TLB shootdown of the page that it touched last, and drops it itself.</summary>
    public void BeginShootdown(TraceLane lane)
    {
        _shotDown = lane.LastAddress;
        ShootDown(lane.Index);
    }

    /// <summary>The guest that runs on a lane drops the page that is being shot down.</summary>
    public void ShootDown(int lane)
    {
        if (_shotDown is { } page)
        {
            _machine.ShootDown(lane, page);
        }
    }

    /// <summary>Whether a lane has a trace time behind it; if not, the other one is looked at again when it has.</summary>
    public bool WaitFor(TraceLane waiting, int lane, ulong time)
    {
        bool isPast = IsPast(_lanes[lane], time);
        waiting.WaitsFor = isPast ? -1 : lane;
        return isPast;
    }

    /// <summary>A lane came further: who waits for it looks again.</summary>
    public void Advanced(TraceLane lane)
    {
        lane.Passed = lane.Cursor;
        foreach (TraceLane waiting in _lanes)
        {
            if (waiting.WaitsFor == lane.Index && IsPast(lane, waiting.Cursor))
            {
                waiting.WaitsFor = -1;
                ((IConductor)Simulation).Poke(Simulation.System.Cpus[waiting.Index]);
            }
        }
    }

    private void Came()
    {
        LastRecord = Simulation.Now;
        Simulation.EndRest();
    }

    private static bool LeavesGuest(RecordKind kind) => kind is RecordKind.VmExit or RecordKind.VmEnter or RecordKind.SchedIn or RecordKind.SchedOut or RecordKind.Migrate;

    private static bool IsPast(TraceLane lane, ulong time) => lane.Passed >= time || (lane.Supply.IsComplete && !lane.Supply.Any);

    /// <summary>A remote flush makes the guest on another CPU exit, by a reschedule IPI. Whoever flushes waits until that has happened.</summary>
    private void Kick(int lane)
    {
        InterruptSystem system = Simulation.System;
        if (system.Cpus[lane].Current is { } vcpu)
        {
            CpuProfile profile = system.Spec.Profile;
            _lanes[lane].IsKicked = true;
            _lanes[_acting].WaitsCycles = profile.InterruptCosts.Ipi + profile.Costs.VmExit + profile.InterruptCosts.KvmHostIpi;
            system.Kick(vcpu, null);
        }
    }
}
