using Sim.Core.Traces;

namespace Sim.Workloads.Formats;

/// <summary>
/// A trace format that can be read. A format is one class with <see cref="Core.ComponentAttribute"/>, found by itself; <see cref="TraceFile.Open(string, Importers.DrLanes)"/>
/// picks it by content, never by the file's name.
/// </summary>
public interface ITraceFormat
{
    /// <summary>
    /// True if the content begins like this format. <paramref name="head"/> holds the first <see cref="TraceFile.HeadBytes"/> bytes, or all there are; layers of
    /// compression are already gone. It must be so narrow that no other format's content answers true.
    /// </summary>
    bool Sniff(ReadOnlySpan<byte> head);

    /// <summary>
    /// A short trace in this format, which its contract reads, cuts and damages. Null for one that can be written (<see cref="IWritableTraceFormat"/>), of which a trace can be made.
    /// </summary>
    byte[]? Example => null;

    /// <summary>
    /// Begins to read. The stream is at the content's first byte, may be a pipe (<see cref="Stream.CanSeek"/> is false) and belongs to the source from now on.
    /// <paramref name="name"/> names the input in messages.
    /// </summary>
    /// <exception cref="Core.TraceFormatException">The input is damaged or not what it claims to be.</exception>
    ITraceSource Open(Stream stream, string name);
}

/// <summary>A trace format that can also be written.</summary>
public interface IWritableTraceFormat : ITraceFormat
{
    /// <summary>The file name extension that stands for this format when writing, with its dot.</summary>
    string Extension { get; }

    /// <summary>Begins to write: the header at once, then blocks. The stream may be a pipe and belongs to the writer from now on.</summary>
    ITraceWriter Create(Stream stream, TraceHeader header);
}

/// <summary>A trace being written. Nothing is complete before <see cref="Complete"/>: disposing without it gives the output up.</summary>
public interface ITraceWriter : ITraceSink, IDisposable
{
    /// <summary>Writes what belongs at the end and flushes. Call once, after the last block.</summary>
    void Complete();
}

/// <summary>A source that can go to a place without reading what lies before it (the native format in a seekable file).</summary>
public interface ISeekableTraceSource : ITraceSource
{
    /// <summary>True if the input allows it; a pipe does not.</summary>
    bool CanSeek { get; }

    /// <summary>Makes the next block the one that holds record <paramref name="record"/>, counted over the whole trace; past the last record: the end.</summary>
    void SeekToRecord(ulong record);

    /// <summary>Makes the next block the first one that any lane needs in order to have every record from <paramref name="time"/> on.</summary>
    void SeekToTime(ulong time);
}
