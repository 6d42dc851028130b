using Sim.Core.Architecture;
using Sim.Core.Traces;

namespace Sim.Kvm.Interrupts;

/// <summary>L0 as the trace tells it: its stays between an exit and the entry that follows, nested transitions in them, and which vCPU has which CPU.</summary>
internal sealed class TraceHost
{
    private readonly Machine _machine;
    private readonly TraceReplay _trace;
    private readonly TraceVcpus _vcpus;
    private readonly RecordedInterrupts _interrupts;
    private readonly Activity?[] _hosts;

    public TraceHost(Machine machine, TraceReplay trace, TraceVcpus vcpus, RecordedInterrupts interrupts)
    {
        _machine = machine;
        _trace = trace;
        _vcpus = vcpus;
        _interrupts = interrupts;
        _hosts = new Activity?[trace.Lanes.Count];
    }

    /// <summary>L0 on a CPU that has no vCPU; null if there is nothing that it follows.</summary>
    public Activity? On(PhysicalCpu cpu)
    {
        if (!_trace.Follows(cpu.Index) || _trace.Lanes[cpu.Index].HasVcpu)
        {
            // The vCPU that the trace runs here sleeps in an HLT that the trace does not have.
            return null;
        }

        Activity host = _hosts[cpu.Index] ??= new Activity(_trace.Simulation.System, null, cpu) { IsRecorded = true };
        if (host.IsIdle)
        {
            host.Begin(RecordedSteps.Host);
        }

        return host;
    }

    /// <summary>One step of L0 on a CPU, up to the next moment at which it can be interrupted; <see cref="Flow.Next"/> when it is over because a guest is entered, or nobody runs.</summary>
    public Flow Step(Activity activity)
    {
        TraceLane lane = _trace.Lanes[activity.Cpu!.Index];
        _trace.Advanced(lane);
        switch (lane.Next(out ulong gap))
        {
            case Supplied.Gap when lane.IsHalted && activity.Vcpu is { } halted && IsWanted(halted):
                // A CPU that idled until the recorded interrupt came now has another one to wake up for.
                lane.Cursor += gap;
                return Flow.Stay;
            case Supplied.Gap:
                ulong spent = Math.Min(gap, Chunks());
                lane.Cursor += spent;
                if (spent > TraceLane.ChunkCycles)
                {
                    activity.WaitUntil = _trace.Simulation.Now + (long)spent;
                }
                else
                {
                    activity.Extra += (int)spent;
                }

                return Flow.Stay;
            case Supplied.Accesses:
                activity.Extra += (int)_trace.Translate(lane);
                return Flow.Stay;
            case Supplied.Event:
                return Event(activity, lane);
            case Supplied.Ended when activity.Vcpu is { } vcpu && IsWanted(vcpu):
                // The trace stops in the midst of L0, and the guest has interrupts to take.
                activity.IsRecorded = false;
                activity.Jump(activity.System.Path.Entry);
                return Flow.Next;
            case Supplied.Ended:
                return _trace.Stop(LaneHalt.Blocked);
            default:
                return _trace.Stop(LaneHalt.Starved);
        }
    }

    /// <summary>The guest on a CPU is left, by the exit that is the next record, or by one that the trace does not tell.</summary>
    public void Leave(PhysicalCpu cpu, Vcpu vcpu)
    {
        TraceLane lane = _trace.Lanes[cpu.Index];
        lane.IsKicked = false;
        lane.IsHalted = false;
        if (lane.IsAtRealExit)
        {
            lane.IsHalted = lane.Supply.Event is { Transition: TransitionKind.L1ToL0, C: (ulong)VmxExit.Hlt or (ulong)SvmExit.Hlt };
            _trace.Follow(lane);
        }
        else if (_machine.LaneOf(cpu.Index) is { Level: > 0, Refused: false } left)
        {
            _machine.Steps.Exit(left, 0);
        }

        if (vcpu.L2Failed && lane.Home == 2)
        {
            // An entry to L2 that the trace tells, and that was carried out, failed after all, for a reason that only interrupts know.
            _machine.LaneOf(cpu.Index).Refused = true;
        }
    }

    /// <summary>The VM-entry that is the next record is carried out by the machine; false if the next record is no entry to this level.</summary>
    public bool TryEnter(int cpu, int level)
    {
        TraceLane lane = _trace.Lanes[cpu];
        bool isNext = lane.Supply is { Any: true, IsEvent: true } && lane.Supply.Event.Kind == RecordKind.VmEnter && LevelOf(lane.Supply.Event.Transition) == level;
        if (isNext)
        {
            _trace.Follow(lane);
        }

        return isNext;
    }

    /// <summary>Wakes vCPUs that sleep in an HLT that the trace does not have, and that nobody would wake any more. True if there were any.</summary>
    public bool WakeSleepers()
    {
        bool any = false;
        foreach (Vcpu vcpu in _trace.Simulation.System.Vcpus)
        {
            if (_vcpus.Follows(vcpu.Id) && vcpu.State != VcpuThreadState.Runnable)
            {
                any = true;
                vcpu.L2Halted = false;
                vcpu.IsHalted = false;
                vcpu.Thread.Abandon();
                vcpu.Thread.Begin(RecordedSteps.LoadAndEnter);
                _trace.Simulation.System.WakeUp(vcpu);
            }
        }

        return any;
    }

    /// <summary>A chunk, or as many of them as pass before anything else happens: nobody could interrupt in between.</summary>
    private ulong Chunks()
    {
        const long Most = long.MaxValue / 2 / (long)TraceLane.ChunkCycles;
        long quiet = (_trace.Simulation.Quiet - 1) / (long)TraceLane.ChunkCycles;
        return TraceLane.ChunkCycles * (ulong)Math.Clamp(quiet, 1, Most);
    }

    private static int LevelOf(TransitionKind entry) => entry switch { TransitionKind.L0ToL1 => 1, TransitionKind.L0ToL2 => 2, _ => 0 };

    private static bool IsWanted(Vcpu vcpu) => !vcpu.Pid.Pir.IsEmpty || EntrySteps.HasEvents(vcpu.Thread.System, vcpu);

    private Flow Event(Activity activity, TraceLane lane)
    {
        TraceEvent e = lane.Supply.Event;
        Vcpu? vcpu = activity.Vcpu;
        bool isRefused = _machine.LaneOf(lane.Index).Refused;
        switch (e.Kind)
        {
            case RecordKind.VmEnter when LevelOf(e.Transition) > 0 && !isRefused:
                return Enter(activity, lane, e);
            case RecordKind.VmEnter when e.Transition == TransitionKind.L1ToL2 && vcpu is not null && !isRefused:
                _trace.Follow(lane);
                vcpu.L2Failed = false;
                if (!_machine.LaneOf(lane.Index).Refused)
                {
                    _vcpus.NestedEntryOf(vcpu.Id) = e;
                    L1Steps.BeforeVmresume(activity.System, vcpu);
                    if (NestedSteps.Enter(activity, vcpu) is { } check)
                    {
                        NestedSteps.FailEntry(activity, vcpu, check);
                        return Flow.Next;
                    }
                }

                break;
            case RecordKind.VmExit when e.Transition == TransitionKind.L2ToL1 && vcpu is { GuestMode: true } && !isRefused:
                _trace.Follow(lane);
                NestedSteps.Leave(activity, vcpu);
                break;
            case RecordKind.SchedOut when activity.Cpu!.Current is { } current && current.Number == e.Vcpu:
                _trace.Follow(lane);
                Put(activity.Cpu, current);
                return Flow.Next;
            default:
                activity.Extra += (int)_trace.Happens(lane, vcpu?.Id ?? 0);
                return Flow.Stay;
        }

        activity.Extra += (int)_trace.TakeStall(lane.Index);
        return Flow.Stay;
    }

    private Flow Enter(Activity activity, TraceLane lane, in TraceEvent e)
    {
        Vcpu vcpu = _machine.Vcpus.Of(e.Vcpu);
        int before = _vcpus.LaneOf(vcpu.Id);
        if (before >= 0 && before != lane.Index && !_trace.WaitFor(lane, before, e.Time))
        {
            return _trace.Stop(LaneHalt.Blocked);
        }

        if (_interrupts.AreDelivered && !lane.IsKnown(lane.Cursor + RecordedInterrupts.PendingAtEntryCycles))
        {
            return _trace.Stop(LaneHalt.Starved);
        }

        lane.Home = LevelOf(e.Transition);
        if (activity.Vcpu == vcpu)
        {
            Prepare(vcpu, lane);
            activity.Jump(activity.System.Path.Entry);
            return Flow.Next;
        }

        PhysicalCpu cpu = activity.Cpu!;
        if (cpu.Current is { } current)
        {
            Put(cpu, current);
        }

        if (before >= 0 && activity.System.Cpus[before] is { } other && other.Current == vcpu)
        {
            // The trace does not tell how it left.
            ((IConductor)_trace.Simulation).Poke(other);
            Put(other, vcpu);
        }

        lane.HasVcpu = true;
        _vcpus.LaneOf(vcpu.Id) = lane.Index;
        cpu.Current = vcpu;
        vcpu.Cpu = cpu;
        vcpu.IsLoaded = true;
        Prepare(vcpu, lane);
        vcpu.Thread.Begin(RecordedSteps.LoadAndEnter);
        activity.Abandon();
        return Flow.Next;
    }

    /// <summary>The level is what the entry says, also where the trace begins in the middle; interrupts that the guest takes at once are sent before.</summary>
    private void Prepare(Vcpu vcpu, TraceLane lane)
    {
        vcpu.Thread.IsRecorded = true;
        _interrupts.PostAhead(_trace.Simulation, vcpu.Cpu, lane);
        if (lane.Home == 2 && !vcpu.GuestMode)
        {
            _trace.Translation.BeginAt(vcpu.Thread, vcpu, guestMode: true);
            NestedSteps.Enter(vcpu.Thread, vcpu);
        }
        else if (lane.Home == 1 && vcpu.GuestMode)
        {
            _trace.Translation.BeginAt(vcpu.Thread, vcpu, guestMode: false);
            NestedSteps.Leave(vcpu.Thread, vcpu);
        }
    }

    private void Put(PhysicalCpu cpu, Vcpu vcpu)
    {
        _trace.Lanes[cpu.Index].HasVcpu = false;
        vcpu.Thread.Abandon();
        vcpu.Thread.IsRecorded = true;
        if (vcpu.Thread.System.Path.Preempt is { Length: > 0 } preempt)
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
}
