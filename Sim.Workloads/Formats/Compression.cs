using System.IO.Compression;

namespace Sim.Workloads.Formats;

/// <summary>One layer of gzip, xz or zstd around an input, recognised by its first bytes.</summary>
internal static class Compression
{
    /// <summary>The content of the layer, or null if the head is that of no compressor. gzip is the run time's; xz and zstd are the system's programs.</summary>
    /// <exception cref="Core.ConfigurationException">The program that decompresses it is missing.</exception>
    public static Stream? Unwrap(TraceInput content, ReadOnlySpan<byte> head, string name)
    {
        if (head.StartsWith(Signatures.Gzip))
        {
            return new GZipStream(content, CompressionMode.Decompress);
        }

        if (head.StartsWith(Signatures.Xz))
        {
            return new ExternalDecompressor("xz", "xz-utils", content, name);
        }

        return head.StartsWith(Signatures.Zstd) ? new ExternalDecompressor("zstd", "zstd", content, name) : null;
    }
}
