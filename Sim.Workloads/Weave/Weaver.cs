using System.Globalization;
using Sim.Core;
using Sim.Core.Architecture;
using Sim.Core.Profiles;
using Sim.Core.Traces;

namespace Sim.Workloads.Weave;

/// <summary>What was woven.</summary>
/// <param name="Records">Records written.</param>
/// <param name="L0Accesses">Accesses of L0, folded ones counted each.</param>
/// <param name="L1Accesses">Accesses of L1.</param>
/// <param name="L2Accesses">Accesses of L2.</param>
/// <param name="L2Exits">Real VM-exits of L2.</param>
/// <param name="NestedEntries">Nested VM-entries, the first launch included: one more than the exits that L1 handled.</param>
/// <param name="Cycles">Time of the last record.</param>
public sealed record WeaveSummary(ulong Records, ulong L0Accesses, ulong L1Accesses, ulong L2Accesses, ulong L2Exits, ulong NestedEntries, ulong Cycles);

/// <summary>
/// Composes one nested trace: a user program's accesses run as L2; at scheduled exits L0, and often L1, run in between. Every transition is written as
/// KVM performs it: a real exit to L0, then either a real entry back, or a nested exit, L1's run, its VMRESUME, a nested entry and a real entry.
/// </summary>
public sealed class Weaver
{
    /// <summary>The text of the mark at the end of warm-up.</summary>
    public const string WarmUpEnds = "warm-up ends";

    private const byte SingleContext = 1;

    // CR3s of the captured nested KVM; vmcs12 and EPTP12 (4 levels, write-back, accessed and dirty flags) are one page apart for each L2 VM.
    private const ulong L0Root = 0x4BFA000;
    private const ushort L0Pcid = 5;
    private const ulong L1Root = 0x13892000;
    private const ushort L1Pcid = 2;
    private const ulong L2FirstRoot = 0x70000;
    private const ulong FirstVmcs12 = 0x1F000000;
    private const ulong FirstEptp12 = 0x2000005E;
    private const ulong FirstNcr3 = 0x20000000;
    private const ulong PageBytes = 4096;
    private const Cr4Bits KernelCr4 = Cr4Bits.Pae | Cr4Bits.Pge | Cr4Bits.Pcide | Cr4Bits.Smep;

    private readonly WeaveSpec _spec;
    private readonly ExitSchedule _schedule;
    private readonly ExitHandling _handling;
    private readonly NestedLane _lane;
    private readonly bool _l2IsFolded;
    private readonly ulong _limit;
    private readonly ulong _warmUpEnd;

    private ScheduledExit _nextExit;
    private bool _moreExits;
    private ulong _done;
    private ulong _l2Cycles;
    private ulong _l2LastTime;
    private bool _l2Started;
    private ulong _nextCr3;
    private ulong _cr3Moves;
    private ulong _entries;
    private ulong _exits;
    private bool _marked;
    private ulong _lastFetch;
    private byte _lastFetchFlags;
    private ulong _lastData;

    private Weaver(WeaveSpec spec, ITraceSource l2, ExitHandling handling, TraceAppender appender)
    {
        _spec = spec;
        _schedule = new ExitSchedule(spec);
        _handling = handling;
        _lane = new NestedLane(appender);
        _l2IsFolded = l2.Header.Folded;
        _limit = spec.L2Accesses == 0 ? ulong.MaxValue : spec.L2Accesses;
        _warmUpEnd = spec.WarmUp.IsPercent ? (ulong)((UInt128)spec.L2Accesses * spec.WarmUp.Amount / 100) : spec.WarmUp.Amount;
        _nextCr3 = spec.L2Cr3Every;
    }

    /// <summary>The header of the woven trace, for whoever creates the file.</summary>
    public static TraceHeader Header(WeaveSpec spec, TraceHeader l2, TraceHeader? handlers)
    {
        SortedDictionary<string, string> properties = new(StringComparer.Ordinal)
        {
            ["source"] = "weave",
            ["weave"] = spec.ToString(),
            [TraceHeader.VendorProperty] = TraceHeader.VendorWord(spec.Architecture == WeaveArchitecture.Svm ? Vendor.Amd : Vendor.Intel),
        };
        Prefix("l2", l2);
        Prefix("handlers", handlers);
        List<Doubt> doubts = [.. l2.Doubts, .. (handlers?.Doubts ?? []).Except(l2.Doubts)];
        if (handlers is null)
        {
            doubts.Add(new Doubt(DoubtKind.Handlers, "what L0 and L1 touch is synthetic: as many pages as were recorded on one machine, and not which"));
        }

        doubts.Add(new Doubt(DoubtKind.Clock, "the time of a woven trace is put together of the times of its parts, and no time of a real machine"));
        return new TraceHeader(1, spec.Fold, l2.CyclesPerRecordTick, properties) { Doubts = doubts };

        void Prefix(string name, TraceHeader? header)
        {
            foreach ((string key, string value) in header?.Properties ?? new SortedDictionary<string, string>(StringComparer.Ordinal))
            {
                properties[$"{name} {key}"] = value;
            }
        }
    }

    /// <summary>Accesses of a trace, folded ones counted each: what <see cref="WeaveSpec.L2Accesses"/> is for all of it. Reads to the end.</summary>
    public static ulong CountAccesses(ITraceSource source)
    {
        ulong count = 0;
        TraceBlock block = new();
        while (source.Read(block))
        {
            for (int i = 0; i < block.AccessCount; i++)
            {
                count += block.Repeat[i];
            }
        }

        return count;
    }

    /// <summary>Weaves.</summary>
    /// <param name="spec">How.</param>
    /// <param name="l2">The program that runs as L2: one lane, no transitions. Not folded is better: then an exit never falls into a run.</param>
    /// <param name="handlers">
    /// Null: L0 and L1 are synthetic footprints. A bare access stream: L1's accesses come from it. A nested trace: L0's and L1's whole handling of exits is
    /// taken from it. It is held in memory.
    /// </param>
    /// <param name="sink">Where the trace goes.</param>
    /// <exception cref="ConfigurationException">The spec contradicts itself or the inputs.</exception>
    public static WeaveSummary Weave(WeaveSpec spec, ITraceSource l2, ITraceSource? handlers, ITraceSink sink)
    {
        spec.Check();
        if (l2.Header.Lanes != 1)
        {
            throw new ConfigurationException($"L2's trace has {l2.Header.Lanes} lanes; weave composes one L2 vCPU. Cut one lane out first.");
        }

        TraceAppender appender = new(sink, lanes: 1, fold: spec.Fold);
        Weaver weaver = new(spec, l2, HandlingFrom(spec, handlers), appender);
        weaver.Run(l2);
        appender.Complete();
        NestedLane lane = weaver._lane;
        return new WeaveSummary(appender.Records, lane.Accesses[0], lane.Accesses[1], lane.Accesses[2], weaver._exits, weaver._entries, lane.Time);
    }

    private static ExitHandling HandlingFrom(WeaveSpec spec, ITraceSource? handlers)
    {
        if (handlers is null)
        {
            return new SyntheticHandling(spec, null);
        }

        BareTrace bare = new();
        RecordedHandling recorded = new();
        bool nested = false;
        TraceBlock block = new();
        while (handlers.Read(block))
        {
            int access = 0;
            for (int e = 0; block.Lane == 0 && e <= block.EventCount; e++)
            {
                int end = e < block.EventCount ? block.EventPosition[e] : block.AccessCount;
                for (; access < end; access++)
                {
                    if (nested)
                    {
                        recorded.Add(block.Time[access], block.Address[access], block.Flags[access], block.Repeat[access]);
                    }
                    else
                    {
                        bare.Add(block.Time[access], block.Address[access], block.Flags[access], block.Repeat[access]);
                    }
                }

                if (e < block.EventCount)
                {
                    nested |= block.Events[e].Kind is RecordKind.VmEnter or RecordKind.VmExit;
                    recorded.Add(block.Events[e]);
                }
            }
        }

        if (nested)
        {
            recorded.Check(spec);
            return recorded;
        }

        return bare.Count > 0 ? new SyntheticHandling(spec, bare) : throw new ConfigurationException("The handlers' trace has no accesses on lane 0.");
    }

    private void Run(ITraceSource l2)
    {
        Start();
        _moreExits = _schedule.TryNext(0, out _nextExit);
        TraceBlock block = new();
        while (_done < _limit && l2.Read(block))
        {
            int access = 0;
            for (int e = 0; e <= block.EventCount && _done < _limit; e++)
            {
                int end = e < block.EventCount ? block.EventPosition[e] : block.AccessCount;
                for (; access < end && _done < _limit; access++)
                {
                    L2Access(block.Time[access], block.Address[access], block.Flags[access], block.Repeat[access]);
                }

                if (e < block.EventCount && _done < _limit)
                {
                    L2Event(block.Events[e]);
                }
            }
        }

        if (_done == 0)
        {
            throw new ConfigurationException("L2's trace has no accesses.");
        }
    }

    private void Start()
    {
        _lane.Event(TraceEvent.SetCr4(0, 0, KernelCr4));
        _lane.Event(TraceEvent.SetCr3(0, 0, L0Root, L0Pcid));
        _lane.Enter(TransitionKind.L0ToL1);
        _lane.Event(TraceEvent.SetCr4(0, 1, KernelCr4));
        _lane.Event(TraceEvent.SetCr3(0, 1, L1Root, L1Pcid));
        _lane.Exit(TransitionKind.L1ToL0, _spec.Architecture == WeaveArchitecture.Vmx ? (uint)VmxExit.Vmlaunch : (uint)SvmExit.Vmrun);
        NestedEntry();
        _lane.Enter(TransitionKind.L0ToL2);
        FirstEntryState();
    }

    private void L2Access(ulong time, ulong address, byte flags, uint repeat)
    {
        L2Time(time);
        BeforeL2Record();
        repeat = (uint)Math.Min(repeat, _limit - _done);
        _lane.Access(2, address, flags, repeat);
        _done += repeat;
        if (AccessFlags.Type(flags) == AccessType.Execute)
        {
            _lastFetch = address;
            _lastFetchFlags = flags;
        }
        else
        {
            _lastData = address;
        }
    }

    private void L2Event(TraceEvent e)
    {
        if (e.Kind is not (RecordKind.Work or RecordKind.SetCr3 or RecordKind.SetCr4 or RecordKind.Invlpg or RecordKind.Invpcid or RecordKind.MapChange or RecordKind.PageSizes or RecordKind.Mark))
        {
            throw new ConfigurationException(
                $"L2's trace holds a {e.Kind} at time {e.Time.ToString(CultureInfo.InvariantCulture)}, but L2 must be a bare program: it may run, set CR3 and CR4, and invalidate its own pages.");
        }

        L2Time(e.Time);
        BeforeL2Record();
        e.Level = 2;
        if (e.Kind == RecordKind.MapChange)
        {
            e.A = (ulong)MapTable.L2;
        }
        else if (e.Kind == RecordKind.PageSizes)
        {
            // What mapped the program's memory where it was recorded says nothing of EPT12.
            e.D = 0;
        }

        _lane.Event(e);
    }

    private void L2Time(ulong time)
    {
        ulong passed = _l2Started ? time - _l2LastTime : 0;
        _l2Started = true;
        _l2LastTime = time;
        _l2Cycles += passed;
        _lane.Advance(passed);
    }

    private void BeforeL2Record()
    {
        if (!_marked && _warmUpEnd > 0 && _done >= _warmUpEnd)
        {
            _lane.Event(TraceEvent.Mark(0, 2, WarmUpEnds));
            _marked = true;
        }

        ulong place = _schedule.Unit == WeaveUnit.Accesses ? _done : _l2Cycles;
        bool exited = false;
        while (_moreExits && place >= _nextExit.At)
        {
            HandleExit(_nextExit);
            exited = true;

            // A generated distance counts from where L2 really stopped, so a long run does not bunch the next exits.
            _moreExits = _schedule.TryNext(place, out _nextExit);
        }

        // The instruction at which a folded run was cut is fetched again.
        if (exited && _l2IsFolded && _lastFetchFlags != 0)
        {
            _lane.Access(2, _lastFetch, _lastFetchFlags);
        }

        if (_nextCr3 > 0 && _done >= _nextCr3)
        {
            _cr3Moves++;
            _nextCr3 = _done + _spec.L2Cr3Every;
            MoveToL2Cr3();
        }
    }

    private void HandleExit(ScheduledExit exit)
    {
        _exits++;
        _lane.Exit(TransitionKind.L2ToL0, exit.Reason);
        if (exit.By == ExitHandler.L0)
        {
            _handling.ByL0(_lane, exit);
            _lane.Enter(TransitionKind.L0ToL2);
            return;
        }

        _handling.UntilResume(_lane, exit, NextL2());
        Invalidate();
        _lane.Exit(TransitionKind.L1ToL0, _spec.Architecture == WeaveArchitecture.Vmx ? (uint)VmxExit.Vmresume : (uint)SvmExit.Vmrun);
        _handling.Resume(_lane, NestedEntry);
        _lane.Enter(TransitionKind.L0ToL2);
        FirstEntryState();
    }

    private L2Identity NextL2()
    {
        ulong vm = _entries % (ulong)_spec.L2Vms;
        VmControls controls = (_spec.Vpid12.Kind == Vpid12Kind.Off ? VmControls.None : VmControls.EnableVpid) | (_spec.Ept12 ? VmControls.EnableEpt : VmControls.None);
        ulong firstEptp12 = _spec.Architecture == WeaveArchitecture.Vmx ? FirstEptp12 : FirstNcr3;
        return new L2Identity(FirstVmcs12 + (vm * PageBytes), controls, _spec.Vpid12.At(_entries), _spec.Ept12 ? firstEptp12 + (vm * PageBytes) : 0);
    }

    private void NestedEntry()
    {
        L2Identity l2 = NextL2();
        _lane.NestedEnter(l2.Vmcs12, l2.Controls, l2.Vpid12, l2.Eptp12);
        _entries++;
    }

    /// <summary>An L2 VM that runs for the first time sets its control registers; all VMs of L1 are alike.</summary>
    private void FirstEntryState()
    {
        if (_entries <= (ulong)_spec.L2Vms)
        {
            _lane.Event(TraceEvent.SetCr4(0, 2, Cr4Bits.Pae | Cr4Bits.Pge | (_spec.L2Pcid ? Cr4Bits.Pcide : Cr4Bits.None)));
            MoveToL2Cr3();
        }
    }

    private void MoveToL2Cr3()
    {
        ulong process = _cr3Moves % (ulong)_spec.L2Processes;
        _lane.Event(TraceEvent.SetCr3(0, 2, L2FirstRoot + (process * PageBytes), _spec.L2Pcid ? (ushort)(process + 1) : (ushort)0, noFlush: _spec.L2Pcid && _cr3Moves > 0));
    }

    private void Invalidate()
    {
        L2Identity next = NextL2();
        if (_spec.InvvpidEvery > 0 && _entries % _spec.InvvpidEvery == 0)
        {
            bool vmx = _spec.Architecture == WeaveArchitecture.Vmx;
            L1Exit(vmx ? (uint)VmxExit.Invvpid : (uint)SvmExit.Invlpga, vmx ? TraceEvent.Invvpid(0, 1, SingleContext, (ushort)next.Vpid12) : TraceEvent.Invlpga(0, 1, next.Vpid12, _lastData));
        }

        if (_spec.InveptEvery > 0 && _entries % _spec.InveptEvery == 0)
        {
            L1Exit((uint)VmxExit.Invept, TraceEvent.Invept(0, 1, SingleContext, next.Eptp12));
        }
    }

    private void L1Exit(uint reason, in TraceEvent e)
    {
        _lane.Exit(TransitionKind.L1ToL0, reason);
        _lane.Event(e);
        _handling.L1Exit(_lane);
        _lane.Enter(TransitionKind.L0ToL1);
    }
}
