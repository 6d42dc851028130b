namespace Sim.Kvm.Interrupts;

/// <summary>Guests that take their work from a trace, beside what an <see cref="InterruptLoad"/> wants of them.</summary>
internal sealed class TraceGuests : IGuestBehaviour
{
    private readonly TraceReplay _trace;
    private readonly InterruptLoad _load;
    private readonly IpiBehaviour? _ipis;
    private readonly int _participants;
    private readonly long[] _untilIpi;
    private readonly long[] _worked;
    private int _inhibits;

    public TraceGuests(TraceReplay trace, InterruptLoad load)
    {
        _trace = trace;
        _load = load;
        _participants = trace.Lanes.Count + load.Peers;
        _untilIpi = new long[_participants];
        _worked = new long[_participants];
        if (load.Ipis is { } ipis && _participants > 1)
        {
            _ipis = new IpiBehaviour(ipis.Pattern, _participants, ipis.Level, ipis.Rounds ?? long.MaxValue, ipis.WorkCycles, ipis.Halts);
        }
    }

    /// <inheritdoc/>
    public int HomeLevel(int vcpu) => _trace.Vcpus.Follows(vcpu) ? _trace.LaneOf(vcpu)?.Home ?? 1 : _load.Ipis?.Level ?? 1;

    /// <inheritdoc/>
    public GuestAction Next(int vcpu)
    {
        if (!_trace.Vcpus.Follows(vcpu))
        {
            return Inhibit() ?? (_ipis is null ? new GuestAction(GuestActionKind.Halt) : Sent(_ipis.Next(_trace.Vcpus.PartOf(vcpu))));
        }

        TraceLane lane = _trace.LaneOf(vcpu)!;
        while (true)
        {
            if (!lane.IsInChunk && Between(vcpu, lane) is { } action)
            {
                return action;
            }

            if (_trace.GuestWork(_trace.Simulation.System.Vcpus[vcpu], lane, out Supplied next) is { } work)
            {
                if (vcpu < _participants)
                {
                    _untilIpi[vcpu] -= work;
                    _worked[vcpu] += work;
                }

                return new GuestAction(GuestActionKind.Work, work);
            }

            switch (next)
            {
                case Supplied.Unknown:
                    return new GuestAction(GuestActionKind.Starve);
                case Supplied.Ended:
                    return new GuestAction(GuestActionKind.Spin);
                case Supplied.Event:
                    return new GuestAction(GuestActionKind.Recorded);
                default:
                    break;
            }
        }
    }

    /// <inheritdoc/>
    public int Handled(int vcpu, int level, byte vector)
    {
        if (level == 1 && _load.HaltEveryCycles > 0)
        {
            // Whatever L1's handler did made its L2 runnable.
            _trace.Simulation.System.Vcpus[vcpu].L2Halted = false;
        }

        return vector == IpiBehaviour.Vector && _ipis is not null && _trace.Vcpus.PartOf(vcpu) is var participant && participant < _participants
            ? _ipis.Handled(participant, level, vector)
            : -1;
    }

    /// <summary>What the load wants of a vCPU of the trace between two chunks; null for nothing.</summary>
    private GuestAction? Between(int vcpu, TraceLane lane)
    {
        if (lane.Next(out _) == Supplied.Unknown)
        {
            // Whether there is more work decides.
            _trace.Stop(LaneHalt.Starved);
            return new GuestAction(GuestActionKind.Starve);
        }

        if ((Inhibit() ?? Ipi(vcpu, lane)) is { } action)
        {
            return action;
        }

        if (_load.HaltEveryCycles > 0 && vcpu < _participants && _worked[vcpu] >= _load.HaltEveryCycles)
        {
            _worked[vcpu] -= _load.HaltEveryCycles;
            return new GuestAction(GuestActionKind.Halt);
        }

        return null;
    }

    /// <summary>The change of an inhibit reason that is due; null if none is.</summary>
    private GuestAction? Inhibit()
    {
        if (_inhibits == _load.Inhibits.Count || _load.Inhibits[_inhibits].TimeCycles > _trace.Simulation.Now)
        {
            return null;
        }

        InhibitChange change = _load.Inhibits[_inhibits++];
        return new GuestAction(change.Set ? GuestActionKind.Inhibit : GuestActionKind.Uninhibit, Vector: (byte)change.Reason);
    }

    /// <summary>The pattern's action, to the vCPU that takes the part of its target.</summary>
    private GuestAction Sent(GuestAction action) => action.Kind == GuestActionKind.SendIpi ? action with { Target = _trace.Vcpus.OfPart(action.Target) } : action;

    /// <summary>What the pattern of IPIs wants of a vCPU before it goes on with the trace; null for nothing.</summary>
    private GuestAction? Ipi(int vcpu, TraceLane lane)
    {
        if (_ipis is null || vcpu >= _participants || lane.Home != _load.Ipis!.Level || _untilIpi[vcpu] > 0 || lane.Next(out _) == Supplied.Ended)
        {
            return null;
        }

        GuestAction action = Sent(_ipis.Next(vcpu));
        if (action.Kind == GuestActionKind.Work)
        {
            _untilIpi[vcpu] = action.Cycles;
            return null;
        }

        if (action.Kind == GuestActionKind.SendIpi && _load.Ipis.Pattern == IpiPattern.Shootdown && action.Target == _trace.Vcpus.OfPart(1))
        {
            _trace.BeginShootdown(lane);
        }

        bool waits = action.Kind == GuestActionKind.Spin && _load.Ipis.Pattern == IpiPattern.Shootdown && vcpu == 0;
        return action.Kind == GuestActionKind.SendIpi || waits ? action : null;
    }
}
