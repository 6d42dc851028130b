namespace Sim.Workloads.Importers;

/// <summary>Numbers in text traces.</summary>
internal static class Digits
{
    private const int MostHexDigits = 16;
    private const int MostDecimalDigits = 20;

    /// <summary>A hexadecimal number of 1 to 16 digits with or without 0x, which is the whole text.</summary>
    public static bool TryHex(ReadOnlySpan<byte> text, out ulong value)
    {
        text = text.StartsWith("0x"u8) || text.StartsWith("0X"u8) ? text[2..] : text;
        value = 0;
        foreach (byte c in text)
        {
            int digit = char.IsAsciiHexDigit((char)c) ? (c & 0xF) + (c > '9' ? 9 : 0) : -1;
            if (digit < 0)
            {
                return false;
            }

            value = (value << 4) | (uint)digit;
        }

        return text.Length is > 0 and <= MostHexDigits;
    }

    /// <summary>A decimal number below 2^64 that is the whole text.</summary>
    public static bool TryDecimal(ReadOnlySpan<byte> text, out ulong value)
    {
        UInt128 sum = 0;
        value = 0;
        if (text.Length is 0 or > MostDecimalDigits)
        {
            return false;
        }

        foreach (byte c in text)
        {
            if (!char.IsAsciiDigit((char)c))
            {
                return false;
            }

            sum = (sum * 10) + (uint)(c - '0');
        }

        value = (ulong)sum;
        return sum <= ulong.MaxValue;
    }

    /// <summary>A decimal number, or a hexadecimal one with 0x.</summary>
    public static bool TryNumber(ReadOnlySpan<byte> text, out ulong value) => text.StartsWith("0x"u8) || text.StartsWith("0X"u8) ? TryHex(text, out value) : TryDecimal(text, out value);
}
