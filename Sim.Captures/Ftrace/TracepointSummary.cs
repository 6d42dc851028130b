using System.Globalization;
using Sim.Core.Architecture;
using Sim.Core.Profiles;

namespace Sim.Captures.Ftrace;

/// <summary>
/// Summarises kernel events: exits by level and reason, nested entries and exits, flushes by kind, interrupts by vector and level, time at each level.
/// </summary>
/// <remarks>Levels are told apart by <see cref="KernelLevels"/>, with the survey of a first pass, as a lift does.</remarks>
public sealed class TracepointSummary
{
    /// <summary>Units of <see cref="KernelEvent.Time"/> per second, unless the trace clock counts something else.</summary>
    public const long DefaultTicksPerSecond = 1_000_000_000;

    private readonly EventTally _tally = new();
    private readonly Dictionary<int, Vcpu> _vcpus = [];
    private readonly InjectedInterrupts _injected = new();
    private readonly KernelLevels _levels;
    private ulong _first;
    private ulong _last;
    private bool _any;

    private TracepointSummary(KernelSurvey survey) => _levels = new KernelLevels(survey);

    /// <summary>Reads a recording twice and summarises it.</summary>
    /// <exception cref="Core.TraceFormatException">This is not a kernel trace.</exception>
    public static EventSummary Of(Func<TracepointReader> open, string name, long ticksPerSecond = DefaultTicksPerSecond)
    {
        KernelSurvey survey;
        using (TracepointReader reader = open())
        {
            survey = KernelSurvey.Of(reader);
        }

        TracepointSummary summary = new(survey);
        KernelEvent e = default;
        using TracepointReader events = open();
        while (events.Read(ref e))
        {
            summary.Take(e);
        }

        return summary.Build(events, name, ticksPerSecond);
    }

    private void Take(in KernelEvent e)
    {
        _first = _any ? Math.Min(_first, e.Time) : e.Time;
        _last = Math.Max(_last, e.Time);
        _any = true;
        _tally.Add("input", "", e.Type == KernelEventType.Function ? "function calls" : e.Name);
        KernelStep step = _levels.Observe(e);
        bool isNewInterrupt = _injected.IsNew(e);
        switch (e.Type)
        {
            case KernelEventType.KvmEntry:
                Vcpu entered = VcpuOf(e);
                entered.Elapse(e.Time, 0, _tally);
                entered.IsInGuest = true;
                break;
            case KernelEventType.KvmExit:
                Vcpu exited = VcpuOf(e);
                exited.Elapse(e.Time, step.IsWithoutEntry ? -1 : step.Level, _tally);
                exited.IsInGuest = false;
                _tally.Add("exits", EventTally.LevelName(step.Level), ReasonName(e));
                break;
            case KernelEventType.KvmNestedVmexit or KernelEventType.KvmNestedVmenter or KernelEventType.KvmNestedVmrun or KernelEventType.KvmNestedVmenterFailed:
                VcpuOf(e);
                break;
            case KernelEventType.KvmNestedVmexitInject:
                VcpuOf(e);
                _tally.Add("transitions", "L1", "nested exit, told " + ReasonName(e));
                break;
            case KernelEventType.SchedSwitch:
                Switch(e);
                break;
            default:
                CountFlush(e);
                CountInterrupt(e, isNewInterrupt);
                break;
        }
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

    // The level of a thread that is no vCPU's is unknown.
    private string LevelOf(in KernelEvent e) => EventTally.LevelName(_levels.LevelOf(e.Pid) is > 0 and int level ? level : -1);

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
                _tally.Add("flushes", LevelOf(e), string.Create(CultureInfo.InvariantCulture, $"MOV CR{e[KernelOperand.Register]} (intercepted)"));
                break;
            default:
                break;
        }
    }

    private void CountInterrupt(in KernelEvent e, bool isNew)
    {
        (string level, string what) = e.Type switch
        {
            KernelEventType.KvmInjVirq => (LevelOf(e), (e[KernelOperand.Soft] != 0 ? "software interrupt injected" : "injected") + (isNew ? "" : " again")),
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
        ? ExitReasons.Name((KvmIsa)e[KernelOperand.Isa] == KvmIsa.Vmx ? Vendor.Intel : Vendor.Amd, (uint)e[KernelOperand.Reason])
        : "0x" + e[KernelOperand.Reason].ToString("x", CultureInfo.InvariantCulture);

    private EventSummary Build(TracepointReader reader, string name, long ticksPerSecond)
    {
        long ticks = _any ? (long)(_last - _first) : 0;
        _tally.Add("input", "", "vCPU threads", _vcpus.Count, "threads");
        _tally.Add("time", "", "recorded", ticks, "ticks");
        _tally.AddTransitions(_levels.Counts, ticks, ticksPerSecond);
        return _tally.Build(string.Create(CultureInfo.InvariantCulture, $"{name}: kernel trace, {reader.Events} events in {reader.Line} lines"), reader.Findings);
    }

    private sealed class Vcpu
    {
        public bool IsInGuest { get; set; }

        public bool IsOffCpu { get; set; }

        public ulong Since { get; set; }

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
    }
}
