using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Sim.Workloads.Formats.Native;

/// <summary>
/// A column of bytes with few different values. Form 0: one value for all. Form 1: runs, each a value and a length minus one (16 bits), until the column is
/// full. Form 2: a palette of at most 16 values (count, values in order of first use), then a 4-bit code per byte, first in the low half, an unused half zero.
/// Form 3: as they are. The writer takes the shortest, the first of equals.
/// </summary>
internal static class ByteColumn
{
    private const byte Constant = 0;
    private const byte Runs = 1;
    private const byte Palette = 2;
    private const byte Plain = 3;
    private const int RunBytes = 3;
    private const int MaxPalette = 16;

    /// <summary>Appends a column that is not empty.</summary>
    public static void Encode(ReadOnlySpan<byte> values, PayloadWriter to)
    {
        Span<byte> palette = stackalloc byte[MaxPalette];
        Span<sbyte> codeOf = stackalloc sbyte[256];
        codeOf.Fill(-1);
        int colours = 0;
        int runs = 0;
        for (int i = 0; i < values.Length; i++)
        {
            byte value = values[i];
            runs += i == 0 || value != values[i - 1] ? 1 : 0;
            if (codeOf[value] < 0 && colours <= MaxPalette)
            {
                if (colours < MaxPalette)
                {
                    palette[colours] = value;
                    codeOf[value] = (sbyte)colours;
                }

                colours++;
            }
        }

        int runsLength = runs * RunBytes;
        int paletteLength = colours <= MaxPalette ? 1 + colours + ((values.Length + 1) / 2) : int.MaxValue;
        if (runs == 1)
        {
            to.Byte(Constant);
            to.Byte(values[0]);
        }
        else if (runsLength <= paletteLength && runsLength <= values.Length)
        {
            EncodeRuns(values, to);
        }
        else if (paletteLength <= values.Length)
        {
            to.Byte(Palette);
            to.Byte((byte)colours);
            palette[..colours].CopyTo(to.Take(colours));
            Span<byte> codes = to.Take((values.Length + 1) / 2);
            codes.Clear();
            for (int i = 0; i < values.Length; i++)
            {
                codes[i / 2] |= (byte)(codeOf[values[i]] << (4 * (i % 2)));
            }
        }
        else
        {
            to.Byte(Plain);
            values.CopyTo(to.Take(values.Length));
        }
    }

    /// <summary>Decodes a column of <c>values.Length</c> bytes, at least one.</summary>
    /// <exception cref="Core.TraceFormatException">The column does not fit into what is left of the payload, or its form is unknown.</exception>
    public static void Decode(PayloadReader from, Span<byte> values, string what)
    {
        byte form = from.Byte(what);
        switch (form)
        {
            case Constant:
                values.Fill(from.Byte(what));
                break;
            case Runs:
                DecodeRuns(from, values, what);
                break;
            case Palette:
                DecodePalette(from, values, what);
                break;
            case Plain:
                from.Take(values.Length, what).CopyTo(values);
                break;
            default:
                throw from.Bad($"column form 0 to 3 for {what}", $"{form}");
        }
    }

    private static void EncodeRuns(ReadOnlySpan<byte> values, PayloadWriter to)
    {
        to.Byte(Runs);
        for (int start = 0, end; start < values.Length; start = end)
        {
            for (end = start + 1; end < values.Length && values[end] == values[start]; end++)
            {
            }

            int length = end - start - 1;
            to.Byte(values[start]);
            to.Byte((byte)length);
            to.Byte((byte)(length >> 8));
        }
    }

    private static void DecodeRuns(PayloadReader from, Span<byte> values, string what)
    {
        while (!values.IsEmpty)
        {
            ReadOnlySpan<byte> run = from.Take(RunBytes, what);
            int length = (run[1] | (run[2] << 8)) + 1;
            if (length > values.Length)
            {
                throw from.Bad($"a run of at most {values.Length} in {what}", $"{length}");
            }

            values[..length].Fill(run[0]);
            values = values[length..];
        }
    }

    private static void DecodePalette(PayloadReader from, Span<byte> values, string what)
    {
        int colours = from.Byte(what);
        if (colours is 0 or > MaxPalette)
        {
            throw from.Bad($"a palette of 1 to {MaxPalette} values for {what}", $"{colours}");
        }

        Span<byte> palette = stackalloc byte[MaxPalette];
        from.Take(colours, what).CopyTo(palette);
        ReadOnlySpan<byte> codes = from.Take((values.Length + 1) / 2, what);
        int highest = 0;
        int start = 0;
        if (Vector128.IsHardwareAccelerated)
        {
            start = DecodeVectors(palette, codes, values, ref highest);
        }

        for (int i = start; i < codes.Length; i++)
        {
            int low = codes[i] & 15;
            int high = codes[i] >> 4;
            highest = Math.Max(highest, Math.Max(low, high));
            values[2 * i] = palette[low];
            if ((2 * i) + 1 < values.Length)
            {
                values[(2 * i) + 1] = palette[high];
            }
            else if (high != 0)
            {
                throw from.Bad($"zero in the unused half of the last code of {what}", $"{high}");
            }
        }

        if (highest >= colours)
        {
            throw from.Bad($"palette codes below {colours} in {what}", $"{highest}");
        }
    }

    /// <summary>Decodes as many whole vectors of codes as there are, and returns how many bytes of codes those were.</summary>
    private static int DecodeVectors(ReadOnlySpan<byte> palette, ReadOnlySpan<byte> codes, Span<byte> values, ref int highest)
    {
        Vector128<byte> colours = Vector128.Create(palette);
        Vector128<byte> most = Vector128<byte>.Zero;
        int done = 0;
        for (; done + Vector128<byte>.Count <= codes.Length && 2 * (done + Vector128<byte>.Count) <= values.Length; done += Vector128<byte>.Count)
        {
            Vector128<byte> pair = Vector128.Create(codes[done..]);
            Vector128<byte> low = pair & Vector128.Create((byte)15);
            Vector128<byte> high = pair >>> 4;
            most = Vector128.Max(most, Vector128.Max(low, high));
            Vector128<byte> first = Vector128.Shuffle(colours, low);
            Vector128<byte> second = Vector128.Shuffle(colours, high);
            Span<ushort> pairs = MemoryMarshal.Cast<byte, ushort>(values[(2 * done)..]);
            (Vector128.WidenLower(first) | (Vector128.WidenLower(second) << 8)).CopyTo(pairs);
            (Vector128.WidenUpper(first) | (Vector128.WidenUpper(second) << 8)).CopyTo(pairs[Vector128<ushort>.Count..]);
        }

        for (int i = 0; i < Vector128<byte>.Count; i++)
        {
            highest = Math.Max(highest, most[i]);
        }

        return done;
    }
}
