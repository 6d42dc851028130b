using System.Buffers;
using Sim.Core.Architecture;

namespace Sim.Captures.Ftrace;

/// <summary>Which columns a line has before its event. All lines of a file have the same.</summary>
/// <param name="HasName">The task's name.</param>
/// <param name="HasThread">The thread's number.</param>
/// <param name="HasCpu">The CPU.</param>
internal readonly record struct FrameShape(bool HasName, bool HasThread, bool HasCpu)
{
    /// <summary>Names who and where.</summary>
    public bool IsComplete => HasThread && HasCpu;
}

/// <summary>What a line of kernel text says before the event's own text: who, where, when and which event.</summary>
/// <remarks>
/// <list type="bullet">
/// <item><c>COMM-PID [CPU] FLAGS TIME: event: text</c>: ftrace and trace-cmd report, the latter also with <c>(+12)</c> behind the time (<c>--ts-diff</c>);</item>
/// <item><c>COMM-PID CPUFLAGS TIME: event: text</c>: latency format of both, with times in microseconds where it is the kernel's;</item>
/// <item><c>COMM PID [CPU] TIME: system:event: text</c>: perf script, PID may be PID/TID; perf-prof has flags before the CPU;</item>
/// <item>the same without CPU, without task, with half of it, or with a period behind the time: <c>perf script -F</c>, and <c>perf record</c> of one thread. Half a task is taken only where the
/// file begins so, since a damaged line looks like that, too.</item>
/// </list>
/// COMM may hold spaces, dashes and brackets, so the first bracket with a CPU number that the rest fits is taken. In front of all may stand the <c>&gt;</c> of a quoted mail.
/// </remarks>
internal static class EventFrame
{
    private static readonly SearchValues<byte> FlagCharacters = SearchValues.Create("dDXnNpPlLbBuUhHsZz.#0123456789abcef"u8);
    private static readonly SearchValues<byte> DecimalDigits = SearchValues.Create("0123456789"u8);

    private const int MostCpus = 1 << 16;
    private const ulong NanosecondsPerSecond = 1_000_000_000;
    private const int Digits = 9;

    /// <summary>Reads what stands before the text of an event, which may be empty; false if the line is none of an event. What it does not say: CPU 0, no task.</summary>
    /// <remarks><paramref name="known"/>: the shape of the file's lines, if it is known.</remarks>
    public static bool TryParse(ReadOnlySpan<byte> line, StringPool strings, FrameShape? known, ref KernelEvent e, out ReadOnlySpan<byte> text, out FrameShape shape)
    {
        line = line.TrimStart("> \t"u8);
        for (int bracket = line.IndexOf((byte)'['); bracket >= 0;)
        {
            TextCursor cursor = new(line[(bracket + 1)..]);
            if (cursor.Decimal(out ulong cpu) && cpu < MostCpus && cursor.Skip("]"u8) && FlagsAndTime(ref cursor, out ulong time) && Who(line[..bracket], cursor.Rest, strings, known, ref e, out shape))
            {
                shape = shape with { HasCpu = true };
                e.Time = time;
                e.Cpu = (int)cpu;
                return Name(line[(bracket + 1 + cursor.Position)..], strings, ref e, out text);
            }

            int next = line[(bracket + 1)..].IndexOf((byte)'[');
            bracket = next < 0 ? -1 : bracket + 1 + next;
        }

        return WithoutBracket(line, strings, known, ref e, out text, out shape);
    }

    // The first word that is a time, before the name of an event.
    private static bool WithoutBracket(ReadOnlySpan<byte> line, StringPool strings, FrameShape? known, ref KernelEvent e, out ReadOnlySpan<byte> text, out FrameShape shape)
    {
        text = default;
        shape = default;
        for (int start = 0; start < line.Length;)
        {
            TextCursor cursor = new(line[start..]);
            if (Time(ref cursor, isWhole: false, out ulong time) && IsEvent(cursor.Rest))
            {
                int cpu = 0;
                ReadOnlySpan<byte> before = line[..start];
                bool hasCpu = start > 0 && LatencyColumn(ref before, out cpu);
                if (!Who(before, cursor.Rest, strings, known, ref e, out shape))
                {
                    return false;
                }

                shape = shape with { HasCpu = hasCpu };
                e.Time = time;
                e.Cpu = cpu;
                return Name(cursor.Rest, strings, ref e, out text);
            }

            int space = line[start..].IndexOf((byte)' ');
            start = space < 0 ? line.Length : start + space;
            while (start < line.Length && line[start] == ' ')
            {
                start++;
            }
        }

        return false;
    }

    // The task, or what there is of it.
    private static bool Who(ReadOnlySpan<byte> before, ReadOnlySpan<byte> rest, StringPool strings, FrameShape? known, ref KernelEvent e, out FrameShape shape)
    {
        ReadOnlySpan<byte> words = before.Trim((byte)' ');
        shape = new FrameShape(!words.IsEmpty, !words.IsEmpty, false);
        if (!words.IsEmpty && Task(before, strings, ref e))
        {
            return true;
        }

        TextCursor number = new(words);
        bool isThread = number.Decimal(out ulong thread) && number.AtEnd && thread <= int.MaxValue;
        e.Pid = isThread ? (int)thread : -1;
        e.Task = isThread || words.IsEmpty ? "" : strings.Get(words);
        shape = new FrameShape(!isThread && !words.IsEmpty, isThread, false);
        return words.IsEmpty
            || (before.Length > words.Length && (known is not { } file || (file.HasName, file.HasThread) == (shape.HasName, shape.HasThread)) && TracepointFormats.TryGet(EventName(rest), out _));
    }

    private static ReadOnlySpan<byte> EventName(ReadOnlySpan<byte> rest)
    {
        TextCursor cursor = new(WithoutPeriod(rest));
        cursor.SkipSpaces();
        ReadOnlySpan<byte> word = cursor.Word().TrimEnd((byte)':');
        return word[(word.LastIndexOf((byte)':') + 1)..];
    }

    // perf script -F +period: a number before the event's name.
    private static ReadOnlySpan<byte> WithoutPeriod(ReadOnlySpan<byte> rest)
    {
        TextCursor cursor = new(rest);
        cursor.SkipSpaces();
        return cursor.Decimal(out _) && cursor.SkipSpaces() ? cursor.Rest : rest;
    }

    // "name:" or "system:name:", or a function with its caller.
    private static bool IsEvent(ReadOnlySpan<byte> rest)
    {
        TextCursor cursor = new(WithoutPeriod(rest));
        cursor.SkipSpaces();
        ReadOnlySpan<byte> word = cursor.Word();
        return (word.Length > 1 && word[^1] == ':' && IsName(word[..^1])) || (word.Length > 0 && cursor.Rest.StartsWith(" <-"u8));
    }

    private static bool IsName(ReadOnlySpan<byte> word)
    {
        foreach (byte b in word)
        {
            if (b is not ((>= (byte)'a' and <= (byte)'z') or (>= (byte)'A' and <= (byte)'Z') or (>= (byte)'0' and <= (byte)'9') or (byte)'_' or (byte)':' or (byte)'-'))
            {
                return false;
            }
        }

        return word[0] is not (>= (byte)'0' and <= (byte)'9');
    }

    // "    3d.h1.": CPU and flags in one, behind the task.
    private static bool LatencyColumn(ref ReadOnlySpan<byte> before, out int cpu)
    {
        ReadOnlySpan<byte> trimmed = before.TrimEnd((byte)' ');
        int column = trimmed.LastIndexOf((byte)' ');
        TextCursor cursor = new(trimmed[(column + 1)..]);
        cpu = 0;
        if (column <= 0 || !cursor.Decimal(out ulong number) || number >= MostCpus || !IsFlags(cursor.Rest))
        {
            return false;
        }

        cpu = (int)number;
        before = before[..(column + 1)];
        return true;
    }

    // irqs-off, need-resched, hardirq or softirq, preempt depth, and from 5.16 on migrate depth.
    private static bool IsFlags(ReadOnlySpan<byte> flags) =>
        flags.Length is >= 3 and <= 8 && !flags.ContainsAnyExcept(FlagCharacters) && flags.ContainsAnyExcept(DecimalDigits);

    private static bool FlagsAndTime(ref TextCursor cursor, out ulong time)
    {
        cursor.SkipSpaces();
        if (Time(ref cursor, isWhole: true, out time))
        {
            return true;
        }

        int start = cursor.Position;
        ReadOnlySpan<byte> flags = cursor.Word();
        if (flags.Length is >= 3 and <= 8 && cursor.SkipSpaces() && Time(ref cursor, isWhole: true, out time))
        {
            return true;
        }

        // A raw counter fills its column, so that nothing stands between it and the flags.
        for (int length = 5; length >= 4; length--)
        {
            cursor.Position = start + length;
            if (flags.Length > length && IsFlags(flags[..length]) && Time(ref cursor, isWhole: true, out time))
            {
                return true;
            }
        }

        return false;
    }

    // Seconds with a fraction; a bare counter; microseconds with a mark of the latency format. Then a colon, before or behind the difference of --ts-diff.
    private static bool Time(ref TextCursor cursor, bool isWhole, out ulong time)
    {
        time = 0;
        int start = cursor.Position;
        if (!cursor.Rest.StartsWith("-"u8) && cursor.Decimal(out time) && Unit(ref cursor, isWhole, ref time))
        {
            SkipDifference(ref cursor);
            if (cursor.Skip(":"u8))
            {
                SkipDifference(ref cursor);
                return true;
            }
        }

        cursor.Position = start;
        return false;
    }

    private static bool Unit(ref TextCursor cursor, bool isWhole, ref ulong time)
    {
        if (cursor.Skip("us"u8))
        {
            cursor.Position += cursor.Rest.Length > 0 && " +!#*@$"u8.Contains(cursor.Rest[0]) ? 1 : 0;
            bool fits = time <= ulong.MaxValue / 1000;
            time *= 1000;
            return fits;
        }

        int dot = cursor.Position;
        if (!cursor.Skip("."u8))
        {
            return isWhole;
        }

        if (!cursor.Decimal(out ulong fraction) || cursor.Position - dot - 1 is not (>= 1 and <= Digits and int digits) || time > ulong.MaxValue / 2 / NanosecondsPerSecond)
        {
            return false;
        }

        for (int i = digits; i < Digits; i++)
        {
            fraction *= 10;
        }

        time = (time * NanosecondsPerSecond) + fraction;
        return true;
    }

    private static void SkipDifference(ref TextCursor cursor)
    {
        int start = cursor.Position;
        cursor.SkipSpaces();
        if (!cursor.Skip("(+"u8) || !cursor.Decimal(out _) || (cursor.Skip("."u8) && !cursor.Decimal(out _)) || !cursor.Skip(")"u8))
        {
            cursor.Position = start;
        }
    }

    private static bool Task(ReadOnlySpan<byte> text, StringPool strings, ref KernelEvent e)
    {
        ReadOnlySpan<byte> trimmed = text.TrimEnd((byte)' ');
        if (trimmed.EndsWith(")"u8) && trimmed.LastIndexOf((byte)'(') is >= 0 and int tgid)
        {
            trimmed = trimmed[..tgid].TrimEnd((byte)' ');
        }

        int column = trimmed.LastIndexOf((byte)' ');
        if (column > 0 && trimmed.Length < text.Length && IsFlags(trimmed[(column + 1)..]))
        {
            // perf-prof.
            trimmed = trimmed[..column].TrimEnd((byte)' ');
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

        e.Pid = (int)number;
        ReadOnlySpan<byte> before = trimmed[..digits];
        column = before.LastIndexOf((byte)' ');
        if (column >= 0 && ((number == 1 && before.EndsWith(" -"u8)) || IsPidBeforeTid(before[(column + 1)..])))
        {
            // perf script: an unknown thread is -1; PID/TID names both.
            e.Pid = before.EndsWith("/"u8) ? e.Pid : -1;
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

        e.Task = strings.Get(before.Trim((byte)' '));
        return true;
    }

    private static bool IsPidBeforeTid(ReadOnlySpan<byte> word)
    {
        TextCursor cursor = new(word);
        return cursor.Decimal(out _) && cursor.Skip("/"u8) && cursor.AtEnd;
    }

    private static bool Name(ReadOnlySpan<byte> line, StringPool strings, ref KernelEvent e, out ReadOnlySpan<byte> text)
    {
        ReadOnlySpan<byte> rest = WithoutPeriod(line).TrimStart((byte)' ');
        int length = rest.IndexOf((byte)' ');
        ReadOnlySpan<byte> word = length < 0 ? rest : rest[..length];
        text = default;
        if (word.EndsWith(":"u8) && word.Length > 1)
        {
            ReadOnlySpan<byte> name = word[..^1];
            int system = name.LastIndexOf((byte)':');
            e.Name = strings.Get(name[(system + 1)..]);
            text = rest[word.Length..].Trim((byte)' ');
            return true;
        }

        if (word.StartsWith("PERF_RECORD_LOST"u8))
        {
            e.Name = strings.Get(word);
            text = rest[word.Length..];
            return true;
        }

        // tracefs prints a function as "callee <-caller".
        e.Name = "function";
        text = rest;
        return !word.IsEmpty && rest[word.Length..].StartsWith(" <-"u8);
    }
}
