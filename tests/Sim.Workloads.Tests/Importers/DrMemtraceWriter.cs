using System.Buffers.Binary;

namespace Sim.Workloads.Tests.Importers;

/// <summary>Writes drmemtrace entries byte by byte, as DynamoRIO's trace_entry.h describes them: kind, size, value, little-endian, 12 bytes.</summary>
internal sealed class DrMemtraceWriter
{
    private readonly List<byte> _bytes = [];

    /// <summary>The entries so far.</summary>
    public byte[] Bytes => [.. _bytes];

    /// <summary>One entry.</summary>
    public DrMemtraceWriter Entry(int kind, int size, ulong value)
    {
        Span<byte> entry = stackalloc byte[12];
        BinaryPrimitives.WriteUInt16LittleEndian(entry, (ushort)kind);
        BinaryPrimitives.WriteUInt16LittleEndian(entry[2..], (ushort)size);
        BinaryPrimitives.WriteUInt64LittleEndian(entry[4..], value);
        _bytes.AddRange(entry);
        return this;
    }

    /// <summary>What a thread's file begins with: header, version, type, thread, process, line, chunk and page size, and the first timestamp with its CPU.</summary>
    public DrMemtraceWriter Begin(ulong thread = 100, ulong process = 100, ulong timestamp = 1000, ulong type = 0x240, ulong version = 5) =>
        Entry(25, 0, version).Marker(12, version).Marker(9, type).Entry(22, 4, thread).Entry(24, 4, process).Marker(10, 64).Marker(20, 10_000_000).Marker(18, 4096).Timestamp(timestamp);

    /// <summary>A marker.</summary>
    public DrMemtraceWriter Marker(int marker, ulong value) => Entry(28, marker, value);

    /// <summary>A timestamp and the CPU.</summary>
    public DrMemtraceWriter Timestamp(ulong value) => Marker(2, value).Marker(3, 1);

    /// <summary>An instruction with its bytes.</summary>
    public DrMemtraceWriter Fetch(ulong address, int size = 4, int kind = 10) => size == 0 ? Entry(kind, 0, address) : Entry(47, Math.Min(size, 8), 0x90).Entry(kind, size, address);

    /// <summary>A load.</summary>
    public DrMemtraceWriter Load(ulong address, int size = 8) => Entry(0, size, address);

    /// <summary>A store.</summary>
    public DrMemtraceWriter Store(ulong address, int size = 8) => Entry(1, size, address);

    /// <summary>What a thread's file ends with.</summary>
    public DrMemtraceWriter End(ulong thread = 100) => Entry(23, 4, thread).Entry(26, 0, 0);
}
