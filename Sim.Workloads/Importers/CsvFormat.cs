using System.Text;
using Sim.Core;
using Sim.Core.Traces;
using Sim.Workloads.Formats;

namespace Sim.Workloads.Importers;

/// <summary>Accesses as CSV, whose first line names the columns (docs/memory-traces.md#csv).</summary>
[Component("csv", Summary = "CSV with a first line of names: address, and maybe time, lane, type, size, cpl, level; one access a row.")]
public sealed class CsvFormat : ITraceFormat
{
    /// <inheritdoc/>
    public bool Sniff(ReadOnlySpan<byte> head)
    {
        head = CsvSource.WithoutMark(head);
        int end = head.IndexOf((byte)'\n');
        ReadOnlySpan<byte> line = end < 0 ? [] : head[..end].TrimEnd((byte)'\r');
        if (line.IsEmpty || line.ContainsAnyExceptInRange((byte)' ', (byte)'~'))
        {
            return false;
        }

        string[] names = Encoding.ASCII.GetString(line).Split(',');
        return names.Select(name => name.Trim(' ', '"')).Any(name => name.Equals(CsvColumns.Address, StringComparison.OrdinalIgnoreCase));
    }

    /// <inheritdoc/>
    public ITraceSource Open(Stream stream, string name)
    {
        CsvSource source = new(stream, name);
        return source.HasLanes ? new SpooledTrace(source, () => source.Header with { Lanes = source.LanesSeen }) : source;
    }
}
