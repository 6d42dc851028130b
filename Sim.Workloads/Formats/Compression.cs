namespace Sim.Workloads.Formats;

/// <summary>One layer of gzip, xz or zstd around an input, recognised by its first bytes and decompressed in this process: no program is started for a file that somebody sent.</summary>
internal static class Compression
{
    /// <summary>
    /// The content of the layer, or null if the head is that of no compressor. The content is whole or refused: data that is cut short, damaged, or followed by what is no
    /// compressed data ends in an <see cref="InvalidDataException"/> when it is read.
    /// </summary>
    public static Stream? Unwrap(Stream content, ReadOnlySpan<byte> head)
    {
        if (head.StartsWith(Signatures.Gzip))
        {
            return new GzipInput(content);
        }

        if (head.StartsWith(Signatures.Xz))
        {
            return new XzInput(content);
        }

        return head.StartsWith(Signatures.Zstd) ? new ZstdInput(content) : null;
    }
}
