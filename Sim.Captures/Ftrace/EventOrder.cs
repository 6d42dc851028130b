namespace Sim.Captures.Ftrace;

/// <summary>
/// Puts events into the order of their times, in bounded memory: one that comes at most <see cref="Window"/> events too late finds its place. Events of one time keep the order of their lines.
/// </summary>
internal sealed class EventOrder
{
    /// <summary>How many events it holds back.</summary>
    public const int Window = 1 << 16;

    // In order already, which is the usual case; all that came too late.
    private readonly Queue<Waiting> _inOrder = new();
    private readonly PriorityQueue<Waiting, (ulong Time, long Line)> _late = new();
    private ulong _newest;

    /// <summary>Time of the event that was taken last.</summary>
    public ulong Taken { get; private set; }

    /// <summary>Events that came too late and found their places.</summary>
    public long Reordered { get; private set; }

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

        if (e.Time >= _newest)
        {
            _newest = e.Time;
            _inOrder.Enqueue(new Waiting(e, line));
        }
        else
        {
            Reordered++;
            _late.Enqueue(new Waiting(e, line), (e.Time, line));
        }

        return true;
    }

    /// <summary>Takes the earliest.</summary>
    public void Take(ref KernelEvent e)
    {
        bool isLate = _late.TryPeek(out _, out (ulong Time, long Line) late) &&
            (!_inOrder.TryPeek(out Waiting next) || late.CompareTo((next.Event.Time, next.Line)) < 0);
        e = (isLate ? _late.Dequeue() : _inOrder.Dequeue()).Event;
        Taken = e.Time;
    }

    private readonly record struct Waiting(KernelEvent Event, long Line);
}
