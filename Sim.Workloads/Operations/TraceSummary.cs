using Sim.Core.Traces;
using Sim.Workloads.Formats;

namespace Sim.Workloads.Operations;

/// <summary>Records of one kind.</summary>
public sealed record KindCount(RecordKind Kind, ulong Records);

/// <summary>Accesses of one level and type: records, and the references they stand for.</summary>
public sealed record AccessCount(byte Level, AccessType Type, ulong Records, ulong References);

/// <summary>Transitions of one kind and, for exits, one reason (0 for entries).</summary>
public sealed record TransitionCount(TransitionKind Kind, ulong Reason, ulong Count);

/// <summary>One lane's records and its first and last time.</summary>
public sealed record LaneSpan(int Lane, ulong Records, ulong FirstTime, ulong LastTime);

/// <summary>Distinct 4K pages of linear addresses that a level touched, whatever its address space; a lower bound if not exact.</summary>
public sealed record PageCount(byte Level, int Pages, bool IsExact);

/// <summary>A Mark and its place.</summary>
public sealed record MarkPlace(ulong Record, int Lane, ulong Time, string Text);

/// <summary>What is in a trace, counted in one pass. Every list is in a fixed order: by kind, level, type, reason, lane, or place.</summary>
public sealed class TraceSummary
{
    /// <summary>Most marks listed.</summary>
    public const int MaxMarks = 100;

    private const int PageShift = 12;
    private const int Levels = 3;
    private const int Types = 4;

    private readonly ulong[] _kinds = new ulong[RecordSchema.Kinds.Count];
    private readonly ulong[] _accesses = new ulong[Levels * Types];
    private readonly ulong[] _references = new ulong[Levels * Types];
    private readonly PageSet[] _pages = [new(), new(), new()];
    private readonly SortedDictionary<(TransitionKind Kind, ulong Reason), ulong> _transitions = [];
    private readonly SortedDictionary<int, LaneSpan> _lanes = [];
    private readonly SortedDictionary<int, LaneState> _states = [];
    private readonly List<MarkPlace> _marks = [];
    private ulong _lastPage = ulong.MaxValue;
    private int _lastLevel = -1;

    private TraceSummary(TraceHeader header) => Header = header;

    /// <summary>The trace's header.</summary>
    public TraceHeader Header { get; }

    /// <summary>Blocks read.</summary>
    public ulong Blocks { get; private set; }

    /// <summary>Records of all kinds; a folded access counts once.</summary>
    public ulong Records { get; private set; }

    /// <summary>Memory references: accesses with their repeats.</summary>
    public ulong References => Sum(_references);

    /// <summary>Bytes of the raw input, if the source was a file or a pipe.</summary>
    public long? Bytes { get; private set; }

    /// <summary>Records by kind, those that occur.</summary>
    public IReadOnlyList<KindCount> Kinds => [.. RecordSchema.Kinds.Select(kind => new KindCount(kind, _kinds[(int)kind])).Where(count => count.Records > 0)];

    /// <summary>Accesses by the level that ran and type, those that occur.</summary>
    public IReadOnlyList<AccessCount> Accesses => [.. Enumerable.Range(0, Levels * Types)
        .Select(i => new AccessCount((byte)(i / Types), (AccessType)(i % Types), _accesses[i], _references[i])).Where(count => count.Records > 0)];

    /// <summary>Transitions by kind and reason.</summary>
    public IReadOnlyList<TransitionCount> Transitions => [.. _transitions.Select(t => new TransitionCount(t.Key.Kind, t.Key.Reason, t.Value))];

    /// <summary>Distinct pages by level.</summary>
    public IReadOnlyList<PageCount> Pages => [.. _pages.Select((set, level) => new PageCount((byte)level, set.Count, !set.IsIncomplete))];

    /// <summary>Lanes that have records.</summary>
    public IReadOnlyList<LaneSpan> Lanes => [.. _lanes.Values];

    /// <summary>The first <see cref="MaxMarks"/> marks.</summary>
    public IReadOnlyList<MarkPlace> Marks => _marks;

    /// <summary>Time of the earliest record; 0 if there is none.</summary>
    public ulong FirstTime => _lanes.Count == 0 ? 0 : _lanes.Values.Min(lane => lane.FirstTime);

    /// <summary>Time of the latest record; 0 if there is none.</summary>
    public ulong LastTime => _lanes.Count == 0 ? 0 : _lanes.Values.Max(lane => lane.LastTime);

    /// <summary>Reads a trace to its end.</summary>
    /// <exception cref="Core.TraceFormatException">The input is damaged.</exception>
    public static TraceSummary Of(ITraceSource source)
    {
        TraceSummary summary = new(source.Header);
        TraceBlock block = new();
        while (source.Read(block))
        {
            summary.Add(block);
        }

        summary.Bytes = (source as TraceFile)?.BytesRead;
        return summary;
    }

    private static ulong Sum(ulong[] counts)
    {
        ulong sum = 0;
        foreach (ulong count in counts)
        {
            sum += count;
        }

        return sum;
    }

    private void Add(TraceBlock block)
    {
        if (!_states.TryGetValue(block.Lane, out LaneState? state))
        {
            state = _states[block.Lane] = new LaneState(Header.Lanes > 1);
        }

        int access = 0;
        for (int e = 0; e <= block.EventCount; e++)
        {
            int end = e < block.EventCount ? block.EventPosition[e] : block.AccessCount;
            AddAccesses(block, access, end, state.Level);
            access = end;
            if (e < block.EventCount)
            {
                AddEvent(block, e, state);
            }
        }

        _kinds[(int)RecordKind.Access] += (ulong)block.AccessCount;
        Records += (ulong)block.RecordCount;
        Blocks++;
        LaneSpan span = _lanes.TryGetValue(block.Lane, out LaneSpan? known) ? known : new LaneSpan(block.Lane, 0, block.FirstTime, 0);
        _lanes[block.Lane] = span with { Records = span.Records + (ulong)block.RecordCount, LastTime = block.LastTime };
    }

    private void AddAccesses(TraceBlock block, int from, int to, int level)
    {
        for (int i = from; i < to; i++)
        {
            int cell = (level * Types) + (block.Flags[i] & AccessFlags.TypeMask);
            _accesses[cell]++;
            _references[cell] += block.Repeat[i];
            ulong page = block.Address[i] >> PageShift;
            if (page != _lastPage || level != _lastLevel)
            {
                _pages[level].Add(page);
                _lastPage = page;
                _lastLevel = level;
            }
        }
    }

    private void AddEvent(TraceBlock block, int index, LaneState state)
    {
        ref TraceEvent e = ref block.Events[index];
        _kinds[(int)e.Kind]++;
        state.Take(e);
        if (e.Kind is RecordKind.VmEnter or RecordKind.VmExit)
        {
            (TransitionKind, ulong) key = (e.Transition, e.Kind == RecordKind.VmExit ? e.C : 0);
            _transitions[key] = _transitions.GetValueOrDefault(key) + 1;
        }
        else if (e.Kind == RecordKind.Mark && _marks.Count < MaxMarks)
        {
            _marks.Add(new MarkPlace(Records + (ulong)(index + block.EventPosition[index]), block.Lane, e.Time, e.Text ?? ""));
        }
    }
}
