using Sim.Core;
using Sim.Core.Traces;

namespace Sim.Workloads.Kernel;

/// <summary>A call of one of KVM's vendor flush functions (<c>vmx_flush_tlb_*</c>, <c>svm_flush_tlb_*</c>), and the place where it happened.</summary>
/// <param name="Position">How many records of the lifted trace come before it.</param>
/// <param name="Time">Time since the start of the trace.</param>
/// <param name="Lane">Physical CPU.</param>
/// <param name="Vcpu">Number of the vCPU whose thread called it.</param>
/// <param name="Function">Name of the function. <c>svm_flush_tlb_asid</c> is also called by the other svm functions, and is listed after them.</param>
/// <param name="ExitReason">Reason of that vCPU's last real exit; null before the first.</param>
/// <param name="ExitLevel">Level of that exit; 0 before the first.</param>
/// <param name="RealExit">Number of that vCPU's real exits so far.</param>
/// <param name="IsInL2">True if the vCPU was in L2 by then, as the nested-entry and nested-exit events say.</param>
/// <param name="NestedTransition">Number of that vCPU's nested transitions so far.</param>
public sealed record KernelFlush(
    ulong Position, ulong Time, int Lane, int Vcpu, string Function, uint? ExitReason, int ExitLevel, long RealExit, bool IsInL2, long NestedTransition);

/// <summary>What came out of lifting a kernel trace beside the lifted trace.</summary>
/// <param name="Flushes">Calls of the vendor's flush functions by vCPU threads, in order; empty if the function tracer was off.</param>
/// <param name="Records">Records of the lifted trace.</param>
/// <param name="Synthesized">Transitions put in because the recording began in L2 or events were missing.</param>
/// <param name="Findings">What the reader did not understand.</param>
/// <param name="DataLoss">True if the recording says that events were lost.</param>
public sealed record TracepointLiftResult(IReadOnlyList<KernelFlush> Flushes, ulong Records, long Synthesized, Findings Findings, bool DataLoss);

/// <summary>
/// Turns kernel events into a logical trace without memory accesses: transitions, nested transitions, changes of L0's second-level tables, L1's INVLPGA, INVVPID and
/// INVEPT, interrupts, scheduling. A vCPU takes part from its first kvm_entry on.
/// </summary>
/// <remarks>
/// Operands that tracepoints do not have are assumed: vpid12 is 1 with VPID enabled (VMX; on SVM it stands for ASID12), L1's INVVPID is of type 1 for vpid12, L1's INVEPT
/// is of type 2. Kernels before 6.0 print no nested entry on VMX; there a kvm_entry elsewhere than at the VMLAUNCH or VMRESUME is one.
/// </remarks>
public sealed class TracepointLift
{
    /// <summary>Most CPUs a recording may have to be lifted.</summary>
    public const int MaxLanes = 256;

    private const uint ExternalInterrupt = 1;
    private const uint VmxHlt = 12;
    private const uint SvmHlt = 0x78;
    private const uint Vmlaunch = 20;
    private const uint Vmresume = 24;
    private const uint VmxInvalidState = 33;
    private const uint Invept = 50;
    private const uint Invvpid = 53;
    private const ulong Svm = 2;
    private const ulong LongestInstruction = 15;
    private const ulong SptePresent = 1UL << 11;
    private const ulong SpteLarge = 1UL << 7;
    private const ulong SpteWritable = 1UL << 1;
    private const ulong SpteFrame = 0x000F_FFFF_FFFF_F000;
    private const ushort AssumedVpid12 = 1;

    private readonly TraceAppender _appender;
    private readonly Lane[] _lanes;
    private readonly Dictionary<int, Vcpu> _vcpus = [];
    private readonly List<KernelFlush> _flushes = [];
    private bool _hasNestedEntryEvents;
    private ulong? _start;
    private long _synthesized;

    private TracepointLift(ITraceSink sink, int lanes)
    {
        _appender = new TraceAppender(sink, lanes);
        _lanes = [.. Enumerable.Range(0, lanes).Select(number => new Lane(number))];
    }

    /// <summary>The header of the lifted trace: the number of CPUs is known after one pass over the recording.</summary>
    /// <exception cref="TraceFormatException">This is not a kernel trace, or one with more than <see cref="MaxLanes"/> CPUs.</exception>
    public static TraceHeader HeaderOf(TracepointReader reader, string source)
    {
        KernelEvent e = default;
        int lanes = 1;
        while (reader.Read(ref e))
        {
            lanes = Math.Max(lanes, e.Cpu + 1);
        }

        if (lanes > MaxLanes)
        {
            throw new TraceFormatException(
                source, $"line {reader.Line}", $"a recording of at most {MaxLanes} CPUs", $"CPU {lanes - 1}", "Record only the CPUs that run the guest (trace-cmd record -M, perf record -C).");
        }

        return new TraceHeader(lanes, false, "1/1", new SortedDictionary<string, string>(StringComparer.Ordinal) { ["source"] = source, ["lifted"] = "kernel events" });
    }

    /// <summary>Lifts a recording into <paramref name="sink"/>, whose header is that of <see cref="HeaderOf"/>, with <paramref name="lanes"/> CPUs.</summary>
    /// <exception cref="TraceFormatException">This is not a kernel trace.</exception>
    public static TracepointLiftResult Run(TracepointReader reader, ITraceSink sink, int lanes)
    {
        TracepointLift lift = new(sink, lanes);
        KernelEvent e = default;
        while (reader.Read(ref e))
        {
            lift.Take(e);
        }

        lift._appender.Complete();
        return new TracepointLiftResult(lift._flushes, lift._appender.Records, lift._synthesized, reader.Findings, reader.DataLoss);
    }

    private void Take(in KernelEvent e)
    {
        _start ??= e.Time;
        ulong time = Math.Max(e.Time, _start.Value) - _start.Value;
        Lane lane = _lanes[e.Cpu];
        _vcpus.TryGetValue(e.Pid, out Vcpu? vcpu);
        switch (e.Type)
        {
            case KernelEventType.KvmEntry when !e.IsUnparsed:
                Enter(lane, VcpuOf(e.Pid), time, e[KernelOperand.Rip]);
                break;
            case KernelEventType.SchedSwitch:
                Switch(lane, time, e);
                break;
            case KernelEventType.LocalTimerEntry or KernelEventType.RescheduleEntry or KernelEventType.CallFunctionEntry or KernelEventType.CallFunctionSingleEntry
                when lane.Running is null:
                Interrupt(lane, time, 0, e.Type == KernelEventType.LocalTimerEntry ? 2UL : 1, e[KernelOperand.Vector], 0);
                break;
            default:
                if (vcpu is not null && (vcpu.Lane == lane || e.Type is KernelEventType.KvmNestedVmexit or KernelEventType.KvmNestedVmexitInject))
                {
                    TakeOf(vcpu, lane, time, e);
                }

                break;
        }
    }

    private void TakeOf(Vcpu vcpu, Lane lane, ulong time, in KernelEvent e)
    {
        switch (e.Type)
        {
            case KernelEventType.KvmExit when !e.IsUnparsed:
                Exit(vcpu, lane, time, e);
                break;
            case KernelEventType.KvmNestedVmenter or KernelEventType.KvmNestedVmrun:
                _hasNestedEntryEvents = true;
                vcpu.NestedRoot = e[KernelOperand.NestedRoot];
                EnterNested(vcpu, lane, time, e[KernelOperand.Vmcs12], e[KernelOperand.NestedTdp] != 0);
                break;
            case KernelEventType.KvmNestedVmexit when !vcpu.InL2 && vcpu.ExitLevel == 1:
                // The exit beside it came from L2 after all: the recording began there, or events are missing.
                EnterNested(vcpu, lane, time, 0, usesTdp: true);
                vcpu.ExitLevel = 2;
                vcpu.AsksSince = null;
                _synthesized++;
                break;
            case KernelEventType.KvmNestedVmenterFailed when vcpu.InL2:
                ExitNested(vcpu, lane, time, vcpu.Isa == Svm ? ExitReasons.SvmInvalid : VmxInvalidState);
                break;
            case KernelEventType.KvmNestedVmexitInject when vcpu.InL2:
                ExitNested(vcpu, lane, time, (uint)e[KernelOperand.Reason]);
                break;
            case KernelEventType.KvmInvlpga when lane.Running is null:
                Emit(lane, TraceEvent.Invlpga(time, 1, (uint)e[KernelOperand.Asid], e[KernelOperand.Address]));
                break;
            case KernelEventType.KvmTdpMmuSpteChanged:
                ChangeSpte(lane, time, e);
                break;
            case KernelEventType.KvmInjVirq:
                Interrupt(lane, time, 0, e[KernelOperand.Soft] != 0 ? 3UL : 0, e[KernelOperand.Vector], vcpu.InL2 ? 2UL : 1);
                break;
            case KernelEventType.Function when e.Text.StartsWith("svm_flush_tlb_", StringComparison.Ordinal) || e.Text.StartsWith("vmx_flush_tlb_", StringComparison.Ordinal):
                _flushes.Add(new KernelFlush(
                    _appender.Records, time, lane.Number, vcpu.Number, e.Text, vcpu.ExitReason, vcpu.ExitLevel, vcpu.RealExits, vcpu.InL2, vcpu.NestedTransitions));
                break;
            default:
                break;
        }
    }

    private void Enter(Lane lane, Vcpu vcpu, ulong time, ulong rip)
    {
        if (lane.Running is { } other)
        {
            Leave(lane, other, time);
        }

        if (vcpu.Lane is { Running: { } } elsewhere && vcpu.Lane.Running == vcpu)
        {
            Leave(elsewhere, vcpu, time);
        }

        PutOn(lane, vcpu, time);
        if (vcpu.AsksSince is { } asked && !_hasNestedEntryEvents && rip - asked > LongestInstruction)
        {
            EnterNested(vcpu, lane, time, 0, usesTdp: true);
        }

        vcpu.AsksSince = null;
        Emit(lane, TraceEvent.VmEnter(time, vcpu.InL2 ? TransitionKind.L0ToL2 : TransitionKind.L0ToL1, vcpu.Number));
        lane.Running = vcpu;
    }

    private void Exit(Vcpu vcpu, Lane lane, ulong time, in KernelEvent e)
    {
        if (lane.Running != vcpu)
        {
            // An exit without its entry: lost, or the recording's first event of this vCPU.
            Enter(lane, vcpu, time, e[KernelOperand.Rip]);
            _synthesized++;
        }

        int level = vcpu.InL2 ? 2 : 1;
        uint reason = (uint)e[KernelOperand.Reason];
        vcpu.Isa = e[KernelOperand.Isa];
        if (reason == (vcpu.Isa == Svm ? SvmHlt : VmxHlt))
        {
            Emit(lane, new TraceEvent { Time = time, Kind = RecordKind.Halt, Level = (byte)level });
        }

        Emit(lane, TraceEvent.VmExit(time, level == 2 ? TransitionKind.L2ToL0 : TransitionKind.L1ToL0, vcpu.Number, reason, e[KernelOperand.Info1]));
        lane.Running = null;
        vcpu.ExitReason = reason;
        vcpu.ExitLevel = level;
        vcpu.RealExits++;
        if (vcpu.Isa == Svm || level == 2)
        {
            return;
        }

        vcpu.AsksSince = reason is Vmlaunch or Vmresume ? e[KernelOperand.Rip] : null;
        if (reason == Invept)
        {
            Emit(lane, TraceEvent.Invept(time, 1, 2, 0));
        }
        else if (reason == Invvpid)
        {
            Emit(lane, TraceEvent.Invvpid(time, 1, 1, AssumedVpid12));
        }
    }

    private void EnterNested(Vcpu vcpu, Lane lane, ulong time, ulong vmcs12, bool usesTdp)
    {
        if (vcpu.InL2 || lane.Running is not null || vcpu.ExitLevel != 1)
        {
            // Not where a nested entry can be: events are missing. The next entry shows the level.
            _synthesized++;
            return;
        }

        VmControls controls = VmControls.EnableVpid | (usesTdp ? VmControls.EnableEpt : VmControls.None);
        Emit(lane, TraceEvent.NestedEnter(time, vcpu.Number, vmcs12, controls, AssumedVpid12, vcpu.NestedRoot));
        vcpu.InL2 = true;
        vcpu.NestedTransitions++;
    }

    private void ExitNested(Vcpu vcpu, Lane lane, ulong time, uint reason)
    {
        if (lane.Running is not null || vcpu.Lane != lane)
        {
            _synthesized++;
            vcpu.InL2 = false;
            return;
        }

        Emit(lane, TraceEvent.VmExit(time, TransitionKind.L2ToL1, vcpu.Number, reason));
        vcpu.InL2 = false;
        vcpu.NestedTransitions++;
    }

    private void Leave(Lane lane, Vcpu vcpu, ulong time)
    {
        Emit(lane, TraceEvent.VmExit(time, vcpu.InL2 ? TransitionKind.L2ToL0 : TransitionKind.L1ToL0, vcpu.Number, ExternalInterrupt));
        lane.Running = null;
        _synthesized++;
    }

    private void PutOn(Lane lane, Vcpu vcpu, ulong time)
    {
        if (vcpu.Lane == lane)
        {
            return;
        }

        if (vcpu.Lane is { } elsewhere)
        {
            TakeOff(elsewhere, vcpu, time, isPreempted: false);
        }

        if (lane.Vcpu is { } before)
        {
            TakeOff(lane, before, time, isPreempted: false);
        }

        if (vcpu.LastLane is { } last && last != lane)
        {
            Emit(last, new TraceEvent { Time = time, Kind = RecordKind.Migrate, A = vcpu.Number, B = (ulong)lane.Number });
        }

        Emit(lane, new TraceEvent { Time = time, Kind = RecordKind.SchedIn, A = vcpu.Number });
        lane.Vcpu = vcpu;
        vcpu.Lane = lane;
        vcpu.LastLane = lane;
    }

    private void TakeOff(Lane lane, Vcpu vcpu, ulong time, bool isPreempted)
    {
        if (lane.Running == vcpu)
        {
            Leave(lane, vcpu, time);
        }

        Emit(lane, new TraceEvent { Time = time, Kind = RecordKind.SchedOut, A = vcpu.Number, B = isPreempted ? 1UL : 0 });
        lane.Vcpu = null;
        vcpu.Lane = null;
    }

    private void Switch(Lane lane, ulong time, in KernelEvent e)
    {
        if (_vcpus.TryGetValue((int)e[KernelOperand.PrevPid], out Vcpu? leaves) && leaves.Lane == lane)
        {
            TakeOff(lane, leaves, time, e[KernelOperand.Preempted] != 0);
        }

        if (_vcpus.TryGetValue((int)e[KernelOperand.NextPid], out Vcpu? comes) && lane.Running is null)
        {
            PutOn(lane, comes, time);
        }
    }

    // kvm_tdp_mmu_spte_changed speaks of EPT01 or NPT01 only. Bit 11 is KVM's own "present" (SPTE_MMU_PRESENT, 5.13 and later).
    private void ChangeSpte(Lane lane, ulong time, in KernelEvent e)
    {
        ulong before = e[KernelOperand.OldSpte];
        ulong after = e[KernelOperand.NewSpte];
        ulong level = e[KernelOperand.PageLevel];
        bool wasPresent = (before & SptePresent) != 0;
        bool isPresent = (after & SptePresent) != 0;
        bool isLeaf = level == 1 || (isPresent ? after & SpteLarge : before & SpteLarge) != 0;
        if (level is < 1 or > 3 || !isLeaf || (!wasPresent && !isPresent))
        {
            return;
        }

        MapChangeKind change = (wasPresent, isPresent) switch
        {
            (false, _) => MapChangeKind.Made,
            (_, false) => MapChangeKind.Removed,
            _ when (before & SpteFrame) != (after & SpteFrame) => MapChangeKind.Changed,
            _ => (before & SpteWritable) > (after & SpteWritable) ? MapChangeKind.Restricted : MapChangeKind.Widened,
        };
        ulong size = 4096UL << (9 * ((int)level - 1));
        Emit(lane, TraceEvent.MapChange(time, 0, MapTable.Tdp01, 0, e[KernelOperand.Gfn] << 12, size, change));
    }

    private void Interrupt(Lane lane, ulong time, byte level, ulong source, ulong vector, ulong target) => Emit(
        lane, new TraceEvent { Time = time, Kind = RecordKind.Interrupt, Level = level, A = source, B = vector & 0xFF, C = lane.Vcpu?.Number ?? 0, D = target });

    private void Emit(Lane lane, TraceEvent e)
    {
        e.Time = lane.Time = Math.Max(lane.Time, e.Time);
        _appender.Event(lane.Number, e);
    }

    private Vcpu VcpuOf(int pid)
    {
        if (!_vcpus.TryGetValue(pid, out Vcpu? vcpu))
        {
            vcpu = new Vcpu((ushort)_vcpus.Count);
            _vcpus.Add(pid, vcpu);
        }

        return vcpu;
    }

    private sealed class Lane(int number)
    {
        public int Number { get; } = number;

        public ulong Time { get; set; }

        public Vcpu? Vcpu { get; set; }

        public Vcpu? Running { get; set; }
    }

    private sealed class Vcpu(ushort number)
    {
        public ushort Number { get; } = number;

        public bool InL2 { get; set; }

        public ulong Isa { get; set; }

        public ulong NestedRoot { get; set; }

        public long NestedTransitions { get; set; }

        public uint? ExitReason { get; set; }

        public int ExitLevel { get; set; }

        public long RealExits { get; set; }

        public ulong? AsksSince { get; set; }

        public Lane? Lane { get; set; }

        public Lane? LastLane { get; set; }
    }
}
