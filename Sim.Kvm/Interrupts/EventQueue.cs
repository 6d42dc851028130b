namespace Sim.Kvm.Interrupts;

/// <summary>Phases of one moment, in their order.</summary>
internal enum EventPhase : byte
{
    /// <summary>IPIs and doorbells arrive.</summary>
    Arrival,

    /// <summary>Devices and timers fire, time slices end.</summary>
    Source,

    /// <summary>CPUs and devices take their next step.</summary>
    Step,
}

/// <summary>Something that happens at a time.</summary>
/// <param name="Time">Reference cycles.</param>
/// <param name="Phase">Order within one time.</param>
/// <param name="Lane">Order within one phase: a CPU, or a source behind all CPUs.</param>
/// <param name="Sequence">Order within one lane: unique.</param>
/// <param name="Tag">For whoever takes it.</param>
/// <param name="Message">What arrives.</param>
internal readonly record struct SimulationEvent(long Time, EventPhase Phase, int Lane, long Sequence, long Tag, Message Message);

/// <summary>A binary heap in the total order (time, phase, lane, sequence).</summary>
internal sealed class EventQueue
{
    private SimulationEvent[] _heap = new SimulationEvent[64];
    private int _count;
    private long _sequence;

    public int Count => _count;

    public long NextTime => _heap[0].Time;

    public void Add(long time, EventPhase phase, int lane, long tag = 0, in Message message = default)
    {
        if (_count == _heap.Length)
        {
            Array.Resize(ref _heap, _count * 2);
        }

        SimulationEvent added = new(time, phase, lane, _sequence++, tag, message);
        int at = _count++;
        while (at > 0 && Before(added, _heap[(at - 1) / 2]))
        {
            _heap[at] = _heap[(at - 1) / 2];
            at = (at - 1) / 2;
        }

        _heap[at] = added;
    }

    public SimulationEvent Take()
    {
        SimulationEvent first = _heap[0];
        SimulationEvent last = _heap[--_count];
        int at = 0;
        while (true)
        {
            int child = (at * 2) + 1;
            if (child >= _count)
            {
                break;
            }

            if (child + 1 < _count && Before(_heap[child + 1], _heap[child]))
            {
                child++;
            }

            if (!Before(_heap[child], last))
            {
                break;
            }

            _heap[at] = _heap[child];
            at = child;
        }

        _heap[at] = last;
        return first;
    }

    private static bool Before(in SimulationEvent a, in SimulationEvent b) =>
        a.Time != b.Time ? a.Time < b.Time
        : a.Phase != b.Phase ? a.Phase < b.Phase
        : a.Lane != b.Lane ? a.Lane < b.Lane
        : a.Sequence < b.Sequence;
}
