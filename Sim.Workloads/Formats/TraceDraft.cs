using Sim.Core.Traces;
using Sim.Workloads.Operations;

namespace Sim.Workloads.Formats;

/// <summary>A trace whose header is not known before its last record: it waits in a temporary file, which nobody sees, in the native format.</summary>
internal sealed class TraceDraft : ITraceWriter
{
    private readonly TraceHeader _header;
    private readonly Stream _output;
    private readonly Func<Stream, TraceHeader, ITraceWriter> _create;
    private readonly FileStream _file;
    private readonly NativeTraceWriter _records;

    /// <summary>Begins a draft.</summary>
    /// <param name="header">What is known.</param>
    /// <param name="folder">Where the temporary file goes.</param>
    /// <param name="output">Where the trace goes, owned from now on.</param>
    /// <param name="create">The trace's own writer.</param>
    public TraceDraft(TraceHeader header, string folder, Stream output, Func<Stream, TraceHeader, ITraceWriter> create)
    {
        _header = header;
        _output = output;
        _create = create;
        string path = Path.Combine(folder, $".nestsim-{Guid.NewGuid():N}.draft");
        _file = new FileStream(path, FileMode.CreateNew, FileAccess.ReadWrite, FileShare.None, bufferSize: 1 << 16);

        // Without a name it goes with the process, however that ends.
        File.Delete(path);
        _records = new NativeTraceWriter(_file, header);
    }

    /// <inheritdoc/>
    public void Write(TraceBlock block) => _records.Write(block);

    /// <inheritdoc/>
    public void Complete() => Complete([]);

    /// <summary>Writes the trace to its place.</summary>
    public void Complete(IReadOnlyList<Doubt> doubts)
    {
        _records.Complete();
        _file.Position = 0;
        using ITraceWriter writer = _create(_output, _header with { Doubts = [.. _header.Doubts, .. doubts] });
        TraceConverter.Convert(new NativeTraceReader(_file, "the draft"), writer);
        writer.Complete();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _records.Dispose();
        _output.Dispose();
    }
}
