using Sim.Core;
using Sim.Core.Traces;

namespace Sim.Kvm.Interrupts;

/// <summary>
/// The vCPUs of a run over a trace. The trace's are numbered in the order in which it names them; behind the last place for them are the peers, which follow no trace.
/// </summary>
internal sealed class TraceVcpus
{
    /// <summary>Places for each physical CPU.</summary>
    public const int PerLane = 32;

    private readonly SortedDictionary<ushort, int> _indices = [];
    private readonly int _lanes;
    private readonly int _places;
    private readonly Vcpu[] _all;
    private readonly int[] _laneOf;
    private readonly TraceEvent?[] _nestedEntries;

    public TraceVcpus(int lanes, int peers)
    {
        _lanes = lanes;
        _places = ((lanes + peers) * PerLane) - peers;
        _all = [.. Enumerable.Range(0, _places + peers).Select(place => new Vcpu(place))];
        _laneOf = [.. Enumerable.Repeat(-1, _places + peers)];
        _nestedEntries = new TraceEvent?[_places + peers];
    }

    /// <summary>All of them, by place: those that the trace has not named yet too.</summary>
    public Vcpu[] All => _all;

    /// <summary>True if the trace says when and where a vCPU runs.</summary>
    public bool Follows(int vcpu) => vcpu < _places;

    /// <summary>The vCPU that takes a part in what an <see cref="InterruptLoad"/> wants: the trace's first ones, as many as it has lanes, then the peers.</summary>
    public int OfPart(int part) => part < _lanes ? part : part - _lanes + _places;

    /// <summary>The part that a vCPU takes.</summary>
    public int PartOf(int vcpu) => Follows(vcpu) ? vcpu : vcpu - _places + _lanes;

    /// <summary>Lane on which a vCPU runs, or ran last; -1 if it did not yet.</summary>
    public ref int LaneOf(int vcpu) => ref _laneOf[vcpu];

    /// <summary>The nested VM-entry that the trace told last of a vCPU.</summary>
    public ref TraceEvent? NestedEntryOf(int vcpu) => ref _nestedEntries[vcpu];

    /// <summary>The vCPU with a number of the trace.</summary>
    /// <exception cref="ConfigurationException">There are too many.</exception>
    public Vcpu Of(ushort name)
    {
        if (!_indices.TryGetValue(name, out int index))
        {
            index = _indices.Count;
            if (!Follows(index))
            {
                throw new ConfigurationException($"The trace names more than {_places} vCPUs, and a run with interrupt paths has {PerLane} places for each physical CPU. Cut the trace.");
            }

            _indices.Add(name, index);
            _all[index].Number = name;
        }

        return _all[index];
    }
}
