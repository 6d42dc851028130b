using System.Buffers.Binary;
using System.Text;
using Sim.Core.Traces;
using Sim.Workloads.Formats.Native;

namespace Sim.Workloads.Formats;

/// <summary>
/// Writes the native format, front to back, so that a pipe will do: header, blocks, and the index at the end. One block in, one block out: block boundaries are kept.
/// Records that the format cannot hold (flags, repeat, order, operands outside of <see cref="RecordSchema"/>) are a caller's mistake: <see cref="ArgumentException"/>.
/// </summary>
public sealed class NativeTraceWriter : ITraceWriter
{
    private static readonly UTF8Encoding Utf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    private readonly Stream _stream;
    private readonly ulong[] _lastTime;
    private readonly PayloadWriter _payload = new();
    private readonly PayloadWriter _index = new();
    private readonly ulong[] _numbers = new ulong[TraceBlock.MaxAccesses];
    private readonly byte[] _bytes = new byte[TraceBlock.MaxEvents];
    private readonly bool[] _kindPresent = new bool[RecordSchema.Kinds.Count];
    private ulong _offset;
    private ulong _records;
    private ulong _blocks;
    private ulong _lastFirstTime;
    private uint _chain;

    /// <summary>Writes the header. The stream belongs to the writer from now on.</summary>
    public NativeTraceWriter(Stream stream, TraceHeader header)
    {
        byte[] json = HeaderJson.Write(header, withRecords: true);
        if (json.Length > NativeLayout.MaxJsonBytes)
        {
            throw new ArgumentException($"The trace header takes {json.Length} bytes; {NativeLayout.MaxJsonBytes} are the limit.", nameof(header));
        }

        _stream = stream;
        _lastTime = new ulong[header.Lanes];
        PayloadWriter head = new();
        NativeLayout.Magic.CopyTo(head.Take(NativeLayout.Magic.Length));
        BinaryPrimitives.WriteUInt16LittleEndian(head.Take(sizeof(ushort)), NativeVersion.Major);
        BinaryPrimitives.WriteUInt16LittleEndian(head.Take(sizeof(ushort)), NativeVersion.MinorOf(header));
        head.UInt32(NativeLayout.EndiannessMark);
        head.UInt32((uint)json.Length);
        json.CopyTo(head.Take(json.Length));
        uint crc = Crc32C.Of(head.Written);
        head.UInt32(crc);
        Chain(crc);
        Put(head.Written);
    }

    /// <inheritdoc/>
    public void Write(TraceBlock block)
    {
        if (block.RecordCount == 0)
        {
            return;
        }

        Check(block);
        _payload.Clear();
        EncodeAccesses(block);
        EncodeEvents(block);
        if (_payload.Length > NativeLayout.MaxPayloadBytes)
        {
            throw new ArgumentException($"A block's records take {_payload.Length} bytes; {NativeLayout.MaxPayloadBytes} are the limit.", nameof(block));
        }

        new IndexEntry(_offset, _records, block.FirstTime, (uint)block.Lane, (uint)block.AccessCount, (uint)block.EventCount).Write(_index.Take(NativeLayout.IndexEntryBytes));
        Span<byte> header = stackalloc byte[NativeLayout.BlockHeaderBytes];
        NativeLayout.BlockMagic.CopyTo(header);
        BinaryPrimitives.WriteUInt32LittleEndian(header[4..], (uint)block.Lane);
        BinaryPrimitives.WriteUInt32LittleEndian(header[8..], (uint)block.AccessCount);
        BinaryPrimitives.WriteUInt32LittleEndian(header[12..], (uint)block.EventCount);
        BinaryPrimitives.WriteUInt64LittleEndian(header[16..], _records);
        BinaryPrimitives.WriteUInt64LittleEndian(header[24..], block.FirstTime);
        BinaryPrimitives.WriteUInt32LittleEndian(header[32..], (uint)_payload.Length);
        uint headerCrc = Crc32C.Of(header[..NativeLayout.BlockHeaderCheckedBytes]);
        uint payloadCrc = Crc32C.Of(_payload.Written);
        BinaryPrimitives.WriteUInt32LittleEndian(header[36..], headerCrc);
        BinaryPrimitives.WriteUInt32LittleEndian(header[40..], payloadCrc);
        Chain(headerCrc);
        Chain(payloadCrc);
        Put(header);
        Put(_payload.Written);
        _records += (ulong)block.RecordCount;
        _blocks++;
        _lastFirstTime = block.FirstTime;
        _lastTime[block.Lane] = block.LastTime;
    }

    /// <inheritdoc/>
    public void Complete()
    {
        PayloadWriter head = new();
        NativeLayout.FooterMagic.CopyTo(head.Take(NativeLayout.FooterMagic.Length));
        head.UInt64(_blocks);
        head.UInt64(_records);
        uint crc = Crc32C.Continue(Crc32C.Of(head.Written), _index.Written);
        PayloadWriter tail = new();
        tail.UInt32(_chain);
        crc = Crc32C.Continue(crc, tail.Written);
        tail.UInt32(crc);
        tail.UInt64(_offset);
        NativeLayout.EndMagic.CopyTo(tail.Take(NativeLayout.EndMagic.Length));
        Put(head.Written);
        Put(_index.Written);
        Put(tail.Written);
        _stream.Flush();
    }

    /// <inheritdoc/>
    public void Dispose() => _stream.Dispose();

    private void Put(ReadOnlySpan<byte> bytes)
    {
        _stream.Write(bytes);
        _offset += (ulong)bytes.Length;
    }

    private void Chain(uint crc)
    {
        Span<byte> bytes = stackalloc byte[sizeof(uint)];
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, crc);
        _chain = Crc32C.Continue(_chain, bytes);
    }

    private void Check(TraceBlock block)
    {
        if ((uint)block.Lane >= (uint)_lastTime.Length)
        {
            throw new ArgumentException($"Lane {block.Lane} of a trace with {_lastTime.Length} lanes.", nameof(block));
        }

        ulong last = Math.Max(_lastTime[block.Lane], _lastFirstTime);
        for (int access = 0, e = 0; access < block.AccessCount || e < block.EventCount;)
        {
            bool isEvent = e < block.EventCount && block.EventPosition[e] <= access;
            ulong time = isEvent ? block.Events[e].Time : block.Time[access];
            if (time < last)
            {
                throw new ArgumentException($"Time goes back in lane {block.Lane}, record {_records + (ulong)(access + e)}: {last} came before {time}.", nameof(block));
            }

            last = time;
            if (isEvent)
            {
                CheckEvent(block.Events[e++]);
            }
            else
            {
                CheckAccess(block.Flags[access], block.Repeat[access]);
                access++;
            }
        }
    }

    private static void CheckAccess(byte flags, uint repeat)
    {
        if (!NativeTraceReader.IsLegal(flags) || repeat == 0)
        {
            throw new ArgumentException($"An access with flags 0x{flags:x2} and repeat {repeat} cannot be.");
        }
    }

    private static void CheckEvent(in TraceEvent e)
    {
        if (e.Kind is RecordKind.Access || !HeaderJson.FileSchema.IsKnown((byte)e.Kind) || e.Level > NativeTraceReader.MaxLevel)
        {
            throw new ArgumentException($"An event of kind {(byte)e.Kind} at level {e.Level} cannot be.");
        }

        int used = 0;
        foreach (FieldSpec field in RecordSchema.Fields(e.Kind))
        {
            used |= 1 << field.Slot;
        }

        for (int slot = 0; slot < RecordSchema.OperandSlots; slot++)
        {
            if ((used & (1 << slot)) == 0 && e[slot] != 0)
            {
                throw new ArgumentException($"{e.Kind} has no operand in slot {slot}, so its value {e[slot]} would be lost.");
            }
        }

        if (e.Kind != RecordKind.Mark && e.Text is not null)
        {
            throw new ArgumentException($"{e.Kind} has no text, so '{e.Text}' would be lost.");
        }
    }

    private void EncodeAccesses(TraceBlock block)
    {
        int count = block.AccessCount;
        if (count == 0)
        {
            return;
        }

        ByteColumn.Encode(block.Flags.AsSpan(0, count), _payload);
        Span<ulong> previous = stackalloc ulong[NativeTraceReader.AddressContexts];
        previous.Clear();
        Span<ulong> numbers = _numbers.AsSpan(0, count);
        for (int i = 0; i < count; i++)
        {
            ref ulong before = ref previous[block.Flags[i] & (NativeTraceReader.AddressContexts - 1)];
            numbers[i] = NumberColumn.ZigZag(block.Address[i] - before);
            before = block.Address[i];
        }

        NumberColumn.Encode(numbers, _payload);
        ulong time = block.FirstTime;
        for (int i = 0; i < count; i++)
        {
            numbers[i] = block.Time[i] - time;
            time = block.Time[i];
        }

        NumberColumn.Encode(numbers, _payload);
        for (int i = 0; i < count; i++)
        {
            numbers[i] = block.Repeat[i] - 1;
        }

        NumberColumn.Encode(numbers, _payload);
    }

    private void EncodeEvents(TraceBlock block)
    {
        int count = block.EventCount;
        if (count == 0)
        {
            return;
        }

        ReadOnlySpan<TraceEvent> events = block.Events.AsSpan(0, count);
        Span<ulong> numbers = _numbers.AsSpan(0, count);
        Array.Clear(_kindPresent);
        for (int i = 0; i < count; i++)
        {
            _bytes[i] = (byte)events[i].Kind;
            _kindPresent[_bytes[i]] = true;
        }

        ByteColumn.Encode(_bytes.AsSpan(0, count), _payload);
        for (int i = 0; i < count; i++)
        {
            _bytes[i] = events[i].Level;
        }

        ByteColumn.Encode(_bytes.AsSpan(0, count), _payload);
        for (int i = 0; i < count; i++)
        {
            numbers[i] = (ulong)(block.EventPosition[i] - (i == 0 ? 0 : block.EventPosition[i - 1]));
        }

        NumberColumn.Encode(numbers, _payload);
        ulong time = block.FirstTime;
        for (int i = 0; i < count; i++)
        {
            int position = block.EventPosition[i];
            time = position == 0 ? time : Math.Max(time, block.Time[position - 1]);
            numbers[i] = events[i].Time - time;
            time = events[i].Time;
        }

        NumberColumn.Encode(numbers, _payload);
        foreach (RecordKind kind in RecordSchema.Kinds)
        {
            if (_kindPresent[(int)kind])
            {
                EncodeKind(events, kind);
            }
        }
    }

    private void EncodeKind(ReadOnlySpan<TraceEvent> events, RecordKind kind)
    {
        int lengthAt = _payload.Length;
        _payload.UInt32(0);
        foreach (FieldSpec field in RecordSchema.Fields(kind))
        {
            int count = 0;
            ulong previous = 0;
            foreach (ref readonly TraceEvent e in events)
            {
                if (e.Kind == kind)
                {
                    ulong value = e[field.Slot];
                    _numbers[count++] = NumberColumn.ZigZag(value - previous);
                    previous = value;
                }
            }

            NumberColumn.Encode(_numbers.AsSpan(0, count), _payload);
        }

        if (kind == RecordKind.Mark)
        {
            EncodeTexts(events);
        }

        _payload.Patch(lengthAt, (uint)(_payload.Length - lengthAt - sizeof(uint)));
    }

    private void EncodeTexts(ReadOnlySpan<TraceEvent> events)
    {
        int marks = 0;
        foreach (ref readonly TraceEvent e in events)
        {
            if (e.Kind == RecordKind.Mark)
            {
                int length = Utf8.GetByteCount(e.Text ?? "");
                if (length > NativeLayout.MaxMarkBytes)
                {
                    throw new ArgumentException($"A mark's text takes {length} bytes; {NativeLayout.MaxMarkBytes} are the limit.");
                }

                _numbers[marks++] = (ulong)length;
            }
        }

        NumberColumn.Encode(_numbers.AsSpan(0, marks), _payload);
        foreach (ref readonly TraceEvent e in events)
        {
            if (e.Kind == RecordKind.Mark)
            {
                string text = e.Text ?? "";
                Utf8.GetBytes(text, _payload.Take(Utf8.GetByteCount(text)));
            }
        }
    }
}
