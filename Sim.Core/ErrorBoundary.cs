using System.Text;
using System.Text.Json;

namespace Sim.Core;

/// <summary>
/// Which exceptions are no bug of ours: what the system refuses (files, pipes, memory) and what is no text or no JSON although everybody who reads such files says so better. It is asked
/// where an error leaves: by the command, and by a run of several. Everything else is a bug.
/// </summary>
public static class ErrorBoundary
{
    private const int BrokenPipe = 32;

    /// <summary>The user's error that an exception stands for; null if it is our own bug, or a cancellation.</summary>
    public static NestsimException? Known(Exception exception) => exception switch
    {
        NestsimException known => known,
        AggregateException { InnerException: { } inner } => Known(inner),
        IOException { HResult: BrokenPipe } e => new PipeClosedException(e),
        OutOfMemoryException => new ConfigurationException("There is not enough memory for this. Use a smaller machine, a shorter window (--measure) or fewer policies at once (--jobs).", exception),
        IOException or UnauthorizedAccessException => new ConfigurationException($"A file cannot be read or written: {exception.Message} Look at the disk's room and at the rights of the files that the command names.", exception),
        JsonException e => new TraceFormatException("a JSON file", $"line {(e.LineNumber ?? 0) + 1}", "JSON", "something else", "The file is damaged.", e),
        DecoderFallbackException e => new TraceFormatException("a text file", $"offset {e.Index}", "text in UTF-8", "other bytes", "The file is damaged or in another encoding.", e),
        InvalidDataException => new TraceFormatException("a compressed file", "its data", "compressed data", "damage: " + exception.Message, "Get the file again.", exception),
        _ => null,
    };
}
