using Sim.Core;
using Sim.Core.Traces;

namespace Sim.Workloads.Formats;

/// <summary>The native format's twin in text, loss-free both ways (docs/trace-format.md).</summary>
[Component("text", Summary = "The native format's twin as text (.txt), one record a line: to read, to write by hand, to diff.")]
internal sealed class TextFormat : IWritableTraceFormat
{
    /// <summary>First line, before the version.</summary>
    public const string Magic = "nestsim-trace text ";

    /// <summary>The first version; versions follow the native format's.</summary>
    public const string Version = "1.0";

    /// <summary>Version of headers with doubts.</summary>
    public const string DoubtsVersion = "1.1";

    /// <summary>Keyword of the line that carries the header's JSON.</summary>
    public const string Header = "header ";

    /// <summary>Keyword of the line that begins a block.</summary>
    public const string Block = "block lane=";

    /// <summary>Keyword of the last line, before the number of records.</summary>
    public const string End = "end ";

    /// <summary>Letters of <see cref="AccessType"/>, by its number.</summary>
    public const string AccessLetters = "RWX";

    /// <summary>The version that a trace is written with: the lowest that has all of it.</summary>
    public static string VersionOf(TraceHeader header) => header.Doubts.Count > 0 ? DoubtsVersion : Version;

    /// <inheritdoc/>
    public string Extension => ".txt";

    /// <inheritdoc/>
    public bool Sniff(ReadOnlySpan<byte> head) => head.StartsWith("nestsim-trace text"u8);

    /// <inheritdoc/>
    public ITraceSource Open(Stream stream, string name) => new TextTraceReader(stream, name);

    /// <inheritdoc/>
    public ITraceWriter Create(Stream stream, TraceHeader header) => new TextTraceWriter(stream, header);
}
