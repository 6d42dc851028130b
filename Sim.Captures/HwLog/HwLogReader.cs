using System.Buffers;
using System.Text;
using Sim.Captures.Ftrace;
using Sim.Core.Architecture;
using Sim.Core;

namespace Sim.Captures.HwLog;

/// <summary>
/// Reads a hardware capture of nested KVM as a stream of <see cref="HwRecord"/>: event logs (<c>*.hw.txt</c>) and memory windows (<c>*.winN.full.txt</c>,
/// <c>*.winN.pages.txt</c>), as traces/captures/README.md defines them. One pass, constant memory. A line that breaks its type's form, or the order of times, is an error; a type or a
/// field that is not known is counted in <see cref="Findings"/> and skipped, the type as data loss.
/// </summary>
public sealed class HwLogReader : IDisposable
{
    /// <summary>Kind of the finding for event types this reader does not know.</summary>
    public const string UnknownEvent = "unknown event type";

    /// <summary>Kind of the finding for fields this reader does not know.</summary>
    public const string UnknownField = "unknown field";

    /// <summary>Kind of the finding for a memory window that ends without its trailer.</summary>
    public const string MissingTrailer = "memory window without its last lines";

    private const int PageShift = 12;
    private const ulong MaxFrame = ulong.MaxValue >> PageShift;
    private const ulong MaxCpu = 256;
    private const ulong FullMode = 1;
    private const ulong PagesMode = 2;

    private static readonly SearchValues<byte> TypeNameBytes = SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789"u8);
    private static readonly SearchValues<byte> FieldNameBytes = SearchValues.Create("abcdefghijklmnopqrstuvwxyz_0123456789"u8);

    private readonly LineReader _lines;
    private readonly StringPool _strings = new();
    private ulong _ticks;
    private ulong _icount;
    private int _cpu;
    private bool _nonRoot;
    private bool _isOpenWindow;

    /// <summary>Reads and owns <paramref name="stream"/>, which is at the first byte of the (decompressed) text. <paramref name="name"/> names it in messages.
    /// <paramref name="progress"/> is told now and then how many more lines were read.</summary>
    public HwLogReader(Stream stream, string name, Action<long>? progress = null) => _lines = new LineReader(stream, name) { Progress = progress };

    /// <summary>Records read so far.</summary>
    public long Records { get; private set; }

    /// <summary>Number of the line that was read last.</summary>
    public long Line => _lines.Line;

    /// <summary>Detail of the memory window: 0 outside one, 1 every data access, 2 pages after the filter.</summary>
    public int WindowMode { get; private set; }

    /// <summary>What was not understood.</summary>
    public Findings Findings { get; } = new();

    /// <summary>Reads the next record; false at the end.</summary>
    /// <exception cref="TraceFormatException">A line is malformed.</exception>
    public bool Read(ref HwRecord record)
    {
        while (_lines.Read(out ReadOnlySpan<byte> line))
        {
            if (_lines.LastLineWasCut)
            {
                throw Malformed("a whole line", $"the end of the file after {TextCursor.Show(line)}", "The file is cut short.");
            }

            record.Clear();
            if (Parse(line, ref record))
            {
                Records++;
                return true;
            }
        }

        if (_isOpenWindow)
        {
            Findings.Add(Severity.Warning, MissingTrailer, "", Line);
            _isOpenWindow = false;
        }

        return false;
    }

    /// <inheritdoc/>
    public void Dispose() => _lines.Dispose();

    private bool Parse(ReadOnlySpan<byte> line, ref HwRecord record)
    {
        if (line.IsEmpty)
        {
            throw Malformed("a record", "an empty line", "The file is damaged.");
        }

        TextCursor cursor = new(line);
        byte first = line[0];
        if ((uint)(first - '0') <= 9)
        {
            return ParseEvent(ref cursor, ref record);
        }

        if (line.StartsWith("# "u8))
        {
            return ParseTrailer(ref cursor, ref record);
        }

        if (line.Length < 2 || line[1] != ' ')
        {
            throw Unrecognised(line);
        }

        cursor.Position = 2;
        record.Ticks = _ticks;
        record.Icount = _icount;
        switch (first)
        {
            case (byte)'C':
                ParseContext(ref cursor, ref record);
                return true;
            case (byte)'F':
                ParseWalk(ref cursor, ref record);
                break;
            case (byte)'r' or (byte)'w' or (byte)'m':
                Require(FullMode, line);
                record.Type = first == 'r' ? HwType.Read : first == 'w' ? HwType.Write : HwType.Modify;
                Address(ref cursor, ref record, 0);
                record.Set(HwOperand.Size, Hex(ref cursor, "the size"));
                break;
            case (byte)'R' or (byte)'W':
                Require(PagesMode, line);
                record.Type = first == 'R' ? HwType.Read : HwType.Write;
                Address(ref cursor, ref record, PageShift);
                break;
            case (byte)'X':
                if (WindowMode == 0)
                {
                    Require(PagesMode, line);
                }

                record.Type = HwType.Fetch;
                Address(ref cursor, ref record, WindowMode == (int)PagesMode ? PageShift : 0);
                break;
            default:
                throw Unrecognised(line);
        }

        _isOpenWindow = true;
        record.Cpu = _cpu;
        record.NonRoot = _nonRoot;
        End(ref cursor);
        return true;
    }

    // TICKS ICOUNT CPU MODE TYPE fields...
    private bool ParseEvent(ref TextCursor cursor, ref HwRecord record)
    {
        ulong ticks = Decimal(ref cursor, "the ticks");
        if (ticks < _ticks)
        {
            throw Malformed(
                $"a time of at least {_ticks}", $"{ticks}",
                "Captures are written in order: lines were moved, or two captures stand one behind the other. Give each by itself, or sort an event log by its first column (sort -s -n -k1,1).");
        }

        record.Ticks = _ticks = ticks;
        record.Icount = _icount = Decimal(ref cursor, "the instruction count");
        ulong cpu = Decimal(ref cursor, "the CPU");
        if (cpu >= MaxCpu)
        {
            throw Malformed($"a CPU number below {MaxCpu}", $"{cpu}", "The line is damaged.");
        }

        record.Cpu = (int)cpu;
        record.NonRoot = Mode(ref cursor);
        ReadOnlySpan<byte> name = cursor.Word();
        if (!IsTypeName(name))
        {
            throw Malformed("an event type in capitals", TextCursor.Show(name), "The line is damaged.");
        }

        if (!HwSchema.TryGet(name, out HwSchema schema))
        {
            // Nothing tells whether it matters to levels or translations.
            Findings.Add(Severity.DataLoss, UnknownEvent, _strings.Get(name), Line);
            return false;
        }

        ParseFields(schema, ref cursor, ref record);
        switch (schema.Type)
        {
            case HwType.Invept or HwType.GuestInvept:
                record.Set(HwOperand.Eptp, record[HwOperand.DescriptorLow]);
                break;
            case HwType.Invvpid or HwType.GuestInvvpid:
                record.Set(HwOperand.Vpid, record[HwOperand.DescriptorLow] & 0xFFFF);
                record.Set(HwOperand.Linear, record[HwOperand.DescriptorHigh]);
                break;
            case HwType.Invpcid:
                record.Set(HwOperand.Linear, record[HwOperand.DescriptorHigh]);
                break;
            case HwType.MemwindowStart:
                WindowMode = record[HwOperand.WindowMode] is FullMode or PagesMode
                    ? (int)record[HwOperand.WindowMode]
                    : throw Malformed("mode=1 or mode=2", $"mode={record[HwOperand.WindowMode]}", "The file is of a newer kind, or damaged.");
                break;
            default:
                break;
        }

        return true;
    }

    private void ParseContext(ref TextCursor cursor, ref HwRecord record)
    {
        ulong cpu = Decimal(ref cursor, "the CPU");
        if (cpu >= MaxCpu)
        {
            throw Malformed($"a CPU number below {MaxCpu}", $"{cpu}", "The line is damaged.");
        }

        record.Cpu = _cpu = (int)cpu;
        record.NonRoot = _nonRoot = Mode(ref cursor);
        ParseFields(HwSchema.Context, ref cursor, ref record);
    }

    // F LA PA SIZE [us][rwx][g-]
    private void ParseWalk(ref TextCursor cursor, ref HwRecord record)
    {
        record.Type = HwType.Walk;
        Address(ref cursor, ref record, 0);
        record.Set(HwOperand.Size, Hex(ref cursor, "the page size"));
        ReadOnlySpan<byte> kind = cursor.Word();
        int type = kind.Length == 3 ? "rwx"u8.IndexOf(kind[1]) : -1;
        if (type < 0 || kind[0] is not ((byte)'u' or (byte)'s') || kind[2] is not ((byte)'g' or (byte)'-'))
        {
            throw Malformed("[us][rwx][g-]", TextCursor.Show(kind), "The line is damaged.");
        }

        record.Set(HwOperand.User, kind[0] == 'u' ? 1UL : 0);
        record.Set(HwOperand.AccessType, (ulong)type);
        record.Set(HwOperand.Global, kind[2] == 'g' ? 1UL : 0);
    }

    // "# MEMWINDOW_END seen=6000000 out=6516249"; other comments say how the filter did.
    private bool ParseTrailer(ref TextCursor cursor, ref HwRecord record)
    {
        if (!cursor.Skip("# MEMWINDOW_END seen="u8))
        {
            return false;
        }

        record.Type = HwType.MemwindowEnd;
        record.Ticks = _ticks;
        record.Icount = _icount;
        record.Cpu = _cpu;
        record.NonRoot = _nonRoot;
        record.Set(HwOperand.Accesses, Decimal(ref cursor, "the accesses seen"));
        if (!cursor.Skip("out="u8))
        {
            throw Malformed("out=", cursor.Shown(), "The line is damaged.");
        }

        record.Set(HwOperand.Records, Decimal(ref cursor, "the records written"));
        End(ref cursor);
        _isOpenWindow = false;
        return true;
    }

    private void ParseFields(HwSchema schema, ref TextCursor cursor, ref HwRecord record)
    {
        record.Type = schema.Type;
        HwField[] fields = schema.Fields;
        int expected = 0;
        ulong seen = 0;
        while (cursor.SkipSpaces() || !cursor.AtEnd)
        {
            if (cursor.AtEnd)
            {
                break;
            }

            int at = Field(fields, expected, cursor.Rest, out int nameLength);
            if (at < 0)
            {
                SkipUnknown(ref cursor);
                continue;
            }

            if ((seen >> at & 1) != 0)
            {
                throw Malformed("each field once", $"a second one at {cursor.Shown()}", "The line is damaged.");
            }

            cursor.Position += nameLength;
            ParseValue(fields[at], ref cursor, ref record);
            seen |= 1UL << at;
            expected = at + 1;
        }

        for (int i = 0; i < fields.Length; i++)
        {
            if (fields[i].IsRequired && (seen >> i & 1) == 0)
            {
                string name = Encoding.ASCII.GetString(fields[i].Name);
                throw Malformed(name.Length > 0 ? $"the field {name}=" : $"value {i + 1}", "the end of the line", "The line is cut or damaged.");
            }
        }
    }

    // Fields come in the schema's order almost always, so the search starts at the expected one and wraps around.
    private static int Field(HwField[] fields, int expected, ReadOnlySpan<byte> rest, out int nameLength)
    {
        for (int i = 0; i < fields.Length; i++)
        {
            int at = expected + i;
            at -= at >= fields.Length ? fields.Length : 0;
            ReadOnlySpan<byte> name = fields[at].Name;
            if (name.IsEmpty ? at == expected : rest.Length > name.Length && rest[name.Length] == '=' && rest.StartsWith(name))
            {
                nameLength = name.IsEmpty ? 0 : name.Length + 1;
                return at;
            }
        }

        nameLength = 0;
        return -1;
    }

    private void SkipUnknown(ref TextCursor cursor)
    {
        ReadOnlySpan<byte> word = cursor.Word();
        int equals = word.IndexOf((byte)'=');
        if (equals <= 0 || !IsFieldName(word[..equals]))
        {
            throw Malformed("name=value", TextCursor.Show(word), "The line is damaged.");
        }

        Findings.Add(Severity.Warning, UnknownField, _strings.Get(word[..equals]), Line);
    }

    private void ParseValue(HwField field, ref TextCursor cursor, ref HwRecord record)
    {
        ulong value;
        switch (field.Number)
        {
            case HwNumber.Decimal when cursor.Decimal(out value):
            case HwNumber.Hex when cursor.Hex(out value):
                break;
            case HwNumber.Millions when cursor.Decimal(out value):
                value *= cursor.Skip("M"u8) ? 1_000_000UL : 1;
                break;
            case HwNumber.Quadwords when cursor.Hex(out value):
                for (int i = 1; i < 4; i++)
                {
                    if (!cursor.Skip(":"u8) || !cursor.Hex(out ulong quadword))
                    {
                        throw Malformed("four quadwords with colons between", cursor.Shown(), "The line is damaged.");
                    }

                    record.Set((HwOperand)((int)field.Operand!.Value + i), quadword);
                }

                break;
            default:
                throw Malformed(field.Number == HwNumber.Hex ? "a hexadecimal number" : "a decimal number", cursor.Shown(), "The line is damaged.");
        }

        if (cursor.Rest.Length > 0 && cursor.Rest[0] != ' ')
        {
            throw Malformed("a space after the number", cursor.Shown(), "The line is damaged.");
        }

        if (field.Operand is { } operand)
        {
            record.Set(operand, value);
        }
    }

    private void Address(ref TextCursor cursor, ref HwRecord record, int shift)
    {
        ulong linear = Hex(ref cursor, "a linear address");
        ulong physical = Hex(ref cursor, "a physical address");
        if (shift != 0 && (linear > MaxFrame || physical > MaxFrame))
        {
            throw Malformed("page numbers of at most 52 bits", $"{linear:x} {physical:x}", "The line is damaged, or not from a window with mode=2.");
        }

        record.Set(HwOperand.Linear, linear << shift);
        record.Set(HwOperand.Physical, physical << shift);
    }

    private ulong Decimal(ref TextCursor cursor, string what)
    {
        bool negative = cursor.Rest.StartsWith("-"u8);
        if (negative || !cursor.Decimal(out ulong value) || (!cursor.SkipSpaces() && cursor.Rest.Length > 0))
        {
            throw Malformed($"{what} as a decimal number", cursor.Shown(), "The line is damaged.");
        }

        return value;
    }

    private ulong Hex(ref TextCursor cursor, string what)
    {
        if (!cursor.Hex(out ulong value) || (!cursor.SkipSpaces() && cursor.Rest.Length > 0))
        {
            throw Malformed($"{what} as a hexadecimal number", cursor.Shown(), "The line is damaged.");
        }

        return value;
    }

    private bool Mode(ref TextCursor cursor)
    {
        bool nonRoot = cursor.Rest.StartsWith("G "u8);
        if (!nonRoot && !cursor.Rest.StartsWith("R "u8))
        {
            throw Malformed("mode R or G", cursor.Shown(), "The line is damaged.");
        }

        cursor.Position += 2;
        return nonRoot;
    }

    private void Require(ulong mode, ReadOnlySpan<byte> line)
    {
        if (WindowMode != (int)mode)
        {
            throw Malformed(
                WindowMode == 0 ? "MEMWINDOW_START before the first access" : $"accesses of a window with mode={WindowMode}",
                TextCursor.Show(line),
                "A cut of a memory window must keep its first line.");
        }
    }

    private void End(ref TextCursor cursor)
    {
        if (!cursor.AtEnd)
        {
            throw Malformed("the end of the line", cursor.Shown(), "The line is damaged.");
        }
    }

    private static bool IsTypeName(ReadOnlySpan<byte> name) =>
        name.Length is > 0 and <= 64 && name.IndexOfAnyExcept(TypeNameBytes) < 0;

    private static bool IsFieldName(ReadOnlySpan<byte> name) => name.IndexOfAnyExcept(FieldNameBytes) < 0;

    private TraceFormatException Unrecognised(ReadOnlySpan<byte> line) =>
        Malformed("an event (ticks first) or one of C F r w m R W X #", TextCursor.Show(line), "This is not a hardware capture, or the line is damaged.");

    /// <summary>An error about the line that was read last.</summary>
    internal TraceFormatException Malformed(string expected, string found, string hint) => _lines.Malformed(expected, found, hint);
}
