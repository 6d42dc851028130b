using Sim.Core.Traces;

namespace Sim.Kvm.Interrupts;

/// <summary>Accesses that follow each other.</summary>
/// <param name="Block">Where they are.</param>
/// <param name="FirstAccess">The first one's place among the accesses of the block.</param>
/// <param name="FirstRecord">Its place among the records of the block.</param>
/// <param name="Count">How many.</param>
internal readonly record struct AccessRun(TraceBlock Block, int FirstAccess, int FirstRecord, int Count);

/// <summary>The records of one lane of the trace that were fed and not replayed yet, oldest first.</summary>
internal sealed class LaneSupply
{
    private readonly Queue<TraceBlock> _spare = [];
    private readonly List<TraceBlock> _blocks = [];
    private readonly int _lane;
    private int _access;
    private int _event;

    public LaneSupply(int lane) => _lane = lane;

    /// <summary>No more records will come.</summary>
    public bool IsComplete { get; set; }

    /// <summary>Blocks that are kept.</summary>
    public int Blocks => _blocks.Count;

    /// <summary>A record is there.</summary>
    public bool Any => _blocks.Count > 0;

    /// <summary>The next record is an event. There must be a record.</summary>
    public bool IsEvent => IsEventAt(_blocks[0], _access, _event);

    /// <summary>The next record, which must be an event.</summary>
    public ref readonly TraceEvent Event => ref _blocks[0].Events[_event];

    /// <summary>Time of the next record. There must be one.</summary>
    public ulong Time => TimeAt(_blocks[0], _access, _event);

    /// <summary>Time of the last record that is there. There must be one.</summary>
    public ulong LastTime => _blocks[^1].LastTime;

    /// <summary>Linear address of the next record, which must be an access.</summary>
    public ulong Address => _blocks[0].Address[_access];

    /// <summary>Takes copies of records of a block.</summary>
    public void Add(TraceBlock block, int first, int count)
    {
        if (count == 0)
        {
            return;
        }

        int e = 0;
        while (e < block.EventCount && block.EventPosition[e] + e < first)
        {
            e++;
        }

        int access = first - e;
        TraceBlock? tail = null;
        for (int end = first + count; access + e < end;)
        {
            if (tail is null)
            {
                tail = TailFor(block.FirstRecord + (ulong)(access + e));
            }
            else if (tail.IsFull)
            {
                tail = NewTail(block.FirstRecord + (ulong)(access + e));
            }

            if (IsEventAt(block, access, e))
            {
                tail.AddEvent(block.Events[e++]);
            }
            else
            {
                int until = Math.Min(e < block.EventCount ? block.EventPosition[e] : block.AccessCount, end - e);
                int fits = Math.Min(until - access, TraceBlock.MaxAccesses - tail.AccessCount);
                for (int i = 0; i < fits; i++, access++)
                {
                    tail.AddAccess(block.Time[access], block.Address[access], block.Flags[access], block.Repeat[access]);
                }
            }
        }
    }

    /// <summary>
    /// Gives the next accesses, up to the next event and before a time, and takes them. Those of one call lie in one block; there may be more.
    /// </summary>
    public AccessRun TakeAccesses(ulong before)
    {
        TraceBlock block = _blocks[0];
        int until = _event < block.EventCount ? block.EventPosition[_event] : block.AccessCount;
        int end = _access;
        while (end < until && block.Time[end] < before)
        {
            end++;
        }

        AccessRun taken = new(block, _access, _access + _event, end - _access);
        _access = end;
        Drop();
        return taken;
    }

    /// <summary>Gives the next record, an event, as a record of a block to replay, and takes it.</summary>
    public (TraceBlock Block, int First) TakeEvent()
    {
        (TraceBlock, int) taken = (_blocks[0], _access + _event);
        _event++;
        Drop();
        return taken;
    }

    /// <summary>Passes over records and looks at the events among them, from the next record on, until the visitor returns false. True if it did; false if the records ran out.</summary>
    public bool Scan(Func<TraceEvent, bool> visitor, int limit)
    {
        int e = _event;
        foreach (TraceBlock block in _blocks)
        {
            for (; e < block.EventCount; e++)
            {
                if (limit-- == 0 || !visitor(block.Events[e]))
                {
                    return true;
                }
            }

            e = 0;
        }

        return false;
    }

    private static bool IsEventAt(TraceBlock block, int access, int e) => e < block.EventCount && block.EventPosition[e] == access;

    private static ulong TimeAt(TraceBlock block, int access, int e) => IsEventAt(block, access, e) ? block.Events[e].Time : block.Time[access];

    private TraceBlock TailFor(ulong record) =>
        _blocks.Count > 0 && !_blocks[^1].IsFull && _blocks[^1].FirstRecord + (ulong)_blocks[^1].RecordCount == record ? _blocks[^1] : NewTail(record);

    private TraceBlock NewTail(ulong record)
    {
        TraceBlock tail = _spare.Count > 0 ? _spare.Dequeue() : new TraceBlock();
        tail.Clear();
        tail.Lane = _lane;
        tail.FirstRecord = record;
        _blocks.Add(tail);
        return tail;
    }

    /// <summary>Forgets the first block if all of it was taken. It stays as it is until the next <see cref="Add"/>.</summary>
    private void Drop()
    {
        TraceBlock block = _blocks[0];
        if (_access + _event == block.RecordCount)
        {
            _blocks.RemoveAt(0);
            _spare.Enqueue(block);
            _access = 0;
            _event = 0;
        }
    }
}
