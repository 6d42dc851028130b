using System.Security.Cryptography;
using System.Text;
using Sim.Core;
using Sim.Core.Files;
using Sim.Core.Traces;
using Sim.Workloads.Importers;

namespace Sim.Workloads.Formats;

/// <summary>
/// A trace opened from a file or from standard input. The format is found by content; gzip, xz, zstd, bzip2, lz4, snappy and zip are unwrapped, also when nested. Reading is one pass
/// with fixed buffers, so a trace of any size fits.
/// </summary>
public sealed class TraceFile : ISeekableTraceSource
{
    /// <summary>How many bytes of the content a format sees before it says whether it is its own.</summary>
    public const int HeadBytes = 4096;

    private const string FolderFormat = "drmemtrace";
    private const int MaxCompressionLayers = 4;

    private readonly IReadOnlyList<(string Name, TraceInput Input)> _raw;
    private readonly ITraceSource _source;

    private TraceFile(string name, string format, IReadOnlyList<(string Name, TraceInput Input)> raw, ITraceSource source)
    {
        Name = name;
        Format = format;
        _raw = raw;
        _source = source;
    }

    /// <summary>The formats that can be read.</summary>
    public static Catalogue<ITraceFormat> Formats { get; } = new(typeof(ITraceFormat).Assembly);

    /// <summary>The path as given, or "stdin".</summary>
    public string Name { get; }

    /// <summary>Name of the format in <see cref="Formats"/>.</summary>
    public string Format { get; }

    /// <summary>
    /// SHA-256 of the raw input (before decompression) in lower-case hexadecimal, once everything was read in one pass; null before, and after a seek. Of a folder it is that of the
    /// list of its files' checksums and names, as sha256sum prints it.
    /// </summary>
    public string? Sha256 => _raw.Count == 1 ? _raw[0].Input.Sha256
        : _raw.Any(file => file.Input.Sha256 is null) ? null
        : Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(string.Concat(_raw.Select(file => $"{file.Input.Sha256}  {Path.GetFileName(file.Name)}\n")))));

    /// <summary>Bytes of the raw input read so far.</summary>
    public long BytesRead => _raw.Sum(file => file.Input.BytesRead);

    /// <inheritdoc/>
    public TraceHeader Header => _source.Header;

    /// <inheritdoc/>
    public bool CanSeek => _source is ISeekableTraceSource { CanSeek: true };

    /// <summary>Opens a trace file, a folder of a drmemtrace recording, or standard input if <paramref name="path"/> is "-".</summary>
    /// <param name="path">The file or folder.</param>
    /// <param name="lanes">How the files of a folder become lanes.</param>
    /// <exception cref="ConfigurationException">There is no such file, it may not be read.</exception>
    /// <exception cref="TraceFormatException">It is no trace, or a damaged one.</exception>
    public static TraceFile Open(string path, DrLanes lanes = DrLanes.One)
    {
        if (Directory.Exists(path))
        {
            ITraceSource source = DrMemtraceFolder.Open(path, lanes, out IReadOnlyList<(string Name, TraceInput Input)> files);
            return new TraceFile(Path.TrimEndingDirectorySeparator(path), FolderFormat, files, source);
        }

        return Open(OpenFile(path), path == "-" ? "stdin" : path);
    }

    /// <summary>True if the file's content begins as a trace in one of <see cref="Formats"/> does; false for recordings and everything else.</summary>
    /// <exception cref="ConfigurationException">There is no such file, or it may not be read.</exception>
    /// <exception cref="TraceFormatException">It is compressed and damaged.</exception>
    public static bool IsTrace(string path)
    {
        if (Directory.Exists(path))
        {
            return DrMemtraceFolder.IsOne(path);
        }

        using TraceInput content = Unwrap(new TraceInput(OpenFile(path), path, hashed: false), path, out ReadOnlySpan<byte> head);
        return FormatOf(head) is not null;
    }

    /// <summary>Opens a trace from a stream at its first byte, which it owns. <paramref name="name"/> names it in messages.</summary>
    /// <exception cref="TraceFormatException">It is no trace, or a damaged one.</exception>
    public static TraceFile Open(Stream stream, string name)
    {
        TraceInput raw = new(stream, name, hashed: true);
        TraceInput content = Unwrap(raw, name, out ReadOnlySpan<byte> head);
        try
        {
            string format = Recognise(head, name);
            return new TraceFile(name, format, [(name, raw)], Formats.Create(format).Open(content, name));
        }
        catch
        {
            content.Dispose();
            throw;
        }
    }

    /// <summary>
    /// Begins to write a trace: to standard output if <paramref name="path"/> is "-", else to a name beside <paramref name="path"/> that becomes it when the
    /// trace is complete. <paramref name="format"/> is a writable format of <see cref="Formats"/>; without it the extension decides (.nst, .txt), and a pipe
    /// gets the native format. A further extension .gz compresses. It must be none of the <paramref name="inputs"/>.
    /// </summary>
    /// <exception cref="ConfigurationException">The format is unknown or cannot be written, or the place cannot.</exception>
    public static TraceFileWriter Create(string path, TraceHeader header, string? format = null, params IEnumerable<string> inputs) => TraceFileWriter.Create(path, header, format, isDraft: false, inputs);

    /// <summary>
    /// Begins to write a trace whose doubts are known only when its last record is: the records wait in a temporary file until <see cref="TraceFileWriter.Complete(IReadOnlyList{Doubt}, IReadOnlyList{Core.Files.OutputFile})"/>.
    /// Everything else is as for <see cref="Create"/>.
    /// </summary>
    /// <exception cref="ConfigurationException">The format is unknown or cannot be written, or the place cannot.</exception>
    public static TraceFileWriter CreateDraft(string path, TraceHeader header, string? format = null, params IEnumerable<string> inputs) => TraceFileWriter.Create(path, header, format, isDraft: true, inputs);

    /// <summary>Reads what is left of the input without looking at its records, so that <see cref="Sha256"/> is known although nobody wants the rest.</summary>
    /// <param name="cancellation">Leaves the rest, and <see cref="Sha256"/> null.</param>
    public void ReadRest(CancellationToken cancellation = default)
    {
        foreach ((string _, TraceInput input) in _raw)
        {
            input.Drain(cancellation);
        }
    }

    /// <inheritdoc/>
    public bool Read(TraceBlock block)
    {
        if (_source.Read(block))
        {
            return true;
        }

        ReadRest();
        return false;
    }

    /// <inheritdoc/>
    public void SeekToRecord(ulong record) => Seekable().SeekToRecord(record);

    /// <inheritdoc/>
    public void SeekToTime(ulong time) => Seekable().SeekToTime(time);

    /// <inheritdoc/>
    public void Dispose() => _source.Dispose();

    /// <summary>Opens a file for one pass, or standard input if <paramref name="path"/> is "-".</summary>
    /// <exception cref="ConfigurationException">There is no such file, or it may not be read.</exception>
    internal static Stream OpenFile(string path) => InputFile.Open(path, "trace", "Give the path of a trace file, or - for standard input.");

    /// <summary>Looks through every layer of compression. The layers own each other, the innermost all.</summary>
    internal static TraceInput Unwrap(TraceInput raw, string name, out ReadOnlySpan<byte> head)
    {
        TraceInput content = raw;
        try
        {
            head = content.Peek(HeadBytes);
            for (int layer = 0; layer <= MaxCompressionLayers && Compression.Unwrap(content, head) is { } unwrapped; layer++)
            {
                content = new TraceInput(unwrapped, name, hashed: false);
                head = content.Peek(HeadBytes);
            }

            return content;
        }
        catch
        {
            content.Dispose();
            throw;
        }
    }

    private static string? FormatOf(ReadOnlySpan<byte> head)
    {
        foreach (Catalogue<ITraceFormat>.Entry entry in Formats.Entries)
        {
            if (Formats.Create(entry.Name).Sniff(head))
            {
                return entry.Name;
            }
        }

        return null;
    }

    private static string Recognise(ReadOnlySpan<byte> head, string name)
    {
        const string Expected = "a trace";
        if (head.IsEmpty)
        {
            throw new TraceFormatException(name, "offset 0", Expected, "nothing: the input is empty", "Whatever was to write it failed or has not run.");
        }

        if (FormatOf(head) is { } format)
        {
            return format;
        }

        if (UnreadFormats.Of(head) is { } unread)
        {
            throw new TraceFormatException(name, "offset 0", Expected, Signatures.Describe(head), unread.Hint);
        }

        string known = string.Join(", ", Formats.Entries.Select(entry => entry.Name));
        throw new TraceFormatException(name, "offset 0", Expected, Signatures.Describe(head), $"Formats that can be read: {known}, plain or inside gzip, xz, zstd, bzip2, lz4, snappy or zip.");
    }

    private ISeekableTraceSource Seekable() =>
        CanSeek ? (ISeekableTraceSource)_source : throw new InvalidOperationException($"{Name} is read in one pass: only a native trace in a plain file can be sought in.");
}
