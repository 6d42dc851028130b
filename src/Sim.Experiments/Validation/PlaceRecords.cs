using Sim.Core.Traces;

namespace Sim.Experiments;

/// <summary>The last records before the VM-entry that ends each of a few places, as text.</summary>
internal sealed class PlaceRecords : ITraceSink
{
    private readonly Dictionary<FlushPlace, List<string>> _wanted = [];
    private readonly int[] _entries;
    private readonly int _most;

    /// <summary>Wants at most <paramref name="most"/> records of each place.</summary>
    public PlaceRecords(int lanes, IEnumerable<FlushPlace> places, int most)
    {
        _entries = new int[lanes];
        _most = most;
        foreach (FlushPlace place in places)
        {
            _wanted.TryAdd(place, []);
        }
    }

    /// <summary>The records of a place.</summary>
    public IReadOnlyList<string> Of(FlushPlace place) => _wanted[place];

    /// <inheritdoc/>
    public void Write(TraceBlock block)
    {
        foreach (TraceEvent e in block.Events.AsSpan(0, block.EventCount))
        {
            if (_wanted.TryGetValue(new FlushPlace(block.Lane, _entries[block.Lane]), out List<string>? records))
            {
                records.Add($"{e.Time} lane={block.Lane} {RecordSchema.Describe(e)}");
                if (records.Count > _most)
                {
                    records.RemoveAt(0);
                }
            }

            _entries[block.Lane] += e is { Kind: RecordKind.VmEnter, Transition: TransitionKind.L0ToL1 or TransitionKind.L0ToL2 } ? 1 : 0;
        }
    }
}
