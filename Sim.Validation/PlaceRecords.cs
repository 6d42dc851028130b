using Sim.Core.Traces;

namespace Sim.Validation;

/// <summary>The last records before the VM-entry that ends each of a few places, as text.</summary>
internal sealed class PlaceRecords : ITraceSink
{
    private readonly Dictionary<FlushPlace, List<string>> _wanted = [];
    private readonly int[] _entries;
    private readonly HashSet<ulong> _synthesized;
    private readonly int _most;
    private ulong _position;

    /// <summary>Wants at most <paramref name="most"/> records of each place, where entries at <paramref name="synthesized"/> positions do not count.</summary>
    public PlaceRecords(int lanes, IEnumerable<FlushPlace> places, IEnumerable<ulong> synthesized, int most)
    {
        _synthesized = [.. synthesized];
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
        for (int i = 0; i < block.EventCount; i++)
        {
            TraceEvent e = block.Events[i];
            bool isSynthesized = _synthesized.Contains(_position + (ulong)(block.EventPosition[i] + i));
            if (_wanted.TryGetValue(new FlushPlace(block.Lane, _entries[block.Lane]), out List<string>? records))
            {
                records.Add($"{e.Time} lane={block.Lane} {RecordSchema.Describe(e)}");
                if (records.Count > _most)
                {
                    records.RemoveAt(0);
                }
            }

            _entries[block.Lane] += e is { Kind: RecordKind.VmEnter, Transition: TransitionKind.L0ToL1 or TransitionKind.L0ToL2 } && !isSynthesized ? 1 : 0;
        }

        _position += (ulong)block.RecordCount;
    }
}
