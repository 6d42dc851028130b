using Sim.Core.Traces;

namespace Sim.Workloads;

/// <summary>
/// Folds runs: consecutive accesses of one side (data or fetch) to one 4K page at one privilege level become one record with a
/// <see cref="TraceBlock.Repeat"/> count, at the place, time and address of the first. Any event ends the lane's runs.
/// </summary>
/// <remarks>
/// A read after a write joins the write's run; a write after a read begins a new record, because it may set a dirty flag. Data and fetch
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

/// <summary>The runs of one block that may still grow: at most one of data and one of fetches.</summary>
internal struct OpenRuns
{
    private const int PageShift = 12;
    private const byte TypeAndCpl = 0b1111;

    // Index in the block, plus one; 0 is no run.
    private int _data;
    private int _fetch;

    /// <summary>Adds the access to its side's open run; false if it begins a new one, which the caller appends and declares with <see cref="Begin"/>.</summary>
    public readonly bool TryExtend(TraceBlock block, ulong address, byte flags, uint repeat)
    {
        bool fetch = AccessFlags.Type(flags) == AccessType.Execute;
        int run = (fetch ? _fetch : _data) - 1;
        if (run < 0 || (block.Address[run] ^ address) >> PageShift != 0)
        {
            return false;
        }

        int first = block.Flags[run] & TypeAndCpl;
        int next = flags & TypeAndCpl;
        bool joins = first == next || (AccessFlags.Type((byte)first) == AccessType.Write && AccessFlags.Type(flags) == AccessType.Read && first >> 2 == next >> 2);
        if (!joins || block.Repeat[run] > uint.MaxValue - repeat)
        {
            return false;
        }

        block.Repeat[run] += repeat;
        return true;
    }

    /// <summary>The access at <paramref name="index"/> of the block is now its side's open run.</summary>
    public void Begin(byte flags, int index)
    {
        if (AccessFlags.Type(flags) == AccessType.Execute)
        {
            _fetch = index + 1;
        }
        else
        {
            _data = index + 1;
        }
    }

    /// <summary>Ends both runs: an event came, or the block is full.</summary>
    public void End() => this = default;
}
