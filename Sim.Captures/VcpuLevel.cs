namespace Sim.Captures;

/// <summary>What a record of a recording meant for the level of a vCPU, beyond the real VM-entry or VM-exit that it may be.</summary>
public enum LevelChange
{
    /// <summary>Nothing nested.</summary>
    None,

    /// <summary>L0 carried out L1's VMLAUNCH, VMRESUME or VMRUN: the vCPU is in L2 now, though L2 may not have run yet.</summary>
    NestedEntry,

    /// <summary>L0 reflected an exit to L1, or made the vCPU leave L2: it is in L1 now.</summary>
    NestedExit,

    /// <summary>L1's VMLAUNCH, VMRESUME or VMRUN came to nothing: L1 runs on without having been in L2.</summary>
    FailedNestedEntry,
}

/// <summary>
/// The level of one vCPU as a recording tells it. <see cref="HwLog.LevelTracker"/> (VMCS addresses) and <see cref="Ftrace.KernelLevels"/> (tracepoints) each say what they saw; what follows
/// from it is the same for both and stands here, and every reader of recordings counts in the same <see cref="TransitionCounts"/>.
/// </summary>
public sealed class VcpuLevel(TransitionCounts counts)
{
    private bool _isEntering;
    private bool _hasFailed;

    /// <summary>Level that runs, or for which L0 works: 1 or 2; 0 until something told it.</summary>
    public int Level { get; private set; }

    /// <summary>L1's VMLAUNCH, VMRESUME or VMRUN has exited, and what becomes of it is not told yet.</summary>
    public bool Asks { get; private set; }

    /// <summary>Something outside of the recording, or between two windows of it, set the level: 1, 2, or 0 if it is not known.</summary>
    public void Begin(int level) => (Level, Asks, _isEntering, _hasFailed) = (level, false, false, false);

    /// <summary>A real entry into <paramref name="level"/>: shows what became of L1's request, and a nested transition that nothing has told.</summary>
    public LevelChange Enter(int level)
    {
        counts.Enter(level);
        return MoveTo(level);
    }

    /// <summary>A real exit of <paramref name="level"/>; <paramref name="asks"/>: it is L1's VMLAUNCH, VMRESUME or VMRUN. Shows a nested transition that nothing has told.</summary>
    public LevelChange Exit(int level, bool asks)
    {
        counts.Exit(level);
        LevelChange change = MoveTo(level);
        Asks = asks && level == 1;
        return change;
    }

    /// <summary>L0 carries out L1's request.</summary>
    public LevelChange EnterNested()
    {
        counts.NestedEntries++;
        (Level, Asks, _isEntering, _hasFailed) = (2, false, true, false);
        return LevelChange.NestedEntry;
    }

    /// <summary>L0 tells L1 of an exit of L2; behind L1's request it ends an entry that nothing told.</summary>
    public LevelChange ExitNested()
    {
        counts.NestedEntries += Asks ? 1 : 0;
        counts.NestedExits++;
        Begin(1);
        return LevelChange.NestedExit;
    }

    /// <summary>L0 does not carry out L1's request, or takes it back before L2 has run: it was told as an entry then, and is one no more.</summary>
    public LevelChange FailNested()
    {
        if (_hasFailed)
        {
            return LevelChange.None;
        }

        counts.NestedEntries -= _isEntering ? 1 : 0;
        counts.FailedNestedEntries++;
        Begin(1);
        _hasFailed = true;
        return LevelChange.FailedNestedEntry;
    }

    private LevelChange MoveTo(int level)
    {
        (int before, bool asked) = (Level, Asks);
        Begin(level);
        switch (before, level)
        {
            case (1, 2):
                counts.NestedEntries++;
                return LevelChange.NestedEntry;
            case (2, 1):
                counts.NestedExits++;
                return LevelChange.NestedExit;
            case (1, 1) when asked:
                counts.FailedNestedEntries++;
                return LevelChange.FailedNestedEntry;
            default:
                return LevelChange.None;
        }
    }
}

/// <summary>How often the vCPUs of a recording changed level: what <c>trace events</c> and <c>trace lift</c> both tell.</summary>
public sealed class TransitionCounts
{
    private readonly long[] _entries = new long[3];
    private readonly long[] _exits = new long[3];

    /// <summary>Nested entries that were carried out.</summary>
    public long NestedEntries { get; internal set; }

    /// <summary>Nested exits.</summary>
    public long NestedExits { get; internal set; }

    /// <summary>VMLAUNCHes, VMRESUMEs and VMRUNs that came to nothing.</summary>
    public long FailedNestedEntries { get; internal set; }

    /// <summary>True if there was any transition, or an attempt of one.</summary>
    public bool Any => _entries[1] + _entries[2] + _exits[1] + _exits[2] + NestedEntries + NestedExits + FailedNestedEntries > 0;

    /// <summary>Real entries into a level, 1 or 2.</summary>
    public long EntriesInto(int level) => _entries[level];

    /// <summary>Real exits of a level, 1 or 2.</summary>
    public long ExitsOf(int level) => _exits[level];

    internal void Enter(int level) => _entries[level]++;

    internal void Exit(int level) => _exits[level]++;
}
