using Sim.Workloads;
using Sim.Workloads.Scenarios;
using Sim.Core.Architecture;
using Sim.Core.Traces;
using Sim.Core;

namespace Sim.Captures.Ftrace;

/// <summary>What came out of lifting a kernel trace beside the lifted trace.</summary>
/// <param name="Flushes">Calls of the vendor's flush functions by vCPU threads, in order; empty if the function tracer was off.</param>
/// <param name="Records">Records of the lifted trace.</param>
/// <param name="Synthesized">Transitions put in because the recording began in a guest or events were missing.</param>
/// <param name="Findings">What the reader did not understand.</param>
/// <param name="DataLoss">True if the recording says that events were lost.</param>
/// <param name="Counts">The transitions of the recording, those that were put in left out.</param>
public sealed record TracepointLiftResult(IReadOnlyList<KernelFlush> Flushes, ulong Records, long Synthesized, Findings Findings, bool DataLoss, TransitionCounts Counts)
{
    /// <summary>MOVs to CR4 by L1 whose value no event told; each is taken to change CR4.PGE.</summary>
    public required long AssumedCr4 { get; init; }

    /// <summary>MOVs to CR3 whose value no event told; whether the root was cached is taken from L0's load of one.</summary>
    public required long UnknownCr3 { get; init; }

    /// <summary>Nested entries at which the kernel's own flush showed that CR4.PGE of vmcb12 is not L1's.</summary>
    public required long ShownPge { get; init; }

    /// <summary>Calls of kvm_flush_remote_tlbs by threads that are no vCPU's where there are several virtual machines: taken to be for all of them.</summary>
    public required long RequestsOfUnknownMachine { get; init; }

    /// <summary>What the lifted trace rests on that the recording does not say.</summary>
    public IReadOnlyList<Doubt> Doubts =>
    [
        .. Findings.Doubts,
        .. LiftDoubts.Synthesized(Synthesized, Records),
        .. Emulated(AssumedCr4, "MOVs to CR4 are not told what they wrote: CR4.PGE is taken to change"),
        .. Emulated(UnknownCr3, "MOVs to CR3 are not told what they wrote: a root that L0 loads then is taken for a new one"),
        new Doubt(DoubtKind.Reconstructed, "kernel events do not name vpid12 and the types of L1's INVVPID and INVEPT: vpid12 1 and types 1 and 2 are taken (on AMD one ASID12 for each vmcb12)"),
    ];

    private static IEnumerable<Doubt> Emulated(long count, string what) => count == 0 ? [] : [new Doubt(DoubtKind.Reconstructed, $"{count} {what}")];
}

/// <summary>
/// Turns kernel events into a logical trace without memory accesses: transitions, nested transitions, changes of L0's second-level tables, L1's INVLPGA, INVVPID and
/// INVEPT, CR4, interrupts, scheduling, and flush requests whose cause no other record tells. A vCPU takes part from the first event on that is of a vCPU; where <see cref="KernelLevels"/>
/// finds it at a level that no event brought it to, transitions are put in, with <see cref="ExitReasons.Unknown"/>.
/// </summary>
/// <remarks>
/// Operands that tracepoints do not have are assumed: vpid12 is 1 with VPID enabled (VMX; on SVM it stands for ASID12), L1's INVVPID is of type 1 for vpid12, L1's INVEPT
/// is of type 2. Nothing prints the CR4 of a vmcb12: its
/// PGE is taken to be L1's until svm_set_cr4 is seen to flush at a nested entry, and again after L1 was told of a MOV to CR4.
/// </remarks>
public sealed class TracepointLift
{
    /// <summary>Most CPUs a recording may have to be lifted.</summary>
    public const int MaxLanes = 256;

    private const string NanosecondsPerMillisecond = "1000000";
    private const ushort AssumedVpid12 = 1;
    private const Cr4Bits KnownCr4 = Cr4Bits.Pae | Cr4Bits.Pge | Cr4Bits.La57 | Cr4Bits.Pcide | Cr4Bits.Smep;

    private readonly RecordedCpu[] _lanes;
    private readonly RecordedThreads _threads;
    private readonly LiftedRecords _records;
    private readonly VcpuPlacement _placement;
    private readonly KernelFunctions _functions;
    private readonly EmulatedInstructions _emulated;
    private readonly InjectedInterrupts _injected = new();
    private readonly KernelLevels _levels;
    private ulong? _start;

    private TracepointLift(Action<int, TraceEvent> record, KernelSurvey survey)
    {
        _levels = new KernelLevels(survey);
        _records = new LiftedRecords(record);
        _threads = new RecordedThreads(survey.Configuration);
        _placement = new VcpuPlacement(_threads, _records);
        _emulated = new EmulatedInstructions(_records, survey.Configuration);
        _functions = new KernelFunctions(_threads, _records, _emulated);
        _lanes = [.. Enumerable.Range(0, survey.Lanes).Select(number => new RecordedCpu(number))];
    }

    /// <summary>The header of the lifted trace.</summary>
    /// <param name="survey">Of the recording.</param>
    /// <param name="source">Name of the recording.</param>
    /// <exception cref="TraceFormatException">The recording has more than <see cref="MaxLanes"/> CPUs or 65536 vCPUs.</exception>
    public static TraceHeader HeaderOf(KernelSurvey survey, string source)
    {
        SortedDictionary<string, string> properties = new(StringComparer.Ordinal) { ["source"] = source, ["lifted"] = "kernel events", [TraceHeader.RealKilohertzProperty] = NanosecondsPerMillisecond };
        if (survey.Vendor is { } vendor)
        {
            properties[TraceHeader.VendorProperty] = TraceHeader.VendorWord(vendor);
        }

        if (survey.RecordsRemoteFlushes)
        {
            properties[TraceHeader.RemoteFlushes] = TraceHeader.Recorded;
        }

        if (survey.DataLoss)
        {
            properties["data_loss"] = "yes";
        }

        if (survey.Configuration.L0ShadowsPageTables)
        {
            properties[Scenario.ConfigurationProperty] = "machine.l0_ept=false";
        }

        if (survey.Lanes > MaxLanes)
        {
            throw new TraceFormatException(
                source, "the whole file", $"a recording of at most {MaxLanes} CPUs", $"CPU {survey.Lanes - 1}", "Record only the CPUs that run the guest (trace-cmd record -M, perf record -C).");
        }

        return survey.Vcpus <= TraceEvent.AnyVcpu ? new TraceHeader(survey.Lanes, false, "1/1", properties) : throw new TraceFormatException(
            source, "the whole file", $"a recording of at most {TraceEvent.AnyVcpu} threads that enter guests", $"{survey.Vcpus}", "Record only the guest in question (trace-cmd record -P, perf record -p).");
    }

    /// <summary>Lifts a recording into <paramref name="sink"/>, whose header is that of <see cref="HeaderOf"/>; <paramref name="survey"/> is of the same recording.</summary>
    /// <exception cref="TraceFormatException">This is not a kernel trace, or none of KVM.</exception>
    public static TracepointLiftResult Run(TracepointReader reader, KernelSurvey survey, ITraceSink sink)
    {
        TraceAppender appender = new(sink, survey.Lanes);
        TracepointLiftResult result = Run(reader, survey, (lane, e) => appender.Event(lane, e));
        appender.Complete();
        return result;
    }

    /// <summary>Lifts a recording record by record: <paramref name="record"/> gets each with its CPU, in order of time over all CPUs.</summary>
    /// <exception cref="TraceFormatException">This is not a kernel trace, or none of KVM.</exception>
    public static TracepointLiftResult Run(TracepointReader reader, KernelSurvey survey, Action<int, TraceEvent> record)
    {
        TracepointLift lift = new(record, survey);
        KernelEvent e = default;
        while (reader.Read(ref e))
        {
            lift.Take(e);
        }

        return lift._levels.Counts.Any
            ? new TracepointLiftResult(lift._functions.Flushes, lift._records.Count, lift._records.Synthesized, reader.Findings, reader.DataLoss, lift._levels.Counts)
            {
                AssumedCr4 = lift._emulated.AssumedCr4,
                UnknownCr3 = lift._emulated.UnknownCr3,
                ShownPge = lift._functions.ShownPge,
                RequestsOfUnknownMachine = lift._functions.RequestsOfUnknownMachine,
            }
            : throw reader.Malformed("kvm_entry and kvm_exit", $"{reader.Events} events and none of them to the end", "Record the events of KVM: trace-cmd record -e kvm, perf record -a -e 'kvm:*'.");
    }

    private void Take(in KernelEvent e)
    {
        _start ??= e.Time;
        ulong time = Math.Max(e.Time, _start.Value) - _start.Value;
        RecordedCpu lane = _lanes[e.Cpu];
        KernelStep step = _levels.Observe(e);
        bool isNewInterrupt = _injected.IsNew(e);
        _threads.TryGetVcpu(e.Pid, out RecordedVcpu? vcpu);
        switch (e.Type)
        {
            case KernelEventType.KvmEntry:
                Enter(lane, _threads.Vcpu(e.Pid), time, step.Level);
                break;
            case KernelEventType.KvmExit:
                Exit(_threads.Vcpu(e.Pid), lane, time, e, step.Level);
                break;
            case KernelEventType.KvmNestedVmenter or KernelEventType.KvmNestedVmrun:
                EnterNested(_threads.Vcpu(e.Pid), lane, time, e);
                break;
            case KernelEventType.KvmNestedVmenterFailed when vcpu is { InL2: true }:
                ExitNested(vcpu, lane, time, vcpu.Isa == KvmIsa.Svm ? (uint)SvmExit.Invalid : (uint)VmxExit.InvalidState);
                break;
            case KernelEventType.KvmNestedVmexitInject:
                ExitNested(_threads.Vcpu(e.Pid), lane, time, e);
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
            case KernelEventType.KvmInjVirq:
                if (isNewInterrupt && _levels.LevelOf(e.Pid) is > 0 and int target)
                {
                    PutOn(lane, _threads.Vcpu(e.Pid), time);
                    Interrupt(lane, time, 0, e[KernelOperand.Soft] != 0 ? 3UL : 0, e[KernelOperand.Vector], (ulong)target);
                }

                break;
            default:
                if (vcpu is not null && vcpu.Lane == lane)
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
    /// What tells the roots of L2s apart: EPTP12 or the nested CR3; on SVM without NPT L2's CR3. Older kernels print neither (5.10); there each vmcb12 is taken to keep its own.
    /// </summary>
    private static ulong RootOfL2(RecordedVcpu vcpu, in KernelEvent e)
    {
        // trace-cmd prints L2's CR3 under the name of the nested CR3.
        ulong root = e[KernelOperand.NestedRoot];
        if (vcpu.Isa == KvmIsa.Svm && root == 0)
        {
            root = e[KernelOperand.GuestCr3] != 0 ? e[KernelOperand.GuestCr3] : vcpu.Vmcs12;
        }

        return root;
    }

    private void Enter(RecordedCpu lane, RecordedVcpu vcpu, ulong time, int level)
    {
        PutOn(lane, vcpu, time);
        _functions.Claim(lane, vcpu, time);
        _emulated.Enter(lane, vcpu, time);
        Reach(vcpu, lane, time, level);
        EnterReal(vcpu, lane, time);
        if (vcpu.HasHeldRequest)
        {
            // Raised when this vCPU had looked at its requests for the last time before this entry.
            vcpu.HasHeldRequest = false;
            _records.Add(lane, TraceEvent.FlushRequest(time, RequestedFlush.All, vcpu.Number));
        }
    }

    private void Exit(RecordedVcpu vcpu, RecordedCpu lane, ulong time, in KernelEvent e, int level)
    {
        vcpu.Isa = (KvmIsa)e[KernelOperand.Isa];
        if (lane.Running != vcpu || vcpu.InL2 != (level == 2))
        {
            // An exit without its entry: lost, or the recording's first event of this vCPU.
            PutOn(lane, vcpu, time);
            Reach(vcpu, lane, time, level);
            EnterReal(vcpu, lane, time);
            vcpu.HasRun = true;
            _records.Synthesized++;
        }

        uint reason = (uint)e[KernelOperand.Reason];
        if (reason == (vcpu.Isa == KvmIsa.Svm ? (uint)SvmExit.Hlt : (uint)VmxExit.Hlt))
        {
            _records.Add(lane, new TraceEvent { Time = time, Kind = RecordKind.Halt, Level = (byte)level });
        }

        ExitReal(vcpu, lane, time, reason, e[KernelOperand.Info1]);
        EmulatedInstructions.Exit(vcpu, reason, e[KernelOperand.Info1], e[KernelOperand.Info2]);
        _threads.Thread(e.Pid).Exit();
        vcpu.RealExits++;
        if (vcpu.Isa == KvmIsa.Svm || level == 2)
        {
            return;
        }

        if (reason == (uint)VmxExit.Invept)
        {
            _records.Add(lane, TraceEvent.Invept(time, 1, 2, 0));
        }
        else if (reason == (uint)VmxExit.Invvpid)
        {
            _records.Add(lane, TraceEvent.Invvpid(time, 1, 1, AssumedVpid12));
        }
    }

    private void EnterNested(RecordedVcpu vcpu, RecordedCpu lane, ulong time, in KernelEvent e)
    {
        vcpu.Isa = e.Has(KernelOperand.Isa) ? (KvmIsa)e[KernelOperand.Isa] : vcpu.Isa;
        _threads.Thread(e.Pid).EnterNested();
        PutOn(lane, vcpu, time);
        Reach(vcpu, lane, time, 1);
        ReachRequest(vcpu, lane, time);
        vcpu.Vmcs12 = e[KernelOperand.Vmcs12];
        vcpu.NestedRoot = RootOfL2(vcpu, e);
        EnterNested(vcpu, lane, time, usesTdp: e[KernelOperand.NestedTdp] != 0);
    }

    private void ExitNested(RecordedVcpu vcpu, RecordedCpu lane, ulong time, in KernelEvent e)
    {
        PutOn(lane, vcpu, time);
        if (Reach(vcpu, lane, time, 2))
        {
            // Began between the exit of L2 and this.
            EnterReal(vcpu, lane, time);
            ExitReal(vcpu, lane, time, (uint)e[KernelOperand.Reason], 0);
            _records.Synthesized += 2;
        }

        ExitNested(vcpu, lane, time, (uint)e[KernelOperand.Reason]);
    }

    /// <summary>L0 works for this vCPU on this CPU: whatever else the CPU, or another one for this vCPU, was doing has ended.</summary>
    private void PutOn(RecordedCpu lane, RecordedVcpu vcpu, ulong time)
    {
        if (lane.Running is { } other)
        {
            _placement.Leave(lane, other, time);
        }

        if (vcpu is { IsRunning: true, Lane: { } elsewhere })
        {
            _placement.Leave(elsewhere, vcpu, time);
        }

        _placement.PutOn(lane, vcpu, time);
    }

    /// <summary>Brings a vCPU for which L0 works to a level, by transitions that no event tells. True if L1's request is one of these: it was made before the recording, or lost.</summary>
    private bool Reach(RecordedVcpu vcpu, RecordedCpu lane, ulong time, int level)
    {
        bool isRequestPutIn = false;
        if (level == 2 && !vcpu.InL2)
        {
            isRequestPutIn = ReachRequest(vcpu, lane, time);
            _records.Synthesized += isRequestPutIn || _levels.TracesNestedEntries ? 1 : 0;
            vcpu.Vmcs12 = 0;
            EnterNested(vcpu, lane, time, usesTdp: true);
        }
        else if (level == 1 && vcpu.InL2)
        {
            if (vcpu.Last != TransitionKind.L2ToL0)
            {
                EnterReal(vcpu, lane, time);
                ExitReal(vcpu, lane, time, ExitReasons.Unknown, 0);
                _records.Synthesized += 2;
            }

            _records.Synthesized++;
            ExitNested(vcpu, lane, time, vcpu.ExitReason ?? ExitReasons.Unknown);
        }

        return isRequestPutIn;
    }

    // Only an exit of L1 can become a nested entry.
    private bool ReachRequest(RecordedVcpu vcpu, RecordedCpu lane, ulong time)
    {
        if (vcpu.Last == TransitionKind.L1ToL0)
        {
            return false;
        }

        EnterReal(vcpu, lane, time);
        ExitReal(vcpu, lane, time, vcpu.Isa == KvmIsa.Svm ? (uint)SvmExit.Vmrun : (uint)VmxExit.Vmresume, 0);
        _records.Synthesized += 2;
        return true;
    }

    private void EnterReal(RecordedVcpu vcpu, RecordedCpu lane, ulong time)
    {
        vcpu.Last = vcpu.InL2 ? TransitionKind.L0ToL2 : TransitionKind.L0ToL1;
        _records.Add(lane, TraceEvent.VmEnter(time, vcpu.Last.Value, vcpu.Number));
        lane.Running = vcpu;
    }

    private void ExitReal(RecordedVcpu vcpu, RecordedCpu lane, ulong time, uint reason, ulong qualification)
    {
        vcpu.Last = vcpu.InL2 ? TransitionKind.L2ToL0 : TransitionKind.L1ToL0;
        _records.Add(lane, TraceEvent.VmExit(time, vcpu.Last.Value, vcpu.Number, reason, qualification));
        lane.Running = null;
        vcpu.ExitReason = reason;
        vcpu.ExitLevel = vcpu.InL2 ? 2 : 1;
    }

    private void EnterNested(RecordedVcpu vcpu, RecordedCpu lane, ulong time, bool usesTdp)
    {
        VmControls controls = VmControls.EnableVpid | (usesTdp ? VmControls.EnableEpt : VmControls.None);
        _records.Add(lane, TraceEvent.NestedEnter(time, vcpu.Number, vcpu.Vmcs12, controls, AssumedVpid12, vcpu.NestedRoot));
        vcpu.Last = TransitionKind.L1ToL2;
        vcpu.InL2 = true;
        vcpu.NestedTransitions++;
    }

    private void ExitNested(RecordedVcpu vcpu, RecordedCpu lane, ulong time, uint reason)
    {
        EmulatedInstructions.Forget(vcpu);
        _records.Add(lane, TraceEvent.VmExit(time, TransitionKind.L2ToL1, vcpu.Number, reason));
        vcpu.Last = TransitionKind.L2ToL1;
        _threads.Thread(vcpu.Pid).ExitNested();
        vcpu.InL2 = false;
        vcpu.NestedTransitions++;
        if (vcpu.Isa == KvmIsa.Svm && reason == (uint)SvmExit.WriteCr4 && vcpu.PgeDiffers.Remove(vcpu.Vmcs12))
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
