namespace Sim.Captures.Ftrace;

/// <summary>
/// Puts events into the order of their times, in bounded memory: one that comes at most <see cref="Window"/> events too late finds its place. Events of one time keep the order of their lines.
/// What a CPU records is in order of time; where it goes back, another pass over its buffer begins, and an event that an earlier pass had already is left out.
/// </summary>
internal sealed class EventOrder
{
    /// <summary>How many events it holds back.</summary>
    public const int Window = 1 << 16;

    // In order already, which is the usual case; all that came too late.
    private readonly Queue<Waiting> _inOrder = new();
    private readonly PriorityQueue<Waiting, (ulong Time, long Line)> _late = new();
    private readonly List<Waiting> _takenAtOnce = [];
    private readonly List<(ulong Newest, int Pass)> _cpus = [];
    private ulong _newest;

    /// <summary>Time of the event that was taken last.</summary>
    public ulong Taken { get; private set; }

    /// <summary>Events that came too late and found their places.</summary>
    public long Reordered { get; private set; }

    /// <summary>Events that were left out, because another pass over the same CPU's buffer had them.</summary>
    public long Repeated { get; private set; }

    /// <summary>True if it holds back as many events as it may.</summary>
    public bool IsFull => _inOrder.Count + _late.Count >= Window;

    /// <summary>True if there is none to take.</summary>
    public bool IsEmpty => _inOrder.Count + _late.Count == 0;

    /// <summary>Adds the event of a line. False if it comes so late that one with a later time was taken.</summary>
    public bool Add(in KernelEvent e, long line)
    {
        if (e.Time < Taken)
        {
            return false;
        }

        int pass = PassOf(e);
        if (e.Time >= _newest)
        {
            _newest = e.Time;
            _inOrder.Enqueue(new Waiting(e, line, pass));
        }
        else
        {
            Reordered++;
            _late.Enqueue(new Waiting(e, line, pass), (e.Time, line));
        }

        return true;
    }

    /// <summary>Takes the earliest; false if it is one that was taken before.</summary>
    public bool Take(ref KernelEvent e)
    {
        bool isLate = _late.TryPeek(out _, out (ulong Time, long Line) late) &&
            (!_inOrder.TryPeek(out Waiting next) || late.CompareTo((next.Event.Time, next.Line)) < 0);
        Waiting taken = isLate ? _late.Dequeue() : _inOrder.Dequeue();
        e = taken.Event;
        if (e.Time != Taken)
        {
            _takenAtOnce.Clear();
        }

        Taken = e.Time;
        if (taken.Pass > 0 && _takenAtOnce.Exists(before => before.Pass != taken.Pass && before.Event.IsSameAs(taken.Event)))
        {
            Repeated++;
            return false;
        }

        _takenAtOnce.Add(taken);
        return true;
    }

    private int PassOf(in KernelEvent e)
    {
        while (_cpus.Count <= e.Cpu)
        {
            _cpus.Add(default);
        }

        (ulong newest, int pass) = _cpus[e.Cpu];
        pass += e.Time < newest ? 1 : 0;
        _cpus[e.Cpu] = (e.Time, pass);
        return pass;
    }

    private readonly record struct Waiting(KernelEvent Event, long Line, int Pass);
}
