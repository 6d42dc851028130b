using System.Globalization;
using Sim.Core;
using Sim.Core.Architecture;
using Sim.Core.Traces;

namespace Sim.Workloads.Operations;

/// <summary>
/// Which records a cut keeps: those with index from <paramref name="FromRecord"/> and before <paramref name="ToRecord"/>, with time from
/// <paramref name="FromTime"/> and before <paramref name="ToTime"/>, from the first Mark <paramref name="FromMark"/> on, and before the first Mark
/// <paramref name="UntilMark"/> after the cut's beginning. Indices count over all lanes by (time, lane).
/// </summary>
public sealed record CutRange(ulong FromRecord = 0, ulong ToRecord = ulong.MaxValue, ulong FromTime = 0, ulong ToTime = ulong.MaxValue, string? FromMark = null, string? UntilMark = null)
{
    /// <summary>The limits that are set, for the outcome's header.</summary>
    public override string ToString()
    {
        List<string> limits = [];
        Add(FromRecord != 0, $"from-record={FromRecord}");
        Add(ToRecord != ulong.MaxValue, $"to-record={ToRecord}");
        Add(FromTime != 0, $"from-time={FromTime}");
        Add(ToTime != ulong.MaxValue, $"to-time={ToTime}");
        Add(FromMark is not null, $"from-mark={FromMark}");
        Add(UntilMark is not null, $"until-mark={UntilMark}");
        return string.Join(' ', limits);

        void Add(bool isSet, FormattableString text)
        {
            if (isSet)
            {
                limits.Add(text.ToString(CultureInfo.InvariantCulture));
            }
        }
    }
}

/// <summary>What a cut wrote: kept records, and those put in front of them.</summary>
public sealed record CutResult(ulong Kept, ulong Established);

/// <summary>Cuts a stretch out of a trace so that it stands alone.</summary>
public static class TraceCutter
{
    /// <summary>Text of the Mark between the events that establish a lane's state and its first kept record.</summary>
    public const string Mark = "cut begins";

    /// <summary>The header of the outcome: the source's with the property "cut".</summary>
    public static TraceHeader Header(TraceHeader source, CutRange range)
    {
        SortedDictionary<string, string> properties = new(StringComparer.Ordinal);
        foreach (KeyValuePair<string, string> property in source.Properties)
        {
            properties[property.Key] = property.Value;
        }

        properties["cut"] = properties.TryGetValue("cut", out string? earlier) ? $"{earlier}; {range}" : range.ToString();
        return source with { Properties = properties };
    }

    /// <summary>
    /// Writes the records of <paramref name="range"/>. If records of a lane were left out before, its first kept record is preceded by a shortest sequence of
    /// the lane's own earlier SetCr3, SetCr4, VmEnter and VmExit records that leads to who runs there, and by its PageSizes records (with new times, and a <see cref="Mark"/> at the
    /// end). Page-table changes, local APIC modes and the contents of other vmcs12s are not brought back.
    /// </summary>
    /// <exception cref="ConfigurationException">The range holds no record; the message says what the trace has.</exception>
    public static CutResult Cut(ITraceSource source, ITraceSink sink, CutRange range)
    {
        RecordStream records = new(source);
        int lanes = source.Header.Lanes;
        TraceAppender appender = new(sink, lanes);
        LaneState[] states = [.. Enumerable.Range(0, lanes).Select(_ => new LaneState(lanes > 1))];
        List<TraceEvent>[] pageSizes = [.. Enumerable.Range(0, lanes).Select(_ => new List<TraceEvent>())];
        bool[] left = new bool[lanes];
        bool[] begun = new bool[lanes];
        bool open = range.FromMark is null;
        ulong kept = 0;
        ulong established = 0;
        while (records.Next())
        {
            open |= IsMark(records, range.FromMark);
            bool past = records.Index >= range.ToRecord || records.Time >= range.ToTime || (kept > 0 && IsMark(records, range.UntilMark));
            if (past)
            {
                break;
            }

            int lane = records.Lane;
            if (!open || records.Index < range.FromRecord || records.Time < range.FromTime)
            {
                left[lane] = true;
                if (records.IsEvent)
                {
                    states[lane].Take(records.Event);
                    if (records.Event.Kind == RecordKind.PageSizes)
                    {
                        pageSizes[lane].Add(records.Event);
                    }
                }

                continue;
            }

            if (!begun[lane])
            {
                begun[lane] = true;
                established += left[lane] ? Establish(states[lane], pageSizes[lane], appender, lane, records.Time) : 0;
            }

            records.AppendTo(appender, lane);
            kept++;
        }

        if (kept == 0)
        {
            throw new ConfigurationException($"The cut '{range}' holds no record of the trace, which was read up to record {records.Index}. See 'trace info' for its records, times and marks.");
        }

        appender.Complete();
        return new CutResult(kept, established);
    }

    private static bool IsMark(RecordStream records, string? text) => text is not null && records.IsEvent && records.Event.Kind == RecordKind.Mark && records.Event.Text == text;

    private static ulong Establish(LaneState state, List<TraceEvent> pageSizes, TraceAppender appender, int lane, ulong time)
    {
        ulong before = appender.Records;
        Put(state.L0Registers.Cr4);
        Put(state.L0Registers.Cr3);
        foreach (KeyValuePair<ushort, VcpuState> vcpu in state.Vcpus.OrderBy(vcpu => vcpu.Key == state.Vcpu))
        {
            bool runs = vcpu.Key == state.Vcpu;
            EstablishVcpu(vcpu.Key, vcpu.Value, runs ? state.Level : 0);
        }

        foreach (TraceEvent told in pageSizes)
        {
            Put(told);
        }

        Put(TraceEvent.Mark(time, state.Level, Mark));
        return appender.Records - before;

        void Put(TraceEvent? e)
        {
            if (e is { } known)
            {
                known.Time = time;
                appender.Event(lane, known);
            }
        }

        void EstablishVcpu(ushort number, VcpuState vcpu, int level)
        {
            Put(TraceEvent.VmEnter(time, TransitionKind.L0ToL1, number));
            Put(vcpu.L1Registers.Cr4);
            Put(vcpu.L1Registers.Cr3);
            bool inL1 = true;
            if (vcpu.LastOf(TransitionKind.L1ToL2) is { } nestedEntry)
            {
                Put(vcpu.ExitBeforeNestedEntry ?? TraceEvent.VmExit(time, TransitionKind.L1ToL0, number, VmxExit.Vmresume));
                Put(nestedEntry);
                inL1 = false;
                if (vcpu.LastOf(TransitionKind.L0ToL2) is not null && vcpu.Last != TransitionKind.L1ToL2)
                {
                    Put(TraceEvent.VmEnter(time, TransitionKind.L0ToL2, number));
                    Put(vcpu.L2Registers.Cr4);
                    Put(vcpu.L2Registers.Cr3);
                    if (level != 2)
                    {
                        Put(vcpu.LastOf(TransitionKind.L2ToL0));
                    }
                }

                if (!vcpu.InL2)
                {
                    Put(vcpu.LastOf(TransitionKind.L2ToL1));
                    Put(TraceEvent.VmEnter(time, TransitionKind.L0ToL1, number));
                    inL1 = true;
                }
            }

            if (inL1 && level != 1)
            {
                Put(vcpu.LastOf(TransitionKind.L1ToL0));
            }
        }
    }
}
