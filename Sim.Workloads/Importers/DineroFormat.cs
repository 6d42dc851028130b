using Sim.Core;
using Sim.Core.Traces;
using Sim.Workloads.Formats;

namespace Sim.Workloads.Importers;

/// <summary>Dinero's text, traditional (<c>2 4002b0</c>) and extended (<c>r 7ffe10 8</c>).</summary>
[Component("dinero", Summary = "Dinero text, one access a line: 0, 1, 2 (or r, w, i), the address and maybe the size in hexadecimal.")]
public sealed class DineroFormat : ITraceFormat
{
    /// <inheritdoc/>
    public bool Sniff(ReadOnlySpan<byte> head)
    {
        int lines = 0;
        while (head.IndexOf((byte)'\n') is int end && end >= 0)
        {
            if (!DineroSource.TryParse(head[..end].TrimEnd((byte)'\r'), out _, out _, out _))
            {
                return false;
            }

            lines++;
            head = head[(end + 1)..];
        }

        return lines > 0;
    }

    /// <inheritdoc/>
    public ITraceSource Open(Stream stream, string name) => new DineroSource(stream, name);
}

/// <summary>
/// Reads Dinero text: one lane, CPL by the address' half. Each line is one access and one cycle: there is no time in the format, and a trace may have no fetches to count. A size is
/// one byte unless it is given.
/// </summary>
/// <remarks>Format: Dinero IV's manual, <c>-informat d</c> (label, address) and <c>D</c> (access type, address, size); addresses and sizes are hexadecimal.</remarks>
internal sealed class DineroSource : ITraceSource
{
    private readonly TextLines _lines;
    private ulong _records;
    private ulong _time;

    /// <summary>Reads from a stream, which it owns.</summary>
    public DineroSource(Stream stream, string name)
    {
        _lines = new TextLines(stream, name);
        SortedDictionary<string, string> properties = new(StringComparer.Ordinal) { ["source"] = "dinero", ["access sizes"] = "as given, else one byte" };
        Header = new TraceHeader(1, Folded: false, "1/1", properties) { Doubts = [new Doubt(DoubtKind.Clock, "the program's time is a count of accesses, one cycle each")] };
    }

    /// <inheritdoc/>
    public TraceHeader Header { get; }

    /// <summary>True for a line that is an access.</summary>
    internal static bool TryParse(ReadOnlySpan<byte> line, out AccessType type, out ulong address, out int size)
    {
        (type, address, size) = (default, 0, 1);
        if (line.Length < 3 || line[1] != ' ')
        {
            return false;
        }

        switch (line[0])
        {
            case (byte)'0' or (byte)'r':
                type = AccessType.Read;
                break;
            case (byte)'1' or (byte)'w':
                type = AccessType.Write;
                break;
            case (byte)'2' or (byte)'i':
                type = AccessType.Execute;
                break;
            default:
                return false;
        }

        ReadOnlySpan<byte> rest = line[2..].TrimEnd((byte)' ');
        int blank = rest.IndexOf((byte)' ');
        if (blank >= 0)
        {
            if (!Digits.TryHex(rest[(blank + 1)..], out ulong bytes) || bytes is 0 or > ProgramAccess.MostBytes)
            {
                return false;
            }

            size = (int)bytes;
            rest = rest[..blank];
        }

        return Digits.TryHex(rest, out address);
    }

    /// <inheritdoc/>
    public bool Read(TraceBlock block)
    {
        block.Clear();
        block.Lane = 0;
        block.FirstRecord = _records;
        while (block.AccessCount + ProgramAccess.MostRecords <= TraceBlock.MaxAccesses && _lines.Next(out ReadOnlySpan<byte> line))
        {
            if (!TryParse(line, out AccessType type, out ulong address, out int size))
            {
                throw _lines.Malformed(line, "'0|1|2 ADDRESS' or 'r|w|i ADDRESS SIZE' with hexadecimal numbers", "Other labels of Dinero (3, 4, m, c, v) act on caches and are no accesses; drop their lines.");
            }

            if (!ProgramAccess.TryAdd(block, _time++, address, size, type, ProgramAccess.CplAt(address)))
            {
                throw _lines.Malformed(line, "an access inside the 64-bit address space", "The line is damaged.");
            }
        }

        _records += (ulong)block.AccessCount;
        return block.AccessCount > 0 || (_records == 0 ? throw _lines.Error(0, "at least one access", "the end of the input", "Record again.") : false);
    }

    /// <inheritdoc/>
    public void Dispose() => _lines.Dispose();
}
