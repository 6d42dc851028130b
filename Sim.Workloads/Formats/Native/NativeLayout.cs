using System.Buffers.Binary;
using Sim.Core.Traces;

namespace Sim.Workloads.Formats.Native;

/// <summary>Versions of the native format: a member is named after what it introduced. A reader takes every minor of its own major.</summary>
internal static class NativeVersion
{
    /// <summary>Major 1, minor 0: columns of accesses and events, block checksums, index at the end.</summary>
    public const ushort ColumnsAndIndexMinor = 0;

    /// <summary>Minor 1: the header's member doubts.</summary>
    public const ushort DoubtsMinor = 1;

    /// <summary>The major that this program reads and writes.</summary>
    public const ushort Major = 1;

    /// <summary>The minor that a trace is written with: the lowest that has all of it, so that what an older version wrote stays the same byte for byte.</summary>
    public static ushort MinorOf(TraceHeader header) => header.Doubts.Count > 0 ? DoubtsMinor : ColumnsAndIndexMinor;
}

/// <summary>Fixed numbers of the native format; docs/trace-format.md is the specification.</summary>
internal static class NativeLayout
{
    /// <summary>Bytes before the header's JSON: magic (8), major (2), minor (2), endianness mark (4), JSON length (4).</summary>
    public const int PreambleBytes = 20;

    /// <summary>The 32-bit number 0x01020304 in the file's byte order.</summary>
    public const uint EndiannessMark = 0x01020304;

    /// <summary>Most bytes of the header's JSON.</summary>
    public const int MaxJsonBytes = 1 << 20;

    /// <summary>Bytes of a block's header, both checksums included.</summary>
    public const int BlockHeaderBytes = 44;

    /// <summary>Bytes of a block's header that its first checksum covers.</summary>
    public const int BlockHeaderCheckedBytes = 36;

    /// <summary>Most bytes of a block's payload.</summary>
    public const int MaxPayloadBytes = 1 << 23;

    /// <summary>Most UTF-8 bytes of a mark's text.</summary>
    public const int MaxMarkBytes = 1024;

    /// <summary>Bytes of the footer before the index: magic (4), blocks (8), records (8).</summary>
    public const int FooterHeadBytes = 20;

    /// <summary>Bytes of an index entry: offset (8), first record (8), first time (8), lane (4), accesses (4), events (4).</summary>
    public const int IndexEntryBytes = 36;

    /// <summary>Bytes of the footer after the index: chain checksum (4), footer checksum (4), footer offset (8), end magic (8).</summary>
    public const int TailBytes = 24;

    /// <summary>First bytes of a file. Not text, and not the same after a transfer that changes line ends or clears the eighth bit.</summary>
    public static ReadOnlySpan<byte> Magic => [0x89, (byte)'N', (byte)'S', (byte)'T', (byte)'\r', (byte)'\n', 0x1A, (byte)'\n'];

    /// <summary>Last bytes of a file.</summary>
    public static ReadOnlySpan<byte> EndMagic => "NSTend\r\n"u8;

    /// <summary>First bytes of a block.</summary>
    public static ReadOnlySpan<byte> BlockMagic => "NSTb"u8;

    /// <summary>First bytes of the footer.</summary>
    public static ReadOnlySpan<byte> FooterMagic => "NSTf"u8;
}

/// <summary>One entry of the index at the end of a file.</summary>
/// <param name="Offset">Where the block's header begins.</param>
/// <param name="FirstRecord">Index of its first record.</param>
/// <param name="FirstTime">Time of its first record.</param>
/// <param name="Lane">Its lane.</param>
/// <param name="Accesses">Its accesses.</param>
/// <param name="Events">Its events.</param>
internal readonly record struct IndexEntry(ulong Offset, ulong FirstRecord, ulong FirstTime, uint Lane, uint Accesses, uint Events)
{
    /// <summary>Reads <see cref="NativeLayout.IndexEntryBytes"/> bytes.</summary>
    public static IndexEntry Read(ReadOnlySpan<byte> from) => new(
        BinaryPrimitives.ReadUInt64LittleEndian(from),
        BinaryPrimitives.ReadUInt64LittleEndian(from[8..]),
        BinaryPrimitives.ReadUInt64LittleEndian(from[16..]),
        BinaryPrimitives.ReadUInt32LittleEndian(from[24..]),
        BinaryPrimitives.ReadUInt32LittleEndian(from[28..]),
        BinaryPrimitives.ReadUInt32LittleEndian(from[32..]));

    /// <summary>Writes <see cref="NativeLayout.IndexEntryBytes"/> bytes.</summary>
    public void Write(Span<byte> to)
    {
        BinaryPrimitives.WriteUInt64LittleEndian(to, Offset);
        BinaryPrimitives.WriteUInt64LittleEndian(to[8..], FirstRecord);
        BinaryPrimitives.WriteUInt64LittleEndian(to[16..], FirstTime);
        BinaryPrimitives.WriteUInt32LittleEndian(to[24..], Lane);
        BinaryPrimitives.WriteUInt32LittleEndian(to[28..], Accesses);
        BinaryPrimitives.WriteUInt32LittleEndian(to[32..], Events);
    }
}
