using System.Globalization;
using System.Numerics;
using System.Text;
using Sim.Core;
using Sim.Core.Traces;

namespace Sim.Workloads.Importers;

/// <summary>
/// Reads Valgrind lackey text as a bare access stream: one lane, CPL 3, no events, not folded. <c>I</c> is Execute, <c>L</c> Read, <c>S</c> and <c>M</c>
/// Write; Valgrind's own lines (<c>==pid==</c>, <c>--pid--</c>, <c>**pid**</c>) are skipped. Lines end with LF or CR LF.
/// </summary>
/// <remarks>
/// The n-th instruction (from 0) has time n * CPI, rounded down, and its data accesses have the same time. An access that crosses a 4K page becomes two
/// records, one per page. Sizes are rounded up to a power of two and capped at 64 bytes, the largest that <see cref="AccessFlags"/> holds.
/// Format: lackey/lk_main.c of Valgrind 3.19 (<c>"I  %08lx,%lu\n"</c>, <c>" L %08lx,%lu\n"</c>...).
/// </remarks>
public sealed class LackeySource : ITraceSource
{
    /// <summary>Largest numerator and denominator of the cycles per instruction.</summary>
    public const uint MaxCpiTerm = 1_000_000;

    private const int BufferBytes = 1 << 18;
    private const int MaxAccessBytes = 4096;
    private const int MaxHexDigits = 16;
    private const int MaxShown = 60;
    private const ulong PageMask = 4095;
    private const byte NoDigit = 0xFF;

    // Address of an access line: after the letter and one blank.
    private const int AddressColumn = 3;

    private static readonly byte[] HexDigit = BuildHexDigits();

    private readonly Stream _stream;
    private readonly string _name;
    private readonly byte[] _buffer = new byte[BufferBytes];
    private readonly ulong _cyclesWhole;
    private readonly uint _cyclesRest;
    private readonly uint _cpiDenominator;

    // Complete lines lie in [_start, _lineEnd); the beginning of an unfinished one in [_lineEnd, _filled).
    private int _start;
    private int _lineEnd;
    private int _filled;
    private bool _ended;
    private ulong _line;
    private ulong _records;
    private ulong _nextTime;
    private uint _rest;
    private ulong _time;

    /// <summary>Reads from a stream, which it owns, with cycles per instruction of <paramref name="cpiNumerator"/>/<paramref name="cpiDenominator"/>.</summary>
    /// <exception cref="ConfigurationException">The cycles per instruction are out of range.</exception>
    public LackeySource(Stream stream, string name, uint cpiNumerator = 1, uint cpiDenominator = 1)
    {
        if (cpiNumerator is 0 or > MaxCpiTerm || cpiDenominator is 0 or > MaxCpiTerm)
        {
            throw new ConfigurationException(
                $"Cycles per instruction are {cpiNumerator}/{cpiDenominator}, but numerator and denominator must be 1 to {MaxCpiTerm}.");
        }

        _stream = stream;
        _name = name;
        _cyclesWhole = cpiNumerator / cpiDenominator;
        _cyclesRest = cpiNumerator % cpiDenominator;
        _cpiDenominator = cpiDenominator;
        SortedDictionary<string, string> properties = new(StringComparer.Ordinal)
        {
            ["source"] = "lackey",
            ["page-crossing accesses"] = "split in two",
        };
        Header = new TraceHeader(1, Folded: false, string.Create(CultureInfo.InvariantCulture, $"{cpiNumerator}/{cpiDenominator}"), properties)
        {
            Doubts = [new Doubt(DoubtKind.Clock, string.Create(CultureInfo.InvariantCulture, $"the program's time is a count of instructions, {cpiNumerator}/{cpiDenominator} cycles each"))],
        };
    }

    /// <inheritdoc/>
    public TraceHeader Header { get; }

    /// <summary>Instructions read so far.</summary>
    public ulong Instructions { get; private set; }

    /// <summary>Accesses so far that crossed a 4K page and were split in two.</summary>
    public ulong PageCrossings { get; private set; }

    /// <summary>True for a line (without its end) that Valgrind prints about itself.</summary>
    internal static bool IsMessage(ReadOnlySpan<byte> line)
    {
        if (line.Length < 4 || line[0] != line[1] || line[0] is not ((byte)'=' or (byte)'-' or (byte)'*'))
        {
            return false;
        }

        int end = 2 + line[2..].IndexOfAnyExceptInRange((byte)'0', (byte)'9');
        return end > 2 && (line[end] == ':' || (end + 1 < line.Length && line[end] == line[0] && line[end + 1] == line[0]));
    }

    /// <summary>True for a well-formed access line (without its LF).</summary>
    internal static bool IsAccess(ReadOnlySpan<byte> line)
    {
        line = line.TrimEnd((byte)'\r');
        if (line.Length < AddressColumn || !TryType(line, out _))
        {
            return false;
        }

        int at = AddressColumn;
        return TryHex(line, ref at, out _) && at < line.Length && line[at++] == ',' && TrySize(line, ref at, out _) && at == line.Length;
    }

    /// <inheritdoc/>
    public bool Read(TraceBlock block)
    {
        block.Clear();
        block.Lane = 0;
        block.FirstRecord = _records;

        // One access may become two records.
        while (block.AccessCount + 2 <= TraceBlock.MaxAccesses)
        {
            if (_start == _lineEnd && !Refill())
            {
                break;
            }

            ParseLines(block);
        }

        _records += (ulong)block.AccessCount;
        if (_records == 0)
        {
            throw new TraceFormatException(_name, Line(_line), "at least one access", "the end of the input", "Run valgrind --tool=lackey with --trace-mem=yes.");
        }

        return block.AccessCount > 0;
    }

    /// <inheritdoc/>
    public void Dispose() => _stream.Dispose();

    private static byte[] BuildHexDigits()
    {
        byte[] table = new byte[256];
        Array.Fill(table, NoDigit);
        for (byte digit = 0; digit < 16; digit++)
        {
            table["0123456789abcdef"[digit]] = digit;
            table["0123456789ABCDEF"[digit]] = digit;
        }

        return table;
    }

    private static bool TryType(ReadOnlySpan<byte> line, out AccessType type)
    {
        type = default;
        switch ((line[0] << 16) | (line[1] << 8) | line[2])
        {
            case ('I' << 16) | (' ' << 8) | ' ':
                type = AccessType.Execute;
                return true;
            case (' ' << 16) | ('L' << 8) | ' ':
                type = AccessType.Read;
                return true;
            case (' ' << 16) | ('S' << 8) | ' ':
            case (' ' << 16) | ('M' << 8) | ' ':
                type = AccessType.Write;
                return true;
            default:
                return false;
        }
    }

    private static bool TryHex(ReadOnlySpan<byte> text, ref int at, out ulong value)
    {
        value = 0;
        int first = at;
        byte[] table = HexDigit;
        for (; at < text.Length; at++)
        {
            byte digit = table[text[at]];
            if (digit == NoDigit)
            {
                break;
            }

            value = (value << 4) | digit;
        }

        return (uint)(at - first - 1) < MaxHexDigits;
    }

    private static bool TrySize(ReadOnlySpan<byte> text, ref int at, out int size)
    {
        size = 0;
        for (; at < text.Length && (uint)(text[at] - '0') <= 9 && size <= MaxAccessBytes; at++)
        {
            size = (size * 10) + (text[at] - '0');
        }

        return (uint)(size - 1) < MaxAccessBytes;
    }

    private static int SizeLog2(int size) => Math.Min(6, BitOperations.Log2(((uint)size * 2) - 1));

    private static string Line(ulong line) => string.Create(CultureInfo.InvariantCulture, $"line {line}");

    /// <summary>Parses complete lines until there are none left or the block cannot take two more records.</summary>
    private void ParseLines(TraceBlock block)
    {
        ReadOnlySpan<byte> text = _buffer.AsSpan(0, _lineEnd);
        int at = _start;
        while (at < text.Length && block.AccessCount + 2 <= TraceBlock.MaxAccesses)
        {
            int begin = at;
            _line++;
            AccessType type = default;
            int size = 0;
            ulong address = 0;
            at += AddressColumn;
            bool parsed = at < text.Length && TryType(text[begin..], out type) && TryHex(text, ref at, out address)
                && at < text.Length && text[at++] == ',' && TrySize(text, ref at, out size) && at < text.Length;
            at += parsed && text[at] == '\r' ? 1 : 0;
            if (parsed && text[at++] == '\n')
            {
                Append(block, type, address, size);
                continue;
            }

            ReadOnlySpan<byte> line = text[begin..];
            line = line[..line.IndexOf((byte)'\n')];
            if (!IsMessage(line))
            {
                throw Malformed(line);
            }

            at = begin + line.Length + 1;
        }

        _start = at;
    }

    private void Append(TraceBlock block, AccessType type, ulong address, int size)
    {
        if (type == AccessType.Execute)
        {
            Instructions++;
            _time = _nextTime;
            _nextTime += _cyclesWhole;
            _rest += _cyclesRest;
            if (_rest >= _cpiDenominator)
            {
                _rest -= _cpiDenominator;
                _nextTime++;
            }
        }

        ulong last = address + (ulong)(size - 1);
        if ((address ^ last) <= PageMask)
        {
            block.AddAccess(_time, address, AccessFlags.Pack(type, cpl: 3, SizeLog2(size)));
            return;
        }

        if (last < address)
        {
            throw new TraceFormatException(_name, Line(_line), "an access inside the 64-bit address space", $"{size} bytes at 0x{address:x}", "The line is damaged.");
        }

        PageCrossings++;
        ulong nextPage = last & ~PageMask;
        int inFirst = (int)(nextPage - address);
        block.AddAccess(_time, address, AccessFlags.Pack(type, cpl: 3, SizeLog2(inFirst)));
        block.AddAccess(_time, nextPage, AccessFlags.Pack(type, cpl: 3, SizeLog2(size - inFirst)));
    }

    /// <summary>Makes at least one complete line available; false at the end of the input.</summary>
    private bool Refill()
    {
        _buffer.AsSpan(_lineEnd, _filled - _lineEnd).CopyTo(_buffer);
        _filled -= _lineEnd;
        _start = 0;
        _lineEnd = 0;
        while (!_ended && _filled < BufferBytes)
        {
            int read = _stream.Read(_buffer, _filled, BufferBytes - _filled);
            if (read == 0)
            {
                _ended = true;
                break;
            }

            int newline = _buffer.AsSpan(_filled, read).LastIndexOf((byte)'\n');
            _filled += read;
            if (newline >= 0)
            {
                _lineEnd = _filled - read + newline + 1;
                return true;
            }
        }

        if (_filled == 0)
        {
            return false;
        }

        _line++;
        throw _ended
            ? new TraceFormatException(_name, Line(_line), "the end of the line", $"the end of the input after '{Show(_buffer.AsSpan(0, _filled))}'", "The trace is cut short; capture it again, or drop its last line.")
            : Malformed(_buffer.AsSpan(0, _filled));
    }

    private TraceFormatException Malformed(ReadOnlySpan<byte> line) =>
        new(
            _name,
            Line(_line),
            "'I  address,size', ' L address,size', ' S address,size', ' M address,size' or a line of Valgrind's own (==pid==)",
            $"'{Show(line)}'",
            "If the program's own output is mixed in, capture with --log-file=FILE.");

    private static string Show(ReadOnlySpan<byte> line)
    {
        string text = Encoding.Latin1.GetString(line[..Math.Min(line.Length, MaxShown)]);
        StringBuilder shown = new(text.Length);
        foreach (char c in text)
        {
            shown.Append(char.IsControl(c) ? '.' : c);
        }

        return line.Length > MaxShown ? shown + "..." : shown.ToString();
    }
}
