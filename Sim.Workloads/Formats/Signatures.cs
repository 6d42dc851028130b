using System.Text;

namespace Sim.Workloads.Formats;

/// <summary>First bytes of well-known kinds of file: to unwrap compression, and to tell the user what the input looks like instead of a trace.</summary>
internal static class Signatures
{
    /// <summary>How many bytes <see cref="IsBzip2"/> needs.</summary>
    public const int Bzip2Bytes = 10;

    private const int ShownBytes = 16;
    private const int ShownCharacters = 60;

    /// <summary>Gzip with its only method, deflate (RFC 1952).</summary>
    public static ReadOnlySpan<byte> Gzip => [0x1F, 0x8B, 0x08];

    /// <summary>The .xz format.</summary>
    public static ReadOnlySpan<byte> Xz => [0xFD, (byte)'7', (byte)'z', (byte)'X', (byte)'Z', 0x00];

    /// <summary>Zstandard frame (RFC 8878).</summary>
    public static ReadOnlySpan<byte> Zstd => [0x28, 0xB5, 0x2F, 0xFD];

    /// <summary>LZ4 frame.</summary>
    public static ReadOnlySpan<byte> Lz4 => [0x04, 0x22, 0x4D, 0x18];

    /// <summary>What a snappy stream's identifier says.</summary>
    public static ReadOnlySpan<byte> SnappyName => "sNaPpY"u8;

    /// <summary>Snappy stream in the framing format.</summary>
    public static ReadOnlySpan<byte> Snappy => [0xFF, 0x06, 0x00, 0x00, (byte)'s', (byte)'N', (byte)'a', (byte)'P', (byte)'p', (byte)'Y'];

    /// <summary>Zip archive that begins with a file.</summary>
    public static ReadOnlySpan<byte> Zip => "PK\x03\x04"u8;

    /// <summary>True for bzip2: its name, a level, and the first block or the end.</summary>
    public static bool IsBzip2(ReadOnlySpan<byte> head) =>
        head.Length >= Bzip2Bytes && head.StartsWith("BZh"u8) && head[3] is >= (byte)'1' and <= (byte)'9'
        && (head[4..].StartsWith((ReadOnlySpan<byte>)[0x31, 0x41, 0x59, 0x26, 0x53, 0x59]) || head[4..].StartsWith((ReadOnlySpan<byte>)[0x17, 0x72, 0x45, 0x38, 0x50, 0x90]));

    /// <summary>"what looks like ..." for an input that no format claims.</summary>
    public static string Describe(ReadOnlySpan<byte> head)
    {
        if (head.StartsWith(Gzip) || head.StartsWith(Xz) || head.StartsWith(Zstd) || IsBzip2(head) || head.StartsWith(Lz4) || head.StartsWith(Snappy) || head.StartsWith(Zip))
        {
            return "compressed data inside too many layers of compression";
        }

        if (head.StartsWith("\u007FELF"u8))
        {
            return "what looks like an ELF program";
        }

        if (UnreadFormats.Of(head) is { } unread)
        {
            return $"what looks like {unread.Name}";
        }

        if (head.StartsWith((ReadOnlySpan<byte>)[0xFF, 0xFE]) || head.StartsWith((ReadOnlySpan<byte>)[0xFE, 0xFF]))
        {
            return "what looks like UTF-16 text";
        }

        return head.ContainsAnyInRange((byte)0x00, (byte)0x08) ? $"bytes {Hex(head)}" : $"text that begins '{FirstLine(head)}'";
    }

    /// <summary>The first bytes in hexadecimal.</summary>
    public static string Hex(ReadOnlySpan<byte> bytes) =>
        Convert.ToHexStringLower(bytes[..Math.Min(bytes.Length, ShownBytes)]) + (bytes.Length > ShownBytes ? "..." : "");

    private static string FirstLine(ReadOnlySpan<byte> head)
    {
        int end = head.IndexOfAny((byte)'\n', (byte)'\r');
        string line = Encoding.UTF8.GetString(end < 0 ? head : head[..end]);
        return line.Length > ShownCharacters ? line[..ShownCharacters] + "..." : line;
    }
}
