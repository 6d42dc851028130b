using System.Globalization;
using Sim.Core.Architecture;
using Sim.Core.Profiles;
using Sim.Core.Stats;
using Sim.Core.Traces;
using Sim.Kvm;
using Sim.Reports.Timelines;
using Sim.Reports.Views;

namespace Sim.Experiments;

/// <summary>
/// A machine that writes down what happens in the measured window: who runs on each lane, exits with their reasons, nested transitions, invalidations with the rule that
/// decided them, interrupts as arrows to their end-of-interrupt, and counters. The machine itself behaves as ever.
/// </summary>
internal sealed class TimelineReplay : IReplay
{
    /// <summary>Records between two values of the counters, unless --interval says otherwise.</summary>
    public const long DefaultSample = 10_000;

    private readonly Machine _machine;
    private readonly ChromeTraceWriter _writer;
    private readonly Vendor _vendor;
    private readonly LaneState[] _lanes;
    private readonly SortedDictionary<(ulong Vcpu, ulong Vector), Queue<long>> _pending = [];
    private readonly long _sample;
    private long _untilSample;
    private long _flows;
    private bool _measuring;

    /// <summary>A machine at reset, and a file that has begun.</summary>
    /// <param name="machine">Makes the machine with its observer.</param>
    /// <param name="configuration">What is simulated.</param>
    /// <param name="lanes">Physical CPUs.</param>
    /// <param name="writer">Where it is written.</param>
    public TimelineReplay(Func<Action<IssuedInvalidation>, Machine> machine, RunConfiguration configuration, int lanes, ChromeTraceWriter writer)
    {
        _writer = writer;
        _vendor = configuration.Machine.Profile.Vendor;
        _machine = machine(Invalidated);
        _lanes = [.. Enumerable.Range(0, lanes).Select(_ => new LaneState())];
        _sample = configuration.Windows.Interval > 0 ? configuration.Windows.Interval : DefaultSample;
        for (int lane = 0; lane < lanes; lane++)
        {
            writer.Thread(lane, $"lane {lane}");
        }
    }

    public IReadOnlyList<FailedVmEntry> FailedVmEntries => _machine.FailedVmEntries;

    public SafetyReport? Safety => _machine.Safety;

    public StatSheet Snapshot() => _machine.Snapshot();

    public StatSheet Occupancy() => _machine.Occupancy();

    public void CheckConservation() => _machine.CheckConservation();

    public void RestartSafety() => _machine.RestartSafety();

    public void BeginWindow()
    {
        _measuring = true;
        _untilSample = _sample;
        foreach (LaneState lane in _lanes)
        {
            lane.Since = null;
        }

        StatSheet now = _machine.Snapshot();
        for (int lane = 0; lane < _lanes.Length; lane++)
        {
            (_lanes[lane].Accesses, _lanes[lane].Walks) = Misses(now, lane);
        }
    }

    public void EndWindow()
    {
        if (_untilSample < _sample)
        {
            Sample();
        }

        for (int lane = 0; lane < _lanes.Length; lane++)
        {
            CloseSlice(lane, _lanes[lane].Time);
        }
    }

    public void Replay(TraceBlock block, int first, int count)
    {
        int end = first + count;
        int e = 0;
        while (e < block.EventCount && block.EventPosition[e] + e < first)
        {
            e++;
        }

        for (int at = first; at < end;)
        {
            bool isEvent = e < block.EventCount && block.EventPosition[e] + e == at;
            int next = isEvent ? at + 1 : Math.Min(end, e < block.EventCount ? block.EventPosition[e] + e : end);
            if (isEvent)
            {
                Handle(block, at, block.Events[e++]);
            }
            else
            {
                next = _measuring ? (int)Math.Min(next, at + _untilSample) : next;
                Seen(block.Lane, block.Time[at - e]);
                _machine.Replay(block, at, next - at);
                Seen(block.Lane, block.Time[next - e - 1]);
            }

            CountDown(next - at);
            at = next;
        }
    }

    private void Handle(TraceBlock block, int at, in TraceEvent e)
    {
        int lane = block.Lane;
        Seen(lane, e.Time);
        if (e.Kind is RecordKind.VmEnter or RecordKind.VmExit && e.Transition is not (TransitionKind.L1ToL2 or TransitionKind.L2ToL1))
        {
            CloseSlice(lane, e.Time);
        }

        int failed = _machine.FailedVmEntries.Count;
        _machine.Replay(block, at, 1);
        Follow(lane, e);
        if (!_measuring)
        {
            return;
        }

        Describe(lane, e);
        foreach (FailedVmEntry entry in _machine.FailedVmEntries.Skip(failed))
        {
            _writer.Instant(lane, "failed VM-entry", "failure", e.Time, ("check", entry.Check), ("vmcs12", Hex(entry.Vmcs12)));
        }
    }

    /// <summary>Who runs behind this record. The state is followed outside of the window too.</summary>
    private void Follow(int lane, in TraceEvent e)
    {
        LaneState state = _lanes[lane];
        switch (e.Kind)
        {
            case RecordKind.VmEnter when e.Transition is TransitionKind.L0ToL1 or TransitionKind.L0ToL2:
                state.Vcpu = e.Vcpu;
                state.Name = $"{(e.Transition == TransitionKind.L0ToL1 ? "L1" : "L2")} vCPU {e.Vcpu}";
                state.Category = "guest";
                state.Arguments = [];
                break;
            case RecordKind.VmExit when e.Transition is TransitionKind.L1ToL0 or TransitionKind.L2ToL0:
                string from = e.Transition == TransitionKind.L1ToL0 ? "L1" : "L2";
                state.Name = $"L0: {Reason(e.C)} from {from}";
                state.Category = "exit";
                state.Arguments = [("reason", Reason(e.C)), ("number", $"{e.C}"), ("from", from), ("vcpu", $"{e.Vcpu}"), ("qualification", Hex(e.D))];
                break;
            default:
                break;
        }
    }

    private void Describe(int lane, in TraceEvent e)
    {
        switch (e.Kind)
        {
            case RecordKind.VmEnter when e.Transition == TransitionKind.L1ToL2:
                _writer.Instant(lane, "nested VM-entry", "nested", e.Time, ("vmcs12", Hex(e.C)), ("vpid12", $"{e.D}"), ("eptp12", Hex(e.E)), ("controls", $"{(VmControls)e.F}"));
                break;
            case RecordKind.VmExit when e.Transition == TransitionKind.L2ToL1:
                _writer.Instant(lane, "nested VM-exit", "nested", e.Time, ("reason", Reason(e.C)), ("vcpu", $"{e.Vcpu}"));
                break;
            case RecordKind.Interrupt:
                Interrupt(lane, e);
                break;
            case RecordKind.Eoi:
                EndOfInterrupt(lane, e);
                break;
            case RecordKind.Mark:
                _writer.Moment(lane, e.Text ?? "", "mark", e.Time);
                break;
            case RecordKind.Halt or RecordKind.SchedIn or RecordKind.SchedOut or RecordKind.Migrate or RecordKind.ApicMode or RecordKind.ApicvInhibit or RecordKind.Vmxon or RecordKind.Vmxoff:
                _writer.Instant(lane, $"{e.Kind}", "vcpu", e.Time, ("record", e.ToString()));
                break;
            default:
                break;
        }
    }

    private void Interrupt(int lane, in TraceEvent e)
    {
        ulong vector = e.B;
        ulong vcpu = e.C;
        _writer.Instant(lane, $"interrupt 0x{vector:x2}", "interrupt", e.Time, ("record", e.ToString()));
        long flow = ++_flows;
        if (!_pending.TryGetValue((vcpu, vector), out Queue<long>? waiting))
        {
            _pending.Add((vcpu, vector), waiting = new Queue<long>());
        }

        waiting.Enqueue(flow);
        _writer.FlowBegins(lane, Arrow(vector), flow, e.Time);
    }

    private void EndOfInterrupt(int lane, in TraceEvent e)
    {
        ulong vector = e.A;
        _writer.Instant(lane, $"EOI 0x{vector:x2}", "interrupt", e.Time, ("vcpu", $"{_lanes[lane].Vcpu}"));
        if (!_pending.TryGetValue((_lanes[lane].Vcpu, vector), out Queue<long>? waiting))
        {
            return;
        }

        // Interrupts of one vector that come before it is handled are merged into one: all of them end here.
        while (waiting.TryDequeue(out long flow))
        {
            _writer.FlowEnds(lane, Arrow(vector), flow, e.Time);
        }
    }

    private void Invalidated(IssuedInvalidation issued)
    {
        if (_measuring)
        {
            _writer.Instant(
                issued.Lane,
                issued.Invalidation.Name,
                "flush",
                issued.Time,
                ("decided_at", issued.Transition),
                ("rule", issued.Rule),
                ("dropped", issued.Dropped.ToString(CultureInfo.InvariantCulture)),
                ("operands", $"{issued.Invalidation}"));
        }
    }

    private void CountDown(int records)
    {
        _untilSample -= records;
        if (_measuring && _untilSample == 0)
        {
            Sample();
            _untilSample = _sample;
        }
    }

    /// <summary>Values of the counters of every lane, at the time of its last record.</summary>
    private void Sample()
    {
        StatSheet now = _machine.Snapshot();
        StatSheet occupancy = _machine.Occupancy();
        for (int lane = 0; lane < _lanes.Length; lane++)
        {
            LaneState state = _lanes[lane];
            (long accesses, long walks) = Misses(now, lane);
            if (accesses > state.Accesses)
            {
                _writer.Counter($"lane {lane}: walks per 1000 accesses", state.Time, ("walks", 1000 * (walks - state.Walks) / (accesses - state.Accesses)));
                (state.Accesses, state.Walks) = (accesses, walks);
            }

            string prefix = StatNames.Lane(lane) + ".";
            (string, long)[] held =
            [
                .. occupancy.Stats.Where(stat => stat.Path.StartsWith(prefix, StringComparison.Ordinal)).GroupBy(stat => StatQuery.Value(stat.Label, "level"), StringComparer.Ordinal)
                    .OrderBy(level => level.Key, StringComparer.Ordinal).Select(level => ($"L{level.Key}", level.Sum(stat => stat.Value))),
            ];
            _writer.Counter($"lane {lane}: TLB entries", state.Time, [.. Levels(held)]);
        }
    }

    /// <summary>Every level that was ever seen has a value, so that a stack that is gone goes down to 0.</summary>
    private static IEnumerable<(string, long)> Levels((string Level, long Entries)[] held)
    {
        foreach (string level in new[] { "L0", "L1", "L2" })
        {
            yield return (level, held.Where(item => item.Level == level).Sum(item => item.Entries));
        }

        foreach ((string level, long entries) in held.Where(item => item.Level is not ("L0" or "L1" or "L2")))
        {
            yield return (level, entries);
        }
    }

    private void Seen(int lane, ulong time)
    {
        _lanes[lane].Time = time;
        if (_measuring)
        {
            _lanes[lane].Since ??= time;
        }
    }

    private void CloseSlice(int lane, ulong time)
    {
        LaneState state = _lanes[lane];
        if (_measuring && state.Since is { } since && time > since)
        {
            _writer.Slice(lane, state.Name, state.Category, since, time, state.Arguments);
        }

        state.Since = _measuring ? time : null;
    }

    private string Reason(ulong number) => ExitReasons.Name(_vendor, unchecked((uint)number));

    private static (long Accesses, long Walks) Misses(StatSheet sheet, int lane) => (sheet.Sum(StatNames.On(StatNames.Lane(lane), StatNames.LaneAccesses)), sheet.Sum(StatNames.On(StatNames.Lane(lane), StatNames.LaneStlbMisses)));

    private static string Arrow(ulong vector) => $"interrupt 0x{vector:x2}";

    private static string Hex(ulong value) => $"0x{value:x}";

    /// <summary>Who runs on a lane, since when, and its counters at the last sample.</summary>
    private sealed class LaneState
    {
        public string Name { get; set; } = "L0";

        public string Category { get; set; } = "host";

        public (string Name, string Value)[] Arguments { get; set; } = [];

        public ushort Vcpu { get; set; }

        public ulong? Since { get; set; }

        public ulong Time { get; set; }

        public long Accesses { get; set; }

        public long Walks { get; set; }
    }
}
