using Sim.Core.Traces;
using Sim.Workloads.Formats;

namespace Sim.Workloads.Importers;

/// <summary>A trace whose header is complete only when its last record was read: it is read at once into a temporary file, which nobody sees, and served from there.</summary>
internal sealed class SpooledTrace : ITraceSource
{
    private readonly NativeTraceReader _records;

    /// <summary>Reads all of a source and disposes it; <paramref name="header"/> is asked for afterwards.</summary>
    public SpooledTrace(ITraceSource source, Func<TraceHeader> header)
    {
        FileStream file = new(Path.Combine(Path.GetTempPath(), $".nestsim-{Guid.NewGuid():N}.spool"), FileMode.CreateNew, FileAccess.ReadWrite, FileShare.None, bufferSize: 1 << 16, FileOptions.DeleteOnClose);
        try
        {
            using (source)
            {
                NativeTraceWriter writer = new(file, source.Header);
                TraceBlock block = new();
                while (source.Read(block))
                {
                    writer.Write(block);
                }

                writer.Complete();
            }

            file.Position = 0;
            _records = new NativeTraceReader(file, "the spooled trace");
            Header = header();
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public TraceHeader Header { get; }

    /// <inheritdoc/>
    public bool Read(TraceBlock block) => _records.Read(block);

    /// <inheritdoc/>
    public void Dispose() => _records.Dispose();
}
