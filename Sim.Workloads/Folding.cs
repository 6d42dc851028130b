using Sim.Core.Traces;

namespace Sim.Workloads;

/// <summary>
/// Folds runs: consecutive accesses of one side (data or fetch) to one 4K page at one privilege level become one record of each type with a
/// <see cref="TraceBlock.Repeat"/> count, at the place, time and address of the first. Any event ends the lane's runs; a lane's last access keeps its time.
/// </summary>
/// <remarks>
/// Reads and writes are counted apart, so that loads, stores and rights that are exercised stay what they were. Data and fetch
/// runs fold independently of each other, since instruction and data TLBs are separate. Every access folded away is a hit on the most
/// recently used entry of its first-level TLB, so misses, evictions and order at every level stay exact for LRU-like replacement, provided that no
/// lower level evicts from the first (no inclusion). Runs also end where an output block ends; with one lane that depends on
/// the records alone, never on how the input was cut into blocks.
/// </remarks>
public sealed class Folding : ITraceSink
{
    private readonly TraceAppender _appender;

    /// <summary>A folding stage in front of <paramref name="sink"/> for a trace with that many lanes.</summary>
    public Folding(ITraceSink sink, int lanes) => _appender = new TraceAppender(sink, lanes, fold: true);

    /// <summary>Records passed on so far; those of the last, unfinished blocks included.</summary>
    public ulong Records => _appender.Records;

    /// <inheritdoc/>
    public void Write(TraceBlock block)
    {
        int lane = block.Lane;
        int access = 0;
        for (int e = 0; e <= block.EventCount; e++)
        {
            int end = e < block.EventCount ? block.EventPosition[e] : block.AccessCount;
            for (; access < end; access++)
            {
                _appender.Access(lane, block.Time[access], block.Address[access], block.Flags[access], block.Repeat[access]);
            }

            if (e < block.EventCount)
            {
                _appender.Event(lane, block.Events[e]);
            }
        }
    }

    /// <summary>Hands the last blocks to the sink. Call once, at the end.</summary>
    public void Complete() => _appender.Complete();
}

/// <summary>The runs of one block that may still grow: at most one each of reads, writes and fetches, the first two on the same page.</summary>
internal struct OpenRuns
{
    private const int PageShift = 12;
    private const byte CplMask = 0b1100;

    // Index in the block, plus one; 0 is no run.
    private int _reads;
    private int _writes;
    private int _fetches;

    /// <summary>Adds the access to the open run of its type; false if it begins a new one, which the caller appends and declares with <see cref="Begin"/>.</summary>
    public readonly bool TryExtend(TraceBlock block, ulong address, byte flags, uint repeat)
    {
        int run = Run(flags);
        if (!IsOn(block, run, address, flags) || block.Repeat[run - 1] > uint.MaxValue - repeat)
        {
            return false;
        }

        block.Repeat[run - 1] += repeat;
        return true;
    }

    /// <summary>The next access of the block will be the open run of its type. A run of the other data type on another page ends.</summary>
    public void Begin(TraceBlock block, ulong address, byte flags)
    {
        int next = block.AccessCount + 1;
        switch (AccessFlags.Type(flags))
        {
            case AccessType.Read:
                _reads = next;
                _writes = IsOn(block, _writes, address, flags) ? _writes : 0;
                break;
            case AccessType.Write:
                _writes = next;
                _reads = IsOn(block, _reads, address, flags) ? _reads : 0;
                break;
            default:
                _fetches = next;
                break;
        }
    }

    /// <summary>Takes one access from the open run of a type, which has more than one.</summary>
    public readonly void Shorten(TraceBlock block, byte flags) => block.Repeat[Run(flags) - 1]--;

    /// <summary>Ends all runs: an event came, or the block is full.</summary>
    public void End() => this = default;

    private readonly int Run(byte flags) => AccessFlags.Type(flags) switch { AccessType.Read => _reads, AccessType.Write => _writes, _ => _fetches };

    private static bool IsOn(TraceBlock block, int run, ulong address, byte flags) =>
        run > 0 && (block.Address[run - 1] ^ address) >> PageShift == 0 && ((block.Flags[run - 1] ^ flags) & CplMask) == 0;
}
