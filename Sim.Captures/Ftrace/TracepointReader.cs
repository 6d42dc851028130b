using System.Buffers;
using System.Text;
using Sim.Core.Architecture;
using Sim.Core;

namespace Sim.Captures.Ftrace;

/// <summary>
/// Reads kernel events from text, and gives them in order of time: <c>trace-cmd report</c> (with or without <c>-t</c>, <c>-R</c>, <c>-l</c>, <c>--ts-diff</c>), the files <c>trace</c> and
/// <c>trace_pipe</c> of tracefs, <c>perf script</c> and perf-prof, also as a mail has wrapped them; kernels 4.18 to 7.x, function-tracer lines included. One pass, bounded memory. What it
/// does not understand is counted in <see cref="Findings"/>; only an input that is mostly something else, or whose order cannot be mended, is an error.
/// </summary>
public sealed class TracepointReader : IDisposable
{
    /// <summary>Kind of the finding for events this importer has no format for.</summary>
    public const string UnknownEvent = "unknown event";

    /// <summary>Kind of the finding for known events whose text matches no known format.</summary>
    public const string UnknownText = "unknown text of a known event";

    /// <summary>Kind of the finding for exits with a reason whose name is not known.</summary>
    public const string UnknownReason = "unknown exit reason";

    /// <summary>Kind of the finding for lines that are not trace lines.</summary>
    public const string GarbageLine = "line that is no trace line";

    /// <summary>Kind of the finding for lines that hold an event, but not whose or when.</summary>
    public const string DamagedLine = "damaged line of an event";

    /// <summary>Kind of the finding for a last line without its end.</summary>
    public const string CutLine = "last line without its end: the file may be cut";

    /// <summary>Kind of the finding for events that came after later ones and were put into order. Data loss if one came after a later one of its own CPU (of its task, where lines have no CPU): no kernel writes that.</summary>
    public const string OutOfOrder = "event behind a later one, sorted by time";

    /// <summary>Kind of the finding for events that the kernel or the tool says it lost.</summary>
    public const string LostEvents = "lost events";

    /// <summary>So many lines that are no trace lines are always forgiven; more only if most lines are trace lines.</summary>
    public const int ForgivenLines = 100;

    private const int WrappedLines = 8;

    private static readonly SearchValues<byte> KvmNameCharacters = SearchValues.Create("abcdefghijklmnopqrstuvwxyz_0123456789"u8);

    private static readonly SearchValues<char> EventNameCharacters = SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-");

    private readonly LineReader _lines;
    private readonly StringPool _strings = new();
    private readonly EventOrder _order = new();
    private readonly Dictionary<int, ulong> _newestOf = [];
    private bool _isRearranged;
    private readonly byte[] _scratch = new byte[LineReader.MaxLineBytes];
    private readonly Stack<HeldLine> _free = new();
    private HeldLine? _held;
    private long _garbage;
    private ulong _isa;
    private long? _onlyVcpu;
    private (bool HasTask, bool HasCpu)? _shape;
    private long _firstReordered;
    private bool _atEnd;

    /// <summary>Reads and owns <paramref name="stream"/>, which is at the first byte of the (decompressed) text. <paramref name="name"/> names it in messages.
    /// <paramref name="progress"/> is told now and then how many more lines were read.</summary>
    public TracepointReader(Stream stream, string name, Action<long>? progress = null) => _lines = new LineReader(stream, name) { Progress = progress };

    // What is wrong with a line, if nothing that follows mends it.
    private enum Problem
    {
        None,
        UnknownEvent,
        UnknownText,
        UnknownReason,
        NoEvent,
    }

    /// <summary>Events read so far.</summary>
    public long Events { get; private set; }

    /// <summary>Number of the line that was read last, which is ahead of the event that was given last.</summary>
    public long Line => _lines.Line;

    /// <summary>What was not understood, and what is missing; complete at the end.</summary>
    public Findings Findings { get; } = new();

    /// <summary>True if the input says that events were lost, or holds some that cannot be read: every result from it must say so first.</summary>
    public bool DataLoss => Findings.Worst == Severity.DataLoss;

    /// <summary>Gives the next event in order of time; false at the end.</summary>
    /// <exception cref="TraceFormatException">This is not a kernel trace: most lines are something else, or a line is too long. Or it cannot be put into order, or does not say which vCPU is
    /// meant.</exception>
    public bool Read(ref KernelEvent e)
    {
        while (!_order.IsFull && !_atEnd)
        {
            TakeLine();
        }

        if (_order.IsEmpty)
        {
            return false;
        }

        _order.Take(ref e);
        return true;
    }

    /// <inheritdoc/>
    public void Dispose() => _lines.Dispose();

    /// <summary>An error about the line that was read last.</summary>
    internal TraceFormatException Malformed(string expected, string found, string hint) => _lines.Malformed(expected, found, hint);

    private void TakeLine()
    {
        if (!_lines.Read(out ReadOnlySpan<byte> line))
        {
            Release(isCut: _lines.LastLineWasCut);
            _atEnd = true;
            if (_order.Reordered > 0)
            {
                Findings.Add(_isRearranged ? Severity.DataLoss : Severity.Warning, OutOfOrder, "", _firstReordered, _order.Reordered);
            }

            if (Events == 0 && _garbage > 0)
            {
                throw NotATrace($"{_garbage} other lines and not one event");
            }

            return;
        }

        HeldLine read = Parse(line);
        if (read.Problem == Problem.NoEvent && (NoteOtherLine(line) || Join(line)))
        {
            _free.Push(read);
            return;
        }

        Release();
        read.Keep(line);
        _held = read;
    }

    /// <summary>A mail program broke a line at a space: with the line before, this one is an event, or a better one.</summary>
    private bool Join(ReadOnlySpan<byte> line)
    {
        ReadOnlySpan<byte> rest = line.TrimStart("> \t"u8);
        if (_held is not { Lines: < WrappedLines } held || held.Length + rest.Length >= _scratch.Length || rest.IsEmpty)
        {
            return false;
        }

        held.Text.CopyTo(_scratch);
        _scratch[held.Length] = (byte)' ';
        rest.CopyTo(_scratch.AsSpan(held.Length + 1));
        ReadOnlySpan<byte> whole = _scratch.AsSpan(0, held.Length + 1 + rest.Length);
        HeldLine joined = Parse(whole);
        bool isBetter = held.Problem == Problem.None
            ? joined.Problem == Problem.None && (joined.Event.OperandCount > held.Event.OperandCount || joined.Event.Caller.Length > held.Event.Caller.Length)
            : joined.Problem is Problem.None or Problem.UnknownReason || (joined.Problem == Problem.UnknownText && held.Problem is Problem.UnknownText or Problem.NoEvent);
        if (isBetter)
        {
            joined.Keep(whole);
            joined.Lines = held.Lines + 1;
            joined.Number = held.Number;
            _held = joined;
        }

        _free.Push(isBetter ? held : joined);
        return isBetter;
    }

    /// <summary>No further line belongs to the held one: what it says counts.</summary>
    private void Release(bool isCut = false)
    {
        if (_held is not { } held)
        {
            return;
        }

        _held = null;
        _free.Push(held);
        switch (held.Problem)
        {
            case Problem.NoEvent:
                NoteGarbage(held, isCut);
                return;
            case Problem.UnknownEvent when held.Event.Name.StartsWith("PERF_RECORD_LOST", StringComparison.Ordinal):
                NoteLoss(held.Text[held.Text.IndexOf("PERF_RECORD_LOST"u8)..], held.Number);
                break;
            case Problem.UnknownEvent when held.Event.Name.AsSpan().ContainsAnyExcept(EventNameCharacters) || held.Event.Name.IndexOf("kvm_", StringComparison.Ordinal) > 0:
                Findings.Add(Severity.DataLoss, DamagedLine, "", held.Number);
                break;
            case Problem.UnknownEvent:
                Findings.Add(held.Event.Name.StartsWith("kvm", StringComparison.Ordinal) ? Severity.Warning : Severity.Information, UnknownEvent, held.Event.Name, held.Number);
                break;
            case Problem.UnknownText:
                Findings.Add(isCut ? Severity.DataLoss : Severity.Warning, isCut ? CutLine : UnknownText, held.Event.Name, held.Number);
                break;
            case Problem.UnknownReason:
                Findings.Add(Severity.Warning, UnknownReason, held.Event.Text, held.Number);
                break;
            default:
                if (isCut)
                {
                    Findings.Add(Severity.DataLoss, CutLine, "", held.Number);
                }

                break;
        }

        _shape ??= (held.HasTask, held.HasCpu);
        if (held.HoldsAnother || _shape != (held.HasTask, held.HasCpu))
        {
            // Two lines ran together, or this one lost what the others have.
            Findings.Add(Severity.DataLoss, DamagedLine, "", held.Number);
        }

        RequireOneVcpu(held);
        int buffer = held.HasCpu ? held.Event.Cpu : -1 - held.Event.Pid;
        if (_newestOf.TryGetValue(buffer, out ulong newest) && held.Event.Time < newest)
        {
            // A CPU's buffer is in order: lines were put into another order, or one recording twice into the text.
            _isRearranged = true;
        }

        _newestOf[buffer] = Math.Max(newest, held.Event.Time);
        long before = _order.Reordered;
        if (!_order.Add(held.Event, held.Number))
        {
            throw new TraceFormatException(
                _lines.Name, $"line {held.Number}", $"events in order of time, or at most {EventOrder.Window} behind it", $"{held.Event.Time} after {_order.Taken}",
                "Several recordings, or the buffers of several CPUs, stand one behind the other. Let trace-cmd report or perf script print the recording whole, or sort the lines by their times.");
        }

        _firstReordered = before == 0 && _order.Reordered > 0 ? held.Number : _firstReordered;
        Events++;
    }

    private void NoteGarbage(HeldLine held, bool isCut)
    {
        _garbage++;
        bool isEvent = HoldsEvent(held.Text);
        Findings.Add(isEvent || isCut ? Severity.DataLoss : Severity.Warning, isCut ? CutLine : isEvent ? DamagedLine : GarbageLine, "", held.Number);
        if (_garbage > ForgivenLines && _garbage > Events)
        {
            throw NotATrace($"{_garbage} lines that are none against {Events} that are; the last is {TextCursor.Show(held.Text)}");
        }
    }

    // "kvm_...: ", or another event that the lift reads.
    private static bool HoldsEvent(ReadOnlySpan<byte> line)
    {
        for (int at = line.IndexOf("kvm_"u8); at >= 0; line = line[(at + 4)..], at = line.IndexOf("kvm_"u8))
        {
            ReadOnlySpan<byte> rest = line[at..];
            int end = rest.IndexOfAnyExcept(KvmNameCharacters);
            if (end > 0 && rest[end] == ':' && (end + 1 == rest.Length || rest[end + 1] == ' '))
            {
                return true;
            }
        }

        return line.IndexOf("sched_switch: "u8) >= 0 || line.IndexOf("function: "u8) >= 0;
    }

    // Without task or CPU the events of two vCPUs cannot be told apart.
    private void RequireOneVcpu(HeldLine held)
    {
        if ((held.HasTask && held.HasCpu) || held.Event.Type != KernelEventType.KvmEntry)
        {
            return;
        }

        long vcpu = held.HasTask ? held.Event.Pid : (long)held.Event[KernelOperand.Vcpu];
        _onlyVcpu ??= vcpu;
        if (_onlyVcpu != vcpu)
        {
            string missing = held.HasTask ? "no CPU" : held.HasCpu ? "no task" : "no task and no CPU";
            throw new TraceFormatException(
                _lines.Name, $"line {held.Number}", "the task and the CPU of each event, since there is more than one vCPU", $"{missing} and {(held.HasTask ? "thread" : "vCPU")} {vcpu} beside {_onlyVcpu}",
                "Print them: perf script -F comm,tid,cpu,time,event,trace (after perf record -a).");
        }
    }

    private HeldLine Parse(ReadOnlySpan<byte> line)
    {
        HeldLine read = _free.TryPop(out HeldLine? free) ? free : new HeldLine();
        read.Number = _lines.Line;
        read.Lines = 1;
        read.Event.Clear();
        read.Event.Name = "";
        read.Problem = EventFrame.TryParse(line, _strings, ref read.Event, out ReadOnlySpan<byte> text, out bool hasTask, out bool hasCpu)
            ? ParseText(text, ref read.Event)
            : Problem.NoEvent;
        (read.HasTask, read.HasCpu, read.HoldsAnother) = (hasTask, hasCpu, HoldsEvent(text) || HoldsEvent(BeforeName(line, text, read.Event.Name)));
        return read;
    }

    /// <summary>What stands before the event's name in its line: task, CPU, flags and time, and nothing that is an event.</summary>
    private static ReadOnlySpan<byte> BeforeName(ReadOnlySpan<byte> line, ReadOnlySpan<byte> text, string name)
    {
        ReadOnlySpan<byte> head = line[..Math.Max(0, line.Length - text.Length)];
        Span<byte> bytes = stackalloc byte[64];
        return Encoding.UTF8.TryGetBytes(name, bytes, out int length) && length > 0 && head.LastIndexOf(bytes[..length]) is >= 0 and var at ? head[..at] : default;
    }

    private Problem ParseText(ReadOnlySpan<byte> text, ref KernelEvent e)
    {
        Span<byte> name = stackalloc byte[64];
        if (!Encoding.UTF8.TryGetBytes(e.Name, name, out int length) || !TracepointFormats.TryGet(name[..length], out Tracepoint tracepoint))
        {
            e.Type = KernelEventType.Unknown;
            return Problem.UnknownEvent;
        }

        e.Type = tracepoint.Type;
        if (e.Type == KernelEventType.Function)
        {
            ParseFunction(text, ref e);
            return Problem.None;
        }

        text = WithoutMissingFields(text, out bool missesFields);
        if (e.Type == KernelEventType.SchedSwitch && TracepointFormats.MatchSchedSwitch(text, ref e, _strings))
        {
            return Problem.None;
        }

        foreach (TextPattern pattern in tracepoint.Patterns)
        {
            if (pattern.Match(text, ref e, _strings))
            {
                CompleteIsa(ref e);
                return IsAboutExit(e.Type) && e[KernelOperand.Reason] == ExitReasons.Unknown ? Problem.UnknownReason : Problem.None;
            }
        }

        if (TracepointFormats.MatchRaw(text, ref e))
        {
            return Problem.None;
        }

        e.IsUnparsed = true;
        if (IsAboutExit(e.Type))
        {
            // It happened, whatever its reason was.
            e.Add(KernelOperand.Reason, ExitReasons.Unknown);
            CompleteIsa(ref e);
        }

        return missesFields && text.Trim((byte)' ').IsEmpty ? Problem.None : Problem.UnknownText;
    }

    // "<CANT FIND FIELD rip>": libtraceevent's plugin asks for a field that this kernel does not have, then prints the rest, or nothing more.
    private static ReadOnlySpan<byte> WithoutMissingFields(ReadOnlySpan<byte> text, out bool missesFields)
    {
        missesFields = false;
        for (int at = text.IndexOf("<CANT FIND FIELD "u8); at >= 0 && text[at..].IndexOf((byte)'>') is > 0 and int length; at = text.IndexOf("<CANT FIND FIELD "u8))
        {
            missesFields = true;
            if (at == 0)
            {
                text = text[(length + 1)..];
                continue;
            }

            byte[] kept = [.. text[..at], .. text[(at + length + 1)..]];
            text = kept;
        }

        return text;
    }

    private static bool IsAboutExit(KernelEventType type) => type is KernelEventType.KvmExit or KernelEventType.KvmNestedVmexit or KernelEventType.KvmNestedVmexitInject;

    // A reason that has no name does not say whose it is; the other events of the trace do.
    private void CompleteIsa(ref KernelEvent e)
    {
        if (e.Has(KernelOperand.Isa))
        {
            _isa = e[KernelOperand.Isa];
        }
        else if (_isa != 0 && IsAboutExit(e.Type))
        {
            e.Add(KernelOperand.Isa, _isa);
        }
    }

    // "callee", "callee <-caller" (tracefs) or "callee <-- caller" (trace-cmd).
    private void ParseFunction(ReadOnlySpan<byte> text, ref KernelEvent e)
    {
        int arrow = text.IndexOf(" <-"u8);
        e.Text = _strings.Get((arrow < 0 ? text : text[..arrow]).Trim((byte)' '));
        e.Caller = arrow < 0 ? "" : _strings.Get(text[(arrow + 3)..].Trim("- "u8));
    }

    /// <summary>Takes what is no event and no damage either: comments, headers, notes about losses. Returns false for anything else.</summary>
    private bool NoteOtherLine(ReadOnlySpan<byte> line)
    {
        ReadOnlySpan<byte> trimmed = line.Trim("> \t"u8);
        if (trimmed.StartsWith("CPU"u8) && trimmed.IndexOf((byte)'[') is >= 0 and int lost && trimmed.EndsWith("]"u8) &&
            (trimmed.IndexOf("LOST"u8) >= 0 || trimmed.IndexOf("DROPPED"u8) >= 0))
        {
            NoteLoss(trimmed[lost..], _lines.Line);
            return true;
        }

        if (trimmed.StartsWith("# entries-in-buffer/entries-written: "u8))
        {
            NoteOverwritten(trimmed);
            return true;
        }

        return trimmed.IsEmpty || (trimmed[0] == '#' && !HoldsEvent(trimmed)) || IsHeader(trimmed);
    }

    // "cpus=2", "version = 7" and "CPU 1 is empty" of trace-cmd.
    private static bool IsHeader(ReadOnlySpan<byte> line) =>
        line.StartsWith("cpus="u8) || line.StartsWith("version = "u8) || (line.StartsWith("CPU "u8) && line.EndsWith(" is empty"u8));

    // "[LOST 12 EVENTS]", "[LOST EVENTS]", "[12 EVENTS DROPPED]", "lost 12": the first number is how many, if there is one.
    private void NoteLoss(ReadOnlySpan<byte> text, long line)
    {
        int digit = text.IndexOfAnyInRange((byte)'0', (byte)'9');
        TextCursor cursor = new(digit < 0 ? default : text[digit..]);
        bool counted = cursor.Decimal(out ulong events) && events <= long.MaxValue;
        Findings.Add(Severity.DataLoss, LostEvents, counted ? "" : "number unknown", line, counted ? (long)events : 1);
    }

    private void NoteOverwritten(ReadOnlySpan<byte> header)
    {
        TextCursor cursor = new(header[(header.IndexOf(": "u8) + 2)..]);
        if (cursor.Decimal(out ulong kept) && cursor.Skip("/"u8) && cursor.Decimal(out ulong written) && written > kept)
        {
                Findings.Add(Severity.DataLoss, LostEvents, "overwritten in the ring buffer", Line, (long)Math.Min(written - kept, long.MaxValue));
        }
    }

    private TraceFormatException NotATrace(string found) => _lines.Malformed(
        "text of trace-cmd report, tracefs trace or perf script", found, "This does not look like a kernel trace; run 'trace-cmd report -t' or 'perf script' on the recording.");

    /// <summary>A line, or several that were one, until it is known that it does not go on.</summary>
    private sealed class HeldLine
    {
        public KernelEvent Event;

        private byte[] _text = new byte[256];

        public long Number { get; set; }

        public int Lines { get; set; }

        public Problem Problem { get; set; }

        public bool HasTask { get; set; }

        public bool HasCpu { get; set; }

        public bool HoldsAnother { get; set; }

        public int Length { get; private set; }

        public ReadOnlySpan<byte> Text => _text.AsSpan(0, Length);

        public void Keep(ReadOnlySpan<byte> text)
        {
            _text = text.Length > _text.Length ? new byte[text.Length * 2] : _text;
            text.CopyTo(_text);
            Length = text.Length;
        }
    }
}
