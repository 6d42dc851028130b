using System.Numerics;
using Sim.Core.Traces;

namespace Sim.Workloads;

/// <summary>
/// Writes a trace record by record: collects each lane's records into blocks and hands them to the sink in order of their first record's
/// time. Used by importers, generators and transforms.
/// </summary>
public sealed class TraceAppender
{
    private readonly ITraceSink _sink;
    private readonly TraceBlock?[] _open;
    private readonly ulong[] _lastTime;
    private readonly OpenRuns[] _runs;
    private readonly (ulong Address, byte Flags)?[] _foldedLast;
    private readonly bool _fold;
    private readonly bool _inOrder;
    private ulong _emitted;
    private int _last;

    /// <summary>An appender for a trace with that many lanes; <paramref name="fold"/> folds runs on one page (<see cref="Folding"/>).</summary>
    /// <param name="sink">Where blocks go.</param>
    /// <param name="lanes">Number of physical CPUs.</param>
    /// <param name="fold">Fold runs on one page.</param>
    /// <param name="inOrder">A block ends where a record of another lane comes, so that the sink sees all records in the order in which they were appended. Blocks are small then.</param>
    public TraceAppender(ITraceSink sink, int lanes, bool fold = false, bool inOrder = false)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(lanes, 1);
        _sink = sink;
        _fold = fold;
        _inOrder = inOrder;
        _runs = new OpenRuns[lanes];
        _foldedLast = new (ulong, byte)?[lanes];
        _open = new TraceBlock[lanes];
        _lastTime = new ulong[lanes];
    }

    /// <summary>Records appended so far.</summary>
    public ulong Records { get; private set; }

    /// <summary>Appends one access of <paramref name="size"/> bytes (a power of two up to 64). Times of a lane must not go back.</summary>
    public void Access(int lane, ulong time, ulong address, AccessType type, int cpl = 0, int size = 8, uint repeat = 1) =>
        Access(lane, time, address, AccessFlags.Pack(type, cpl, BitOperations.Log2((uint)size)), repeat);

    /// <summary>Appends one access with flags packed by <see cref="AccessFlags"/>.</summary>
    public void Access(int lane, ulong time, ulong address, byte flags, uint repeat)
    {
        TraceBlock block = Room(lane, time);
        if (_fold)
        {
            if (_runs[lane].TryExtend(block, address, flags, repeat))
            {
                _foldedLast[lane] = (address, flags);
                return;
            }

            _runs[lane].Begin(block, address, flags);
            _foldedLast[lane] = null;
        }

        block.AddAccess(time, address, flags, repeat);
        Records++;
    }

    /// <summary>Appends one event. Times of a lane must not go back.</summary>
    public void Event(int lane, in TraceEvent e)
    {
        Room(lane, e.Time).AddEvent(e);
        _runs[lane].End();
        _foldedLast[lane] = null;
        Records++;
    }

    /// <summary>Hands the last blocks to the sink. Call once, at the end.</summary>
    public void Complete()
    {
        for (int lane = 0; lane < _foldedLast.Length; lane++)
        {
            KeepLastTime(lane);
        }

        while (Earliest() is { } block)
        {
            Emit(block);
        }
    }

    /// <summary>A lane's last access, if it was folded into one with an earlier time, becomes a record again, so that the trace ends when it ended.</summary>
    private void KeepLastTime(int lane)
    {
        if (_foldedLast[lane] is (ulong address, byte flags) && _open[lane] is { RecordCount: > 0, IsFull: false } block && block.LastTime < _lastTime[lane])
        {
            _runs[lane].Shorten(block, flags);
            block.AddAccess(_lastTime[lane], address, flags, 1);
            Records++;
        }
    }

    private TraceBlock Room(int lane, ulong time)
    {
        if (time < _lastTime[lane])
        {
            throw new ArgumentOutOfRangeException(nameof(time), time, $"Time of lane {lane} goes back: {_lastTime[lane]} came before.");
        }

        _lastTime[lane] = time;
        if (_inOrder && lane != _last && _open[_last] is { RecordCount: > 0 } other)
        {
            Emit(other);
        }

        _last = lane;
        TraceBlock block = _open[lane] ??= new TraceBlock { Lane = lane };
        while (block.IsFull)
        {
            Emit(Earliest()!);
        }

        return block;
    }

    private TraceBlock? Earliest() =>
        _open.OfType<TraceBlock>().Where(block => block.RecordCount > 0).MinBy(block => (block.FirstTime, block.Lane));

    private void Emit(TraceBlock block)
    {
        block.FirstRecord = _emitted;
        _sink.Write(block);
        _emitted += (ulong)block.RecordCount;
        block.Clear();
        _runs[block.Lane].End();
    }
}
