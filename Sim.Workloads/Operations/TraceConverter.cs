using Sim.Core.Traces;

namespace Sim.Workloads.Operations;

/// <summary>Copies a trace from any source to any sink, as it is or folded.</summary>
public static class TraceConverter
{
    /// <summary>The header of the outcome: the source's, and that it is folded if <paramref name="fold"/>.</summary>
    public static TraceHeader Header(TraceHeader source, bool fold) => source with { Folded = source.Folded || fold };

    /// <summary>
    /// Copies all records; without <paramref name="fold"/> block by block, so that even block boundaries stay; with it runs on one page become one record
    /// (<see cref="Folding"/>). Returns the records written. The sink's own completion is the caller's.
    /// </summary>
    public static ulong Convert(ITraceSource source, ITraceSink sink, bool fold = false)
    {
        Folding? folding = fold ? new Folding(sink, source.Header.Lanes) : null;
        TraceBlock block = new();
        ulong records = 0;
        while (source.Read(block))
        {
            (folding ?? sink).Write(block);
            records += (ulong)block.RecordCount;
        }

        folding?.Complete();
        return folding?.Records ?? records;
    }
}
