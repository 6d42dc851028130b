using System.Globalization;
using System.Text;
using CsvHelper;
using Sim.Core;
using Sim.Core.Profiles;
using Sim.Core.Traces;
using Sim.Workloads.Formats;

namespace Sim.Workloads.Importers;

/// <summary>
/// Reads accesses from CSV (RFC 4180, UTF-8): a row is an access; columns are found by their names in the first line. Without a time each row is one cycle; without a type it is a read,
/// without a size one byte, without a lane lane 0, without a CPL 0 in the upper half and else 3. Where the level changes from row to row of a lane, transitions are put in (<see cref="LevelChanges"/>),
/// which the trace says as a doubt. Rows are in order of time.
/// </summary>
internal sealed class CsvSource : ITraceSource
{
    private const int MostLanes = 1024;
    private const int MostRowBytes = 1 << 16;

    private static readonly CsvReaderOptions Strict = CsvReaderOptions.Default with
    {
        Separator = ',',
        HasHeader = false,
        TrackLineNumbers = true,
        MaxRecordSize = MostRowBytes,
        SkipEmptyLines = false,
        MalformedData = CsvMalformedDataHandling.Throw,
        FieldCountMismatch = CsvFieldCountHandling.Throw,
    };

    private readonly string _name;
    private readonly EndSeen _stream;
    private readonly CsvReader _csv;
    private readonly CsvColumns _columns;
    private readonly LevelChanges?[] _levels;
    private ulong _records;
    private ulong _rows;
    private ulong _time;
    private bool _pending;

    /// <summary>Reads the first line of a stream, which it owns.</summary>
    public CsvSource(Stream stream, string name)
    {
        _name = name;
        _stream = new EndSeen(stream);
        _csv = CsvReader.Create(_stream, Strict, leaveOpen: false);
        Advance();
        List<string> header = [];
        for (int i = 0; i < _csv.FieldCount; i++)
        {
            header.Add(_csv.GetString(i));
        }

        _columns = CsvColumns.Of(name, header);
        _pending = Advance();
        int lanes = HasLanes ? MostLanes : 1;
        _levels = new LevelChanges?[lanes];
        SortedDictionary<string, string> properties = new(StringComparer.Ordinal) { ["source"] = "csv", ["columns"] = string.Join(',', header.Select(column => column.Trim())) };
        if (_columns.SizeAt < 0)
        {
            properties["access sizes"] = "not given; one byte each, none crosses a page";
        }

        if (_columns.LevelAt >= 0)
        {
            properties[TraceHeader.VendorProperty] = TraceHeader.VendorWord(Vendor.Intel);
        }

        Header = new TraceHeader(lanes, Folded: false, "1/1", properties)
        {
            Doubts =
            [
                .. _columns.LevelAt < 0 ? Enumerable.Empty<Doubt>() : [new Doubt(DoubtKind.Reconstructed, "the CSV tells who runs and not why: transitions between its levels, their reasons, vmcs12 and EPTP12 were put in")],
                .. _columns.TimeAt >= 0 ? Enumerable.Empty<Doubt>() : [new Doubt(DoubtKind.Clock, "the program's time is a count of accesses, one cycle each")],
            ],
        };
    }

    /// <inheritdoc/>
    public TraceHeader Header { get; }

    /// <summary>There is a column of lanes, so that their number is known only at the end.</summary>
    public bool HasLanes => _columns.LaneAt >= 0;

    /// <summary>One more than the highest lane so far.</summary>
    public int LanesSeen { get; private set; } = 1;

    /// <summary>The text without the mark of UTF-8 that some programs put before it.</summary>
    internal static ReadOnlySpan<byte> WithoutMark(ReadOnlySpan<byte> text) => text.StartsWith((ReadOnlySpan<byte>)[0xEF, 0xBB, 0xBF]) ? text[3..] : text;

    /// <inheritdoc/>
    public bool Read(TraceBlock block)
    {
        block.Clear();
        block.FirstRecord = _records;
        while (_pending && block.AccessCount + ProgramAccess.MostRecords <= TraceBlock.MaxAccesses && block.EventCount + LevelChanges.MostEvents <= TraceBlock.MaxEvents)
        {
            int lane = (int)Number(_columns.LaneAt, "a lane", 0, (ulong)Header.Lanes - 1, 0);
            if (block.AccessCount > 0 && lane != block.Lane)
            {
                break;
            }

            block.Lane = lane;
            LanesSeen = Math.Max(LanesSeen, lane + 1);
            Append(block);
            _rows++;
            _pending = Advance();
        }

        _records += (ulong)block.RecordCount;
        return block.AccessCount > 0
            || (_records == 0 ? throw new TraceFormatException(_name, "line 2", "at least one row", "the end of the input", "The file has names of columns and nothing else.") : false);
    }

    /// <inheritdoc/>
    public void Dispose() => _csv.Dispose();

    private static AccessType? TypeOf(ReadOnlySpan<byte> word) => word.Length > 0 && word.Length <= 7 ? Encoding.ASCII.GetString(word).ToLowerInvariant() switch
    {
        "r" or "read" or "l" or "load" or "0" => AccessType.Read,
        "w" or "write" or "s" or "store" or "1" => AccessType.Write,
        "x" or "execute" or "i" or "ifetch" or "fetch" or "2" => AccessType.Execute,
        _ => null,
    } : null;

    private void Append(TraceBlock block)
    {
        if (!Digits.TryNumber(Field(_columns.AddressAt), out ulong address))
        {
            throw Bad(_columns.AddressAt, "an address, decimal or hexadecimal with 0x");
        }

        ulong time = Number(_columns.TimeAt, "a time in reference cycles", 0, ulong.MaxValue, _rows);
        if (time < _time)
        {
            throw Bad(_columns.TimeAt, $"a time of at least {_time.ToString(CultureInfo.InvariantCulture)}, that of the row before", "Sort the rows by time.");
        }

        _time = time;
        if (_columns.LevelAt >= 0)
        {
            (_levels[block.Lane] ??= new LevelChanges((ushort)block.Lane)).Move(block, time, (byte)Number(_columns.LevelAt, "a level of 0, 1 or 2", 0, 2, 0));
        }

        AccessType type = _columns.TypeAt < 0 ? AccessType.Read : TypeOf(Field(_columns.TypeAt)) ?? throw Bad(_columns.TypeAt, "a type: r, w, x (read, write, execute; load, store, fetch)");
        int size = (int)Number(_columns.SizeAt, $"a size in bytes of 1 to {ProgramAccess.MostBytes}", 1, ProgramAccess.MostBytes, 1);
        int cpl = (int)Number(_columns.CplAt, "a CPL of 0 to 3", 0, 3, (ulong)ProgramAccess.CplAt(address));
        if (!ProgramAccess.TryAdd(block, time, address, size, type, cpl))
        {
            throw Bad(_columns.AddressAt, "an access inside the 64-bit address space");
        }
    }

    private ReadOnlySpan<byte> Field(int at) => _csv.GetSpan(at).Trim((byte)' ');

    private ulong Number(int at, string expected, ulong least, ulong most, ulong otherwise)
    {
        if (at < 0)
        {
            return otherwise;
        }

        return Digits.TryNumber(Field(at), out ulong value) && value >= least && value <= most ? value : throw Bad(at, expected);
    }

    private bool Advance()
    {
        try
        {
            if (_csv.Read())
            {
                return true;
            }
        }
        catch (CsvFormatException e)
        {
            throw new TraceFormatException(_name, $"line {e.LineNumber.ToString(CultureInfo.InvariantCulture)}", $"a row with {(_columns is null ? "names of columns" : $"{_columns.Count} fields")}", e.Message.TrimEnd('.'), "Quotes must be closed, and every row has all columns.", e);
        }

        return _stream.EndsWithLine
            ? false
            : throw new TraceFormatException(_name, "the last line", "the end of the line", "the end of the input", "The trace is cut short: get it again, or end its last line with a line feed if it is whole.");
    }

    private TraceFormatException Bad(int at, string expected, string hint = "Columns and their words: docs/memory-traces.md#csv.") =>
        new(_name, string.Create(CultureInfo.InvariantCulture, $"line {_csv.LineNumber}, column {at + 1}"), expected, $"'{_csv.GetString(at)}'", hint);

    /// <summary>Remembers whether what was read ends with a line feed.</summary>
    private sealed class EndSeen(Stream inner) : ReadOnlyStream
    {
        private byte _last = (byte)'\n';

        public bool EndsWithLine => _last == '\n';

        public override int Read(Span<byte> buffer)
        {
            int read = inner.Read(buffer);
            _last = read > 0 ? buffer[read - 1] : _last;
            return read;
        }

        protected override void Dispose(bool disposing)
        {
            if (disposing)
            {
                inner.Dispose();
            }

            base.Dispose(disposing);
        }
    }
}
