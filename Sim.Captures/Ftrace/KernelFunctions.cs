using Sim.Core.Traces;

namespace Sim.Captures.Ftrace;

/// <summary>What the function tracer's lines tell: calls of the vendor's flush functions, and flush requests whose cause no other record tells.</summary>
internal sealed class KernelFunctions(RecordedThreads threads, LiftedRecords records, EmulatedInstructions emulated)
{
    /// <summary>Raises KVM_REQ_TLB_FLUSH on every vCPU of the virtual machine.</summary>
    public const string RemoteFlush = "kvm_flush_remote_tlbs";

    private readonly List<KernelFlush> _flushes = [];
    private bool _hasServiceLines;
    private int _registersSet;

    /// <summary>Nested entries at which the kernel's own flush showed that CR4.PGE of vmcb12 is not L1's.</summary>
    public long ShownPge { get; private set; }

    /// <summary>Remote flushes by threads that are no vCPU's where there are several virtual machines.</summary>
    public long RequestsOfUnknownMachine { get; private set; }

    /// <summary>Calls of flush functions by vCPU threads, in order.</summary>
    public IReadOnlyList<KernelFlush> Flushes => [.. _flushes.OrderBy(flush => flush.Position)];

    /// <summary>True for one of the vendor's flush functions; older kernels have fewer (svm_flush_tlb, vmx_flush_tlb).</summary>
    public static bool IsFlush(string function) => function.StartsWith("svm_flush_tlb", StringComparison.Ordinal) || function.StartsWith("vmx_flush_tlb", StringComparison.Ordinal);

    /// <summary>A thread enters a function.</summary>
    public void Enter(RecordedCpu lane, RecordedVcpu? vcpu, int pid, ulong time, string function)
    {
        KernelThread thread = threads.Thread(pid);
        bool isInL0 = vcpu is not null && vcpu.Lane == lane && lane.Running is null;
        if (function == RemoteFlush && lane.Running is null)
        {
            if (isInL0)
            {
                emulated.Complete(lane, vcpu!, time);
            }

            RaiseOnAll(lane, vcpu, thread, pid, time);
        }
        else if (function == KernelThread.LoadRoot && isInL0)
        {
            emulated.LoadsRoot(lane, vcpu!, time);
        }
        else if (function == KernelThread.Service)
        {
            _hasServiceLines = true;
            if (vcpu is { HasHeldRequest: true } && vcpu.Lane == lane && lane.Running is null)
            {
                vcpu.HasHeldRequest = false;
                records.Add(lane, TraceEvent.FlushRequest(time, RequestedFlush.All, vcpu.Number, thread.HasServiced ? vcpu.Number : TraceEvent.AnyVcpu));
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
            ShownPge++;
            records.Add(lane, TraceEvent.SetCr4(time, 2, vcpu.Cr4 ^ Cr4Bits.Pge));
        }

        if (IsFlush(function))
        {
            KernelFlush flush = new(
                records.Count, time, lane.Number, vcpu?.Number ?? -1, function, vcpu?.ExitReason, vcpu?.ExitLevel ?? 0, vcpu?.RealExits ?? 0, vcpu?.InL2 ?? false, vcpu?.NestedTransitions ?? 0, thread.Last);
            (vcpu is null ? thread.Unclaimed : _flushes).Add(flush);
        }

        thread.EnterFunction(function);
    }

    /// <summary>What happened to a vCPU outside of KVM_RUN, and the flush calls of its thread before its first entry.</summary>
    public void Claim(RecordedCpu lane, RecordedVcpu vcpu, ulong time)
    {
        KernelThread thread = threads.Thread(vcpu.Pid);
        bool isFirst = !vcpu.HasRun && _registersSet > 0;
        if (isFirst || thread.HasNewRegisters)
        {
            _registersSet -= isFirst ? 1 : 0;
            records.Add(lane, TraceEvent.FlushRequest(time, RequestedFlush.Registers, vcpu.Number));
        }

        vcpu.HasRun = true;
        thread.HasNewRegisters = false;

        _flushes.AddRange(thread.Unclaimed.Select(flush => flush with { Vcpu = vcpu.Number, Position = records.Count }));
        thread.Unclaimed.Clear();
        thread.Enter();
    }

    /// <summary>
    /// kvm_flush_remote_tlbs. A vCPU that is in L0 on another CPU may have looked at its requests already: its next service, or else its entry, tells; so its request is held until then.
    /// </summary>
    private void RaiseOnAll(RecordedCpu lane, RecordedVcpu? raiser, KernelThread thread, int pid, ulong time)
    {
        RequestsOfUnknownMachine += raiser is null && threads.Machines > 1 ? 1 : 0;
        RecordedVcpu[] machine = [.. threads.MachineOf(pid)];
        bool isLoading = raiser is not null && thread.IsLoadingRoot && !thread.HasFlushedWhileLoading;
        thread.HasFlushedWhileLoading |= isLoading;
        ushort loading = isLoading ? raiser!.Number : TraceEvent.AnyVcpu;
        bool isTold = !_hasServiceLines || machine.All(vcpu => vcpu == raiser || vcpu.IsRunning);
        if (isTold && threads.Machines == 1)
        {
            records.Add(lane, TraceEvent.FlushRequest(time, RequestedFlush.All, afterServiceOf: loading));
            return;
        }

        foreach (RecordedVcpu vcpu in machine)
        {
            if (isTold || vcpu == raiser || vcpu.IsRunning)
            {
                records.Add(lane, TraceEvent.FlushRequest(time, RequestedFlush.All, vcpu.Number, vcpu == raiser ? loading : TraceEvent.AnyVcpu));
            }
            else
            {
                vcpu.HasHeldRequest = true;
            }
        }
    }
}
