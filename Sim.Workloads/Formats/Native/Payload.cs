using System.Buffers.Binary;
using Sim.Core;

namespace Sim.Workloads.Formats.Native;

/// <summary>A growing buffer that a block's columns are encoded into. Little-endian.</summary>
internal sealed class PayloadWriter
{
    private byte[] _bytes = new byte[1 << 16];

    /// <summary>Bytes written since <see cref="Clear"/>.</summary>
    public int Length { get; private set; }

    /// <summary>What was written.</summary>
    public ReadOnlySpan<byte> Written => _bytes.AsSpan(0, Length);

    /// <summary>Forgets everything, keeps the memory.</summary>
    public void Clear() => Length = 0;

    /// <summary>The next <paramref name="count"/> bytes, to be filled by the caller. Valid until the next call.</summary>
    public Span<byte> Take(int count)
    {
        if (Length + count > _bytes.Length)
        {
            Array.Resize(ref _bytes, Math.Max(Length + count, _bytes.Length * 2));
        }

        Span<byte> room = _bytes.AsSpan(Length, count);
        Length += count;
        return room;
    }

    /// <summary>Gives back what <see cref="Take"/> took and the caller did not need.</summary>
    public void Shorten(int length) => Length = length;

    /// <summary>Appends one byte.</summary>
    public void Byte(byte value) => Take(1)[0] = value;

    /// <summary>Appends 32 bits.</summary>
    public void UInt32(uint value) => BinaryPrimitives.WriteUInt32LittleEndian(Take(sizeof(uint)), value);

    /// <summary>Appends 64 bits.</summary>
    public void UInt64(ulong value) => BinaryPrimitives.WriteUInt64LittleEndian(Take(sizeof(ulong)), value);

    /// <summary>Overwrites the 32 bits at <paramref name="at"/>, for a length that is known only afterwards.</summary>
    public void Patch(int at, uint value) => BinaryPrimitives.WriteUInt32LittleEndian(_bytes.AsSpan(at, sizeof(uint)), value);
}

/// <summary>A block's payload being decoded. Every length is checked here against what is there, before it is believed.</summary>
internal sealed class PayloadReader(string name)
{
    /// <summary>Bytes that may be read (never used) past the payload's end, so that decoders load whole words.</summary>
    private const int Slack = sizeof(ulong);

    private byte[] _bytes = new byte[(1 << 18) + Slack];
    private long _offset;
    private int _position;
    private int _end;

    /// <summary>True if everything was consumed.</summary>
    public bool AtEnd => _position == _end;

    /// <summary>Makes room for a payload of <paramref name="length"/> bytes that lies at <paramref name="offset"/> of the content; the caller fills it.</summary>
    public Span<byte> Begin(int length, long offset)
    {
        if (length + Slack > _bytes.Length)
        {
            _bytes = new byte[Math.Max(length + Slack, _bytes.Length * 2)];
        }

        _offset = offset;
        _position = 0;
        _end = length;
        return _bytes.AsSpan(0, length);
    }

    /// <summary>Consumes <paramref name="count"/> bytes.</summary>
    public ReadOnlySpan<byte> Take(long count, string what)
    {
        if (count > _end - _position)
        {
            throw Bad($"{count} bytes of {what}", $"{_end - _position} bytes before the block's end");
        }

        ReadOnlySpan<byte> taken = _bytes.AsSpan(_position, (int)count);
        _position += (int)count;
        return taken;
    }

    /// <summary>Consumes <paramref name="count"/> bytes; the eight bytes after them may be loaded too.</summary>
    public ref byte TakeWithSlack(long count, string what)
    {
        int start = _position;
        Take(count, what);
        return ref _bytes[start];
    }

    /// <summary>Consumes one byte.</summary>
    public byte Byte(string what) => Take(1, what)[0];

    /// <summary>Consumes 32 bits.</summary>
    public uint UInt32(string what) => BinaryPrimitives.ReadUInt32LittleEndian(Take(sizeof(uint), what));

    /// <summary>Bytes consumed so far.</summary>
    public int Position => _position;

    /// <summary>The error for a value that cannot be, at the place reached.</summary>
    public TraceFormatException Bad(string expected, string found) => new(
        name, $"offset {_offset + _position}", expected, found, "The checksum is right, so whatever wrote this block wrote it wrongly: convert the trace again from its origin.");
}
