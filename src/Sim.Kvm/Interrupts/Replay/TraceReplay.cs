using Sim.Core;
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
/// The trace under an interrupt simulation: which vCPU runs where, what the guests do, and what L0 does between an exit and the entry that follows, each at its place and with the machine's translation
/// cycles. What interrupt delivery changes about it is decided by the simulation.
/// </summary>
internal sealed class TraceReplay
{
    /// <summary>Most vCPUs for each lane.</summary>
    public const int VcpusPerLane = 32;

    /// <summary>An interrupt that a guest took at most so many cycles after a VM-entry was pending at that entry.</summary>
    private const ulong PendingAtEntryCycles = 1_000;

    private const int PendingRecords = 16;

    private const ulong HltIntel = 12;
    private const ulong HltAmd = 0x78;

    private readonly Machine _machine;
    private readonly DeliveryExits _exits;
    private readonly TraceLane[] _lanes;
    private readonly Activity?[] _hosts;
    private readonly long[] _stalls;
    private readonly long[] _waits;
    private readonly ulong?[] _addresses;
    private readonly bool[] _kicked;
    private readonly int[] _sentAhead;
    private readonly int?[] _waitsFor;
    private readonly int[] _laneOf;
    private readonly ushort[] _names;
    private readonly TraceEvent?[] _nestedEntries;
    private readonly SortedDictionary<ushort, int> _indices = [];
    private readonly bool _recorded;
    private bool _tellsInterrupts;
    private int _acting;
    private ulong? _shotDown;
    private readonly int _peers;

    /// <summary>Lanes of a trace at its beginning. <paramref name="peers"/> CPUs behind them follow no trace.</summary>
    public TraceReplay(Machine machine, int lanes, int peers, bool recorded, DeliveryExits exits)
    {
        _machine = machine;
        _exits = exits;
        _peers = peers;
        _recorded = recorded;
        _lanes = [.. Enumerable.Range(0, lanes).Select(index => new TraceLane(index))];
        _hosts = new Activity?[lanes];
        _stalls = new long[lanes];
        _waits = new long[lanes];
        _addresses = new ulong?[lanes];
        _kicked = new bool[lanes];
        _sentAhead = new int[lanes];
        _waitsFor = new int?[lanes];
        int slots = (lanes + peers) * VcpusPerLane;
        _laneOf = [.. Enumerable.Repeat(-1, slots)];
        _names = new ushort[slots];
        _nestedEntries = new TraceEvent?[slots];
        machine.RemoteKick = Kick;
    }

    /// <summary>The simulation that follows this trace. Set once, right behind its making.</summary>
    public InterruptSimulation Simulation { get; set; } = null!;

    public IReadOnlyList<TraceLane> Lanes => _lanes;

    /// <summary>No guest has work any more.</summary>
    public bool IsOver => Array.TrueForAll(_lanes, lane => lane.Supply is { IsComplete: true, Any: false });

    /// <summary>Why the CPU whose step was just tried stops.</summary>
    public LaneHalt Halt { get; private set; }

    /// <summary>Recorded interrupts that were sent.</summary>
    public long Sent { get; private set; }

    /// <summary>Exits of the trace that only delivery had caused, and that were left out.</summary>
    public long Dropped { get; private set; }

    /// <summary>Cycles that delivery cost the lanes of the trace, without stalls.</summary>
    public long DeliveryCycles { get; private set; }

    /// <summary>The reason of the present halt, which ends with this.</summary>
    public LaneHalt TakeHalt()
    {
        LaneHalt halt = Halt;
        Halt = LaneHalt.None;
        return halt;
    }

    /// <summary>Wakes vCPUs that sleep in an HLT that the trace does not have, and that nobody would wake any more. True if there were any.</summary>
    public bool WakeSleepers()
    {
        bool any = false;
        foreach (VirtualCpu vcpu in Simulation.System.Vcpus)
        {
            if (Schedules(vcpu.Id) && vcpu.State != VcpuThreadState.Runnable)
            {
                any = true;
                vcpu.L2Halted = false;
                vcpu.Thread.Abandon();
                vcpu.Thread.Begin(RecordedSteps.LoadAndEnter);
                vcpu.IsHalted = false;
                Simulation.System.WakeUp(vcpu);
            }
        }

        return any;
    }

    /// <summary>True if the trace says when and where a vCPU runs.</summary>
    public bool Schedules(int vcpu) => vcpu < _names.Length - _peers;

    /// <summary>True if a guest is not on a CPU at the end of the trace, or at the end L1 does not run its L2: what is for it waits, and is not lost.</summary>
    public bool MayWait(int vcpu, int level)
    {
        if (!Schedules(vcpu))
        {
            return false;
        }

        VirtualCpu waiting = Simulation.System.Vcpus[vcpu];
        return waiting.Cpu.Current != waiting || (level == 2 && !waiting.GuestMode && LaneOf(vcpu)?.Home == 1);
    }

    /// <summary>The vCPU that takes a part in what an <see cref="InterruptLoad"/> wants: the trace's first ones, as many as it has lanes, then the peers.</summary>
    public int VcpuOf(int participant) => participant < _lanes.Length ? participant : participant - _lanes.Length + _names.Length - _peers;

    /// <summary>The part that a vCPU takes.</summary>
    public int ParticipantOf(int vcpu) => Schedules(vcpu) ? vcpu : vcpu - (_names.Length - _peers) + _lanes.Length;

    /// <summary>True if a physical CPU follows a lane of the trace.</summary>
    public bool Follows(int cpu) => cpu < _lanes.Length;

    /// <summary>The trace's number of a vCPU.</summary>
    public ushort NameOf(int vcpu) => _names[vcpu];

    /// <summary>The lane on which a vCPU runs, or ran last; null if it did not yet.</summary>
    public TraceLane? LaneOf(int vcpu) => _laneOf[vcpu] < 0 ? null : _lanes[_laneOf[vcpu]];

    /// <summary>A guest begins a TLB shootdown of the page that it touched last, and drops it itself.</summary>
    public void BeginShootdown(TraceLane lane)
    {
        _shotDown = _addresses[lane.Index];
        ShootDown(lane.Index);
    }

    /// <summary>The guest that runs on a lane drops the page that is being shot down.</summary>
    public void ShootDown(int lane)
    {
        if (_shotDown is { } page)
        {
            _machine.Happen(lane, TraceEvent.Invlpg(_lanes[lane].Cursor, (byte)_machine.LevelOn(lane), page));
        }
    }

    /// <summary>The nested VM-entry that the trace told last of a vCPU.</summary>
    public TraceEvent? NestedEntryOf(int vcpu) => _nestedEntries[vcpu];

    /// <summary>L0 on a CPU that has no vCPU; null if there is nothing that it follows.</summary>
    public Activity? HostOf(PhysicalCpu cpu)
    {
        if (!Follows(cpu.Index) || _lanes[cpu.Index].HasVcpu)
        {
            // The vCPU that the trace runs here sleeps in an HLT that the trace does not have.
            return null;
        }

        Activity host = _hosts[cpu.Index] ??= new Activity(Simulation.System, null, cpu) { IsRecorded = true };
        if (host.IsIdle)
        {
            host.Begin(RecordedSteps.Host);
        }

        return host;
    }

    /// <summary>Stalls that were given to steps and work.</summary>
    public long Stalls { get; private set; }

    /// <summary>Delivery took cycles of a CPU.</summary>
    public void Delivered(int cpu, long cycles) => DeliveryCycles += Follows(cpu) ? cycles : 0;

    /// <summary>Cycles by which a lane's machine fell behind since the last call.</summary>
    public long TakeStall(int lane)
    {
        long now = _machine.StallCycles(lane);
        long stall = now - _stalls[lane] + _waits[lane];
        _stalls[lane] = now;
        _waits[lane] = 0;
        Stalls += stall;
        return stall;
    }

    /// <summary>Work of the guest that runs on a vCPU: the accesses of one chunk, and the quick events among them. Null: it is left for L0, or it cannot be known.</summary>
    public long? GuestWork(VirtualCpu vcpu, TraceLane lane, out Supplied next)
    {
        if (vcpu is { L2Failed: true, GuestMode: false } && lane.Home == 2)
        {
            // L1 goes on behind a VMRESUME that failed; what follows in the trace did not happen.
            next = Supplied.Event;
            return null;
        }

        Advanced(lane);
        long work = 0;
        bool translated = false;
        while (true)
        {
            next = lane.Next(out ulong gap);
            switch (next)
            {
                case Supplied.Gap:
                    work += (long)gap;
                    lane.Cursor += gap;
                    continue;
                case Supplied.Accesses when !translated || work == 0:
                    work += Translate(lane);
                    translated = true;
                    continue;
                case Supplied.Event when work == 0 && !LeavesGuest(lane.Supply.Event.Kind):
                    work += Happens(lane, vcpu.Id);
                    continue;
                case Supplied.Event when work == 0 && _tellsInterrupts && IsRealExit(lane.Supply):
                    switch (_exits.Judge(lane, _nestedEntries[vcpu.Id]?.C ?? 0, out int events))
                    {
                        case ExitFate.Dropped:
                            Drop(lane, events);
                            continue;
                        case ExitFate.Unknown:
                            next = Supplied.Unknown;
                            break;
                        default:
                            break;
                    }

                    break;
                default:
                    break;
            }

            if (work > 0)
            {
                return work;
            }

            if (next == Supplied.Unknown)
            {
                Halt = LaneHalt.Starved;
            }

            return null;
        }
    }

    /// <summary>One step of L0 on a CPU, up to the next moment at which it can be interrupted; <see cref="Flow.Next"/> when it is over because a guest is entered, or nobody runs.</summary>
    public Flow HostStep(Activity activity)
    {
        TraceLane lane = _lanes[activity.Cpu!.Index];
        Advanced(lane);
        switch (lane.Next(out ulong gap))
        {
            case Supplied.Gap when lane.IsHalted && activity.Vcpu is { } halted && IsWanted(halted):
                // A CPU that idled until the recorded interrupt came now has another one to wake up for.
                lane.Cursor += gap;
                return Flow.Stay;
            case Supplied.Gap:
                ulong spent = Math.Min(gap, TraceLane.ChunkCycles);
                lane.Cursor += spent;
                return Spend(activity, (long)spent);
            case Supplied.Accesses:
                return Spend(activity, Translate(lane));
            case Supplied.Event:
                return HostEvent(activity, lane);
            case Supplied.Ended when activity.Vcpu is { } vcpu && IsWanted(vcpu):
                // The trace stops in the midst of L0, and the guest has interrupts to take.
                activity.IsRecorded = false;
                activity.Jump(activity.System.Path.Entry);
                return Flow.Next;
            case Supplied.Ended:
                Halt = LaneHalt.Blocked;
                return Flow.Stay;
            default:
                Halt = LaneHalt.Starved;
                return Flow.Stay;
        }
    }

    /// <summary>The guest on a CPU is left, by the exit that is the next record, or by one that the trace does not tell.</summary>
    public void Leave(PhysicalCpu cpu, VirtualCpu vcpu)
    {
        TraceLane lane = _lanes[cpu.Index];
        _kicked[cpu.Index] = false;
        lane.IsHalted = false;
        if (IsRealExit(lane.Supply))
        {
            lane.IsHalted = lane.Supply.Event is { Transition: TransitionKind.L1ToL0, C: HltIntel or HltAmd };
            Follow(lane);
        }
        else if (_machine.LevelOn(cpu.Index) is > 0 and var level)
        {
            _machine.Happen(cpu.Index, TraceEvent.VmExit(lane.Cursor, level == 2 ? TransitionKind.L2ToL0 : TransitionKind.L1ToL0, NameOf(vcpu.Id), 0));
        }

        if (vcpu.L2Failed && lane.Home == 2)
        {
            _machine.Refuse(cpu.Index);
        }
    }

    /// <summary>True if the exit that happens on a lane is only the kick of a remote flush, which the machine has carried out.</summary>
    public bool TakeKicked(int lane)
    {
        bool kicked = _kicked[lane];
        _kicked[lane] = false;
        return kicked;
    }

    /// <summary>The VM-entry that is the next record is carried out by the machine; false if the next record is no entry to this level.</summary>
    public bool TryEnter(int cpu, int level)
    {
        LaneSupply supply = _lanes[cpu].Supply;
        if (!supply.Any || !supply.IsEvent || supply.Event is not { Kind: RecordKind.VmEnter } || LevelOf(supply.Event.Transition) != level)
        {
            return false;
        }

        Follow(_lanes[cpu]);
        return true;
    }

    private static bool LeavesGuest(RecordKind kind) => kind is RecordKind.VmExit or RecordKind.VmEnter or RecordKind.SchedIn or RecordKind.SchedOut or RecordKind.Migrate;

    private static bool IsRealExit(LaneSupply supply) =>
        supply.Any && supply.IsEvent && supply.Event.Kind == RecordKind.VmExit && supply.Event.Transition != TransitionKind.L2ToL1;

    private static int LevelOf(TransitionKind entry) => entry switch { TransitionKind.L0ToL1 => 1, TransitionKind.L0ToL2 => 2, _ => 0 };

    private static bool IsWanted(VirtualCpu vcpu) => !vcpu.Pid.Pir.IsEmpty || EntrySteps.HasEvents(vcpu.Thread.System, vcpu);

    private static Flow Spend(Activity activity, long cycles)
    {
        activity.Extra += (int)cycles;
        return Flow.Stay;
    }

    /// <summary>Translates a chunk. Returns the trace's cycles between its first and its last access, and the stall.</summary>
    private long Translate(TraceLane lane)
    {
        ulong from = lane.Cursor;
        ulong before = from + TraceLane.ChunkCycles;
        _acting = lane.Index;
        while (lane.HasAccess(before))
        {
            AccessRun run = lane.TakeAccesses(before);
            _machine.Replay(run.Block, run.FirstRecord, run.Count);
            _addresses[lane.Index] = run.Block.Address[run.FirstAccess + run.Count - 1];
        }

        return (long)(lane.Cursor - from) + TakeStall(lane.Index);
    }

    /// <summary>The machine carries the next record, an event, out.</summary>
    private void Follow(TraceLane lane)
    {
        (TraceBlock block, int first) = lane.Supply.TakeEvent();
        _acting = lane.Index;
        _machine.Replay(block, first, 1);
    }

    /// <summary>An event that needs no step of the simulation. Returns its stall.</summary>
    private long Happens(TraceLane lane, int vcpu)
    {
        TraceEvent e = lane.Supply.Event;
        Follow(lane);
        _tellsInterrupts |= _recorded && e.Kind == RecordKind.Interrupt;
        switch (e.Kind)
        {
            case RecordKind.Interrupt when _recorded && e.D > 0 && _sentAhead[lane.Index] > 0:
                _sentAhead[lane.Index]--;
                break;
            case RecordKind.Interrupt when _recorded && e.D > 0:
                Simulation.RunElsewhere(Post(e, out Delivery delivery), delivery);
                break;
            case RecordKind.ApicvInhibit:
                Simulation.RunElsewhere(ApicvSteps.Change, new Delivery((byte)e.A, vcpu, 1, InterruptSource.Software), e.B != 0);
                break;
            default:
                break;
        }

        return TakeStall(lane.Index);
    }

    /// <summary>A recorded interrupt is sent now, by a program.</summary>
    private Program Post(in TraceEvent e, out Delivery delivery)
    {
        Sent++;
        delivery = new((byte)e.B, IndexOf((ushort)e.C), (byte)e.D, (InterruptSource)e.A);
        InterruptSystem system = Simulation.System;
        if (!Guest.IsL1Notification(delivery.Level, delivery.Vector))
        {
            system.Ledger.Posted(delivery, Simulation.Now);
        }

        return delivery.Level == 2 ? L1Steps.DeliverFromElsewhere(system) : system.IsDeliveredByHardware(delivery) ? system.Path.HardwareDevice! : system.Path.Post;
    }

    /// <summary>Posts, before the VM-entry that is the next record, the interrupts that the guest takes right behind it.</summary>
    private void PostAhead(PhysicalCpu cpu, TraceLane lane)
    {
        ulong until = lane.Cursor + PendingAtEntryCycles;
        Activity poster = new(Simulation.System, null, cpu);
        lane.Supply.Scan(
            e =>
            {
                if (e.Kind == RecordKind.Interrupt && e.D > 0 && e.Time <= until)
                {
                    _sentAhead[lane.Index]++;
                    Program program = Post(e, out Delivery delivery);
                    poster.Delivery = delivery;
                    poster.Begin(program);
                    while (!poster.IsIdle)
                    {
                        poster.Advance();
                    }
                }

                return e.Time <= until && e.Kind is RecordKind.VmEnter or RecordKind.Interrupt or RecordKind.Eoi;
            },
            PendingRecords);
    }

    /// <summary>A remote flush makes the guest on another CPU exit, by a reschedule IPI. Whoever flushes waits for that.</summary>
    private void Kick(int lane)
    {
        InterruptSystem system = Simulation.System;
        if (system.Cpus[lane].Current is { } vcpu)
        {
            _kicked[lane] = true;
            system.Kick(vcpu, null);
            Core.Profiles.CpuProfile profile = system.Spec.Profile;
            _waits[_acting] = Math.Max(_waits[_acting], profile.InterruptCosts.Ipi + profile.Costs.VmExit + profile.InterruptCosts.KvmHostIpi);
        }
    }

    private Flow HostEvent(Activity activity, TraceLane lane)
    {
        TraceEvent e = lane.Supply.Event;
        VirtualCpu? vcpu = activity.Vcpu;
        switch (e.Kind)
        {
            case RecordKind.VmEnter when e.Transition != TransitionKind.L1ToL2 && !_machine.IsRefused(lane.Index):
                return Enter(activity, lane, e);
            case RecordKind.VmEnter when e.Transition == TransitionKind.L1ToL2 && vcpu is not null && !_machine.IsRefused(lane.Index):
                Follow(lane);
                vcpu.L2Failed = false;
                if (!_machine.IsRefused(lane.Index))
                {
                    _nestedEntries[vcpu.Id] = e;
                    L1Steps.BeforeVmresume(activity.System, vcpu);
                    if (NestedSteps.Enter(activity, vcpu) is { } check)
                    {
                        NestedSteps.FailEntry(activity, vcpu, check);
                        return Flow.Next;
                    }
                }

                break;
            case RecordKind.VmExit when e.Transition == TransitionKind.L2ToL1 && vcpu is { GuestMode: true } && !_machine.IsRefused(lane.Index):
                Follow(lane);
                NestedSteps.Leave(activity, vcpu);
                break;
            case RecordKind.SchedOut when activity.System.Cpus[lane.Index].Current is { } current && NameOf(current.Id) == e.Vcpu:
                Follow(lane);
                Put(activity.Cpu!, current);
                return Flow.Next;
            default:
                activity.Extra += (int)Happens(lane, vcpu?.Id ?? 0);
                return Flow.Stay;
        }

        activity.Extra += (int)TakeStall(lane.Index);
        return Flow.Stay;
    }

    private Flow Enter(Activity activity, TraceLane lane, in TraceEvent e)
    {
        int index = IndexOf(e.Vcpu);
        if (_laneOf[index] is >= 0 and var before && before != lane.Index && !IsPast(_lanes[before], e.Time))
        {
            _waitsFor[lane.Index] = before;
            Halt = LaneHalt.Blocked;
            return Flow.Stay;
        }

        if (_recorded && !lane.IsKnown(lane.Cursor + PendingAtEntryCycles))
        {
            Halt = LaneHalt.Starved;
            return Flow.Stay;
        }

        PhysicalCpu cpu = activity.Cpu!;
        VirtualCpu vcpu = activity.System.Vcpus[index];
        lane.Home = LevelOf(e.Transition);
        if (activity.Vcpu == vcpu)
        {
            Prepare(activity, vcpu, lane);
            activity.Jump(activity.System.Path.Entry);
            return Flow.Next;
        }

        if (cpu.Current is { } current)
        {
            Put(cpu, current);
        }

        if (_laneOf[index] >= 0 && activity.System.Cpus[_laneOf[index]] is { } other && other.Current == vcpu)
        {
            // The trace does not tell how it left.
            ((IConductor)Simulation).Poke(other);
            Put(other, vcpu);
        }

        lane.HasVcpu = true;
        _laneOf[index] = lane.Index;
        cpu.Current = vcpu;
        vcpu.Cpu = cpu;
        vcpu.IsLoaded = true;
        Prepare(vcpu.Thread, vcpu, lane);
        vcpu.Thread.Begin(RecordedSteps.LoadAndEnter);
        activity.Abandon();
        return Flow.Next;
    }

    /// <summary>The level is what the entry says, also where the trace begins in the middle; interrupts that the guest takes at once are sent before.</summary>
    private void Prepare(Activity thread, VirtualCpu vcpu, TraceLane lane)
    {
        thread.IsRecorded = true;
        if (_recorded)
        {
            PostAhead(vcpu.Cpu, lane);
        }

        if (lane.Home == 2 && !vcpu.GuestMode)
        {
            NestedSteps.Enter(thread, vcpu);
        }
        else if (lane.Home == 1 && vcpu.GuestMode)
        {
            NestedSteps.Leave(thread, vcpu);
        }
    }

    /// <summary>Leaves a recorded stay out, up to and with the entry that ends it; the interrupts of L1 in it are sent now.</summary>
    private void Drop(TraceLane lane, int events)
    {
        Dropped++;
        while (events > 0)
        {
            lane.Cursor = Math.Max(lane.Cursor, lane.Supply.Time);
            if (!lane.Supply.IsEvent)
            {
                lane.Supply.TakeAccesses(ulong.MaxValue);
                continue;
            }

            TraceEvent e = lane.Supply.Event;
            lane.Supply.TakeEvent();
            events--;
            if (e.Kind == RecordKind.Interrupt && e.D > 0)
            {
                Simulation.RunElsewhere(Post(e, out Delivery delivery), delivery);
            }
        }
    }

    private void Put(PhysicalCpu cpu, VirtualCpu vcpu)
    {
        _lanes[cpu.Index].HasVcpu = false;
        vcpu.Thread.Abandon();
        vcpu.Thread.IsRecorded = true;
        Program preempt = vcpu.Thread.System.Path.Preempt;
        if (preempt.Length > 0)
        {
            vcpu.Thread.Begin(preempt);
        }

        while (!vcpu.Thread.IsIdle)
        {
            vcpu.Thread.Advance();
        }

        vcpu.IsLoaded = false;
        vcpu.Mode = VcpuMode.OutsideGuestMode;
        cpu.InGuest = false;
        cpu.InterruptsEnabled = true;
        cpu.Current = null;
    }

    private int IndexOf(ushort name)
    {
        if (_indices.TryGetValue(name, out int index))
        {
            return index;
        }

        index = _indices.Count;
        if (!Schedules(index))
        {
            throw new ConfigurationException($"The trace names more than {_names.Length - _peers} vCPUs, and a run with interrupt paths takes {VcpusPerLane} for each physical CPU. Cut the trace.");
        }

        _indices.Add(name, index);
        _names[index] = name;
        return index;
    }

    private static bool IsPast(TraceLane lane, ulong time) => lane.Passed >= time || (lane.Supply.IsComplete && !lane.Supply.Any);

    /// <summary>A lane came further: who waits for it looks again.</summary>
    private void Advanced(TraceLane lane)
    {
        lane.Passed = lane.Cursor;
        for (int waiting = 0; waiting < _waitsFor.Length; waiting++)
        {
            if (_waitsFor[waiting] == lane.Index && IsPast(lane, _lanes[waiting].Cursor))
            {
                _waitsFor[waiting] = null;
                ((IConductor)Simulation).Poke(Simulation.System.Cpus[waiting]);
            }
        }
    }
}
