using Sim.Core.Traces;

namespace Sim.Captures.Ftrace;

/// <summary>The records of a lifted trace as they come about, each with its CPU.</summary>
internal sealed class LiftedRecords(Action<int, TraceEvent> record)
{
    /// <summary>How many there are so far.</summary>
    public ulong Count { get; private set; }

    /// <summary>How often something was put in or left out because the recording began in L2 or events were missing.</summary>
    public long Synthesized { get; set; }

    /// <summary>Adds a record. Time on a CPU does not go back.</summary>
    public void Add(RecordedCpu lane, TraceEvent e)
    {
        e.Time = lane.Time = Math.Max(lane.Time, e.Time);
        record(lane.Number, e);
        Count++;
    }
}
