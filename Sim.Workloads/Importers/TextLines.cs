using System.Globalization;
using System.Text;
using Sim.Core;

namespace Sim.Workloads.Importers;

/// <summary>The lines of a text trace, one after the other, without their LF or CR LF. The last one must have its end: without it the trace is cut short.</summary>
/// <param name="stream">At the first byte; owned.</param>
/// <param name="name">Names the input in messages.</param>
internal sealed class TextLines(Stream stream, string name) : IDisposable
{
    private const int BufferBytes = 1 << 17;
    private const int MaxShown = 60;

    private readonly byte[] _buffer = new byte[BufferBytes];
    private int _start;
    private int _filled;
    private bool _ended;

    /// <summary>Number of the line that was read last, from 1.</summary>
    public ulong Number { get; private set; }

    /// <summary>The next line, which is valid until the one after it; false at the end.</summary>
    /// <exception cref="TraceFormatException">The last line has no end, or a line is longer than any of a trace.</exception>
    public bool Next(out ReadOnlySpan<byte> line)
    {
        int end;
        while ((end = _buffer.AsSpan(_start, _filled - _start).IndexOf((byte)'\n')) < 0)
        {
            if (!Refill())
            {
                line = default;
                return false;
            }
        }

        Number++;
        line = _buffer.AsSpan(_start, end);
        _start += end + 1;
        line = line.Length > 0 && line[^1] == '\r' ? line[..^1] : line;
        return true;
    }

    /// <summary>An error in the line that was read last; <paramref name="column"/> counts from 1, 0: the whole line.</summary>
    public TraceFormatException Error(int column, string expected, string found, string hint) =>
        new(name, string.Create(CultureInfo.InvariantCulture, $"line {Number}") + (column > 0 ? string.Create(CultureInfo.InvariantCulture, $", column {column}") : ""), expected, found, hint);

    /// <summary>An error in the line that was read last, which it quotes.</summary>
    public TraceFormatException Malformed(ReadOnlySpan<byte> line, string expected, string hint) => Error(0, expected, $"'{Show(line)}'", hint);

    /// <inheritdoc/>
    public void Dispose() => stream.Dispose();

    private static string Show(ReadOnlySpan<byte> line)
    {
        StringBuilder shown = new();
        foreach (byte b in line[..Math.Min(line.Length, MaxShown)])
        {
            shown.Append(b is >= 0x20 and < 0x7F ? (char)b : '.');
        }

        return line.Length > MaxShown ? shown + "..." : shown.ToString();
    }

    private bool Refill()
    {
        ReadOnlySpan<byte> begun = _buffer.AsSpan(_start, _filled - _start);
        if (_ended || begun.Length == BufferBytes)
        {
            if (begun.IsEmpty)
            {
                return false;
            }

            Number++;
            throw _ended
                ? new TraceFormatException(name, string.Create(CultureInfo.InvariantCulture, $"line {Number}"), "the end of the line", $"the end of the input after '{Show(begun)}'", "The trace is cut short: get it again, or end its last line with a line feed if it is whole.")
                : Malformed(begun, "a line of at most 128 KiB", "This is no text trace.");
        }

        begun.CopyTo(_buffer);
        _filled -= _start;
        _start = 0;
        int read = stream.Read(_buffer, _filled, BufferBytes - _filled);
        _filled += read;
        _ended = read == 0;
        return true;
    }
}
