using Sim.Core.Stats;
using Sim.Core.Traces;
using Sim.Reports.Results;

namespace Sim.Experiments;

/// <summary>What of a trace was replayed: the numbers that all runs over it share.</summary>
internal sealed class TraceCounts
{
    private readonly ulong[] _records = new ulong[3];
    private long _accesses;
    private long _nestedTransitions;

    /// <summary>Records by window.</summary>
    public WindowCounts Windows => new(_records[(int)WindowPhase.Skip], _records[(int)WindowPhase.WarmUp], _records[(int)WindowPhase.Measure]);

    /// <summary>Records of all windows.</summary>
    public ulong Records => _records[0] + _records[1] + _records[2];

    /// <summary>Adds a block that was replayed.</summary>
    public void Add(DecodedBlock decoded)
    {
        foreach (Segment segment in decoded.Segments)
        {
            _records[(int)segment.Phase] += (ulong)segment.Count;
            if (segment.Phase == WindowPhase.Measure)
            {
                AddMeasured(decoded.Block, segment);
            }
        }
    }

    /// <summary>Adds what the measured window holds of the trace.</summary>
    public void Collect(StatSheet sheet)
    {
        sheet.Counter(StatNames.TraceAccesses, "accesses", "Memory references of the trace, folded ones counted in full; without those of interrupt handlers.", _accesses);
        sheet.Counter(StatNames.TraceNestedTransitions, "transitions", "Nested VM-entries and nested VM-exits of the trace: what figures per nested transition are divided by, in every run.", _nestedTransitions);
    }

    private void AddMeasured(TraceBlock block, in Segment segment)
    {
        int end = segment.First + segment.Count;
        int before = 0;
        int within = 0;
        for (int e = 0; e < block.EventCount && block.EventPosition[e] + e < end; e++)
        {
            if (block.EventPosition[e] + e < segment.First)
            {
                before++;
                continue;
            }

            within++;
            _nestedTransitions += block.Events[e] is { Kind: RecordKind.VmEnter or RecordKind.VmExit, Transition: TransitionKind.L1ToL2 or TransitionKind.L2ToL1 } ? 1 : 0;
        }

        foreach (uint repeat in block.Repeat.AsSpan(segment.First - before, segment.Count - within))
        {
            _accesses += repeat;
        }
    }
}
