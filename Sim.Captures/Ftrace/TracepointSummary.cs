using System.Globalization;
using Sim.Core.Architecture;
using Sim.Core.Profiles;

namespace Sim.Captures.Ftrace;

/// <summary>
/// Summarises kernel events: exits by level and reason, nested entries and exits, flushes by kind, interrupts by vector and level, time at each level.
/// </summary>
/// <remarks>
/// Level of a vCPU thread: L2 after kvm_nested_vmenter or kvm_nested_vmrun, L1 after kvm_nested_vmexit_inject or kvm_nested_vmenter_failed; a kvm_exit with a
/// kvm_nested_vmexit beside it came from L2 whatever was believed before (a trace may begin in L2). Kernels before 6.0 print no nested entry on VMX: there, a
/// kvm_entry whose RIP is not where the VMLAUNCH or VMRESUME was is one.
/// </remarks>
public sealed class TracepointSummary
{
    /// <summary>Units of <see cref="KernelEvent.Time"/> per second, unless the trace clock counts something else.</summary>
    public const long DefaultTicksPerSecond = 1_000_000_000;

    private const int LongestInstruction = 15;
    private const uint Vmlaunch = 20;
    private const uint Vmresume = 24;

    private readonly EventTally _tally = new();
    private readonly Dictionary<int, Vcpu> _vcpus = [];
    private bool _hasNestedEntryEvents;
    private ulong _first;
    private ulong _last;
    private bool _any;

    private TracepointSummary()
    {
    }

    /// <summary>Reads everything and summarises it.</summary>
    public static EventSummary Of(TracepointReader reader, string name, long ticksPerSecond = DefaultTicksPerSecond)
    {
        TracepointSummary summary = new();
        KernelEvent e = default;
        while (reader.Read(ref e))
        {
            summary.Take(e);
        }

        return summary.Build(reader, name, ticksPerSecond);
    }

    private void Take(in KernelEvent e)
    {
        _first = _any ? Math.Min(_first, e.Time) : e.Time;
        _last = Math.Max(_last, e.Time);
        _any = true;
        _tally.Add("input", "", e.Type == KernelEventType.Function ? "function calls" : e.Name);
        switch (e.Type)
        {
            case KernelEventType.KvmEntry:
                Enter(VcpuOf(e), e);
                break;
            case KernelEventType.KvmExit when !e.IsUnparsed:
                Exit(VcpuOf(e), e);
                break;
            case KernelEventType.KvmNestedVmexit:
                VcpuOf(e).MoveLastExitToL2(_tally);
                break;
            case KernelEventType.KvmNestedVmenter or KernelEventType.KvmNestedVmrun:
                _hasNestedEntryEvents = true;
                _tally.Add("transitions", "", "nested entries");
                VcpuOf(e).Level = 2;
                break;
            case KernelEventType.KvmNestedVmenterFailed:
                _tally.Add("transitions", "", "nested entries", -1);
                _tally.Add("transitions", "", "failed nested entries");
                VcpuOf(e).Level = 1;
                break;
            case KernelEventType.KvmNestedVmexitInject:
                _tally.Add("transitions", "", "nested exits");
                _tally.Add("transitions", "L1", "nested exit, told " + ReasonName(e));
                VcpuOf(e).Level = 1;
                break;
            case KernelEventType.SchedSwitch:
                Switch(e);
                break;
            default:
                CountFlush(e);
                CountInterrupt(e);
                break;
        }
    }

    private void Enter(Vcpu vcpu, in KernelEvent e)
    {
        ulong rip = e[KernelOperand.Rip];
        if (vcpu.AsksSince is { } asked && !_hasNestedEntryEvents && rip - asked > LongestInstruction)
        {
            _tally.Add("transitions", "", "nested entries");
            vcpu.Level = 2;
        }

        vcpu.AsksSince = null;
        vcpu.Elapse(e.Time, 0, _tally);
        vcpu.IsInGuest = true;
        _tally.Add("transitions", EventTally.LevelName(vcpu.Level), "real entries");
    }

    private void Exit(Vcpu vcpu, in KernelEvent e)
    {
        string reason = ReasonName(e);
        vcpu.LastGuestTime = vcpu.IsInGuest ? vcpu.Elapse(e.Time, vcpu.Level, _tally) : vcpu.Elapse(e.Time, -1, _tally);
        vcpu.IsInGuest = false;
        vcpu.LastReason = reason;
        vcpu.LastExitLevel = vcpu.Level;
        vcpu.AsksSince = e[KernelOperand.Isa] == 1 && e[KernelOperand.Reason] is Vmlaunch or Vmresume ? e[KernelOperand.Rip] : null;
        _tally.Add("transitions", EventTally.LevelName(vcpu.Level), "real exits");
        _tally.Add("exits", EventTally.LevelName(vcpu.Level), reason);
    }

    private void Switch(in KernelEvent e)
    {
        if (_vcpus.TryGetValue((int)e[KernelOperand.PrevPid], out Vcpu? leaves) && !leaves.IsInGuest)
        {
            leaves.Elapse(e.Time, 0, _tally);
            leaves.IsOffCpu = true;
        }

        if (_vcpus.TryGetValue((int)e[KernelOperand.NextPid], out Vcpu? comes) && comes.IsOffCpu)
        {
            _tally.Add("time", "", "vCPU threads off CPU", (long)comes.Elapse(e.Time, -1, _tally), "ticks");
            comes.IsOffCpu = false;
        }
    }

    private void CountFlush(in KernelEvent e)
    {
        switch (e.Type)
        {
            case KernelEventType.Function when e.Text is "handle_invvpid" or "handle_invept":
                _tally.Add("flushes", "L1", e.Text == "handle_invept" ? "INVEPT (handle_invept)" : "INVVPID (handle_invvpid)");
                break;
            case KernelEventType.Function when e.Text.Contains("flush", StringComparison.Ordinal):
                _tally.Add("flushes", "L0", e.Text);
                break;
            case KernelEventType.TlbFlush:
                _tally.Add("flushes", "L0", "host tlb_flush: " + (e.Text.Length > 0 ? e.Text : "reason " + e[KernelOperand.Reason].ToString(CultureInfo.InvariantCulture)));
                break;
            case KernelEventType.KvmPvTlbFlush when e[KernelOperand.NeedFlush] != 0:
                _tally.Add("flushes", "L1", "paravirtual flush of a preempted vCPU");
                break;
            case KernelEventType.KvmHvFlushTlb or KernelEventType.KvmHvFlushTlbEx:
                _tally.Add("flushes", e[KernelOperand.CallerIsL2] != 0 ? "L2" : "L1", "Hyper-V flush hypercall");
                break;
            case KernelEventType.KvmInvlpga:
                _tally.Add("flushes", "L1", "INVLPGA");
                break;
            case KernelEventType.KvmCr when e[KernelOperand.Write] != 0 && e[KernelOperand.Register] is 0 or 3 or 4:
                _tally.Add("flushes", EventTally.LevelName(VcpuOf(e).Level), string.Create(CultureInfo.InvariantCulture, $"MOV CR{e[KernelOperand.Register]} (intercepted)"));
                break;
            default:
                break;
        }
    }

    private void CountInterrupt(in KernelEvent e)
    {
        (string level, string what) = e.Type switch
        {
            KernelEventType.KvmInjVirq => (EventTally.LevelName(VcpuOf(e).Level), e[KernelOperand.Soft] != 0 ? "software interrupt injected" : "injected"),
            KernelEventType.KvmApicAcceptIrq => ("L1", "accepted by the virtual APIC"),
            KernelEventType.KvmApicvAcceptIrq => ("L1", "delivered through APICv or AVIC"),
            KernelEventType.KvmApicIpi => ("L1", "IPI sent"),
            KernelEventType.KvmEoi => ("L1", "EOI"),
            KernelEventType.KvmPvEoi => ("L1", "paravirtual EOI"),
            KernelEventType.KvmMsiSetIrq => ("L1", "MSI"),
            KernelEventType.LocalTimerEntry or KernelEventType.RescheduleEntry or KernelEventType.CallFunctionEntry or KernelEventType.CallFunctionSingleEntry
                or KernelEventType.IrqWorkEntry or KernelEventType.SpuriousApicEntry => ("L0", "host interrupt"),
            _ => ("", ""),
        };
        if (what.Length > 0)
        {
            _tally.Add("interrupts", level, string.Create(CultureInfo.InvariantCulture, $"{what}, vector 0x{e[KernelOperand.Vector]:x}"));
        }
    }

    private Vcpu VcpuOf(in KernelEvent e)
    {
        if (!_vcpus.TryGetValue(e.Pid, out Vcpu? vcpu))
        {
            vcpu = new Vcpu { Since = e.Time };
            _vcpus.Add(e.Pid, vcpu);
        }

        return vcpu;
    }

    private static string ReasonName(in KernelEvent e) => e.Has(KernelOperand.Isa)
        ? ExitReasons.Name(e[KernelOperand.Isa] == 1 ? Vendor.Intel : Vendor.Amd, (uint)e[KernelOperand.Reason])
        : "0x" + e[KernelOperand.Reason].ToString("x", CultureInfo.InvariantCulture);

    private EventSummary Build(TracepointReader reader, string name, long ticksPerSecond)
    {
        long ticks = _any ? (long)(_last - _first) : 0;
        _tally.Add("input", "", "vCPU threads", _vcpus.Count, "threads");
        _tally.Add("time", "", "recorded", ticks, "ticks");
        _tally.AddRate("real exits", _tally.Value("transitions", "L1", "real exits") + _tally.Value("transitions", "L2", "real exits"), ticks, ticksPerSecond);
        _tally.AddRate("nested round trips", _tally.Value("transitions", "", "nested entries"), ticks, ticksPerSecond);
        return _tally.Build(string.Create(CultureInfo.InvariantCulture, $"{name}: kernel trace, {reader.Events} events in {reader.Line} lines"), reader.Findings);
    }

    private sealed class Vcpu
    {
        public int Level { get; set; } = 1;

        public bool IsInGuest { get; set; }

        public bool IsOffCpu { get; set; }

        public ulong Since { get; set; }

        public ulong? AsksSince { get; set; }

        public string LastReason { get; set; } = "";

        public int LastExitLevel { get; set; } = -1;

        public ulong LastGuestTime { get; set; }

        /// <summary>Time since the last call goes to a level (-1: to none).</summary>
        public ulong Elapse(ulong time, int level, EventTally tally)
        {
            // Lines of two CPUs may be a little out of order.
            ulong passed = time > Since ? time - Since : 0;
            Since = time;
            if (level >= 0)
            {
                tally.Add("time", EventTally.LevelName(level), "ticks", (long)passed, "ticks");
            }

            return passed;
        }

        public void MoveLastExitToL2(EventTally tally)
        {
            if (LastExitLevel == 1)
            {
                tally.Add("exits", "L1", LastReason, -1);
                tally.Add("exits", "L2", LastReason);
                tally.Add("transitions", "L1", "real exits", -1);
                tally.Add("transitions", "L2", "real exits");
                if (LastGuestTime > 0)
                {
                    tally.Add("time", "L1", "ticks", -(long)LastGuestTime, "ticks");
                    tally.Add("time", "L2", "ticks", (long)LastGuestTime, "ticks");
                }
            }

            LastExitLevel = 2;
            Level = 2;
        }
    }
}
