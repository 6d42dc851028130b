using System.IO.Compression;
using Sim.Core;
using Sim.Workloads.Formats;

namespace Sim.Workloads.Kernel;

/// <summary>Opens the text of a capture or kernel trace: plain, gzip, xz or zstd, found by content.</summary>
public static class CaptureText
{
    private const int HeadBytes = 8;

    /// <summary>The decompressed content of a file, or of standard input if <paramref name="path"/> is "-". The caller owns the stream.</summary>
    /// <exception cref="ConfigurationException">There is no such file, it may not be read, or a program to decompress it is missing.</exception>
    public static Stream Open(string path)
    {
        if (path == "-")
        {
            return Unwrap(Console.OpenStandardInput(), "stdin");
        }

        try
        {
            return Unwrap(new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, 1 << 16, FileOptions.SequentialScan), path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException)
        {
            throw new ConfigurationException($"The capture '{path}' cannot be opened: {e.Message} Give the path of a text file, or - for standard input.", e);
        }
    }

    private static TraceInput Unwrap(Stream stream, string name)
    {
        TraceInput content = new(stream, name, hashed: false);
        ReadOnlySpan<byte> head = content.Peek(HeadBytes);
        if (head.StartsWith(Signatures.Gzip))
        {
            return new TraceInput(new GZipStream(content, CompressionMode.Decompress), name, hashed: false);
        }

        if (head.StartsWith(Signatures.Xz))
        {
            return new TraceInput(new ExternalDecompressor("xz", "xz-utils", content, name), name, hashed: false);
        }

        return head.StartsWith(Signatures.Zstd) ? new TraceInput(new ExternalDecompressor("zstd", "zstd", content, name), name, hashed: false) : content;
    }
}
