using System.Buffers;
using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Sim.Core;
using Sim.Core.Traces;
using Sim.Workloads.Formats.Native;

namespace Sim.Workloads.Formats;

/// <summary>
/// Reads the native format, front to back from a pipe or file, or from any place of a file through its index. Memory is a few buffers, whatever the file's size.
/// Everything is checked before it is used: the checksums find damage, the ranges find writers that are wrong.
/// </summary>
/// <remarks>Events of kinds that a newer minor version introduced are left out and counted in <see cref="SkippedEvents"/>; record indices still count them.</remarks>
public sealed class NativeTraceReader : ISeekableTraceSource
{
    /// <summary>Highest level that can execute: L2.</summary>
    internal const byte MaxLevel = 2;

    /// <summary>Each combination of type and privilege level predicts its addresses apart: the low four bits of the flags.</summary>
    internal const int AddressContexts = 16;

    private const int AccessFlagValues = 1 << 7;
    private const int MaxSizeLog2 = 6;
    private const string DamageHint = "The file is damaged; get it again or make it again.";
    private const string TruncatedHint = "The file is cut short: whatever wrote it was interrupted, or the copy is not complete.";

    private static readonly UTF8Encoding Utf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>Flags of accesses that mean something.</summary>
    internal static readonly SearchValues<byte> LegalFlags = SearchValues.Create([.. Enumerable.Range(0, 256).Select(flags => (byte)flags).Where(IsLegal)]);

    private readonly Stream _stream;
    private readonly string _name;
    private readonly HeaderJson.FileSchema _schema;
    private readonly long _firstBlock;
    private readonly ulong[] _lastTime;
    private readonly PayloadReader _payload;
    private readonly ulong[] _numbers;
    private readonly byte[] _kinds = new byte[TraceBlock.MaxEvents];
    private readonly byte[] _levels = new byte[TraceBlock.MaxEvents];
    private readonly int[] _ofKind = new int[TraceBlock.MaxEvents];
    private IndexEntry[]? _index;
    private long _offset;
    private ulong _records;
    private ulong _blocks;
    private ulong _lastFirstTime;
    private uint _chain;
    private uint _indexCrc;
    private bool _inOnePass = true;
    private bool _ended;

    /// <summary>Reads the header. The stream belongs to the reader from now on.</summary>
    /// <exception cref="TraceFormatException">It is no native trace, of a newer major version, or damaged.</exception>
    public NativeTraceReader(Stream stream, string name)
    {
        _stream = stream;
        _name = name;
        (Header, _schema) = ReadHeader();
        _payload = new PayloadReader(name);
        _numbers = new ulong[TraceBlock.MaxAccesses];
        _lastTime = new ulong[Header.Lanes];
        _firstBlock = _offset;
    }

    /// <inheritdoc/>
    public TraceHeader Header { get; }

    /// <summary>Events left out so far because this program does not know their kind.</summary>
    public ulong SkippedEvents { get; private set; }

    /// <inheritdoc/>
    public bool CanSeek => _stream.CanSeek;

    /// <inheritdoc/>
    public bool Read(TraceBlock block)
    {
        while (ReadBlock(block))
        {
            if (block.RecordCount > 0)
            {
                return true;
            }
        }

        return false;
    }

    /// <inheritdoc/>
    public void SeekToRecord(ulong record)
    {
        IndexEntry[] index = Index();
        int next = Array.FindIndex(index, entry => entry.FirstRecord + entry.Accesses + entry.Events > record);
        SeekTo(index, next < 0 ? index.Length : next);
    }

    /// <inheritdoc/>
    public void SeekToTime(ulong time)
    {
        IndexEntry[] index = Index();
        int[] next = new int[Header.Lanes];
        Array.Fill(next, -1);
        for (int i = 0; i < index.Length; i++)
        {
            int lane = (int)index[i].Lane;
            if (next[lane] < 0 || index[i].FirstTime < time)
            {
                next[lane] = i;
            }
        }

        SeekTo(index, next.Where(block => block >= 0).DefaultIfEmpty(index.Length).Min());
    }

    /// <inheritdoc/>
    public void Dispose() => _stream.Dispose();

    /// <summary>True if the flags of an access name a type and a size that exist.</summary>
    internal static bool IsLegal(byte flags) => flags < AccessFlagValues && (flags & AccessFlags.TypeMask) <= (int)AccessType.Execute && flags >> 4 <= MaxSizeLog2;

    private (TraceHeader Header, HeaderJson.FileSchema Schema) ReadHeader()
    {
        byte[] preamble = new byte[NativeLayout.PreambleBytes];
        ReadExactly(preamble, "the file's first bytes");
        if (!preamble.AsSpan().StartsWith(NativeLayout.Magic))
        {
            throw Bad(0, "the first bytes of a native trace, " + Signatures.Hex(NativeLayout.Magic), Signatures.Describe(preamble), "A transfer in text mode, or damage, changes them.");
        }

        ushort major = BinaryPrimitives.ReadUInt16LittleEndian(preamble.AsSpan(8));
        if (major != NativeVersion.Major)
        {
            string hint = major > NativeVersion.Major ? $"It needs a nestsim that reads major version {major}: take a newer one." : "The file is damaged.";
            throw Bad(8, $"major version {NativeVersion.Major}", $"{major}", hint);
        }

        uint mark = BinaryPrimitives.ReadUInt32LittleEndian(preamble.AsSpan(12));
        if (mark != NativeLayout.EndiannessMark)
        {
            throw Bad(12, $"the endianness mark 0x{NativeLayout.EndiannessMark:x8}", $"0x{mark:x8}", "Native traces are little-endian; this one is not, or is damaged.");
        }

        uint length = BinaryPrimitives.ReadUInt32LittleEndian(preamble.AsSpan(16));
        if (length > NativeLayout.MaxJsonBytes)
        {
            throw Bad(16, $"a header of at most {NativeLayout.MaxJsonBytes} bytes", $"{length}", DamageHint);
        }

        byte[] json = new byte[length];
        ReadExactly(json, "the header's JSON");
        uint found = Crc32C.Continue(Crc32C.Of(preamble), json);
        uint expected = ReadUInt32("the header's checksum");
        if (found != expected)
        {
            throw Bad(0, $"a header with checksum 0x{expected:x8}", $"0x{found:x8}", DamageHint);
        }

        Chain(expected);
        return HeaderJson.Parse(json, _name, $"offset {NativeLayout.PreambleBytes}");
    }

    /// <summary>Reads one block, which is empty if this program knows none of its records; false at the end.</summary>
    private bool ReadBlock(TraceBlock block)
    {
        if (_ended)
        {
            return false;
        }

        Span<byte> header = stackalloc byte[NativeLayout.BlockHeaderBytes];
        ReadExactly(header[..4], "a block or the footer");
        if (header[..4].SequenceEqual(NativeLayout.FooterMagic))
        {
            ReadFooter();
            _ended = true;
            return false;
        }

        if (!header[..4].SequenceEqual(NativeLayout.BlockMagic))
        {
            throw Bad(_offset - 4, "the first bytes of a block or of the footer", Signatures.Hex(header[..4]), DamageHint);
        }

        ReadExactly(header[4..], "a block's header");
        int payloadBytes = BeginBlock(header, block, out int accesses, out int events);
        long payloadAt = _offset;
        Span<byte> payload = _payload.Begin(payloadBytes, payloadAt);
        ReadExactly(payload, "a block's payload");
        uint crc = Crc32C.Of(payload);
        uint expected = BinaryPrimitives.ReadUInt32LittleEndian(header[40..]);
        if (crc != expected)
        {
            throw Bad(payloadAt, $"a payload of {payloadBytes} bytes with checksum 0x{expected:x8}", $"0x{crc:x8}", DamageHint);
        }

        Decode(block, accesses, events, BinaryPrimitives.ReadUInt64LittleEndian(header[24..]));
        return true;
    }

    private int BeginBlock(ReadOnlySpan<byte> header, TraceBlock block, out int accesses, out int events)
    {
        long at = _offset - NativeLayout.BlockHeaderBytes;
        uint headerCrc = Crc32C.Of(header[..NativeLayout.BlockHeaderCheckedBytes]);
        uint expectedCrc = BinaryPrimitives.ReadUInt32LittleEndian(header[36..]);
        if (headerCrc != expectedCrc)
        {
            throw Bad(at, $"a block header with checksum 0x{expectedCrc:x8}", $"0x{headerCrc:x8}", DamageHint);
        }

        IndexEntry entry = new(
            (ulong)at,
            BinaryPrimitives.ReadUInt64LittleEndian(header[16..]),
            BinaryPrimitives.ReadUInt64LittleEndian(header[24..]),
            BinaryPrimitives.ReadUInt32LittleEndian(header[4..]),
            BinaryPrimitives.ReadUInt32LittleEndian(header[8..]),
            BinaryPrimitives.ReadUInt32LittleEndian(header[12..]));
        uint payloadBytes = BinaryPrimitives.ReadUInt32LittleEndian(header[32..]);
        CheckBlockHeader(entry, payloadBytes, at);
        Span<byte> indexed = stackalloc byte[NativeLayout.IndexEntryBytes];
        entry.Write(indexed);
        _indexCrc = Crc32C.Continue(_indexCrc, indexed);
        Chain(headerCrc);
        Chain(BinaryPrimitives.ReadUInt32LittleEndian(header[40..]));
        accesses = (int)entry.Accesses;
        events = (int)entry.Events;
        block.Lane = (int)entry.Lane;
        block.FirstRecord = _records;
        _records += (ulong)(accesses + events);
        _blocks++;
        _lastFirstTime = entry.FirstTime;
        return (int)payloadBytes;
    }

    /// <summary>Messages are made only for what fails: this runs once per block and must not allocate.</summary>
    private void CheckBlockHeader(in IndexEntry entry, uint payloadBytes, long at)
    {
        if (entry.Lane >= (uint)Header.Lanes)
        {
            throw Bad(at + 4, $"a lane below {Header.Lanes}", $"{entry.Lane}", DamageHint);
        }

        if (entry.Accesses > TraceBlock.MaxAccesses || entry.Events > TraceBlock.MaxEvents || entry.Accesses + entry.Events == 0)
        {
            throw Bad(at + 8, $"1 to {TraceBlock.MaxAccesses} accesses or {TraceBlock.MaxEvents} events", $"{entry.Accesses} and {entry.Events}", DamageHint);
        }

        if (entry.FirstRecord != _records)
        {
            throw Bad(at + 16, $"record index {_records}", $"{entry.FirstRecord}", DamageHint);
        }

        ulong earliest = Math.Max(_lastFirstTime, _lastTime[(int)entry.Lane]);
        if (entry.FirstTime < earliest)
        {
            throw Bad(at + 24, $"a first time not before {earliest}, that of the block before and the last of lane {entry.Lane}", $"{entry.FirstTime}", DamageHint);
        }

        if (payloadBytes > NativeLayout.MaxPayloadBytes)
        {
            throw Bad(at + 32, $"a payload of at most {NativeLayout.MaxPayloadBytes} bytes", $"{payloadBytes}", DamageHint);
        }
    }

    private void Decode(TraceBlock block, int accesses, int events, ulong firstTime)
    {
        if (accesses > 0)
        {
            DecodeAccesses(block, accesses, firstTime);
        }

        int kept = 0;
        if (events > 0)
        {
            kept = DecodeEvents(block, accesses, events, firstTime);
        }
        else
        {
            CheckFirstTime(block.Time[0], firstTime);
        }

        if (!_payload.AtEnd)
        {
            throw _payload.Bad("the payload's end", "more bytes");
        }

        block.SetCounts(accesses, kept);
        if (block.RecordCount > 0)
        {
            _lastTime[block.Lane] = block.LastTime;
        }
    }

    private void DecodeAccesses(TraceBlock block, int count, ulong firstTime)
    {
        Span<byte> flags = block.Flags.AsSpan(0, count);
        ByteColumn.Decode(_payload, flags, "access flags");
        int illegal = flags.IndexOfAnyExcept(LegalFlags);
        if (illegal >= 0)
        {
            throw _payload.Bad("flags of an access with a type of 0 to 2 and a size of 1 to 64 bytes", $"0x{flags[illegal]:x2}");
        }

        Span<ulong> previous = stackalloc ulong[AddressContexts];
        previous.Clear();
        AddressSink addresses = new(block.Address, flags, previous);
        NumberColumn.Decode(_payload, count, ref addresses, "addresses");

        TimeSink times = new(block.Time, firstTime);
        NumberColumn.Decode(_payload, count, ref times, "access times");
        if (times.Wrapped)
        {
            throw _payload.Bad("access times below 2^64", "a sum beyond");
        }

        RepeatSink repeats = new(block.Repeat);
        NumberColumn.Decode(_payload, count, ref repeats, "repeats");
        if (repeats.TooMany)
        {
            throw _payload.Bad($"repeats of 1 to {uint.MaxValue}", "more");
        }
    }

    /// <summary>Decodes the events and returns how many are of kinds that this program knows.</summary>
    private int DecodeEvents(TraceBlock block, int accesses, int count, ulong firstTime)
    {
        Span<byte> kinds = _kinds.AsSpan(0, count);
        ByteColumn.Decode(_payload, kinds, "event kinds");
        Span<byte> levels = _levels.AsSpan(0, count);
        ByteColumn.Decode(_payload, levels, "event levels");
        Span<TraceEvent> events = block.Events.AsSpan(0, count);
        for (int i = 0; i < count; i++)
        {
            if (levels[i] > MaxLevel)
            {
                throw _payload.Bad($"event levels of 0 to {MaxLevel}", $"{levels[i]}");
            }

            RecordKind kind = (RecordKind)kinds[i];
            events[i] = new TraceEvent { Kind = kind, Level = levels[i], Text = kind == RecordKind.Mark ? "" : null };
        }

        DecodePositions(block.EventPosition.AsSpan(0, count), accesses);
        DecodeEventTimes(block, accesses, events, firstTime);
        Span<int> countOfKind = stackalloc int[256];
        countOfKind.Clear();
        foreach (byte kind in kinds)
        {
            countOfKind[kind]++;
        }

        int unknown = 0;
        for (int kind = 0; kind < countOfKind.Length; kind++)
        {
            if (countOfKind[kind] > 0)
            {
                DecodeKind((byte)kind, countOfKind[kind], kinds, events);
                unknown += HeaderJson.FileSchema.IsKnown((byte)kind) ? 0 : countOfKind[kind];
            }
        }

        if (unknown > 0)
        {
            LeaveOutUnknown(block, count);
            SkippedEvents += (ulong)unknown;
        }

        return count - unknown;
    }

    private void DecodePositions(Span<int> positions, int accesses)
    {
        Span<ulong> numbers = _numbers.AsSpan(0, positions.Length);
        NumberColumn.Decode(_payload, numbers, "event positions");
        int position = 0;
        for (int i = 0; i < positions.Length; i++)
        {
            if (numbers[i] > (ulong)(accesses - position))
            {
                throw _payload.Bad($"event positions of at most {accesses}", $"{position} + {numbers[i]}");
            }

            position += (int)numbers[i];
            positions[i] = position;
        }
    }

    private void DecodeEventTimes(TraceBlock block, int accesses, Span<TraceEvent> events, ulong firstTime)
    {
        Span<ulong> numbers = _numbers.AsSpan(0, events.Length);
        NumberColumn.Decode(_payload, numbers, "event times");
        ulong time = firstTime;
        for (int i = 0; i < events.Length; i++)
        {
            int position = block.EventPosition[i];
            time = position == 0 ? time : Math.Max(time, block.Time[position - 1]);
            ulong latest = position < accesses ? block.Time[position] : ulong.MaxValue;
            if (numbers[i] > latest - time || latest < time)
            {
                throw _payload.Bad($"an event time of at most {latest}, that of the access after it", $"{time} + {numbers[i]}");
            }

            time += numbers[i];
            events[i].Time = time;
        }

        CheckFirstTime(block.EventPosition[0] == 0 ? events[0].Time : block.Time[0], firstTime);
    }

    private void CheckFirstTime(ulong first, ulong announced)
    {
        if (first != announced)
        {
            throw _payload.Bad($"a first record at time {announced}, as the block's header says", $"{first}");
        }
    }

    private void DecodeKind(byte kind, int count, ReadOnlySpan<byte> kinds, Span<TraceEvent> events)
    {
        if (kind == (byte)RecordKind.Access || _schema[kind] is not { } fields)
        {
            throw _payload.Bad("an event kind that the file's header declares", $"{kind}");
        }

        uint length = _payload.UInt32("the length of a kind's columns");
        int start = _payload.Position;
        if (!HeaderJson.FileSchema.IsKnown(kind))
        {
            _payload.Take(length, "columns of a kind that this program does not know");
            return;
        }

        int found = 0;
        for (int i = 0; i < kinds.Length; i++)
        {
            if (kinds[i] == kind)
            {
                _ofKind[found++] = i;
            }
        }

        foreach (HeaderJson.FileField field in fields)
        {
            NumberColumn.Decode(_payload, _numbers.AsSpan(0, count), field.IsText ? "text lengths" : "operands");
            if (field.IsText)
            {
                DecodeTexts((RecordKind)kind, count, events);
            }
            else if (field.Slot != HeaderJson.FileField.Unknown)
            {
                ulong value = 0;
                for (int i = 0; i < count; i++)
                {
                    value += NumberColumn.UnZigZag(_numbers[i]);
                    events[_ofKind[i]][field.Slot] = value;
                }
            }
        }

        if (_payload.Position - start != length)
        {
            throw _payload.Bad($"{length} bytes of columns for {(RecordKind)kind}", $"{_payload.Position - start}");
        }
    }

    private void DecodeTexts(RecordKind kind, int count, Span<TraceEvent> events)
    {
        for (int i = 0; i < count; i++)
        {
            ReadOnlySpan<byte> utf8 = _numbers[i] <= NativeLayout.MaxMarkBytes
                ? _payload.Take((long)_numbers[i], "text")
                : throw _payload.Bad($"a text of at most {NativeLayout.MaxMarkBytes} bytes", $"{_numbers[i]}");
            if (kind != RecordKind.Mark)
            {
                continue;
            }

            try
            {
                events[_ofKind[i]].Text = Utf8.GetString(utf8);
            }
            catch (DecoderFallbackException)
            {
                throw _payload.Bad("text in UTF-8", Signatures.Hex(utf8));
            }
        }
    }

    private static void LeaveOutUnknown(TraceBlock block, int count)
    {
        for (int from = 0, to = 0; from < count; from++)
        {
            if (HeaderJson.FileSchema.IsKnown((byte)block.Events[from].Kind))
            {
                block.Events[to] = block.Events[from];
                block.EventPosition[to++] = block.EventPosition[from];
            }
        }
    }

    private void ReadFooter()
    {
        long at = _offset - NativeLayout.FooterMagic.Length;
        byte[] head = new byte[NativeLayout.FooterHeadBytes];
        NativeLayout.FooterMagic.CopyTo(head);
        ReadExactly(head.AsSpan(NativeLayout.FooterMagic.Length), "the footer");
        if (!_inOnePass)
        {
            return;
        }

        Require(BinaryPrimitives.ReadUInt64LittleEndian(head.AsSpan(4)) == _blocks, at + 4, $"{_blocks} blocks, as many as came", BinaryPrimitives.ReadUInt64LittleEndian(head.AsSpan(4)));
        Require(BinaryPrimitives.ReadUInt64LittleEndian(head.AsSpan(12)) == _records, at + 12, $"{_records} records, as many as came", BinaryPrimitives.ReadUInt64LittleEndian(head.AsSpan(12)));
        uint footerCrc = Crc32C.Of(head);
        uint indexCrc = 0;
        byte[] entry = new byte[NativeLayout.IndexEntryBytes];
        for (ulong block = 0; block < _blocks; block++)
        {
            ReadExactly(entry, "the index");
            indexCrc = Crc32C.Continue(indexCrc, entry);
            footerCrc = Crc32C.Continue(footerCrc, entry);
        }

        byte[] tail = new byte[NativeLayout.TailBytes];
        ReadExactly(tail, "the footer's end");
        CheckTail(tail, at, footerCrc);
        if (indexCrc != _indexCrc)
        {
            throw Bad(at + NativeLayout.FooterHeadBytes, "an index of the blocks that came", "another one", DamageHint);
        }

        uint chain = BinaryPrimitives.ReadUInt32LittleEndian(tail);
        if (chain != _chain)
        {
            throw Bad(_offset - NativeLayout.TailBytes, $"the checksum of all blocks, 0x{_chain:x8}", $"0x{chain:x8}", "Blocks are missing, doubled or exchanged. " + DamageHint);
        }

        if (_stream.Read(entry) > 0)
        {
            throw Bad(_offset, "the end of the file", "more bytes", "Something was appended; a trace ends with its footer.");
        }
    }

    /// <summary>Checks the last bytes of the file against what lies before them: the footer at <paramref name="footerAt"/> up to the chain checksum.</summary>
    private void CheckTail(ReadOnlySpan<byte> tail, long footerAt, uint crcBeforeTail)
    {
        long at = _offset - NativeLayout.TailBytes;
        uint expected = Crc32C.Continue(crcBeforeTail, tail[..4]);
        uint crc = BinaryPrimitives.ReadUInt32LittleEndian(tail[4..]);
        if (crc != expected)
        {
            throw Bad(at + 4, $"a footer with checksum 0x{crc:x8}", $"0x{expected:x8}", DamageHint);
        }

        ulong offset = BinaryPrimitives.ReadUInt64LittleEndian(tail[8..]);
        Require(offset == (ulong)footerAt, at + 8, $"the footer's offset {footerAt}", offset);
        if (!tail[16..].SequenceEqual(NativeLayout.EndMagic))
        {
            throw Bad(at + 16, "the last bytes of a native trace, " + Signatures.Hex(NativeLayout.EndMagic), Signatures.Hex(tail[16..]), DamageHint);
        }
    }

    private IndexEntry[] Index()
    {
        if (!CanSeek)
        {
            throw new InvalidOperationException($"{_name} is read in one pass: only a plain file can be sought in.");
        }

        return _index ??= ReadIndex();
    }

    private IndexEntry[] ReadIndex()
    {
        long length = _stream.Length;
        long tailAt = length - NativeLayout.TailBytes;
        if (tailAt < _firstBlock + NativeLayout.FooterHeadBytes)
        {
            throw Bad(length, "a footer", "the end of the file", TruncatedHint);
        }

        MoveTo(tailAt);
        byte[] tail = new byte[NativeLayout.TailBytes];
        ReadExactly(tail, "the footer's end");
        ulong footerAt = BinaryPrimitives.ReadUInt64LittleEndian(tail.AsSpan(8));
        if (!tail.AsSpan(16).SequenceEqual(NativeLayout.EndMagic))
        {
            throw Bad(tailAt + 16, "the last bytes of a native trace, " + Signatures.Hex(NativeLayout.EndMagic), Signatures.Hex(tail.AsSpan(16)), TruncatedHint);
        }

        Require(footerAt >= (ulong)_firstBlock && footerAt <= (ulong)(tailAt - NativeLayout.FooterHeadBytes), tailAt + 8, "the footer's offset within the file", footerAt);
        MoveTo((long)footerAt);
        byte[] footer = new byte[tailAt - (long)footerAt];
        ReadExactly(footer, "the footer");
        MoveTo(length);
        CheckTail(tail, (long)footerAt, Crc32C.Of(footer));
        ulong blocks = BinaryPrimitives.ReadUInt64LittleEndian(footer.AsSpan(4));
        ulong room = (ulong)(footer.Length - NativeLayout.FooterHeadBytes);
        Require(room % NativeLayout.IndexEntryBytes == 0 && blocks == room / NativeLayout.IndexEntryBytes, (long)footerAt + 4, $"as many blocks as {room} bytes of index hold", blocks);
        IndexEntry[] index = new IndexEntry[blocks];
        for (int i = 0; i < index.Length; i++)
        {
            index[i] = IndexEntry.Read(footer.AsSpan(NativeLayout.FooterHeadBytes + (i * NativeLayout.IndexEntryBytes)));
            Require(
                index[i].Offset >= (ulong)_firstBlock && index[i].Offset < footerAt && index[i].Lane < (uint)Header.Lanes,
                (long)footerAt + NativeLayout.FooterHeadBytes + (i * NativeLayout.IndexEntryBytes),
                "a block's offset and lane",
                index[i].Offset);
        }

        return index;
    }

    private void SeekTo(IndexEntry[] index, int block)
    {
        _inOnePass = false;
        _ended = block == index.Length;
        _lastFirstTime = 0;
        Array.Clear(_lastTime);
        if (!_ended)
        {
            MoveTo((long)index[block].Offset);
            _records = index[block].FirstRecord;
        }
    }

    private void MoveTo(long offset) => _offset = _stream.Seek(offset, SeekOrigin.Begin);

    private void Chain(uint crc)
    {
        Span<byte> bytes = stackalloc byte[sizeof(uint)];
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, crc);
        _chain = Crc32C.Continue(_chain, bytes);
    }

    private uint ReadUInt32(string what)
    {
        Span<byte> bytes = stackalloc byte[sizeof(uint)];
        ReadExactly(bytes, what);
        return BinaryPrimitives.ReadUInt32LittleEndian(bytes);
    }

    private void ReadExactly(Span<byte> bytes, string what)
    {
        int read = _stream.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false);
        if (read < bytes.Length)
        {
            throw Bad(_offset + read, $"{bytes.Length} bytes of {what}", $"the end of the file after {read}", TruncatedHint);
        }

        _offset += read;
    }

    private void Require(bool holds, long at, string expected, ulong found)
    {
        if (!holds)
        {
            throw Bad(at, expected, found.ToString(CultureInfo.InvariantCulture), DamageHint);
        }
    }

    private TraceFormatException Bad(long at, string expected, string found, string hint) => new(_name, $"offset {at}", expected, found, hint);

    /// <summary>Differences to the access before with the same low flags (type and privilege level), made addresses.</summary>
    private readonly ref struct AddressSink(ulong[] addresses, ReadOnlySpan<byte> flags, Span<ulong> previous) : INumberSink
    {
        private readonly ref ulong _address = ref MemoryMarshal.GetArrayDataReference(addresses);
        private readonly ref byte _flags = ref MemoryMarshal.GetReference(flags);
        private readonly ref ulong _previous = ref MemoryMarshal.GetReference(previous);

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Put(int index, ulong number)
        {
            ref ulong before = ref Unsafe.Add(ref _previous, Unsafe.Add(ref _flags, index) & (AddressContexts - 1));
            before += NumberColumn.UnZigZag(number);
            Unsafe.Add(ref _address, index) = before;
        }
    }

    /// <summary>Differences to the access before, made times.</summary>
    private ref struct TimeSink(ulong[] times, ulong firstTime) : INumberSink
    {
        private readonly ref ulong _times = ref MemoryMarshal.GetArrayDataReference(times);
        private ulong _time = firstTime;

        /// <summary>A sum went beyond 64 bits.</summary>
        public bool Wrapped { get; private set; }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Put(int index, ulong number)
        {
            ulong next = _time + number;
            Wrapped |= next < _time;
            _time = next;
            Unsafe.Add(ref _times, index) = next;
        }
    }

    /// <summary>Numbers that are one less than the repeats they stand for.</summary>
    private ref struct RepeatSink(uint[] repeats) : INumberSink
    {
        private readonly ref uint _repeats = ref MemoryMarshal.GetArrayDataReference(repeats);

        /// <summary>A repeat does not fit into 32 bits.</summary>
        public bool TooMany { get; private set; }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Put(int index, ulong number)
        {
            TooMany |= number >= uint.MaxValue;
            Unsafe.Add(ref _repeats, index) = (uint)number + 1;
        }
    }
}
