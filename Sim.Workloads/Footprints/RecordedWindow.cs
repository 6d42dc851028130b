using Sim.Core.Traces;

namespace Sim.Workloads.Footprints;

/// <summary>A page of a level as it was recorded; its code side and its data side count as two.</summary>
internal readonly record struct RecordedPage(int Level, bool IsCode, ulong Number);

/// <summary>First touch of a page in a stay: its number within the recording, and how it was used.</summary>
internal readonly record struct PackedTouch(int Page, AccessType Use);

/// <summary>A whole stay of L0 or L1 with memory accesses: the pages in order of first touch, how many of them came before the nested transition.</summary>
internal sealed record RecordedStay(StayKey Key, int NestedIndex, PackedTouch[] Touches);

/// <summary>One recording, reduced to what each stay touches.</summary>
internal sealed class RecordedWindow(int lanes) : ITraceSink
{
    private const int PageShift = 12;

    private readonly StayTracker _tracker = new(lanes);
    private readonly Dictionary<RecordedPage, int> _numbers = [];
    private readonly Lane[] _lanes = [.. Enumerable.Range(0, lanes).Select(_ => new Lane())];

    /// <summary>Pages by their number in <see cref="PackedTouch"/>.</summary>
    public List<RecordedPage> Pages { get; } = [];

    /// <summary>Whole stays of L0, and of L1 as a hypervisor, in order of their ends.</summary>
    public List<RecordedStay> Stays { get; } = [];

    /// <summary>Nested entries and exits.</summary>
    public long NestedTransitions { get; private set; }

    /// <inheritdoc/>
    public void Write(TraceBlock block)
    {
        Lane lane = _lanes[block.Lane];
        int access = 0;
        for (int e = 0; e <= block.EventCount; e++)
        {
            int end = e < block.EventCount ? block.EventPosition[e] : block.AccessCount;
            for (; access < end; access++)
            {
                if (lane.Level < 2)
                {
                    lane.Touch(NumberOf(lane.Level, block.Address[access], block.Flags[access]), AccessFlags.Type(block.Flags[access]));
                }
            }

            if (e < block.EventCount)
            {
                Take(block.Lane, lane, block.Events[e]);
            }
        }
    }

    private void Take(int number, Lane lane, in TraceEvent e)
    {
        // Before L1 is told of an exit of L2 it is a guest like any other, whose work says nothing about hypervisors.
        if (_tracker.Observe(number, e) is { Key: { } key } && lane.Count > 0 && (key.Level == 0 || key.Handling is not null))
        {
            Stays.Add(new RecordedStay(key, key.Nested == NestedStep.None ? 0 : lane.NestedIndex, lane.Touches()));
        }

        if (e.Kind is not (RecordKind.VmEnter or RecordKind.VmExit))
        {
            return;
        }

        if (e.Transition is TransitionKind.L1ToL2 or TransitionKind.L2ToL1)
        {
            NestedTransitions++;
            lane.NestedIndex = lane.Count;
            return;
        }

        lane.Begin(e.Transition switch { TransitionKind.L0ToL1 => 1, TransitionKind.L0ToL2 => 2, _ => 0 });
    }

    private int NumberOf(int level, ulong address, byte flags)
    {
        RecordedPage page = new(level, AccessFlags.Type(flags) == AccessType.Execute, address >> PageShift);
        if (!_numbers.TryGetValue(page, out int number))
        {
            number = Pages.Count;
            Pages.Add(page);
            _numbers.Add(page, number);
        }

        return number;
    }

    private sealed class Lane
    {
        private readonly List<PackedTouch> _touches = [];

        // By page number: its place in _touches plus one, if _stayOf says that it is of this stay.
        private readonly List<(int Stay, int Place)> _places = [];
        private int _stay;

        public int Level { get; private set; }

        public int NestedIndex { get; set; }

        public int Count => _touches.Count;

        public PackedTouch[] Touches() => [.. _touches];

        public void Begin(int level)
        {
            Level = level;
            NestedIndex = 0;
            _touches.Clear();
            _stay++;
        }

        public void Touch(int page, AccessType use)
        {
            while (_places.Count <= page)
            {
                _places.Add((-1, 0));
            }

            (int stay, int place) = _places[page];
            if (stay != _stay)
            {
                _places[page] = (_stay, _touches.Count);
                _touches.Add(new PackedTouch(page, use));
            }
            else if (use == AccessType.Write)
            {
                _touches[place] = new PackedTouch(page, use);
            }
        }
    }
}
