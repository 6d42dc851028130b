using Sim.Core;
using Sim.Core.Traces;

namespace Sim.Workloads.Generators;

/// <summary>The lane a generator writes: it keeps the time, num/den cycles per access, exact for any number of accesses.</summary>
public sealed class GeneratedLane
{
    private readonly TraceAppender _trace;
    private readonly ulong _cyclesNumerator;
    private readonly ulong _cyclesDenominator;
    private ulong _remainder;

    /// <summary>Lane 0 of a trace that is written.</summary>
    /// <param name="trace">Where to.</param>
    /// <param name="accesses">Accesses to make.</param>
    /// <param name="cyclesNumerator">Cycles per access: numerator.</param>
    /// <param name="cyclesDenominator">Denominator.</param>
    public GeneratedLane(TraceAppender trace, ulong accesses, ulong cyclesNumerator, ulong cyclesDenominator)
    {
        _trace = trace;
        _cyclesNumerator = cyclesNumerator;
        _cyclesDenominator = cyclesDenominator;
        Remaining = accesses;
    }

    /// <summary>Accesses still to be made.</summary>
    public ulong Remaining { get; private set; }

    /// <summary>Time of the next record in reference cycles.</summary>
    public ulong Time { get; private set; }

    /// <summary>Makes one access of eight bytes, and time passes. Does nothing once no access remains.</summary>
    public void Access(ulong address, AccessType type, int cpl)
    {
        if (Remaining == 0)
        {
            return;
        }

        Remaining--;
        _trace.Access(0, Time, address, type, cpl);
        _remainder += _cyclesNumerator;
        Time += _remainder / _cyclesDenominator;
        _remainder %= _cyclesDenominator;
    }

    /// <summary>Records an event, now; no time passes.</summary>
    public void Event(TraceEvent e)
    {
        e.Time = Time;
        _trace.Event(0, e);
    }

    /// <summary>A write with that probability, else a read.</summary>
    public static AccessType ReadOrWrite(ref Rng rng, ulong writePercent) => rng.Below(100) < writePercent ? AccessType.Write : AccessType.Read;
}
