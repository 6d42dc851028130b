using Sim.Workloads;
using Sim.Workloads.Scenarios;
using Sim.Core.Architecture;
using Sim.Core.Traces;
using Sim.Core;

namespace Sim.Captures.Ftrace;

/// <summary>What came out of lifting a kernel trace beside the lifted trace.</summary>
/// <param name="Flushes">Calls of the vendor's flush functions by vCPU threads, in order; empty if the function tracer was off.</param>
/// <param name="Records">Records of the lifted trace.</param>
/// <param name="Synthesized">Transitions put in because the recording began in L2 or events were missing.</param>
/// <param name="Findings">What the reader did not understand.</param>
/// <param name="DataLoss">True if the recording says that events were lost.</param>
public sealed record TracepointLiftResult(IReadOnlyList<KernelFlush> Flushes, ulong Records, long Synthesized, Findings Findings, bool DataLoss)
{
    /// <summary>How its levels are configured.</summary>
    public required RecordedConfiguration Configuration { get; init; }

    /// <summary>MOVs to CR4 by L1 whose value no event told; each is taken to change CR4.PGE.</summary>
    public required long AssumedCr4 { get; init; }

    /// <summary>MOVs to CR3 whose value no event told; whether the root was cached is taken from L0's load of one.</summary>
    public required long UnknownCr3 { get; init; }

    /// <summary>Nested entries at which the kernel's own flush showed that CR4.PGE of vmcb12 is not L1's.</summary>
    public required long ShownPge { get; init; }

    /// <summary>Calls of kvm_flush_remote_tlbs by threads that are no vCPU's where there are several virtual machines: taken to be for all of them.</summary>
    public required long RequestsOfUnknownMachine { get; init; }
}

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

    private const uint VmxHlt = 12;
    private const uint SvmHlt = 0x78;
    private const uint Vmlaunch = 20;
    private const uint Vmresume = 24;
    private const uint VmxInvalidState = 33;
    private const uint Invept = 50;
    private const uint Invvpid = 53;
    internal const ulong Svm = 2;
    private const ulong LongestInstruction = 15;
    private const ushort AssumedVpid12 = 1;
    private const uint SvmWriteCr4 = 0x14;
    private const Cr4Bits KnownCr4 = Cr4Bits.Pae | Cr4Bits.Pge | Cr4Bits.La57 | Cr4Bits.Pcide | Cr4Bits.Smep;

    private readonly RecordedCpu[] _lanes;
    private readonly RecordedThreads _threads;
    private readonly LiftedRecords _records;
    private readonly VcpuPlacement _placement;
    private readonly KernelFunctions _functions;
    private readonly EmulatedInstructions _emulated;
    private bool _hasNestedEntryEvents;
    private ulong? _start;

    private TracepointLift(Action<int, TraceEvent> record, int lanes, RecordedConfiguration configuration)
    {
        _records = new LiftedRecords(record);
        _threads = new RecordedThreads(configuration);
        _placement = new VcpuPlacement(_threads, _records);
        _emulated = new EmulatedInstructions(_records, configuration);
        _functions = new KernelFunctions(_threads, _records, _emulated);
        _lanes = [.. Enumerable.Range(0, lanes).Select(number => new RecordedCpu(number))];
    }

    /// <summary>The header of the lifted trace: the number of CPUs, and whether remote flushes are recorded, is known after one pass over the recording.</summary>
    /// <exception cref="TraceFormatException">This is not a kernel trace, or one with more than <see cref="MaxLanes"/> CPUs.</exception>
    public static TraceHeader HeaderOf(TracepointReader reader, string source, out RecordedConfiguration configuration)
    {
        configuration = new RecordedConfiguration();
        KernelEvent e = default;
        int lanes = 1;
        SortedDictionary<string, string> properties = new(StringComparer.Ordinal) { ["source"] = source, ["lifted"] = "kernel events" };
        while (reader.Read(ref e))
        {
            lanes = Math.Max(lanes, e.Cpu + 1);
            configuration.Observe(e);
            if (e.Type == KernelEventType.Function && e.Text == KernelFunctions.RemoteFlush)
            {
                properties[TraceHeader.RemoteFlushes] = TraceHeader.Recorded;
            }
        }

        if (configuration.L0ShadowsPageTables)
        {
            properties[Scenario.ConfigurationProperty] = "machine.l0_ept=false";
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
    public static TracepointLiftResult Run(TracepointReader reader, ITraceSink sink, int lanes, RecordedConfiguration configuration)
    {
        TraceAppender appender = new(sink, lanes);
        TracepointLiftResult result = Run(reader, (lane, e) => appender.Event(lane, e), lanes, configuration);
        appender.Complete();
        return result;
    }

    /// <summary>Lifts a recording record by record: <paramref name="record"/> gets each with its CPU, in the order of the recording's lines over all CPUs.</summary>
    /// <exception cref="TraceFormatException">This is not a kernel trace.</exception>
    public static TracepointLiftResult Run(TracepointReader reader, Action<int, TraceEvent> record, int lanes, RecordedConfiguration configuration)
    {
        TracepointLift lift = new(record, lanes, configuration);
        KernelEvent e = default;
        while (reader.Read(ref e))
        {
            lift.Take(e);
        }

        return new TracepointLiftResult(lift._functions.Flushes, lift._records.Count, lift._records.Synthesized, reader.Findings, reader.DataLoss)
        {
            Configuration = configuration,
            AssumedCr4 = lift._emulated.AssumedCr4,
            UnknownCr3 = lift._emulated.UnknownCr3,
            ShownPge = lift._functions.ShownPge,
            RequestsOfUnknownMachine = lift._functions.RequestsOfUnknownMachine,
        };
    }

    private void Take(in KernelEvent e)
    {
        _start ??= e.Time;
        ulong time = Math.Max(e.Time, _start.Value) - _start.Value;
        RecordedCpu lane = _lanes[e.Cpu];
        _threads.TryGetVcpu(e.Pid, out RecordedVcpu? vcpu);
        switch (e.Type)
        {
            case KernelEventType.KvmEntry when !e.IsUnparsed:
                Enter(lane, _threads.Vcpu(e.Pid), time, e[KernelOperand.Rip]);
                break;
            case KernelEventType.KvmMmuPrepareZapPage:
                EmulatedInstructions.Zapped(vcpu, _threads.MachineOf(e.Pid), e);
                break;
            case KernelEventType.SchedSwitch:
                _placement.Switch(lane, time, e);
                break;
            case KernelEventType.Function:
                _functions.Enter(lane, vcpu, e.Pid, time, e.Text);
                break;
            case KernelEventType.KvmUserspaceExit:
                _threads.Thread(e.Pid).ExitToUserspace();
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
                _threads.Thread(e.Pid).EnterNested();
                vcpu.NestedRoot = RootOfL2(e);
                EnterNested(vcpu, lane, time, e[KernelOperand.Vmcs12], e[KernelOperand.NestedTdp] != 0);
                break;
            case KernelEventType.KvmNestedVmexit when !vcpu.InL2 && vcpu.ExitLevel == 1:
                // The exit beside it came from L2 after all: the recording began there, or events are missing.
                EnterNested(vcpu, lane, time, 0, usesTdp: true);
                vcpu.ExitLevel = 2;
                vcpu.AsksSince = null;
                _records.Synthesized++;
                break;
            case KernelEventType.KvmNestedVmenterFailed when vcpu.InL2:
                ExitNested(vcpu, lane, time, vcpu.Isa == Svm ? ExitReasons.SvmInvalid : VmxInvalidState);
                break;
            case KernelEventType.KvmNestedVmexitInject when vcpu.InL2:
                ExitNested(vcpu, lane, time, (uint)e[KernelOperand.Reason]);
                break;
            case KernelEventType.KvmEmulateInsn when lane.Running is null:
                EmulatedInstructions.Emulate(vcpu);
                break;
            case KernelEventType.KvmMmuWalkerError when lane.Running is null:
                _emulated.WalkFailed(lane, vcpu, time, e[KernelOperand.ErrorCode]);
                break;
            case KernelEventType.KvmInvlpga when lane.Running is null:
                _records.Add(lane, TraceEvent.Invlpga(time, 1, (uint)e[KernelOperand.Asid], e[KernelOperand.Address]));
                break;
            case KernelEventType.KvmTdpMmuSpteChanged:
                if (SpteChange.Of(e, time) is { } change)
                {
                    _records.Add(lane, change);
                }

                break;
            case KernelEventType.KvmInjVirq:
                Interrupt(lane, time, 0, e[KernelOperand.Soft] != 0 ? 3UL : 0, e[KernelOperand.Vector], vcpu.InL2 ? 2UL : 1);
                break;
            case KernelEventType.KvmCr when e[KernelOperand.Write] != 0 && e[KernelOperand.Register] == 4 && lane.Running is null:
                EmulatedInstructions.Forget(vcpu);
                SetCr4(lane, vcpu, time, (byte)(vcpu.InL2 ? 2 : 1), (Cr4Bits)e[KernelOperand.Value] & KnownCr4);
                break;
            case KernelEventType.KvmPvTlbFlush when e[KernelOperand.NeedFlush] != 0:
                _records.Add(lane, TraceEvent.FlushRequest(time, RequestedFlush.Guest, vcpu.Number));
                break;
            default:
                break;
        }
    }

    /// <summary>
    /// What tells the roots of L2s apart: EPTP12 or the nested CR3; on SVM without NPT L2's CR3. Kernels up to 5.18 print neither; there each vmcb12 is taken to keep its own.
    /// </summary>
    private static ulong RootOfL2(in KernelEvent e)
    {
        // trace-cmd prints L2's CR3 under the name of the nested CR3.
        ulong root = e[KernelOperand.NestedRoot];
        if (e[KernelOperand.Isa] == Svm)
        {
            root = root != 0 ? root : e[KernelOperand.GuestCr3] != 0 ? e[KernelOperand.GuestCr3] : e[KernelOperand.Vmcs12];
        }

        return root;
    }

    private void Enter(RecordedCpu lane, RecordedVcpu vcpu, ulong time, ulong rip)
    {
        if (lane.Running is { } other)
        {
            _placement.Leave(lane, other, time);
        }

        if (vcpu.Lane is { Running: { } } elsewhere && vcpu.Lane.Running == vcpu)
        {
            _placement.Leave(elsewhere, vcpu, time);
        }

        _placement.PutOn(lane, vcpu, time);
        _functions.Claim(lane, vcpu, time);
        if (vcpu.AsksSince is { } asked && !_hasNestedEntryEvents && rip - asked > LongestInstruction)
        {
            EnterNested(vcpu, lane, time, 0, usesTdp: true);
        }

        vcpu.AsksSince = null;
        _emulated.Enter(lane, vcpu, time);
        _records.Add(lane, TraceEvent.VmEnter(time, vcpu.InL2 ? TransitionKind.L0ToL2 : TransitionKind.L0ToL1, vcpu.Number));
        lane.Running = vcpu;
        if (vcpu.HasHeldRequest)
        {
            // Raised when this vCPU had looked at its requests for the last time before this entry.
            vcpu.HasHeldRequest = false;
            _records.Add(lane, TraceEvent.FlushRequest(time, RequestedFlush.All, vcpu.Number));
        }
    }

    private void Exit(RecordedVcpu vcpu, RecordedCpu lane, ulong time, in KernelEvent e)
    {
        if (lane.Running != vcpu)
        {
            // An exit without its entry: lost, or the recording's first event of this vCPU.
            Enter(lane, vcpu, time, e[KernelOperand.Rip]);
            _records.Synthesized++;
        }

        int level = vcpu.InL2 ? 2 : 1;
        uint reason = (uint)e[KernelOperand.Reason];
        vcpu.Isa = e[KernelOperand.Isa];
        if (reason == (vcpu.Isa == Svm ? SvmHlt : VmxHlt))
        {
            _records.Add(lane, new TraceEvent { Time = time, Kind = RecordKind.Halt, Level = (byte)level });
        }

        _records.Add(lane, TraceEvent.VmExit(time, level == 2 ? TransitionKind.L2ToL0 : TransitionKind.L1ToL0, vcpu.Number, reason, e[KernelOperand.Info1]));
        lane.Running = null;
        _threads.Thread(e.Pid).Exit();
        EmulatedInstructions.Exit(vcpu, reason, e[KernelOperand.Info1], e[KernelOperand.Info2]);
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
            _records.Add(lane, TraceEvent.Invept(time, 1, 2, 0));
        }
        else if (reason == Invvpid)
        {
            _records.Add(lane, TraceEvent.Invvpid(time, 1, 1, AssumedVpid12));
        }
    }

    private void EnterNested(RecordedVcpu vcpu, RecordedCpu lane, ulong time, ulong vmcs12, bool usesTdp)
    {
        vcpu.Vmcs12 = vmcs12;
        if (vcpu.InL2 || lane.Running is not null || vcpu.ExitLevel != 1)
        {
            // Not where a nested entry can be: events are missing. The next entry shows the level.
            _records.Synthesized++;
            return;
        }

        VmControls controls = VmControls.EnableVpid | (usesTdp ? VmControls.EnableEpt : VmControls.None);
        _records.Add(lane, TraceEvent.NestedEnter(time, vcpu.Number, vmcs12, controls, AssumedVpid12, vcpu.NestedRoot));
        vcpu.InL2 = true;
        vcpu.NestedTransitions++;
    }

    private void ExitNested(RecordedVcpu vcpu, RecordedCpu lane, ulong time, uint reason)
    {
        if (lane.Running is not null || vcpu.Lane != lane)
        {
            _records.Synthesized++;
            vcpu.InL2 = false;
            return;
        }

        EmulatedInstructions.Forget(vcpu);
        _records.Add(lane, TraceEvent.VmExit(time, TransitionKind.L2ToL1, vcpu.Number, reason));
        _threads.Thread(vcpu.Pid).ExitNested();
        vcpu.InL2 = false;
        vcpu.NestedTransitions++;
        if (vcpu.Isa == Svm && reason == SvmWriteCr4 && vcpu.PgeDiffers.Remove(vcpu.Vmcs12))
        {
            SetCr4(lane, vcpu, time, 2, vcpu.Cr4);
        }
    }

    private void SetCr4(RecordedCpu lane, RecordedVcpu vcpu, ulong time, byte level, Cr4Bits value)
    {
        if (level == 1)
        {
            vcpu.Cr4 = value;
        }

        _records.Add(lane, TraceEvent.SetCr4(time, level, value));
    }

    private void Interrupt(RecordedCpu lane, ulong time, byte level, ulong source, ulong vector, ulong target) => _records.Add(
        lane, new TraceEvent { Time = time, Kind = RecordKind.Interrupt, Level = level, A = source, B = vector & 0xFF, C = lane.Vcpu?.Number ?? 0, D = target });
}
