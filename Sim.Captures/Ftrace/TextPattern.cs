using System.Text;
using Sim.Core.Architecture;
using Sim.Core.Profiles;

namespace Sim.Captures.Ftrace;

/// <summary>
/// The printed format of a tracepoint, written so that it looks like the kernel's: literal text, a space for one or more spaces, and
/// <list type="bullet">
/// <item><c>{Operand:d}</c> a decimal number, <c>{Operand:x}</c> a hexadecimal one with or without 0x;</item>
/// <item><c>{Operand=a|b|c}</c> one of these words, the longest that fits; its value is its position;</item>
/// <item><c>{!Operand}</c> and <c>{!Operand=2}</c> set an operand to 1 or 2 and read nothing;</item>
/// <item><c>{reason}</c> an exit reason, <c>{text}</c> words: both up to the literal that follows, or to the end;</item>
/// <item><c>{register}</c> an APIC register name; <c>{symbol}</c> the function that libtraceevent puts behind an address, <c>name+0x12</c>;</item>
/// <item><c>&lt;...&gt;</c> a part that may be missing.</item>
/// </list>
/// </summary>
internal sealed class TextPattern
{
    private static readonly AsciiNames<ulong> ApicRegisters = new(
    [
        ("APIC_ID", 0x20), ("APIC_LVR", 0x30), ("APIC_TASKPRI", 0x80), ("APIC_ARBPRI", 0x90), ("APIC_PROCPRI", 0xA0), ("APIC_EOI", 0xB0), ("APIC_RRR", 0xC0),
        ("APIC_LDR", 0xD0), ("APIC_DFR", 0xE0), ("APIC_SPIV", 0xF0), ("APIC_ISR", 0x100), ("APIC_TMR", 0x180), ("APIC_IRR", 0x200), ("APIC_ESR", 0x280),
        ("APIC_ICR", 0x300), ("APIC_ICR2", 0x310), ("APIC_LVTT", 0x320), ("APIC_LVTTHMR", 0x330), ("APIC_LVTPC", 0x340), ("APIC_LVT0", 0x350), ("APIC_LVT1", 0x360),
        ("APIC_LVTERR", 0x370), ("APIC_TMICT", 0x380), ("APIC_TMCCT", 0x390), ("APIC_TDCR", 0x3E0), ("APIC_SELF_IPI", 0x3F0), ("APIC_EFEAT", 0x400), ("APIC_ECTRL", 0x410),
    ]);

    private const ulong BasicReason = 0xFFFF;
    private const ulong FailedVmentry = 1UL << 31;

    private readonly Step[] _steps;

    /// <summary>A pattern from its text.</summary>
    public TextPattern(string pattern)
    {
        int at = 0;
        _steps = Parse(pattern, ref at, nested: false);
    }

    private enum StepKind
    {
        Literal,
        Spaces,
        Decimal,
        Hex,
        Word,
        Set,
        Reason,
        Text,
        ApicRegister,
        Symbol,
        Optional,
    }

    /// <summary>Reads a whole text into the event's operands; false, with the operands as they were, if it does not fit.</summary>
    public bool Match(ReadOnlySpan<byte> text, ref KernelEvent e, StringPool strings)
    {
        TextCursor cursor = new(text);
        int operands = e.OperandCount;
        if (Match(_steps, ref cursor, ref e, strings) && cursor.AtEnd)
        {
            return true;
        }

        e.Clear(operands);
        return false;
    }

    private static bool Match(Step[] steps, ref TextCursor cursor, ref KernelEvent e, StringPool strings)
    {
        for (int i = 0; i < steps.Length; i++)
        {
            if (!Match(steps, i, ref cursor, ref e, strings))
            {
                return false;
            }
        }

        return true;
    }

    private static bool Match(Step[] steps, int index, ref TextCursor cursor, ref KernelEvent e, StringPool strings)
    {
        Step step = steps[index];
        ulong value;
        switch (step.Kind)
        {
            case StepKind.Literal:
                return cursor.Skip(step.Literal);
            case StepKind.Spaces:
                return cursor.SkipSpaces();
            case StepKind.Decimal when cursor.Decimal(out value):
            case StepKind.Hex when cursor.Hex(out value):
                e.Add(step.Operand, value);
                return true;
            case StepKind.Word:
                return MatchWord(step, ref cursor, ref e);
            case StepKind.Set:
                e.Add(step.Operand, step.Value);
                return true;
            case StepKind.Reason:
                return MatchReason(Until(steps, index, ref cursor), ref e, strings);
            case StepKind.Text:
                e.Text = strings.Get(Until(steps, index, ref cursor).TrimEnd(" \0"u8));
                return true;
            case StepKind.ApicRegister when ApicRegisters.TryGet(cursor.Word(), out value):
                e.Add(KernelOperand.Register, value);
                return true;
            case StepKind.Symbol:
                return SkipSymbol(ref cursor);
            case StepKind.Optional:
                int position = cursor.Position;
                int operands = e.OperandCount;
                string text = e.Text;
                if (!Match(step.Inner, ref cursor, ref e, strings))
                {
                    cursor.Position = position;
                    e.Clear(operands);
                    e.Text = text;
                }

                return true;
            default:
                return false;
        }
    }

    private static bool MatchWord(Step step, ref TextCursor cursor, ref KernelEvent e)
    {
        int best = -1;
        for (int i = 0; i < step.Words.Length; i++)
        {
            if (cursor.Rest.StartsWith(step.Words[i]) && (best < 0 || step.Words[i].Length > step.Words[best].Length))
            {
                best = i;
            }
        }

        if (best < 0)
        {
            return false;
        }

        cursor.Position += step.Words[best].Length;
        e.Add(step.Operand, (ulong)best);
        return true;
    }

    private static bool MatchReason(ReadOnlySpan<byte> text, ref KernelEvent e, StringPool strings)
    {
        ReadOnlySpan<byte> name = text.Trim((byte)' ');
        bool failed = name.EndsWith(" FAILED_VMENTRY"u8);
        if (failed)
        {
            name = name[..^" FAILED_VMENTRY".Length].TrimEnd((byte)' ');
        }

        if (ExitReasons.TryParse(name, out Vendor vendor, out uint reason))
        {
            e.Add(KernelOperand.Reason, reason);
            e.Add(KernelOperand.Isa, (ulong)(vendor == Vendor.Intel ? KvmIsa.Vmx : KvmIsa.Svm));
        }
        else if (Unnamed(name, out ulong number))
        {
            bool isInvalid = number is uint.MaxValue or ulong.MaxValue;
            failed |= !isInvalid && (number & FailedVmentry) != 0;
            e.Add(KernelOperand.Reason, isInvalid ? (uint)SvmExit.Invalid : number > BasicReason ? number & BasicReason : number);
        }
        else if (name.IsEmpty)
        {
            return false;
        }
        else
        {
            e.Add(KernelOperand.Reason, ExitReasons.Unknown);
            e.Text = strings.Get(name);
        }

        if (failed)
        {
            e.Add(KernelOperand.FailedVmentry, 1);
        }

        return true;
    }

    // A reason without a name: the kernel prints 0x4c, trace-cmd UNKNOWN (76). Both print VMX's with the flags in its upper half if they do not know it.
    private static bool Unnamed(ReadOnlySpan<byte> name, out ulong number)
    {
        TextCursor cursor = new(name);
        bool parenthesised = cursor.Skip("UNKNOWN ("u8);
        return cursor.Number(out number) && (!parenthesised || cursor.Skip(")"u8)) && cursor.AtEnd && number is <= uint.MaxValue or ulong.MaxValue;
    }

    private static bool SkipSymbol(ref TextCursor cursor)
    {
        ReadOnlySpan<byte> word = cursor.Rest;
        int end = word.IndexOfAny((byte)' ', (byte)':');
        word = end < 0 ? word : word[..end];
        if (word.IsEmpty || word[0] == '[' || word.SequenceEqual("info"u8) || word.SequenceEqual("intr_info"u8) || word.SequenceEqual("reason"u8))
        {
            return false;
        }

        cursor.Position += word.Length;
        return true;
    }

    private static ReadOnlySpan<byte> Until(Step[] steps, int index, ref TextCursor cursor)
    {
        ReadOnlySpan<byte> rest = cursor.Rest;
        ReadOnlySpan<byte> terminator = steps[index].Literal;
        int length = terminator.IsEmpty ? rest.Length : rest.IndexOf(terminator);
        length = length < 0 ? rest.Length : length;
        cursor.Position += length;
        return rest[..length];
    }

    private static Step[] Parse(string pattern, ref int at, bool nested)
    {
        List<Step> steps = [];
        while (at < pattern.Length && !(nested && pattern[at] == '>'))
        {
            char c = pattern[at];
            if (c == '<')
            {
                at++;
                steps.Add(new Step { Kind = StepKind.Optional, Inner = Parse(pattern, ref at, nested: true) });
                at++;
            }
            else if (c == '{')
            {
                int end = pattern.IndexOf('}', at);
                steps.Add(Field(pattern[(at + 1)..end], Terminator(pattern, end + 1)));
                at = end + 1;
            }
            else if (c == ' ')
            {
                steps.Add(new Step { Kind = StepKind.Spaces });
                at++;
            }
            else
            {
                int start = at;
                while (at < pattern.Length && pattern[at] is not ('<' or '>' or '{' or ' '))
                {
                    at++;
                }

                steps.Add(new Step { Kind = StepKind.Literal, Literal = Encoding.ASCII.GetBytes(pattern[start..at]) });
            }
        }

        return [.. steps];
    }

    // What ends a {text} or {reason}: the plain text that follows it, up to the next field.
    private static byte[] Terminator(string pattern, int at)
    {
        int end = pattern.AsSpan(at).IndexOfAny('{', '<', '>');
        return Encoding.ASCII.GetBytes(end < 0 ? pattern[at..] : pattern.Substring(at, end));
    }

    private static Step Field(string field, byte[] terminator)
    {
        switch (field)
        {
            case "reason":
                return new Step { Kind = StepKind.Reason, Literal = terminator };
            case "text":
                return new Step { Kind = StepKind.Text, Literal = terminator };
            case "symbol":
                return new Step { Kind = StepKind.Symbol };
            case "register":
                return new Step { Kind = StepKind.ApicRegister };
            default:
                break;
        }

        if (field[0] == '!')
        {
            string[] parts = field[1..].Split('=');
            return new Step { Kind = StepKind.Set, Operand = Enum.Parse<KernelOperand>(parts[0]), Value = parts.Length > 1 ? (ulong)(parts[1][0] - '0') : 1 };
        }

        int separator = field.IndexOfAny([':', '=']);
        KernelOperand operand = Enum.Parse<KernelOperand>(field[..separator]);
        string rest = field[(separator + 1)..];
        return field[separator] == '='
            ? new Step { Kind = StepKind.Word, Operand = operand, Words = [.. rest.Split('|').Select(Encoding.ASCII.GetBytes)] }
            : new Step { Kind = rest == "d" ? StepKind.Decimal : StepKind.Hex, Operand = operand };
    }

    private sealed class Step
    {
        public required StepKind Kind { get; init; }

        public KernelOperand Operand { get; init; }

        public ulong Value { get; init; }

        public byte[] Literal { get; init; } = [];

        public byte[][] Words { get; init; } = [];

        public Step[] Inner { get; init; } = [];
    }
}
