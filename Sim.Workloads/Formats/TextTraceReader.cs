using System.Buffers;
using System.Globalization;
using System.Numerics;
using System.Text;
using Sim.Core;
using Sim.Core.Traces;
using Sim.Workloads.Formats.Native;

namespace Sim.Workloads.Formats;

/// <summary>
/// Reads the text twin. With <c>block</c> lines the blocks are those of the file; without any (written by hand) records are put into blocks as they come.
/// Empty lines and lines that begin with # mean nothing.
/// </summary>
public sealed class TextTraceReader : ITraceSource
{
    private const string NoBlocksHint = "Either every record follows a line 'block lane=N', or there is no such line at all.";
    private const string SyntaxHint = "docs/trace-format.md describes the text twin.";

    private readonly LineReader _lines;
    private readonly string _name;
    private readonly ulong[] _lastTime;
    private readonly Queue<TraceBlock> _ready = new();
    private readonly Stack<TraceBlock> _free = new();
    private readonly TraceAppender _appender;
    private TraceBlock? _block;
    private ulong _records;
    private ulong _lastFirstTime;
    private bool _appending;
    private bool _ended;

    /// <summary>Reads the version and the header. The stream belongs to the reader from now on.</summary>
    /// <exception cref="TraceFormatException">It is no text twin, of another version, or its header is wrong.</exception>
    public TextTraceReader(Stream stream, string name)
    {
        _name = name;
        _lines = new LineReader(stream, name);
        ReadOnlySpan<char> first = NextLine("the line '" + TextFormat.Magic + TextFormat.Version + "'");
        if (!first.StartsWith(TextFormat.Magic, StringComparison.Ordinal))
        {
            throw Bad($"'{TextFormat.Magic}{TextFormat.Version}'", $"'{first}'", SyntaxHint);
        }

        ReadOnlySpan<char> version = first[TextFormat.Magic.Length..];
        if (!version.SequenceEqual(TextFormat.Version) && !version.SequenceEqual(TextFormat.DoubtsVersion))
        {
            throw Bad($"version {TextFormat.Version} or {TextFormat.DoubtsVersion}", $"'{version}'", "If it is a newer one, take a newer nestsim.");
        }

        ReadOnlySpan<char> header = NextLine("the line 'header {...}'");
        if (!header.StartsWith(TextFormat.Header, StringComparison.Ordinal))
        {
            throw Bad("'header ' and JSON", $"'{header}'", SyntaxHint);
        }

        byte[] json = Encoding.UTF8.GetBytes(header[TextFormat.Header.Length..].ToString());
        Header = HeaderJson.Parse(json, name, Place).Header;
        _lastTime = new ulong[Header.Lanes];
        _appender = new TraceAppender(new ReadyBlocks(this), Header.Lanes);
    }

    /// <inheritdoc/>
    public TraceHeader Header { get; }

    private string Place => string.Create(CultureInfo.InvariantCulture, $"line {_lines.Number}");

    /// <inheritdoc/>
    public bool Read(TraceBlock block)
    {
        while (_ready.Count == 0 && !_ended)
        {
            ReadLine();
        }

        if (!_ready.TryDequeue(out TraceBlock? ready))
        {
            return false;
        }

        block.CopyFrom(ready);
        ready.Clear();
        _free.Push(ready);
        return true;
    }

    /// <inheritdoc/>
    public void Dispose() => _lines.Dispose();

    private void ReadLine()
    {
        ReadOnlySpan<char> line = NextLine("a record, or 'end' and the number of records");
        if (line.StartsWith(TextFormat.Block, StringComparison.Ordinal))
        {
            BeginBlock((int)Number(line[TextFormat.Block.Length..], (ulong)Header.Lanes - 1, "a lane"));
        }
        else if (line.StartsWith(TextFormat.End, StringComparison.Ordinal))
        {
            End(Number(line[TextFormat.End.Length..], ulong.MaxValue, "the number of records"));
        }
        else
        {
            ReadRecord(line);
        }
    }

    private void BeginBlock(int lane)
    {
        if (_appending)
        {
            throw Bad("a record", "a block line after records without one", NoBlocksHint);
        }

        EndBlock();
        _block = Free();
        _block.Lane = lane;
        _block.FirstRecord = _records;
    }

    private void EndBlock()
    {
        if (_block is null)
        {
            return;
        }

        if (_block.RecordCount == 0)
        {
            throw Bad("a record", "a block without records", "Leave the block line out.");
        }

        _ready.Enqueue(_block);
        _block = null;
    }

    private void End(ulong announced)
    {
        if (announced != _records)
        {
            throw Bad($"'end {_records}', as many records as came", $"'end {announced}'", "Records are missing or were added; correct the number if that is meant.");
        }

        EndBlock();
        _appender.Complete();
        _ended = true;
        if (_lines.NextMeaningful(out ReadOnlySpan<char> more))
        {
            throw Bad("the end of the file after 'end'", $"'{more}'", SyntaxHint);
        }
    }

    private void ReadRecord(ReadOnlySpan<char> line)
    {
        ReadOnlySpan<char> rest = line;
        int lane = (int)Number(Word(ref rest), (ulong)Header.Lanes - 1, "a lane");
        ReadOnlySpan<char> timeWord = Word(ref rest);
        if (!timeWord.StartsWith('@'))
        {
            throw Bad("a time as @cycles after the lane", $"'{timeWord}'", SyntaxHint);
        }

        ulong time = Number(timeWord[1..], ulong.MaxValue, "a time");
        if (time < _lastTime[lane])
        {
            throw Bad($"a time of lane {lane} not before {_lastTime[lane]}", $"{time}", "Records of a lane come in the order of time.");
        }

        _lastTime[lane] = time;
        if (_block is null)
        {
            _appending = true;
        }
        else
        {
            CheckBlock(_block, lane, time);
        }

        ReadOnlySpan<char> what = Word(ref rest);
        int type = what.Length == 1 ? TextFormat.AccessLetters.IndexOf(what[0]) : -1;
        if (type >= 0)
        {
            ReadAccess(lane, time, (AccessType)type, rest);
        }
        else
        {
            ReadEvent(lane, time, what, rest);
        }

        _records++;
    }

    private void CheckBlock(TraceBlock block, int lane, ulong time)
    {
        if (lane != block.Lane)
        {
            throw Bad($"a record of the block's lane {block.Lane}", $"lane {lane}", NoBlocksHint);
        }

        if (block.IsFull)
        {
            throw Bad($"a block of at most {TraceBlock.MaxAccesses} accesses and {TraceBlock.MaxEvents} events", "one record more", "Begin another with 'block lane=N'.");
        }

        if (block.RecordCount == 0)
        {
            CheckOrder(time);
        }
    }

    private void CheckOrder(ulong firstTime)
    {
        if (firstTime < _lastFirstTime)
        {
            throw Bad($"a block that begins not before the one before it, {_lastFirstTime}", $"{firstTime}", "Blocks come in the order of their first records' times.");
        }

        _lastFirstTime = firstTime;
    }

    private void ReadAccess(int lane, ulong time, AccessType type, ReadOnlySpan<char> rest)
    {
        ulong address = Number(Word(ref rest), ulong.MaxValue, "an address");
        ulong cpl = 0;
        ulong size = 8;
        ulong repeat = 1;
        while (!rest.IsEmpty)
        {
            ReadOnlySpan<char> word = Word(ref rest);
            if (word.StartsWith("cpl=", StringComparison.Ordinal))
            {
                cpl = Number(word[4..], 3, "a privilege level");
            }
            else if (word.StartsWith("size=", StringComparison.Ordinal))
            {
                size = Number(word[5..], 64, "a size");
                if (!BitOperations.IsPow2(size))
                {
                    throw Bad("a size of 1, 2, 4, 8, 16, 32 or 64 bytes", $"{size}", SyntaxHint);
                }
            }
            else if (word.StartsWith('x'))
            {
                repeat = Number(word[1..], uint.MaxValue, "a repeat");
                if (repeat == 0)
                {
                    throw Bad("a repeat of at least 1", "0", SyntaxHint);
                }
            }
            else
            {
                throw Bad("cpl=, size= or x and a number", $"'{word}'", SyntaxHint);
            }
        }

        byte flags = AccessFlags.Pack(type, (int)cpl, BitOperations.Log2(size));
        if (_block is null)
        {
            _appender.Access(lane, time, address, flags, (uint)repeat);
        }
        else
        {
            _block.AddAccess(time, address, flags, (uint)repeat);
        }
    }

    private void ReadEvent(int lane, ulong time, ReadOnlySpan<char> kindName, ReadOnlySpan<char> rest)
    {
        if (!Enum.TryParse(kindName, out RecordKind kind) || kind == RecordKind.Access || !kind.ToString().AsSpan().SequenceEqual(kindName))
        {
            IEnumerable<string> known = RecordSchema.Kinds.Where(k => k != RecordKind.Access).Select(k => k.ToString());
            throw Bad("R, W, X or an event", $"'{kindName}'", NearestNames.Unknown("event", kindName.ToString(), known));
        }

        ReadOnlySpan<char> levelWord = Word(ref rest);
        if (!levelWord.StartsWith("level=", StringComparison.Ordinal))
        {
            throw Bad("level= first", $"'{levelWord}'", SyntaxHint);
        }

        TraceEvent e = new() { Time = time, Kind = kind, Level = (byte)Number(levelWord[6..], NativeTraceReader.MaxLevel, "a level") };
        if (kind == RecordKind.Mark)
        {
            e.Text = Unescape(rest);
        }
        else
        {
            ReadOperands(ref e, rest);
        }

        if (_block is null)
        {
            _appender.Event(lane, e);
        }
        else
        {
            _block.AddEvent(e);
        }
    }

    private void ReadOperands(ref TraceEvent e, ReadOnlySpan<char> rest)
    {
        int given = 0;
        while (!rest.IsEmpty)
        {
            ReadOnlySpan<char> word = Word(ref rest);
            int equals = word.IndexOf('=');
            ReadOnlySpan<char> name = equals < 0 ? word : word[..equals];
            FieldSpec? field = null;
            foreach (FieldSpec candidate in RecordSchema.Fields(e.Kind))
            {
                if (name.SequenceEqual(candidate.Name))
                {
                    field = candidate;
                }
            }

            if (equals < 0 || field is null)
            {
                throw Bad("field=value", $"'{word}'", NearestNames.Unknown($"field of {e.Kind}", name.ToString(), RecordSchema.Fields(e.Kind).Select(f => f.Name)));
            }

            if ((given & (1 << field.Slot)) != 0)
            {
                throw Bad("each field once", $"'{name}' again", SyntaxHint);
            }

            given |= 1 << field.Slot;
            e[field.Slot] = Value(field, word[(equals + 1)..]);
        }
    }

    private ulong Value(FieldSpec field, ReadOnlySpan<char> word)
    {
        for (int i = 0; i < field.Names.Count; i++)
        {
            if (word.SequenceEqual(field.Names[i]))
            {
                return (ulong)i;
            }
        }

        return Number(word, ulong.MaxValue, field.Names.Count == 0 ? $"a number for {field.Name}" : $"{string.Join(", ", field.Names)} or a number for {field.Name}");
    }

    private string Unescape(ReadOnlySpan<char> text)
    {
        StringBuilder result = new(text.Length);
        for (int i = 0; i < text.Length; i++)
        {
            if (text[i] != '\\')
            {
                result.Append(text[i]);
            }
            else if (i + 1 < text.Length && text[i + 1] == '\\')
            {
                result.Append('\\');
                i++;
            }
            else if (i + 5 < text.Length && text[i + 1] == 'u' && ushort.TryParse(text.Slice(i + 2, 4), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out ushort unit))
            {
                result.Append((char)unit);
                i += 5;
            }
            else
            {
                throw Bad(@"\\ or \u and four hexadecimal digits", $"'{text[i..]}'", SyntaxHint);
            }
        }

        string mark = result.ToString();
        if (!IsMark(mark))
        {
            throw Bad($"a text of at most {NativeLayout.MaxMarkBytes} bytes of UTF-8", mark.Length > 0 && mark.Length <= NativeLayout.MaxMarkBytes ? "half a surrogate pair, or more" : $"{mark.Length} characters", SyntaxHint);
        }

        return mark;
    }

    private static bool IsMark(string text)
    {
        int bytes = 0;
        for (ReadOnlySpan<char> rest = text; !rest.IsEmpty;)
        {
            if (Rune.DecodeFromUtf16(rest, out Rune rune, out int units) != OperationStatus.Done)
            {
                return false;
            }

            bytes += rune.Utf8SequenceLength;
            rest = rest[units..];
        }

        return bytes <= NativeLayout.MaxMarkBytes;
    }

    private ulong Number(ReadOnlySpan<char> word, ulong maximum, string what)
    {
        bool isHex = word.StartsWith("0x", StringComparison.Ordinal);
        bool isNumber = isHex
            ? ulong.TryParse(word[2..], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out ulong number)
            : ulong.TryParse(word, NumberStyles.None, CultureInfo.InvariantCulture, out number);
        if (!isNumber || number > maximum)
        {
            throw Bad(maximum == ulong.MaxValue ? what : $"{what} of at most {maximum}", $"'{word}'", "Numbers are decimal, or hexadecimal with 0x.");
        }

        return number;
    }

    private static ReadOnlySpan<char> Word(ref ReadOnlySpan<char> rest)
    {
        int space = rest.IndexOf(' ');
        ReadOnlySpan<char> word = space < 0 ? rest : rest[..space];
        rest = space < 0 ? [] : rest[(space + 1)..];
        return word;
    }

    private ReadOnlySpan<char> NextLine(string expected) =>
        _lines.NextMeaningful(out ReadOnlySpan<char> line) ? line : throw Bad(expected, "the end of the file", "The file is cut short: a text trace ends with a line 'end' and the number of records.");

    private TraceBlock Free() => _free.TryPop(out TraceBlock? block) ? block : new TraceBlock();

    private TraceFormatException Bad(string expected, string found, string hint) => new(_name, Place, expected, found, hint);

    /// <summary>Where blocks go that are made here: to <see cref="Read"/>.</summary>
    private sealed class ReadyBlocks(TextTraceReader reader) : ITraceSink
    {
        public void Write(TraceBlock block)
        {
            reader.CheckOrder(block.FirstTime);
            TraceBlock copy = reader.Free();
            copy.CopyFrom(block);
            reader._ready.Enqueue(copy);
        }
    }

    /// <summary>Lines of UTF-8 up to a limit, without their ends (LF or CR LF).</summary>
    private sealed class LineReader(Stream stream, string name) : IDisposable
    {
        private const int MaxLineBytes = (1 << 20) + 64;
        private static readonly UTF8Encoding Utf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

        private byte[] _bytes = new byte[1 << 16];
        private char[] _characters = new char[1 << 10];
        private int _start;
        private int _end;

        /// <summary>Number of the line read last, from 1.</summary>
        public long Number { get; private set; }

        /// <summary>The next line that is neither empty nor a comment; false at the end.</summary>
        public bool NextMeaningful(out ReadOnlySpan<char> line)
        {
            while (Next(out line))
            {
                if (!line.IsEmpty && line[0] != '#')
                {
                    return true;
                }
            }

            return false;
        }

        public void Dispose() => stream.Dispose();

        private bool Next(out ReadOnlySpan<char> line)
        {
            int searched = 0;
            int feed;
            while ((feed = _bytes.AsSpan(_start + searched, _end - _start - searched).IndexOf((byte)'\n')) < 0)
            {
                searched = _end - _start;
                if (Fill())
                {
                    continue;
                }

                if (searched == 0)
                {
                    line = [];
                    return false;
                }

                Number++;
                throw new TraceFormatException(name, $"line {Number}", "a line feed at the line's end", "the end of the file", "The file is cut short.");
            }

            int length = searched + feed;
            ReadOnlySpan<byte> utf8 = _bytes.AsSpan(_start, length);
            _start += length + 1;
            Number++;
            line = Decode(utf8.EndsWith("\r"u8) ? utf8[..^1] : utf8);
            return true;
        }

        private ReadOnlySpan<char> Decode(ReadOnlySpan<byte> utf8)
        {
            if (utf8.Length > _characters.Length)
            {
                _characters = new char[utf8.Length * 2];
            }

            try
            {
                return _characters.AsSpan(0, Utf8.GetChars(utf8, _characters));
            }
            catch (DecoderFallbackException)
            {
                throw new TraceFormatException(name, $"line {Number}", "text in UTF-8", Signatures.Hex(utf8), "The file is damaged or in another encoding.");
            }
        }

        /// <summary>Reads more; false at the end of the input.</summary>
        private bool Fill()
        {
            if (_start > 0)
            {
                _bytes.AsSpan(_start, _end - _start).CopyTo(_bytes);
                _end -= _start;
                _start = 0;
            }

            if (_end == _bytes.Length)
            {
                if (_end >= MaxLineBytes)
                {
                    throw new TraceFormatException(name, $"line {Number + 1}", $"a line of at most {MaxLineBytes} bytes", "a longer one", "This is not a text trace, or it is damaged.");
                }

                Array.Resize(ref _bytes, Math.Min(_bytes.Length * 2, MaxLineBytes));
            }

            int read = stream.Read(_bytes, _end, _bytes.Length - _end);
            _end += read;
            return read > 0;
        }
    }
}
