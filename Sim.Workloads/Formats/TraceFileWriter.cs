using System.IO.Compression;
using Sim.Core;
using Sim.Core.Files;
using Sim.Core.Traces;

namespace Sim.Workloads.Formats;

/// <summary>A trace file being written. It appears under its name when <see cref="Complete()"/> is called; disposed before that, it leaves nothing behind.</summary>
public sealed class TraceFileWriter : ITraceWriter
{
    private const string Gzip = ".gz";
    private const string DefaultFormat = "native";

    private readonly ITraceWriter _writer;
    private readonly OutputFile? _file;
    private bool _complete;

    private TraceFileWriter(ITraceWriter writer, OutputFile? file)
    {
        _writer = writer;
        _file = file;
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
    /// <param name="doubts">What only the last record told.</param>
    /// <param name="together">Files, written already, that appear with the trace or not at all.</param>
    public void Complete(IReadOnlyList<Doubt> doubts, params IReadOnlyList<OutputFile> together)
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
        OutputFile.Commit(_file is null ? together : [_file, .. together]);
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
            _file?.Dispose();
        }
    }

    /// <summary>See <see cref="TraceFile.Create"/>.</summary>
    internal static TraceFileWriter Create(string path, TraceHeader header, string? format, bool isDraft, IEnumerable<string> inputs)
    {
        if (path == "-")
        {
            return new TraceFileWriter(Begin(StandardOutput.Open(), Choose(path, format, true), Path.GetTempPath()), null);
        }

        OutputFile file = OutputFile.Check(path, "trace", inputs);
        bool compressed = path.EndsWith(Gzip, StringComparison.OrdinalIgnoreCase);
        IWritableTraceFormat writable = Choose(compressed ? path[..^Gzip.Length] : path, format, file.IsInPlace);
        try
        {
            Stream stream = file.Open();
            return new TraceFileWriter(Begin(compressed ? new GZipStream(stream, CompressionLevel.Optimal) : stream, writable, file.IsInPlace ? Path.GetTempPath() : Path.GetDirectoryName(Path.GetFullPath(path))!), file);
        }
        catch
        {
            file.Dispose();
            throw;
        }

        ITraceWriter Begin(Stream output, IWritableTraceFormat writable, string folder) => isDraft ? new TraceDraft(header, folder, output, writable.Create) : writable.Create(output, header);
    }

    private static IWritableTraceFormat Choose(string path, string? format, bool hasNoExtension)
    {
        List<(string Name, IWritableTraceFormat Format)> writable = [];
        foreach (Catalogue<ITraceFormat>.Entry entry in TraceFile.Formats.Entries)
        {
            if (TraceFile.Formats.Create(entry.Name) is IWritableTraceFormat candidate)
            {
                writable.Add((entry.Name, candidate));
            }
        }

        if (format is null && !hasNoExtension)
        {
            string extension = Path.GetExtension(path);
            return writable.FirstOrDefault(w => w.Format.Extension.Equals(extension, StringComparison.OrdinalIgnoreCase)).Format ?? throw new ConfigurationException(
                $"The extension of '{path}' names no trace format. Use {string.Join(" or ", writable.Select(w => w.Format.Extension))}, or name the format: {string.Join(", ", writable.Select(w => w.Name))}.");
        }

        string name = format ?? DefaultFormat;
        return writable.FirstOrDefault(w => w.Name == name).Format ?? throw new ConfigurationException(NearestNames.Unknown("format to write", name, writable.Select(w => w.Name)));
    }
}
