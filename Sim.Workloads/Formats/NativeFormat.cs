using Sim.Core;
using Sim.Core.Traces;
using Sim.Workloads.Formats.Native;

namespace Sim.Workloads.Formats;

/// <summary>Nestsim's own format (docs/trace-format.md).</summary>
[Component("native", Summary = "Nestsim's own binary format (.nst): columns, checksums, an index; streams through pipes.")]
internal sealed class NativeFormat : IWritableTraceFormat
{
    /// <inheritdoc/>
    public string Extension => ".nst";

    /// <inheritdoc/>
    /// <remarks>A few bytes are enough: a file cut short within the magic must be called a truncated native trace, not an unknown format.</remarks>
    public bool Sniff(ReadOnlySpan<byte> head) => head.Length > 0 && NativeLayout.Magic.StartsWith(head[..Math.Min(head.Length, 4)]);

    /// <inheritdoc/>
    public ITraceSource Open(Stream stream, string name) => new NativeTraceReader(stream, name);

    /// <inheritdoc/>
    public ITraceWriter Create(Stream stream, TraceHeader header) => new NativeTraceWriter(stream, header);
}
