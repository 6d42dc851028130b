using System.Buffers.Binary;
using System.Globalization;
using Sim.Core;
using Sim.Core.Traces;

namespace Sim.Workloads.Importers;

/// <summary>
/// Reads ChampSim instructions: one lane, each instruction a fetch, then its loads, then its stores, at the time of its number (one cycle each). Sizes are not in the format, so
/// every access has one byte and none crosses a page. CPL is 0 where the program counter is in the upper half, else 3. Where cloudsuite's address space changes, CR3 does.
/// </summary>
internal sealed class ChampSimSource : ITraceSource
{
    private const int RecordsAtOnce = 1 << 11;

    private readonly Stream _stream;
    private readonly string _name;
    private readonly ChampSimLayout _layout;
    private readonly byte[] _buffer;
    private readonly AddressSpaces _spaces = new();
    private int _at;
    private int _filled;
    private int _cut;
    private bool _ended;
    private ulong _instructions;
    private ulong _records;

    /// <summary>Reads from a stream, which it owns.</summary>
    public ChampSimSource(Stream stream, string name, ChampSimLayout layout)
    {
        _stream = stream;
        _name = name;
        _layout = layout;
        _buffer = new byte[layout.Bytes * RecordsAtOnce];
        SortedDictionary<string, string> properties = new(StringComparer.Ordinal)
        {
            ["source"] = "champsim",
            ["tracer"] = $"a ChampSim tracer ({layout.Name})",
            ["access sizes"] = "not in the format; one byte each, none crosses a page",
        };
        Header = new TraceHeader(1, Folded: false, "1/1", properties)
        {
            Doubts = [new Doubt(DoubtKind.Clock, "the program's time is a count of instructions, 1/1 cycles each")],
        };
    }

    /// <inheritdoc/>
    public TraceHeader Header { get; }

    /// <inheritdoc/>
    public bool Read(TraceBlock block)
    {
        block.Clear();
        block.Lane = 0;
        block.FirstRecord = _records;
        int room = TraceBlock.MaxAccesses - ChampSimLayout.MostAccesses;
        while (block.AccessCount <= room && block.EventCount < TraceBlock.MaxEvents && (_at < _filled || Refill()))
        {
            ReadOnlySpan<byte> instruction = _buffer.AsSpan(_at, _layout.Bytes);
            _at += _layout.Bytes;
            Append(block, instruction);
        }

        _records += (ulong)block.RecordCount;
        if (_records == 0)
        {
            throw new TraceFormatException(_name, "offset 0", "at least one instruction", "the end of the input", "Record again.");
        }

        return block.RecordCount > 0;
    }

    /// <inheritdoc/>
    public void Dispose() => _stream.Dispose();

    private void Append(TraceBlock block, ReadOnlySpan<byte> instruction)
    {
        if (ChampSimLayout.Fault(instruction) is { } fault)
        {
            throw new TraceFormatException(
                _name, Offset(_instructions), $"an instruction ({_layout.Name}) with a canonical program counter above 0 and flags of 0 or 1", fault, "The trace is damaged, or of another variant from there on.");
        }

        ulong time = _instructions++;
        if (_layout.AddressSpace > 0 && _spaces.Root(0, BinaryPrimitives.ReadUInt16LittleEndian(instruction[_layout.AddressSpace..])) is { } root)
        {
            block.AddEvent(TraceEvent.SetCr3(time, 0, root));
        }

        ulong pc = BinaryPrimitives.ReadUInt64LittleEndian(instruction);
        int cpl = ProgramAccess.CplAt(pc);
        block.AddAccess(time, pc, AccessFlags.Pack(AccessType.Execute, cpl, 0));
        AppendData(block, time, instruction.Slice(_layout.Loads, ChampSimLayout.LoadCount * sizeof(ulong)), AccessFlags.Pack(AccessType.Read, cpl, 0));
        AppendData(block, time, instruction.Slice(_layout.Stores, _layout.StoreCount * sizeof(ulong)), AccessFlags.Pack(AccessType.Write, cpl, 0));
    }

    private void AppendData(TraceBlock block, ulong time, ReadOnlySpan<byte> addresses, byte flags)
    {
        for (; addresses.Length > 0; addresses = addresses[sizeof(ulong)..])
        {
            ulong address = BinaryPrimitives.ReadUInt64LittleEndian(addresses);
            if (address == 0)
            {
                continue;
            }

            if (!ProgramAccess.IsCanonical(address))
            {
                throw new TraceFormatException(_name, Offset(_instructions - 1), "canonical addresses of data, or 0", $"0x{address:x}", "The trace is damaged, or of another variant from there on.");
            }

            block.AddAccess(time, address, flags);
        }
    }

    private bool Refill()
    {
        if (!_ended && _cut == 0)
        {
            _at = 0;
            _filled = _stream.ReadAtLeast(_buffer, _buffer.Length, throwOnEndOfStream: false);
            _ended = _filled < _buffer.Length;

            // The whole instructions before a cut come first: an error in one of them is nearer to the truth.
            _cut = _filled % _layout.Bytes;
            _filled -= _cut;
            if (_filled > 0)
            {
                return true;
            }
        }

        return _cut == 0
            ? false
            : throw new TraceFormatException(_name, Offset(_instructions), $"an instruction of {_layout.Bytes} bytes", $"the end of the input after {_cut} of them", "The trace is cut short; get it again.");
    }

    private string Offset(ulong instruction) => string.Create(CultureInfo.InvariantCulture, $"offset {instruction * (ulong)_layout.Bytes}");
}
