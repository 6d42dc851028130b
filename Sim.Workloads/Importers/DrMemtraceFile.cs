using System.Buffers.Binary;
using System.Globalization;
using Sim.Core;
using Sim.Core.Traces;

namespace Sim.Workloads.Importers;

/// <summary>Why reading of one drmemtrace file paused.</summary>
internal enum DrPause
{
    /// <summary>The block is full.</summary>
    BlockFull,

    /// <summary>A timestamp came: another file may be earlier now.</summary>
    Timestamp,

    /// <summary>The file has ended.</summary>
    End,
}

/// <summary>One file of a drmemtrace recording: a thread, or a core of a core-sharded one. It checks what it reads: versions, entries, the order of chunks, and that it ends with a footer.</summary>
internal sealed class DrMemtraceFile : IDisposable
{
    private const int EntriesAtOnce = 1 << 12;
    private const int LongestInstruction = 15;
    private const int MostEventsOfEntry = 2;

    // A 64 KiB access that begins inside a page.
    private const int MostRecordsOfEntry = 18;

    private readonly Stream _stream;
    private readonly string _name;
    private readonly DrClock _clock;
    private readonly byte[] _buffer = new byte[EntriesAtOnce * DrEntry.Bytes];
    private int _at;
    private int _filled;
    private long _bufferOffset;
    private bool _ended;
    private int _cut;
    private ushort _lastKind = DrEntry.Footer;
    private bool _afterChunk;
    private ulong _chunks;
    private int _kernel;
    private ulong _pc;
    private ulong _nextPc;
    private bool _hasThread;
    private ulong? _window;

    /// <summary>Reads a file's first entries: up to its first timestamp or access. The stream is owned.</summary>
    /// <exception cref="TraceFormatException">It is no drmemtrace file, or one that cannot be read.</exception>
    public DrMemtraceFile(Stream stream, string name, DrClock clock)
    {
        _stream = stream;
        _name = name;
        _clock = clock;
        while (_at < _filled || Refill())
        {
            (ushort kind, ushort size, ulong value) = Entry();
            if (kind is DrEntry.Header or DrEntry.Thread or DrEntry.Process or DrEntry.Marker && _lastKind != DrEntry.Footer || kind == DrEntry.Header)
            {
                _at += DrEntry.Bytes;
                if (Take(kind, size, value, null))
                {
                    return;
                }

                continue;
            }

            if (_lastKind == DrEntry.Footer)
            {
                throw Bad("the header of a drmemtrace file", $"an entry of kind {kind}", "Only recordings made ready by raw2trace are read: 'drrun -t drmemtrace -indir FOLDER', then its folder trace.");
            }

            return;
        }
    }

    /// <summary>The version in its header.</summary>
    public ulong Version { get; private set; }

    /// <summary>What its header says of it.</summary>
    public DrFileType Type { get; private set; }

    /// <summary>Size of base pages in bytes; 0 if it is not told.</summary>
    public ulong PageSize { get; private set; }

    /// <summary>Physical addresses are told.</summary>
    public bool HasPhysicalAddresses { get; private set; }

    /// <summary>The last timestamp, in microseconds since 1601; 0 before the first.</summary>
    public ulong Timestamp { get; private set; }

    /// <summary>The process that the next entries belong to.</summary>
    public ulong Process { get; private set; }

    /// <summary>The file is a core on which threads run as they come, with the headers and footers of their own files.</summary>
    private bool IsCore => Type.HasFlag(DrFileType.CoreSharded);

    /// <summary>Appends accesses until something pauses it.</summary>
    /// <exception cref="TraceFormatException">The file is damaged.</exception>
    public DrPause Read(TraceBlock block)
    {
        while (true)
        {
            if (block.AccessCount + MostRecordsOfEntry > TraceBlock.MaxAccesses || block.EventCount + MostEventsOfEntry > TraceBlock.MaxEvents)
            {
                return DrPause.BlockFull;
            }

            if (_at == _filled && !Refill())
            {
                return DrPause.End;
            }

            (ushort kind, ushort size, ulong value) = Entry();
            _at += DrEntry.Bytes;
            if (_lastKind == DrEntry.Footer && kind != DrEntry.Header && !IsCore)
            {
                throw Bad("the end of the file, or the header of a further trace, behind a footer", $"an entry of kind {kind}", "The trace is damaged.", back: true);
            }

            switch (kind)
            {
                case DrEntry.Read or DrEntry.Write:
                    Data(block, value, size, kind == DrEntry.Read ? AccessType.Read : AccessType.Write);
                    break;
                case >= DrEntry.Instruction and <= DrEntry.LastInstruction or DrEntry.TakenJump or DrEntry.UntakenJump or DrEntry.Sysenter:
                    Fetch(block, value, size, true);
                    break;
                case DrEntry.NotFetched:
                    Fetch(block, value, size, false);
                    break;
                case DrEntry.MaybeFetched:
                    Fetch(block, value, size, value != _pc);
                    break;
                case DrEntry.Bundle:
                    Bundle(block, size, value);
                    break;
                default:
                    if (Take(kind, size, value, block))
                    {
                        return DrPause.Timestamp;
                    }

                    continue;
            }

            _lastKind = kind;
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _stream.Dispose();

    private (ushort Kind, ushort Size, ulong Value) Entry()
    {
        ReadOnlySpan<byte> entry = _buffer.AsSpan(_at, DrEntry.Bytes);
        return (BinaryPrimitives.ReadUInt16LittleEndian(entry), BinaryPrimitives.ReadUInt16LittleEndian(entry[2..]), BinaryPrimitives.ReadUInt64LittleEndian(entry[4..]));
    }

    private void Data(TraceBlock block, ulong address, int size, AccessType type)
    {
        if (!_hasThread && !IsCore)
        {
            throw Bad("the thread before its first access", "an access", "The trace is damaged.", back: true);
        }

        // A size of 0 is that of an instruction whose operands the tracer does not know.
        int cpl = Cpl();
        for (int left = Math.Max(size, 1); left > 0; left -= ProgramAccess.MostBytes)
        {
            int part = Math.Min(left, ProgramAccess.MostBytes);
            if (!ProgramAccess.TryAdd(block, _clock.Now, address, part, type, cpl))
            {
                throw Bad("an access inside the 64-bit address space", $"{part} bytes at 0x{address:x}", "The trace is damaged.", back: true);
            }

            address += (ulong)part;
        }
    }

    private void Fetch(TraceBlock block, ulong address, int size, bool isFetched)
    {
        if (!_hasThread && !IsCore)
        {
            throw Bad("the thread before its first instruction", "an instruction", "The trace is damaged.", back: true);
        }

        if (size > LongestInstruction)
        {
            throw Bad($"an instruction of at most {LongestInstruction} bytes", $"one of {size}", "The trace is damaged.", back: true);
        }

        _pc = address;
        _nextPc = address + (ulong)size;

        // A size of 0 only says where the next access is, in traces whose fetches were filtered.
        if (size > 0 && isFetched && !ProgramAccess.TryAdd(block, _clock.Tick(), address, size, AccessType.Execute, Cpl()))
        {
            throw Bad("an instruction inside the 64-bit address space", $"{size} bytes at 0x{address:x}", "The trace is damaged.", back: true);
        }
    }

    private void Bundle(TraceBlock block, int count, ulong lengths)
    {
        if (count is 0 or > sizeof(ulong) || _nextPc == 0)
        {
            throw Bad($"a bundle of 1 to {sizeof(ulong)} instructions behind one", $"{count}", "The trace is damaged.", back: true);
        }

        for (int i = 0; i < count; i++, lengths >>= 8)
        {
            Fetch(block, _nextPc, (byte)lengths, true);
        }
    }

    private int Cpl() => _kernel > 0 || (Type.HasFlag(DrFileType.WholeSystem) && (long)_pc < 0) ? 0 : ProgramAccess.User;

    /// <summary>An entry that is no access; true if it is a timestamp.</summary>
    private bool Take(ushort kind, ushort size, ulong value, TraceBlock? block)
    {
        switch (kind)
        {
            case DrEntry.Header:
                TakeHeader(size, value);
                break;
            case DrEntry.Thread:
                _hasThread = true;
                break;
            case DrEntry.Process:
                Process = value;
                if (block is not null)
                {
                    _clock.EnterProcess(block, value);
                }

                break;
            case DrEntry.Marker:
                _lastKind = kind;
                return TakeMarker(size, value, block);
            case DrEntry.Encoding when size is 0 or > sizeof(ulong):
                throw Bad($"1 to {sizeof(ulong)} bytes of an instruction", $"{size}", "The trace is damaged.", back: true);
            case > DrEntry.Last:
                throw Bad($"an entry of a kind up to {DrEntry.Last}", $"{kind}", "The trace is damaged, or of a later DynamoRIO.", back: true);
            default:
                break;
        }

        _lastKind = kind;
        return false;
    }

    private void TakeHeader(ushort size, ulong value)
    {
        if ((_lastKind != DrEntry.Footer && !IsCore) || size != 0 || value is 0 or > DrEntry.LastVersion || (Version != 0 && value != Version))
        {
            throw Bad(
                Version == 0 ? $"a header of version 1 to {DrEntry.LastVersion}" : $"a further header of version {Version}, as the first, behind a footer",
                $"version {value}",
                Version == 0 ? "A later DynamoRIO wrote it, or the file is damaged." : "Traces of different versions were put together: convert each by itself.",
                back: true);
        }

        Version = value;
    }

    private bool TakeMarker(ushort marker, ulong value, TraceBlock? block)
    {
        bool wasAfterChunk = _afterChunk;
        _afterChunk = marker is DrMarker.ChunkFooter or DrMarker.RecordOrdinal || (wasAfterChunk && marker == DrMarker.Timestamp);
        switch (marker)
        {
            // A chunk begins with the last timestamp and CPU of the one before, again.
            case DrMarker.Timestamp when !wasAfterChunk:
                if (value < Timestamp && !IsCore)
                {
                    throw Bad($"a timestamp of at least {Timestamp}", $"{value}", "The trace is damaged.", back: true);
                }

                Timestamp = value;
                return true;
            case DrMarker.Version when value != Version:
                throw Bad($"version {Version} as in the header", $"{value}", "The trace is damaged.", back: true);
            case DrMarker.FileType:
                Type = (DrFileType)value;
                if ((Type & (DrFileType.Arm32 | DrFileType.X86)) != 0)
                {
                    throw Bad("a recording of a 64-bit program", "one of a 32-bit program", "Record the program's 64-bit build.", back: true);
                }

                break;
            case DrMarker.PageSize:
                PageSize = value;
                break;
            case DrMarker.PhysicalAddress:
                HasPhysicalAddresses = true;
                break;
            case DrMarker.ChunkFooter:
                if (value != _chunks++ && !IsCore)
                {
                    throw Bad($"the end of chunk {_chunks - 1}", $"that of chunk {value}", "A chunk is missing or comes twice.", back: true);
                }

                break;
            case DrMarker.Window:
                if (_window is { } before && before != value)
                {
                    block?.AddEvent(TraceEvent.Mark(_clock.Now, 0, string.Create(CultureInfo.InvariantCulture, $"window {value}")));
                }

                _window = value;
                break;
            case DrMarker.FilterEndpoint:
                block?.AddEvent(TraceEvent.Mark(_clock.Now, 0, "warm-up ends"));
                break;
            case DrMarker.SyscallTraceStart or DrMarker.ContextSwitchStart:
                _kernel++;
                break;
            case DrMarker.SyscallTraceEnd or DrMarker.ContextSwitchEnd:
                if (_kernel == 0)
                {
                    throw Bad("the begin of the kernel's part before its end", "its end", "The trace is damaged.", back: true);
                }

                _kernel--;
                break;
            default:
                break;
        }

        return false;
    }

    private bool Refill()
    {
        if (!_ended)
        {
            _bufferOffset += _filled;
            _at = 0;
            _filled = _stream.ReadAtLeast(_buffer, _buffer.Length, throwOnEndOfStream: false);
            _ended = _filled < _buffer.Length;
            _cut = _filled % DrEntry.Bytes;
            _filled -= _cut;
            if (_filled > 0)
            {
                return true;
            }
        }

        if (_cut > 0 || _lastKind != DrEntry.Footer)
        {
            throw Bad(_cut > 0 ? $"an entry of {DrEntry.Bytes} bytes" : "a footer at the end", _cut > 0 ? $"the end of the file after {_cut} of them" : "the end of the file", "The trace is cut short: record it again, or let raw2trace run to its end.");
        }

        return Version != 0 ? false : throw Bad("a header", "the end of the file", "The file is empty.");
    }

    private TraceFormatException Bad(string expected, string found, string hint, bool back = false) =>
        new(_name, string.Create(CultureInfo.InvariantCulture, $"offset {_bufferOffset + _at - (back ? DrEntry.Bytes : 0)}"), expected, found, hint);
}

/// <summary>The time that all files of a recording share: a count of the instructions that were fetched, in the order in which they are read. And whose page tables are in use.</summary>
internal sealed class DrClock
{
    private readonly AddressSpaces _spaces = new();
    private ulong _instructions;

    /// <summary>The number of the last instruction.</summary>
    public ulong Now => _instructions == 0 ? 0 : _instructions - 1;

    /// <summary>The number of the next instruction, which is the last one from now on.</summary>
    public ulong Tick() => _instructions++;

    /// <summary>Appends a MOV to CR3 if the process is not the one before.</summary>
    public void EnterProcess(TraceBlock block, ulong process)
    {
        if (_spaces.Root(block.Lane, process) is { } root)
        {
            block.AddEvent(TraceEvent.SetCr3(Now, 0, root));
        }
    }
}
