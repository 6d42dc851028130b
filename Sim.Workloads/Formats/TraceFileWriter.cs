using System.IO.Compression;
using Sim.Core;
using Sim.Core.Traces;

namespace Sim.Workloads.Formats;

/// <summary>A trace file being written. It appears under its name when <see cref="Complete()"/> is called; disposed before that, it leaves nothing behind.</summary>
public sealed class TraceFileWriter : ITraceWriter
{
    private const string Gzip = ".gz";
    private const string Partial = ".partial";
    private const string DefaultFormat = "native";
    private const int FileBufferBytes = 1 << 16;

    private readonly ITraceWriter _writer;
    private readonly string? _partial;
    private readonly string _path;
    private bool _complete;

    private TraceFileWriter(ITraceWriter writer, string path, string? partial)
    {
        _writer = writer;
        _path = path;
        _partial = partial;
    }

    /// <summary>Records written so far.</summary>
    public ulong Records { get; private set; }

    /// <inheritdoc/>
    public void Write(TraceBlock block)
    {
        _writer.Write(block);
        Records += (ulong)block.RecordCount;
    }

    /// <inheritdoc/>
    public void Complete() => Complete([]);

    /// <summary>Completes a trace that <see cref="TraceFile.CreateDraft"/> began: <paramref name="doubts"/> follow those of the header that it was created with.</summary>
    /// <exception cref="InvalidOperationException">There are doubts, and the header is written already.</exception>
    public void Complete(IReadOnlyList<Doubt> doubts)
    {
        if (_writer is TraceDraft draft)
        {
            draft.Complete(doubts);
        }
        else if (doubts.Count == 0)
        {
            _writer.Complete();
        }
        else
        {
            throw new InvalidOperationException("The header with its doubts is written already. Create the trace as a draft.");
        }

        _writer.Dispose();
        if (_partial is not null)
        {
            File.Move(_partial, _path, overwrite: true);
        }

        _complete = true;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_complete)
        {
            return;
        }

        try
        {
            _writer.Dispose();
        }
        finally
        {
            if (_partial is not null)
            {
                File.Delete(_partial);
            }
        }
    }

    /// <summary>See <see cref="TraceFile.Create"/>.</summary>
    internal static TraceFileWriter Create(string path, TraceHeader header, string? format, bool isDraft)
    {
        bool compressed = path.EndsWith(Gzip, StringComparison.OrdinalIgnoreCase);
        IWritableTraceFormat writable = Choose(compressed ? path[..^Gzip.Length] : path, format);
        if (path == "-")
        {
            return new TraceFileWriter(Begin(Console.OpenStandardOutput(), Path.GetTempPath()), path, null);
        }

        string target = Target(path);
        string? partial = null;
        Stream? stream;
        try
        {
            stream = OpenInPlace(target);
            if (stream is null)
            {
                partial = target + Partial;
                stream = new FileStream(partial, FileMode.Create, FileAccess.Write, FileShare.None, FileBufferBytes);
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException)
        {
            throw new ConfigurationException($"The trace '{path}' cannot be written: {e.Message} Name a file in a folder that exists and may be written to.", e);
        }

        try
        {
            return new TraceFileWriter(Begin(compressed ? new GZipStream(stream, CompressionLevel.Optimal) : stream, partial is null ? Path.GetTempPath() : Path.GetDirectoryName(Path.GetFullPath(target))!), target, partial);
        }
        catch
        {
            stream.Dispose();
            if (partial is not null)
            {
                File.Delete(partial);
            }

            throw;
        }

        ITraceWriter Begin(Stream output, string folder) => isDraft ? new TraceDraft(header, folder, output, writable.Create) : writable.Create(output, header);
    }

    private static IWritableTraceFormat Choose(string path, string? format)
    {
        List<(string Name, IWritableTraceFormat Format)> writable = [];
        foreach (Catalogue<ITraceFormat>.Entry entry in TraceFile.Formats.Entries)
        {
            if (TraceFile.Formats.Create(entry.Name) is IWritableTraceFormat candidate)
            {
                writable.Add((entry.Name, candidate));
            }
        }

        if (format is null && path != "-" && !IsDevice(path))
        {
            string extension = Path.GetExtension(path);
            return writable.FirstOrDefault(w => w.Format.Extension.Equals(extension, StringComparison.OrdinalIgnoreCase)).Format ?? throw new ConfigurationException(
                $"The extension of '{path}' names no trace format. Use {string.Join(" or ", writable.Select(w => w.Format.Extension))}, or name the format: {string.Join(", ", writable.Select(w => w.Name))}.");
        }

        string name = format ?? DefaultFormat;
        return writable.FirstOrDefault(w => w.Name == name).Format ?? throw new ConfigurationException(NearestNames.Unknown("format to write", name, writable.Select(w => w.Name)));
    }

    /// <summary>The file that a symbolic link stands for, so that the link stays.</summary>
    private static string Target(string path) => File.Exists(path) ? File.ResolveLinkTarget(path, returnFinalTarget: true)?.FullName ?? path : path;

    private static bool IsDevice(string path) => Path.GetFullPath(path).StartsWith("/dev/", StringComparison.Ordinal);

    /// <summary>Opens what must be written in place and not replaced (a device, a named pipe); null if <paramref name="path"/> is or will be a plain file.</summary>
    private static FileStream? OpenInPlace(string path)
    {
        if (!File.Exists(path))
        {
            return null;
        }

        FileStream existing = new(path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite, FileBufferBytes);
        if (IsDevice(path) || !existing.CanSeek)
        {
            return existing;
        }

        existing.Dispose();
        return null;
    }
}
