using Sim.Core;

namespace Sim.Captures.Ftrace;

/// <summary>Reads a stream of text line by line as bytes, through one fixed buffer. A line ends at LF; a CR before it is dropped.</summary>
internal sealed class LineReader : IDisposable
{
    /// <summary>Longest line that is accepted, in bytes. A file without line ends is not text, and must not fill the memory.</summary>
    public const int MaxLineBytes = 1 << 16;

    private readonly Stream _stream;
    private readonly string _name;
    private readonly byte[] _buffer = new byte[4 * MaxLineBytes];
    private int _start;
    private int _end;
    private bool _streamEnded;
    private long _told;

    /// <summary>Reads and owns <paramref name="stream"/>; <paramref name="name"/> names it in messages.</summary>
    public LineReader(Stream stream, string name)
    {
        _stream = stream;
        _name = name;
    }

    /// <summary>Told, whenever the buffer is filled, how many lines were read since it was told last.</summary>
    public Action<long>? Progress { get; init; }

    /// <summary>Number of the line that was read last; the first is 1.</summary>
    public long Line { get; private set; }

    /// <summary>Name of the input in messages.</summary>
    public string Name => _name;

    /// <summary>True if the line that was read last had no line end: the file was perhaps cut there.</summary>
    public bool LastLineWasCut { get; private set; }

    /// <summary>Reads the next line; false at the end. The span is valid until the next call.</summary>
    /// <exception cref="TraceFormatException">A line is longer than <see cref="MaxLineBytes"/>.</exception>
    public bool Read(out ReadOnlySpan<byte> line)
    {
        int searched = 0;
        while (true)
        {
            int length = _buffer.AsSpan(_start + searched, _end - _start - searched).IndexOf((byte)'\n');
            if (length >= 0)
            {
                length += searched;
                line = Trimmed(_start, length);
                _start += length + 1;
                Line++;
                return true;
            }

            searched = _end - _start;
            if (searched > MaxLineBytes)
            {
                throw new TraceFormatException(
                    _name, $"line {Line + 1}", $"a line of at most {MaxLineBytes} bytes", "no line end", "The file is not text, or it is damaged.");
            }

            if (_streamEnded)
            {
                line = Trimmed(_start, searched);
                _start = _end;
                LastLineWasCut |= searched > 0;
                Line += searched > 0 ? 1 : 0;
                return searched > 0;
            }

            Refill();
        }
    }

    /// <summary>An error about the line that was read last.</summary>
    public TraceFormatException Malformed(string expected, string found, string hint) => new(_name, $"line {Line}", expected, found, hint);

    /// <inheritdoc/>
    public void Dispose() => _stream.Dispose();

    private ReadOnlySpan<byte> Trimmed(int start, int length) =>
        _buffer.AsSpan(start, length > 0 && _buffer[start + length - 1] == '\r' ? length - 1 : length);

    private void Refill()
    {
        Progress?.Invoke(Line - _told);
        _told = Line;
        _buffer.AsSpan(_start, _end - _start).CopyTo(_buffer);
        _end -= _start;
        _start = 0;
        int read = _stream.Read(_buffer, _end, _buffer.Length - _end);
        _streamEnded = read == 0;
        _end += read;
    }
}
