using Sim.Core.Traces;

namespace Sim.Workloads.Operations;

/// <summary>The records of a source one by one, over all lanes, by (time, lane). Blocks are read ahead only as far as lanes overlap.</summary>
internal sealed class RecordStream(ITraceSource source)
{
    private readonly LaneQueue?[] _lanes = new LaneQueue?[source.Header.Lanes];
    private readonly Stack<TraceBlock> _free = new();
    private TraceBlock? _ahead;
    private LaneQueue? _current;
    private bool _started;

    /// <summary>Lane of the current record.</summary>
    public int Lane => _current!.Lane;

    /// <summary>Time of the current record.</summary>
    public ulong Time => _current!.Time;

    /// <summary>True if the current record is an event, false if it is an access.</summary>
    public bool IsEvent => _current!.IsEvent;

    /// <summary>The current record if it is an event.</summary>
    public ref TraceEvent Event => ref _current!.Block.Events[_current.EventIndex];

    /// <summary>Address of the current record if it is an access.</summary>
    public ulong Address => _current!.Block.Address[_current.AccessIndex];

    /// <summary>Flags of the current record if it is an access.</summary>
    public byte Flags => _current!.Block.Flags[_current.AccessIndex];

    /// <summary>How many references the current record stands for if it is an access.</summary>
    public uint Repeat => _current!.Block.Repeat[_current.AccessIndex];

    /// <summary>How many records came before the current one.</summary>
    public ulong Index { get; private set; }

    /// <summary>Goes to the next record; false at the end.</summary>
    public bool Next()
    {
        if (_started && _current is not null)
        {
            Index++;
            _current.Advance(_free);
        }
        else if (!_started)
        {
            _started = true;
            ReadAhead();
        }

        _current = Earliest();
        while (_ahead is not null && (_current is null || _ahead.FirstTime <= _current.Time))
        {
            (_lanes[_ahead.Lane] ??= new LaneQueue(_ahead.Lane)).Add(_ahead);
            ReadAhead();
            _current = Earliest();
        }

        return _current is not null;
    }

    /// <summary>Appends the current record to a trace being written, in the given lane.</summary>
    public void AppendTo(TraceAppender appender, int lane)
    {
        TraceBlock block = _current!.Block;
        int i = _current.AccessIndex;
        if (IsEvent)
        {
            appender.Event(lane, Event);
        }
        else
        {
            appender.Access(lane, block.Time[i], block.Address[i], block.Flags[i], block.Repeat[i]);
        }
    }

    private LaneQueue? Earliest()
    {
        LaneQueue? earliest = null;
        foreach (LaneQueue? lane in _lanes)
        {
            if (lane is { IsEmpty: false } && (earliest is null || lane.Time < earliest.Time))
            {
                earliest = lane;
            }
        }

        return earliest;
    }

    private void ReadAhead()
    {
        TraceBlock block = _free.TryPop(out TraceBlock? free) ? free : new TraceBlock();
        _ahead = source.Read(block) ? block : null;
    }

    private sealed class LaneQueue(int lane)
    {
        private readonly Queue<TraceBlock> _blocks = new();

        public int Lane => lane;

        public bool IsEmpty => _blocks.Count == 0;

        public TraceBlock Block { get; private set; } = null!;

        public int AccessIndex { get; private set; }

        public int EventIndex { get; private set; }

        public bool IsEvent => EventIndex < Block.EventCount && Block.EventPosition[EventIndex] == AccessIndex;

        public ulong Time => IsEvent ? Block.Events[EventIndex].Time : Block.Time[AccessIndex];

        public void Add(TraceBlock block)
        {
            _blocks.Enqueue(block);
            Block = _blocks.Peek();
        }

        public void Advance(Stack<TraceBlock> free)
        {
            if (IsEvent)
            {
                EventIndex++;
            }
            else
            {
                AccessIndex++;
            }

            if (AccessIndex + EventIndex < Block.RecordCount)
            {
                return;
            }

            free.Push(_blocks.Dequeue());
            AccessIndex = 0;
            EventIndex = 0;
            if (_blocks.Count > 0)
            {
                Block = _blocks.Peek();
            }
        }
    }
}
