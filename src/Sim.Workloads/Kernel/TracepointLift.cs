using Sim.Core;
using Sim.Core.Traces;

namespace Sim.Workloads.Kernel;

/// <summary>What came out of lifting a kernel trace beside the lifted trace.</summary>
/// <param name="Flushes">Calls of the vendor's flush functions by vCPU threads, in order; empty if the function tracer was off.</param>
/// <param name="Records">Records of the lifted trace.</param>
/// <param name="Synthesized">Transitions put in because the recording began in L2 or events were missing.</param>
/// <param name="Findings">What the reader did not understand.</param>
/// <param name="DataLoss">True if the recording says that events were lost.</param>
public sealed record TracepointLiftResult(IReadOnlyList<KernelFlush> Flushes, ulong Records, long Synthesized, Findings Findings, bool DataLoss);

/// <summary>
/// Turns kernel events into a logical trace without memory accesses: transitions, nested transitions, changes of L0's second-level tables, L1's INVLPGA, INVVPID and
/// INVEPT, CR4, interrupts, scheduling, and flush requests whose cause no other record tells. A vCPU takes part from its first kvm_entry on.
/// </summary>
/// <remarks>
/// Operands that tracepoints do not have are assumed: vpid12 is 1 with VPID enabled (VMX; on SVM it stands for ASID12), L1's INVVPID is of type 1 for vpid12, L1's INVEPT
/// is of type 2. Kernels before 6.0 print no nested entry on VMX; there a kvm_entry elsewhere than at the VMLAUNCH or VMRESUME is one. Nothing prints the CR4 of a vmcb12: its
/// PGE is taken to be L1's until svm_set_cr4 is seen to flush at a nested entry, and again after L1 was told of a MOV to CR4.
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
    private const uint SvmWriteCr4 = 0x14;
    private const string RemoteFlush = "kvm_flush_remote_tlbs";
    private const Cr4Bits KnownCr4 = Cr4Bits.Pae | Cr4Bits.Pge | Cr4Bits.La57 | Cr4Bits.Pcide | Cr4Bits.Smep;

    private readonly Action<int, TraceEvent> _record;
    private readonly RecordedCpu[] _lanes;
    private readonly Dictionary<int, RecordedVcpu> _vcpus = [];
    private readonly Dictionary<int, KernelThread> _threads = [];
    private readonly List<KernelFlush> _flushes = [];
    private bool _hasNestedEntryEvents;
    private bool _hasServiceLines;
    private int _registersSet;
    private ulong? _start;
    private ulong _records;
    private long _synthesized;

    private TracepointLift(Action<int, TraceEvent> record, int lanes)
    {
        _record = record;
        _lanes = [.. Enumerable.Range(0, lanes).Select(number => new RecordedCpu(number))];
    }

    /// <summary>The header of the lifted trace: the number of CPUs, and whether remote flushes are recorded, is known after one pass over the recording.</summary>
    /// <exception cref="TraceFormatException">This is not a kernel trace, or one with more than <see cref="MaxLanes"/> CPUs.</exception>
    public static TraceHeader HeaderOf(TracepointReader reader, string source)
    {
        KernelEvent e = default;
        int lanes = 1;
        SortedDictionary<string, string> properties = new(StringComparer.Ordinal) { ["source"] = source, ["lifted"] = "kernel events" };
        while (reader.Read(ref e))
        {
            lanes = Math.Max(lanes, e.Cpu + 1);
            if (e.Type == KernelEventType.Function && e.Text == RemoteFlush)
            {
                properties[TraceHeader.RemoteFlushes] = TraceHeader.Recorded;
            }
        }

        if (lanes > MaxLanes)
        {
            throw new TraceFormatException(
                source, $"line {reader.Line}", $"a recording of at most {MaxLanes} CPUs", $"CPU {lanes - 1}", "Record only the CPUs that run the guest (trace-cmd record -M, perf record -C).");
        }

        return new TraceHeader(lanes, false, "1/1", properties);
    }

    /// <summary>Lifts a recording into <paramref name="sink"/>, whose header is that of <see cref="HeaderOf"/>, with <paramref name="lanes"/> CPUs.</summary>
    /// <exception cref="TraceFormatException">This is not a kernel trace.</exception>
    public static TracepointLiftResult Run(TracepointReader reader, ITraceSink sink, int lanes)
    {
        TraceAppender appender = new(sink, lanes);
        TracepointLiftResult result = Run(reader, (lane, e) => appender.Event(lane, e), lanes);
        appender.Complete();
        return result;
    }

    /// <summary>Lifts a recording record by record: <paramref name="record"/> gets each with its CPU, in the order of the recording's lines over all CPUs.</summary>
    /// <exception cref="TraceFormatException">This is not a kernel trace.</exception>
    public static TracepointLiftResult Run(TracepointReader reader, Action<int, TraceEvent> record, int lanes)
    {
        TracepointLift lift = new(record, lanes);
        KernelEvent e = default;
        while (reader.Read(ref e))
        {
            lift.Take(e);
        }

        return new TracepointLiftResult([.. lift._flushes.OrderBy(flush => flush.Position)], lift._records, lift._synthesized, reader.Findings, reader.DataLoss);
    }

    private void Take(in KernelEvent e)
    {
        _start ??= e.Time;
        ulong time = Math.Max(e.Time, _start.Value) - _start.Value;
        RecordedCpu lane = _lanes[e.Cpu];
        _vcpus.TryGetValue(e.Pid, out RecordedVcpu? vcpu);
        switch (e.Type)
        {
            case KernelEventType.KvmEntry when !e.IsUnparsed:
                Enter(lane, VcpuOf(e.Pid), time, e[KernelOperand.Rip]);
                break;
            case KernelEventType.SchedSwitch:
                Switch(lane, time, e);
                break;
            case KernelEventType.Function:
                EnterFunction(lane, vcpu, ThreadOf(e.Pid), time, e.Text);
                break;
            case KernelEventType.KvmUserspaceExit:
                ThreadOf(e.Pid).ExitToUserspace();
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

    private void TakeOf(RecordedVcpu vcpu, RecordedCpu lane, ulong time, in KernelEvent e)
    {
        switch (e.Type)
        {
            case KernelEventType.KvmExit when !e.IsUnparsed:
                Exit(vcpu, lane, time, e);
                break;
            case KernelEventType.KvmNestedVmenter or KernelEventType.KvmNestedVmrun:
                _hasNestedEntryEvents = true;
                ThreadOf(e.Pid).EnterNested();
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
            case KernelEventType.KvmCr when e[KernelOperand.Write] != 0 && e[KernelOperand.Register] == 4 && lane.Running is null:
                SetCr4(lane, vcpu, time, (byte)(vcpu.InL2 ? 2 : 1), (Cr4Bits)e[KernelOperand.Value] & KnownCr4);
                break;
            case KernelEventType.KvmPvTlbFlush when e[KernelOperand.NeedFlush] != 0:
                Emit(lane, TraceEvent.FlushRequest(time, RequestedFlush.Guest, vcpu.Number));
                break;
            default:
                break;
        }
    }

    private void Enter(RecordedCpu lane, RecordedVcpu vcpu, ulong time, ulong rip)
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
        Claim(lane, vcpu, time);
        if (vcpu.AsksSince is { } asked && !_hasNestedEntryEvents && rip - asked > LongestInstruction)
        {
            EnterNested(vcpu, lane, time, 0, usesTdp: true);
        }

        vcpu.AsksSince = null;
        Emit(lane, TraceEvent.VmEnter(time, vcpu.InL2 ? TransitionKind.L0ToL2 : TransitionKind.L0ToL1, vcpu.Number));
        lane.Running = vcpu;
        if (vcpu.HasHeldRequest)
        {
            // Raised when this vCPU had looked at its requests for the last time before this entry.
            vcpu.HasHeldRequest = false;
            Emit(lane, TraceEvent.FlushRequest(time, RequestedFlush.All, vcpu.Number));
        }
    }

    private void Exit(RecordedVcpu vcpu, RecordedCpu lane, ulong time, in KernelEvent e)
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
        ThreadOf(e.Pid).Exit();
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

    private void EnterNested(RecordedVcpu vcpu, RecordedCpu lane, ulong time, ulong vmcs12, bool usesTdp)
    {
        vcpu.Vmcs12 = vmcs12;
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

    private void ExitNested(RecordedVcpu vcpu, RecordedCpu lane, ulong time, uint reason)
    {
        if (lane.Running is not null || vcpu.Lane != lane)
        {
            _synthesized++;
            vcpu.InL2 = false;
            return;
        }

        Emit(lane, TraceEvent.VmExit(time, TransitionKind.L2ToL1, vcpu.Number, reason));
        ThreadOf(vcpu.Pid).ExitNested();
        vcpu.InL2 = false;
        vcpu.NestedTransitions++;
        if (vcpu.Isa == Svm && reason == SvmWriteCr4 && vcpu.PgeDiffers.Remove(vcpu.Vmcs12))
        {
            SetCr4(lane, vcpu, time, 2, vcpu.Cr4);
        }
    }

    private void EnterFunction(RecordedCpu lane, RecordedVcpu? vcpu, KernelThread thread, ulong time, string function)
    {
        if (function == RemoteFlush && lane.Running is null)
        {
            RaiseOnAll(lane, vcpu, thread, time);
        }
        else if (function == KernelThread.Service)
        {
            _hasServiceLines = true;
            if (vcpu is { HasHeldRequest: true } && vcpu.Lane == lane && lane.Running is null)
            {
                vcpu.HasHeldRequest = false;
                Emit(lane, TraceEvent.FlushRequest(time, RequestedFlush.All, vcpu.Number, thread.HasServiced ? vcpu.Number : TraceEvent.AnyVcpu));
            }
        }
        else if (thread.SetsRegisters(function))
        {
            // Which vCPU it is about is not told: this thread's own if it has run, else one that has not run yet.
            _registersSet += vcpu is null ? 1 : 0;
            thread.HasNewRegisters = vcpu is not null;
        }
        else if (vcpu is { InL2: true } && vcpu.Lane == lane && thread.ShowsPge(function) && vcpu.PgeDiffers.Add(vcpu.Vmcs12))
        {
            SetCr4(lane, vcpu, time, 2, vcpu.Cr4 ^ Cr4Bits.Pge);
        }

        if (function.StartsWith("svm_flush_tlb_", StringComparison.Ordinal) || function.StartsWith("vmx_flush_tlb_", StringComparison.Ordinal))
        {
            KernelFlush flush = new(
                _records, time, lane.Number, vcpu?.Number ?? -1, function, vcpu?.ExitReason, vcpu?.ExitLevel ?? 0, vcpu?.RealExits ?? 0, vcpu?.InL2 ?? false, vcpu?.NestedTransitions ?? 0, thread.Last);
            (vcpu is null ? thread.Unclaimed : _flushes).Add(flush);
        }

        thread.EnterFunction(function);
    }

    /// <summary>
    /// kvm_flush_remote_tlbs. A vCPU that is in L0 on another CPU may have looked at its requests already: its next service, or else its entry, tells; so its request is held until then.
    /// </summary>
    private void RaiseOnAll(RecordedCpu lane, RecordedVcpu? raiser, KernelThread thread, ulong time)
    {
        ushort loading = raiser is not null && thread.IsLoadingRoot ? raiser.Number : TraceEvent.AnyVcpu;
        if (!_hasServiceLines || _vcpus.Values.All(vcpu => vcpu == raiser || vcpu.IsRunning))
        {
            Emit(lane, TraceEvent.FlushRequest(time, RequestedFlush.All, afterServiceOf: loading));
            return;
        }

        foreach (RecordedVcpu vcpu in _vcpus.Values.OrderBy(vcpu => vcpu.Number))
        {
            if (vcpu == raiser || vcpu.IsRunning)
            {
                Emit(lane, TraceEvent.FlushRequest(time, RequestedFlush.All, vcpu.Number, vcpu == raiser ? loading : TraceEvent.AnyVcpu));
            }
            else
            {
                vcpu.HasHeldRequest = true;
            }
        }
    }

    /// <summary>What happened to a vCPU outside of KVM_RUN, and the flush calls of its thread before its first entry.</summary>
    private void Claim(RecordedCpu lane, RecordedVcpu vcpu, ulong time)
    {
        KernelThread thread = ThreadOf(vcpu.Pid);
        bool isFirst = !vcpu.HasRun && _registersSet > 0;
        if (isFirst || thread.HasNewRegisters)
        {
            _registersSet -= isFirst ? 1 : 0;
            Emit(lane, TraceEvent.FlushRequest(time, RequestedFlush.Guest, vcpu.Number));
        }

        vcpu.HasRun = true;
        thread.HasNewRegisters = false;

        _flushes.AddRange(thread.Unclaimed.Select(flush => flush with { Vcpu = vcpu.Number, Position = _records }));
        thread.Unclaimed.Clear();
        thread.Enter();
    }

    private void SetCr4(RecordedCpu lane, RecordedVcpu vcpu, ulong time, byte level, Cr4Bits value)
    {
        if (level == 1)
        {
            vcpu.Cr4 = value;
        }

        Emit(lane, TraceEvent.SetCr4(time, level, value));
    }

    private void Leave(RecordedCpu lane, RecordedVcpu vcpu, ulong time)
    {
        Emit(lane, TraceEvent.VmExit(time, vcpu.InL2 ? TransitionKind.L2ToL0 : TransitionKind.L1ToL0, vcpu.Number, ExternalInterrupt));
        lane.Running = null;
        _synthesized++;
    }

    private void PutOn(RecordedCpu lane, RecordedVcpu vcpu, ulong time)
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

    private void TakeOff(RecordedCpu lane, RecordedVcpu vcpu, ulong time, bool isPreempted)
    {
        if (lane.Running == vcpu)
        {
            Leave(lane, vcpu, time);
        }

        Emit(lane, new TraceEvent { Time = time, Kind = RecordKind.SchedOut, A = vcpu.Number, B = isPreempted ? 1UL : 0 });
        lane.Vcpu = null;
        vcpu.Lane = null;
    }

    private void Switch(RecordedCpu lane, ulong time, in KernelEvent e)
    {
        if (_vcpus.TryGetValue((int)e[KernelOperand.PrevPid], out RecordedVcpu? leaves) && leaves.Lane == lane)
        {
            TakeOff(lane, leaves, time, e[KernelOperand.Preempted] != 0);
        }

        if (_vcpus.TryGetValue((int)e[KernelOperand.NextPid], out RecordedVcpu? comes) && lane.Running is null)
        {
            PutOn(lane, comes, time);
        }
    }

    // kvm_tdp_mmu_spte_changed speaks of EPT01 or NPT01 only. Bit 11 is KVM's own "present" (SPTE_MMU_PRESENT, 5.13 and later).
    private void ChangeSpte(RecordedCpu lane, ulong time, in KernelEvent e)
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

    private void Interrupt(RecordedCpu lane, ulong time, byte level, ulong source, ulong vector, ulong target) => Emit(
        lane, new TraceEvent { Time = time, Kind = RecordKind.Interrupt, Level = level, A = source, B = vector & 0xFF, C = lane.Vcpu?.Number ?? 0, D = target });

    private void Emit(RecordedCpu lane, TraceEvent e)
    {
        e.Time = lane.Time = Math.Max(lane.Time, e.Time);
        _record(lane.Number, e);
        _records++;
    }

    private KernelThread ThreadOf(int pid)
    {
        if (!_threads.TryGetValue(pid, out KernelThread? thread))
        {
            thread = new KernelThread();
            _threads.Add(pid, thread);
        }

        return thread;
    }

    private RecordedVcpu VcpuOf(int pid)
    {
        if (!_vcpus.TryGetValue(pid, out RecordedVcpu? vcpu))
        {
            vcpu = new RecordedVcpu((ushort)_vcpus.Count, pid);
            _vcpus.Add(pid, vcpu);
        }

        return vcpu;
    }
}
