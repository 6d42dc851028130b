using System.Text;
using Sim.Core.Architecture;
using Sim.Core;

namespace Sim.Captures.Ftrace;

/// <summary>
/// Reads kernel events from text: <c>trace-cmd report</c> (with or without <c>-t</c> and <c>-R</c>), the files <c>trace</c> and <c>trace_pipe</c> of tracefs, and
/// <c>perf script</c>; kernels 5.10 to 7.1, function-tracer lines included. One pass, constant memory. What it does not understand is counted in
/// <see cref="Findings"/>; only an input that is mostly something else is an error.
/// </summary>
public sealed class TracepointReader : IDisposable
{
    /// <summary>Kind of the finding for events this importer has no format for.</summary>
    public const string UnknownEvent = "unknown event";

    /// <summary>Kind of the finding for known events whose text matches no known format.</summary>
    public const string UnknownText = "unknown text of a known event";

    /// <summary>Kind of the finding for lines that are not trace lines.</summary>
    public const string GarbageLine = "line that is no trace line";

    /// <summary>Kind of the finding for events that the kernel or the tool says it lost.</summary>
    public const string LostEvents = "lost events";

    /// <summary>So many lines that are no trace lines are always forgiven; more only if most lines are trace lines.</summary>
    public const int ForgivenLines = 100;

    private readonly LineReader _lines;
    private readonly StringPool _strings = new();
    private long _garbage;
    private ulong _isa;

    /// <summary>Reads and owns <paramref name="stream"/>, which is at the first byte of the (decompressed) text. <paramref name="name"/> names it in messages.
    /// <paramref name="progress"/> is told now and then how many more lines were read.</summary>
    public TracepointReader(Stream stream, string name, Action<long>? progress = null) => _lines = new LineReader(stream, name) { Progress = progress };

    /// <summary>Events read so far.</summary>
    public long Events { get; private set; }

    /// <summary>Number of the line that was read last.</summary>
    public long Line => _lines.Line;

    /// <summary>What was not understood, and what is missing.</summary>
    public Findings Findings { get; } = new();

    /// <summary>True if the input says that events were lost: every result from it must say so first.</summary>
    public bool DataLoss { get; private set; }

    /// <summary>Reads the next event; false at the end.</summary>
    /// <exception cref="TraceFormatException">This is not a kernel trace: most lines are something else, or a line is too long.</exception>
    public bool Read(ref KernelEvent e)
    {
        while (_lines.Read(out ReadOnlySpan<byte> line))
        {
            if (ParseFrame(line, ref e, out ReadOnlySpan<byte> text))
            {
                Events++;
                ParseText(text, ref e);
                return true;
            }

            NoteOtherLine(line);
        }

        if (Events == 0 && _garbage > 0)
        {
            throw NotATrace($"{_garbage} other lines and not one event");
        }

        return false;
    }

    /// <inheritdoc/>
    public void Dispose() => _lines.Dispose();

    // COMM-PID [CPU] FLAGS TIME: event: text      (ftrace, trace-cmd)
    // COMM PID [CPU] TIME: system:event: text     (perf script; PID may be PID/TID)
    // COMM may hold spaces, dashes and brackets, so the first bracket with a CPU number that the rest fits is taken.
    private bool ParseFrame(ReadOnlySpan<byte> line, ref KernelEvent e, out ReadOnlySpan<byte> text)
    {
        text = default;
        for (int bracket = line.IndexOf((byte)'['); bracket > 0;)
        {
            TextCursor cursor = new(line[(bracket + 1)..]);
            if (cursor.Decimal(out ulong cpu) && cpu < 1 << 16 && cursor.Skip("]"u8) && ParseTime(ref cursor, out ulong time) &&
                ParseTask(line[..bracket], out ReadOnlySpan<byte> task, out int pid))
            {
                e.Clear();
                e.Time = time;
                e.Cpu = (int)cpu;
                e.Pid = pid;
                e.Task = _strings.Get(task);
                return ParseName(line[(bracket + 1 + cursor.Position)..], ref e, out text);
            }

            int next = line[(bracket + 1)..].IndexOf((byte)'[');
            bracket = next < 0 ? -1 : bracket + 1 + next;
        }

        return false;
    }

    private static bool ParseTime(ref TextCursor cursor, out ulong time)
    {
        time = 0;
        if (!cursor.SkipSpaces())
        {
            return false;
        }

        if (TryTime(ref cursor, out time))
        {
            return true;
        }

        // The irq-flags column of ftrace: four or five characters without a space.
        ReadOnlySpan<byte> flags = cursor.Word();
        return flags.Length is >= 3 and <= 8 && cursor.SkipSpaces() && TryTime(ref cursor, out time);
    }

    private static bool TryTime(ref TextCursor cursor, out ulong time)
    {
        time = 0;
        int start = cursor.Position;
        if (!cursor.Rest.StartsWith("-"u8) && cursor.Decimal(out time))
        {
            if (cursor.Skip(":"u8))
            {
                return true;
            }

            int dot = cursor.Position;
            if (cursor.Skip("."u8) && cursor.Decimal(out ulong fraction) && cursor.Position - dot - 1 is >= 1 and <= 9 and int digits && cursor.Skip(":"u8) &&
                time <= ulong.MaxValue / 2_000_000_000)
            {
                for (int i = digits; i < 9; i++)
                {
                    fraction *= 10;
                }

                time = (time * 1_000_000_000) + fraction;
                return true;
            }
        }

        cursor.Position = start;
        return false;
    }

    private static bool ParseTask(ReadOnlySpan<byte> text, out ReadOnlySpan<byte> task, out int pid)
    {
        task = default;
        pid = 0;
        ReadOnlySpan<byte> trimmed = text.TrimEnd((byte)' ');
        if (trimmed.EndsWith(")"u8) && trimmed.LastIndexOf((byte)'(') is >= 0 and int tgid)
        {
            trimmed = trimmed[..tgid].TrimEnd((byte)' ');
        }

        int digits = trimmed.Length;
        while (digits > 0 && (uint)(trimmed[digits - 1] - '0') <= 9)
        {
            digits--;
        }

        TextCursor cursor = new(trimmed[digits..]);
        if (digits == 0 || trimmed.Length == text.Length || !cursor.Decimal(out ulong number) || number > int.MaxValue)
        {
            return false;
        }

        pid = (int)number;
        ReadOnlySpan<byte> before = trimmed[..digits];
        int column = before.LastIndexOf((byte)' ');
        if (column >= 0 && ((pid == 1 && before.EndsWith(" -"u8)) || IsPidBeforeTid(before[(column + 1)..])))
        {
            // perf script: an unknown thread is -1; PID/TID names both.
            pid = before.EndsWith("/"u8) ? pid : -1;
            before = before[..column];
        }
        else if (before[^1] is not ((byte)'-' or (byte)' '))
        {
            return false;
        }
        else
        {
            before = before[..^1];
        }

        task = before.Trim((byte)' ');
        return true;
    }

    private static bool IsPidBeforeTid(ReadOnlySpan<byte> word)
    {
        TextCursor cursor = new(word);
        return cursor.Decimal(out _) && cursor.Skip("/"u8) && cursor.AtEnd;
    }

    private bool ParseName(ReadOnlySpan<byte> line, ref KernelEvent e, out ReadOnlySpan<byte> text)
    {
        ReadOnlySpan<byte> rest = line.TrimStart((byte)' ');
        int length = rest.IndexOf((byte)' ');
        ReadOnlySpan<byte> word = length < 0 ? rest : rest[..length];
        text = default;
        if (word.EndsWith(":"u8) && word.Length > 1)
        {
            ReadOnlySpan<byte> name = word[..^1];
            int system = name.LastIndexOf((byte)':');
            e.Name = _strings.Get(name[(system + 1)..]);
            text = rest[word.Length..].Trim((byte)' ');
            return true;
        }

        if (word.StartsWith("PERF_RECORD_LOST"u8))
        {
            e.Name = _strings.Get(word);
            text = rest[word.Length..];
            return true;
        }

        // tracefs prints a function as "callee <-caller".
        e.Name = "function";
        text = rest;
        return !word.IsEmpty && rest[word.Length..].StartsWith(" <-"u8);
    }

    private void ParseText(ReadOnlySpan<byte> text, ref KernelEvent e)
    {
        Span<byte> name = stackalloc byte[64];
        if (!Encoding.UTF8.TryGetBytes(e.Name, name, out int length) || !TracepointFormats.TryGet(name[..length], out Tracepoint tracepoint))
        {
            e.Type = KernelEventType.Unknown;
            if (e.Name is "PERF_RECORD_LOST" or "PERF_RECORD_LOST_SAMPLES")
            {
                NoteLoss(text);
            }
            else
            {
                Findings.Add(e.Name.StartsWith("kvm", StringComparison.Ordinal) ? Severity.Warning : Severity.Information, UnknownEvent, e.Name, Line);
            }

            return;
        }

        e.Type = tracepoint.Type;
        if (e.Type == KernelEventType.Function)
        {
            ParseFunction(text, ref e);
            return;
        }

        // "<CANT FIND FIELD rip>": trace-cmd's plugin asks for a field that newer kernels do not have, then prints the rest.
        while (text.StartsWith("<CANT FIND FIELD "u8) && text.IndexOf((byte)'>') is >= 0 and int end)
        {
            text = text[(end + 1)..];
        }

        if (e.Type == KernelEventType.SchedSwitch && TracepointFormats.MatchSchedSwitch(text, ref e, _strings))
        {
            return;
        }

        foreach (TextPattern pattern in tracepoint.Patterns)
        {
            if (pattern.Match(text, ref e, _strings))
            {
                CompleteIsa(ref e);
                return;
            }
        }

        if (!TracepointFormats.MatchRaw(text, ref e))
        {
            e.IsUnparsed = true;
            Findings.Add(Severity.Warning, UnknownText, e.Name, Line);
        }
    }

    // A reason that has no name does not say whose it is; the other events of the trace do.
    private void CompleteIsa(ref KernelEvent e)
    {
        if (e.Has(KernelOperand.Isa))
        {
            _isa = e[KernelOperand.Isa];
        }
        else if (_isa != 0 && e.Type is (KernelEventType.KvmExit or KernelEventType.KvmNestedVmexit or KernelEventType.KvmNestedVmexitInject))
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

    private void NoteOtherLine(ReadOnlySpan<byte> line)
    {
        ReadOnlySpan<byte> trimmed = line.Trim((byte)' ');
        if (trimmed.StartsWith("CPU"u8) && trimmed.IndexOf((byte)'[') is >= 0 and int lost && trimmed.EndsWith("]"u8) &&
            (trimmed.IndexOf("LOST"u8) >= 0 || trimmed.IndexOf("DROPPED"u8) >= 0))
        {
            NoteLoss(trimmed[lost..]);
        }
        else if (trimmed.StartsWith("# entries-in-buffer/entries-written: "u8))
        {
            NoteOverwritten(trimmed);
        }
        else if (!trimmed.IsEmpty && trimmed[0] != '#' && !IsHeader(trimmed))
        {
            _garbage++;
            Findings.Add(Severity.Warning, GarbageLine, "", Line);
            if (_garbage > ForgivenLines && _garbage > Events)
            {
                throw NotATrace($"{_garbage} lines that are none against {Events} that are; the last is {TextCursor.Show(line)}");
            }
        }
    }

    // "cpus=2", "version = 7" and "CPU 1 is empty" of trace-cmd.
    private static bool IsHeader(ReadOnlySpan<byte> line) =>
        line.StartsWith("cpus="u8) || line.StartsWith("version = "u8) || (line.StartsWith("CPU "u8) && line.EndsWith(" is empty"u8));

    // "[LOST 12 EVENTS]", "[LOST EVENTS]", "[12 EVENTS DROPPED]", "lost 12": the first number is how many, if there is one.
    private void NoteLoss(ReadOnlySpan<byte> text)
    {
        int digit = text.IndexOfAnyInRange((byte)'0', (byte)'9');
        TextCursor cursor = new(digit < 0 ? default : text[digit..]);
        bool counted = cursor.Decimal(out ulong events) && events <= long.MaxValue;
        DataLoss = true;
        Findings.Add(Severity.DataLoss, LostEvents, counted ? "" : "number unknown", Line, counted ? (long)events : 1);
    }

    private void NoteOverwritten(ReadOnlySpan<byte> header)
    {
        TextCursor cursor = new(header[(header.IndexOf(": "u8) + 2)..]);
        if (cursor.Decimal(out ulong kept) && cursor.Skip("/"u8) && cursor.Decimal(out ulong written) && written > kept)
        {
            DataLoss = true;
            Findings.Add(Severity.DataLoss, LostEvents, "overwritten in the ring buffer", Line, (long)Math.Min(written - kept, long.MaxValue));
        }
    }

    private TraceFormatException NotATrace(string found) => _lines.Malformed(
        "text of trace-cmd report, tracefs trace or perf script", found, "This does not look like a kernel trace; run 'trace-cmd report -t' or 'perf script' on the recording.");
}
