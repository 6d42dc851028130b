using Sim.Core.Architecture;
using Sim.Core.Profiles;
using Sim.Core.Traces;
using Sim.Kvm;
using Sim.Tlb;

namespace Sim.Validation;

/// <summary>Where a flush happens: on a physical CPU between two of its real VM-entries.</summary>
/// <param name="Lane">Physical CPU.</param>
/// <param name="Entries">Real VM-entries of that CPU before it.</param>
internal readonly record struct FlushPlace(int Lane, int Entries);

/// <summary>An invalidation of the machine, and where.</summary>
/// <param name="Position">Records of the trace before the one during which it happened.</param>
/// <param name="Vcpu">The vCPU entered next; -1 if none is.</param>
/// <param name="Target">Role of its operand, see <see cref="Machine.TargetOf"/>.</param>
/// <param name="Issued">The invalidation.</param>
internal sealed record PlacedInvalidation(ulong Position, int Vcpu, string Target, IssuedInvalidation Issued);

/// <summary>
/// Replays a lifted recording as it is lifted, and notes at which place each invalidation of L0 happens. Each virtual machine of L0 has a machine of its own: what one does is no reason for
/// L0 to flush another's vCPUs.
/// </summary>
internal sealed class FlushReplay : ITraceSink
{
    private readonly Func<Machine> _make;
    private readonly List<Machine> _machines = [];
    private readonly Dictionary<ushort, int> _vmOf = [];
    private readonly int[] _running;
    private readonly List<ulong>[] _entryPositions;
    private readonly List<string>[] _labels;
    private readonly string[] _open;
    private readonly List<int>[] _unresolved;
    private readonly List<PlacedInvalidation> _invalidations = [];
    private ulong _position;

    /// <summary>A replay by policy on a machine of that many lanes.</summary>
    public FlushReplay(MachineSpec spec, IFlushPolicy policy, int lanes)
    {
        _make = () => new Machine(spec, policy, ReplayKind.ByPolicy, lanes, Observe);
        _machines.Add(_make());
        _running = new int[lanes];
        _entryPositions = Each<List<ulong>>(lanes);
        _labels = Each<List<string>>(lanes);
        _open = [.. Enumerable.Repeat("before the first exit", lanes)];
        _unresolved = Each<List<int>>(lanes);
    }

    /// <summary>L0's invalidations in order.</summary>
    public IReadOnlyList<PlacedInvalidation> Invalidations => _invalidations;

    /// <summary>VM-entries that failed their checks; what L2 did after them was not replayed.</summary>
    public int FailedVmEntries => _machines.Sum(machine => machine.FailedVmEntries.Count);

    /// <summary>A vCPU is of a virtual machine of L0. Call before a record names it; vCPUs that nothing is said of are of virtual machine 0.</summary>
    public void Name(ushort vcpu, int vm)
    {
        _vmOf[vcpu] = vm;
        while (_machines.Count <= vm)
        {
            _machines.Add(_make());
        }
    }

    /// <inheritdoc/>
    public void Write(TraceBlock block)
    {
        int lane = block.Lane;
        int record = 0;
        for (int e = 0; e < block.EventCount; e++)
        {
            int before = block.EventPosition[e] + e;
            _machines[_running[lane]].Replay(block, record, before - record);
            _position += (ulong)(before - record);
            Take(block, before, block.Events[e], lane);
            record = before + 1;
        }

        _machines[_running[lane]].Replay(block, record, block.RecordCount - record);
        _position += (ulong)(block.RecordCount - record);
    }

    /// <summary>Forgets entries that the recording does not have, and what the machine did at them. Call once, behind the last record.</summary>
    public void Leave(IReadOnlyList<ulong> entries)
    {
        HashSet<ulong> left = [.. entries];
        for (int lane = 0; lane < _labels.Length; lane++)
        {
            List<ulong> positions = [];
            List<string> labels = [];
            int first = 0;
            for (int entry = 0; entry < _labels[lane].Count; entry++)
            {
                if (!left.Contains(_entryPositions[lane][entry]))
                {
                    positions.Add(_entryPositions[lane][entry]);
                    labels.Add(_labels[lane][first]);
                    first = entry + 1;
                }
            }

            (_entryPositions[lane], _labels[lane]) = (positions, labels);
        }

        _invalidations.RemoveAll(placed => left.Contains(placed.Position));
    }

    /// <summary>The place of what comes after that many records of the trace.</summary>
    public FlushPlace PlaceOf(int lane, ulong position)
    {
        int found = _entryPositions[lane].BinarySearch(position);
        return new FlushPlace(lane, found < 0 ? ~found : found);
    }

    /// <summary>The places that end with the real VM-entries at these positions; those of left entries have none.</summary>
    public Dictionary<ulong, FlushPlace> PlacesOf(IEnumerable<ulong> entries)
    {
        HashSet<ulong> wanted = [.. entries];
        Dictionary<ulong, FlushPlace> places = [];
        for (int lane = 0; lane < _entryPositions.Length; lane++)
        {
            for (int entry = 0; entry < _entryPositions[lane].Count; entry++)
            {
                if (wanted.Contains(_entryPositions[lane][entry]))
                {
                    places[_entryPositions[lane][entry]] = new FlushPlace(lane, entry);
                }
            }
        }

        return places;
    }

    /// <summary>No VM-entry of that CPU follows: the recording ends before.</summary>
    public bool IsCutOff(FlushPlace place) => place.Entries >= _entryPositions[place.Lane].Count;

    /// <summary>The place in words: last real exit, and the nested transition that L0 carried out since.</summary>
    public string Describe(FlushPlace place) => place.Entries < _labels[place.Lane].Count ? _labels[place.Lane][place.Entries] : _open[place.Lane];

    private static T[] Each<T>(int lanes)
        where T : new() => [.. Enumerable.Range(0, lanes).Select(_ => new T())];

    private void Take(TraceBlock block, int record, in TraceEvent e, int lane)
    {
        if (e.Kind is RecordKind.SchedIn or RecordKind.VmEnter or RecordKind.VmExit)
        {
            _running[lane] = _vmOf.GetValueOrDefault(e.Vcpu);
        }

        _machines[e.Kind is RecordKind.SchedOut or RecordKind.Migrate or RecordKind.Reset ? _vmOf.GetValueOrDefault(e.Vcpu) : _running[lane]].Replay(block, record, 1);
        switch (e.Kind, e.Transition)
        {
            case (RecordKind.VmEnter, TransitionKind.L0ToL1 or TransitionKind.L0ToL2):
                Resolve(lane, e.Vcpu);
                _labels[lane].Add(string.Intern(_open[lane]));
                _entryPositions[lane].Add(_position);
                _open[lane] = "no exit";
                break;
            case (RecordKind.VmExit, TransitionKind.L1ToL0 or TransitionKind.L2ToL0):
                _open[lane] = $"L{e.Level} {ExitReasons.Name(Vendor.Intel, (uint)e.C)}";
                break;
            case (RecordKind.VmEnter, TransitionKind.L1ToL2):
                _open[lane] += ", nested entry";
                break;
            case (RecordKind.VmExit, TransitionKind.L2ToL1):
                _open[lane] += ", nested exit";
                break;
            default:
                break;
        }

        _position++;
    }

    // Guests cannot execute these; everything else that a lane invalidates is the workload's.
    private void Observe(IssuedInvalidation issued)
    {
        if (issued.Invalidation is not (InveptGlobal or InveptSingle or InvvpidAll or InvvpidSingle or InvvpidSingleRetainGlobals or InvvpidAddress))
        {
            return;
        }

        _unresolved[issued.Lane].Add(_invalidations.Count);
        _invalidations.Add(new PlacedInvalidation(_position, -1, "other", issued));
    }

    private void Resolve(int lane, ushort vcpu)
    {
        foreach (int index in _unresolved[lane])
        {
            PlacedInvalidation placed = _invalidations[index];
            _invalidations[index] = placed with { Vcpu = vcpu, Target = _machines[_vmOf.GetValueOrDefault(vcpu)].TargetOf(vcpu, placed.Issued.Invalidation) };
        }

        _unresolved[lane].Clear();
    }
}
