using System.Text;

namespace Sim.Workloads.Formats;

/// <summary>First bytes of well-known kinds of file: to unwrap compression, and to tell the user what the input looks like instead of a trace.</summary>
internal static class Signatures
{
    private const int ShownBytes = 16;
    private const int ShownCharacters = 60;

    /// <summary>Gzip with its only method, deflate (RFC 1952).</summary>
    public static ReadOnlySpan<byte> Gzip => [0x1F, 0x8B, 0x08];

    /// <summary>The .xz format.</summary>
    public static ReadOnlySpan<byte> Xz => [0xFD, (byte)'7', (byte)'z', (byte)'X', (byte)'Z', 0x00];

    /// <summary>Zstandard frame (RFC 8878).</summary>
    public static ReadOnlySpan<byte> Zstd => [0x28, 0xB5, 0x2F, 0xFD];

    /// <summary>"what looks like ..." for an input that no format claims.</summary>
    public static string Describe(ReadOnlySpan<byte> head)
    {
        if (head.StartsWith(Gzip) || head.StartsWith(Xz) || head.StartsWith(Zstd))
        {
            return "compressed data inside too many layers of compression";
        }

        if (head.StartsWith("BZh"u8))
        {
            return "what looks like bzip2 data";
        }

        if (head.StartsWith("PK\x03\x04"u8))
        {
            return "what looks like a zip archive";
        }

        if (head.StartsWith("\u007FELF"u8))
        {
            return "what looks like an ELF program";
        }

        if (head.StartsWith("PERFILE2"u8))
        {
            return "what looks like perf.data (run 'perf script' on it first)";
        }

        if (head.StartsWith((ReadOnlySpan<byte>)[0x17, 0x08, 0x44, (byte)'t', (byte)'r', (byte)'a', (byte)'c', (byte)'i', (byte)'n', (byte)'g']))
        {
            return "what looks like trace.dat (run 'trace-cmd report' on it first)";
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
