using System.Text;

namespace Sim.Captures.Ftrace;

/// <summary>A place in a line of text, with the few ways to read on from there. A method that answers false has not moved.</summary>
internal ref struct TextCursor
{
    private readonly ReadOnlySpan<byte> _text;

    /// <summary>At the first byte of the text.</summary>
    public TextCursor(ReadOnlySpan<byte> text)
    {
        _text = text;
        Position = 0;
    }

    /// <summary>Bytes read.</summary>
    public int Position { get; set; }

    /// <summary>What is left.</summary>
    public readonly ReadOnlySpan<byte> Rest => _text[Position..];

    /// <summary>True if only spaces and NULs are left.</summary>
    public readonly bool AtEnd => Rest.IndexOfAnyExcept((byte)' ', (byte)0, (byte)'\t') < 0;

    /// <summary>Reads this literal.</summary>
    public bool Skip(ReadOnlySpan<byte> literal)
    {
        if (!Rest.StartsWith(literal))
        {
            return false;
        }

        Position += literal.Length;
        return true;
    }

    /// <summary>Reads one or more spaces.</summary>
    public bool SkipSpaces()
    {
        int start = Position;
        while (Position < _text.Length && _text[Position] is (byte)' ' or (byte)'\t' or 0)
        {
            Position++;
        }

        return Position > start;
    }

    /// <summary>Reads up to a space or the end.</summary>
    public ReadOnlySpan<byte> Word()
    {
        ReadOnlySpan<byte> rest = Rest;
        int length = rest.IndexOf((byte)' ');
        ReadOnlySpan<byte> word = length < 0 ? rest : rest[..length];
        Position += word.Length;
        return word;
    }

    /// <summary>Reads a decimal number; a minus sign gives the two's complement. False if there is none or it does not fit.</summary>
    public bool Decimal(out ulong value)
    {
        value = 0;
        ReadOnlySpan<byte> rest = Rest;
        bool negative = rest.Length > 0 && rest[0] == '-';
        int at = negative ? 1 : 0;
        int first = at;
        for (; at < rest.Length && (uint)(rest[at] - '0') <= 9; at++)
        {
            uint digit = (uint)(rest[at] - '0');
            if (value > (ulong.MaxValue - digit) / 10)
            {
                return false;
            }

            value = (value * 10) + digit;
        }

        if (at == first)
        {
            return false;
        }

        value = negative ? 0 - value : value;
        Position += at;
        return true;
    }

    /// <summary>Reads a hexadecimal number with or without 0x. False if there is none or it has more than 16 digits that count.</summary>
    public bool Hex(out ulong value)
    {
        value = 0;
        ReadOnlySpan<byte> rest = Rest;
        int at = rest.StartsWith("0x"u8) ? 2 : 0;
        int first = at;
        for (; at < rest.Length; at++)
        {
            int digit = HexDigit(rest[at]);
            if (digit < 0)
            {
                break;
            }

            if (value >> 60 != 0)
            {
                return false;
            }

            value = (value << 4) | (uint)digit;
        }

        if (at == first)
        {
            return false;
        }

        Position += at;
        return true;
    }

    /// <summary>Reads a number that is hexadecimal if it begins with 0x and decimal otherwise.</summary>
    public bool Number(out ulong value) => Rest.StartsWith("0x"u8) ? Hex(out value) : Decimal(out value);

    /// <summary>The text from here for a message, shortened.</summary>
    public readonly string Shown() => Show(Rest);

    /// <summary>Text for a message, shortened, with what cannot be printed replaced.</summary>
    public static string Show(ReadOnlySpan<byte> text)
    {
        const int Limit = 60;
        StringBuilder shown = new("'");
        foreach (byte b in text[..Math.Min(text.Length, Limit)])
        {
            shown.Append(b is >= 0x20 and < 0x7F ? (char)b : '.');
        }

        return shown.Append(text.Length > Limit ? "...'" : "'").ToString();
    }

    private static int HexDigit(byte b) => b switch
    {
        >= (byte)'0' and <= (byte)'9' => b - '0',
        >= (byte)'a' and <= (byte)'f' => b - 'a' + 10,
        >= (byte)'A' and <= (byte)'F' => b - 'A' + 10,
        _ => -1,
    };
}
