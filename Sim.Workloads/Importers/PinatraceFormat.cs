using Sim.Core;
using Sim.Core.Traces;
using Sim.Workloads.Formats;

namespace Sim.Workloads.Importers;

/// <summary>The text of Pin's example tools called pinatrace.</summary>
[Component("pinatrace", Summary = "Pin pinatrace text (0x4005d0: R 0x7ffe10): loads and stores of one program, and where they were.")]
public sealed class PinatraceFormat : ITraceFormat
{
    /// <inheritdoc/>
    public bool Sniff(ReadOnlySpan<byte> head)
    {
        while (head.IndexOf((byte)'\n') is int end && end >= 0)
        {
            ReadOnlySpan<byte> line = head[..end].TrimEnd((byte)'\r');
            if (line.Length == 0 || line[0] != '#')
            {
                return PinatraceSource.TryParse(line, out _, out _, out _, out _);
            }

            head = head[(end + 1)..];
        }

        return false;
    }

    /// <inheritdoc/>
    public ITraceSource Open(Stream stream, string name) => new PinatraceSource(stream, name);
}

/// <summary>
/// Reads pinatrace text: one lane. Where the instruction's address is another than the line's before, it is fetched and one cycle passes; then comes the access. Instructions that touch
/// no memory are not in the recording, which the trace says as a doubt. Lines of the tool in ManualExamples have no size (one byte is taken) and end with <c>#eof</c>; those of the one
/// in SimpleExamples have a size and a value, which is not read.
/// </summary>
internal sealed class PinatraceSource : ITraceSource
{
    private const int MostRecords = 1 + ProgramAccess.MostRecords;

    private readonly TextLines _lines;
    private ulong _records;
    private ulong _time;
    private ulong _instruction;
    private bool _begun;
    private bool _sized;
    private bool _ended;

    /// <summary>Reads from a stream, which it owns.</summary>
    public PinatraceSource(Stream stream, string name)
    {
        _lines = new TextLines(stream, name);
        SortedDictionary<string, string> properties = new(StringComparer.Ordinal) { ["source"] = "pinatrace", ["tracer"] = "Intel Pin, pinatrace", ["access sizes"] = "as given, else one byte" };
        Header = new TraceHeader(1, Folded: false, "1/1", properties)
        {
            Doubts =
            [
                new Doubt(DoubtKind.DataLoss, "fetches of instructions that touch no memory are not in a pinatrace recording"),
                new Doubt(DoubtKind.Clock, "the program's time is a count of instructions that touch memory, one cycle each"),
            ],
        };
    }

    /// <inheritdoc/>
    public TraceHeader Header { get; }

    /// <summary>True for a line that is an access: <c>IP: R|W ADDRESS</c>, maybe with a size and a value; blanks as they come.</summary>
    internal static bool TryParse(ReadOnlySpan<byte> line, out ulong instruction, out AccessType type, out ulong address, out int size)
    {
        (instruction, type, address, size) = (0, default, 0, 0);
        int colon = line.IndexOf((byte)':');
        if (colon < 3 || !line.StartsWith("0x"u8) || !Digits.TryHex(line[..colon], out instruction))
        {
            return false;
        }

        ReadOnlySpan<byte> rest = line[(colon + 1)..];
        ReadOnlySpan<byte> kind = Word(ref rest);
        if (kind.Length != 1 || kind[0] is not ((byte)'R' or (byte)'W'))
        {
            return false;
        }

        type = kind[0] == 'R' ? AccessType.Read : AccessType.Write;
        ReadOnlySpan<byte> place = Word(ref rest);
        if (!place.StartsWith("0x"u8) || !Digits.TryHex(place, out address))
        {
            return false;
        }

        ReadOnlySpan<byte> bytes = Word(ref rest);
        if (bytes.IsEmpty)
        {
            return true;
        }

        bool sized = Digits.TryDecimal(bytes, out ulong count) && count is > 0 and <= ProgramAccess.MostBytes;
        size = (int)count;
        return sized;
    }

    /// <inheritdoc/>
    public bool Read(TraceBlock block)
    {
        block.Clear();
        block.Lane = 0;
        block.FirstRecord = _records;
        while (block.AccessCount + MostRecords <= TraceBlock.MaxAccesses && _lines.Next(out ReadOnlySpan<byte> line))
        {
            if (_ended)
            {
                throw _lines.Malformed(line, "nothing behind #eof", "The trace is damaged.");
            }

            if (line.Length > 0 && line[0] == '#')
            {
                _ended = line.SequenceEqual("#eof"u8);
                continue;
            }

            Append(block, line);
        }

        if (block.AccessCount == 0 && (_records == 0 || (!_ended && !_sized)))
        {
            throw _lines.Error(
                0,
                _records == 0 ? "at least one access" : "#eof",
                "the end of the input",
                _records == 0 ? "Record again." : "The trace is cut short; get it again, or append a line #eof if it is whole.");
        }

        _records += (ulong)block.AccessCount;
        return block.AccessCount > 0;
    }

    /// <inheritdoc/>
    public void Dispose() => _lines.Dispose();

    private static ReadOnlySpan<byte> Word(ref ReadOnlySpan<byte> rest)
    {
        rest = rest.TrimStart((byte)' ');
        int end = rest.IndexOf((byte)' ');
        ReadOnlySpan<byte> word = end < 0 ? rest : rest[..end];
        rest = rest[word.Length..];
        return word;
    }

    private void Append(TraceBlock block, ReadOnlySpan<byte> line)
    {
        if (!TryParse(line, out ulong instruction, out AccessType type, out ulong address, out int size) || (_begun && _sized != size > 0))
        {
            throw _lines.Malformed(line, _begun && _sized ? "'0xIP: R|W 0xADDRESS SIZE'" : "'0xIP: R|W 0xADDRESS'", "If the program's own output is mixed in, record into a file.");
        }

        int cpl = ProgramAccess.CplAt(instruction);
        if (!_begun || instruction != _instruction)
        {
            _time += _begun ? 1UL : 0;
            (_begun, _instruction, _sized) = (true, instruction, size > 0);
            block.AddAccess(_time, instruction, AccessFlags.Pack(AccessType.Execute, cpl, 0));
        }

        if (!ProgramAccess.TryAdd(block, _time, address, Math.Max(size, 1), type, cpl))
        {
            throw _lines.Malformed(line, "an access inside the 64-bit address space", "The line is damaged.");
        }
    }
}
