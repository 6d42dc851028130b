namespace Sim.Workloads.Formats;

/// <summary>One layer of gzip, xz, zstd, bzip2, LZ4, snappy or zip around an input, recognised by its first bytes and decompressed in this process: no program is started for a file that somebody sent.</summary>
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

        if (head.StartsWith(Signatures.Zstd))
        {
            return new ZstdInput(content);
        }

        if (Signatures.IsBzip2(head))
        {
            return new Bzip2Input(content);
        }

        if (head.StartsWith(Signatures.Lz4))
        {
            return new Lz4Input(content);
        }

        if (head.StartsWith(Signatures.Snappy))
        {
            return new SnappyInput(content);
        }

        return head.StartsWith(Signatures.Zip) ? new ZipInput(content) : null;
    }
}
