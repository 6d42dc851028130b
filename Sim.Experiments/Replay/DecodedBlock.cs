using Sim.Core;
using Sim.Core.Traces;

namespace Sim.Experiments;

/// <summary>A block, decoded once and replayed by every policy: its segments, and the events of its skipped part.</summary>
internal sealed class DecodedBlock
{
    private readonly List<Segment> _segments = [];
    private TraceBlock? _skippedEvents;

    /// <summary>The records. Read only while policies replay them.</summary>
    public TraceBlock Block { get; } = new();

    /// <summary>Segments to replay, in order.</summary>
    public IReadOnlyList<Segment> Segments => _segments;

    /// <summary>The events of the skipped segment, without the accesses between them; null if nothing is skipped.</summary>
    public TraceBlock? SkippedEvents { get; private set; }

    /// <summary>Reads the next block and has it verified as far as it is replayed; false at the end of the trace or of the measured window.</summary>
    /// <exception cref="TraceFormatException">No machine can have made it.</exception>
    public bool Fill(ITraceSource source, WindowCursor cursor, ReplayVerification verification)
    {
        if (cursor.IsDone || !source.Read(Block))
        {
            return false;
        }

        cursor.Cut(Block, _segments);
        verification.Check(Block, _segments.Count == 0 ? 0 : _segments[^1].First + _segments[^1].Count);
        SkippedEvents = _segments.Count > 0 && _segments[0].Phase == WindowPhase.Skip ? EventsOf(_segments[0]) : null;
        return true;
    }

    private TraceBlock EventsOf(Segment segment)
    {
        TraceBlock events = _skippedEvents ??= new TraceBlock();
        events.Clear();
        events.Lane = Block.Lane;
        events.FirstRecord = Block.FirstRecord;
        for (int e = 0; e < Block.EventCount && Block.EventPosition[e] + e < segment.First + segment.Count; e++)
        {
            events.AddEvent(Block.Events[e]);
        }

        return events;
    }
}
