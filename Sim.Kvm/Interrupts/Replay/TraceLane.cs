using Sim.Core.Traces;

namespace Sim.Kvm.Interrupts;

/// <summary>What a lane of the trace has next.</summary>
internal enum Supplied
{
    /// <summary>It cannot be known before more records are fed.</summary>
    Unknown,

    /// <summary>Nothing any more.</summary>
    Ended,

    /// <summary>Cycles without a record.</summary>
    Gap,

    /// <summary>Accesses.</summary>
    Accesses,

    /// <summary>An event.</summary>
    Event,
}

/// <summary>Where the replay of one lane of the trace is.</summary>
internal sealed class TraceLane
{
    /// <summary>
    /// Accesses of so many cycles at most are translated at once, at the beginning of that time. An interrupt in between finds the TLB as it will be at the end.
    /// </summary>
    public const ulong ChunkCycles = 1_000;

    private long _stalls;

    public TraceLane(int index)
    {
        Index = index;
        Supply = new LaneSupply(index);
    }

    /// <summary>Physical CPU.</summary>
    public int Index { get; }

    public LaneSupply Supply { get; }

    /// <summary>Trace time up to which this lane's cycles are spent.</summary>
    public ulong Cursor { get; set; }

    /// <summary>Trace time that this lane has behind it: its cycles are not only given out, they are over.</summary>
    public ulong Passed { get; set; }

    /// <summary>Records that are not there yet do not lie before this time.</summary>
    public ulong Frontier { get; set; }

    /// <summary>Whatever was fed is replayed without looking ahead: the trace is cut here.</summary>
    public bool IsCut { get; set; }

    /// <summary>A vCPU of the trace has this CPU, or would have it if it did not sleep.</summary>
    public bool HasVcpu { get; set; }

    /// <summary>The recorded exit that L0 handles was for HLT of L1.</summary>
    public bool IsHalted { get; set; }

    /// <summary>A remote flush kicked the guest here, and the machine has carried out the exit that comes of it.</summary>
    public bool IsKicked { get; set; }

    /// <summary>The guest is in the midst of a chunk, whose rest was not known: nothing else may come between.</summary>
    public bool IsInChunk { get; set; }

    /// <summary>The accesses of the present chunk are translated.</summary>
    public bool IsTranslated { get; set; }

    /// <summary>Cycles of the present chunk that were given out.</summary>
    public long ChunkWork { get; set; }

    /// <summary>Lane for which this one waits; -1 if it waits for none.</summary>
    public int WaitsFor { get; set; } = -1;

    /// <summary>Cycles that this lane must wait for others beside its stalls.</summary>
    public long WaitsCycles { get; set; }

    /// <summary>Linear address of the last access; null before the first.</summary>
    public ulong? LastAddress { get; private set; }

    /// <summary>The next record is a real VM-exit.</summary>
    public bool IsAtRealExit => Supply is { Any: true, IsEvent: true } && Supply.Event.Kind == RecordKind.VmExit && Supply.Event.Transition != TransitionKind.L2ToL1;

    /// <summary>Level that the trace runs, 1 or 2; that of its last VM-entry, or of the one that is being carried out.</summary>
    public int Home { get; set; } = 1;

    /// <summary>What is next, and for a gap how long.</summary>
    public Supplied Next(out ulong gap)
    {
        gap = 0;
        if (!Supply.Any)
        {
            gap = Frontier > Cursor && !Supply.IsComplete ? Frontier - Cursor : 0;
            return gap > 0 ? Supplied.Gap : Supply.IsComplete ? Supplied.Ended : Supplied.Unknown;
        }

        if (Supply.Time > Cursor)
        {
            gap = Supply.Time - Cursor;
            return Supplied.Gap;
        }

        if (Supply.IsEvent)
        {
            return Supplied.Event;
        }

        return IsKnown(Cursor + ChunkCycles) ? Supplied.Accesses : Supplied.Unknown;
    }

    /// <summary>The next record is an access before a time.</summary>
    public bool HasAccess(ulong before) => Supply.Any && !Supply.IsEvent && Supply.Time < before;

    /// <summary>A chunk begins, if the one before has ended.</summary>
    public void BeginChunk()
    {
        if (!IsInChunk)
        {
            IsInChunk = true;
            IsTranslated = false;
            ChunkWork = 0;
        }
    }

    /// <summary>All records before a time are there.</summary>
    public bool IsKnown(ulong time) => IsCut || Supply.IsComplete || Frontier >= time || (Supply.Any && Supply.LastTime >= time);

    /// <summary>Cycles by which this lane fell behind since the last call, of those that its machine has counted by now.</summary>
    public long TakeStall(long counted)
    {
        long stall = counted - _stalls + WaitsCycles;
        _stalls = counted;
        WaitsCycles = 0;
        return stall;
    }

    /// <summary>Takes accesses before a time, up to the next event; the cursor moves to the last of them. There may be more: <see cref="HasAccess"/>.</summary>
    public AccessRun TakeAccesses(ulong before)
    {
        AccessRun run = Supply.TakeAccesses(before);
        int last = run.FirstAccess + run.Count - 1;
        Cursor = Math.Max(Cursor, run.Block.Time[last]);
        LastAddress = run.Block.Address[last];
        return run;
    }
}
