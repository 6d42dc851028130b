using System.Buffers.Binary;
using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Sim.Workloads.Formats.Native;

/// <summary>Takes the numbers of a column one by one, in order, as they are decoded: the one pass in which they become what they stand for.</summary>
internal interface INumberSink
{
    /// <summary>Takes number <paramref name="index"/>.</summary>
    void Put(int index, ulong number);
}

/// <summary>
/// A column of 64-bit numbers, most of them small. Form 0: all are zero, nothing follows. Form 1: four byte lengths (0 to 8, chosen per column), then a 2-bit
/// code per number that says which of the four lengths it has (four codes to a byte, first number in the lowest bits, unused bits zero), then the numbers'
/// low bytes, little-endian. Decoding has no branch that depends on the data.
/// </summary>
internal static class NumberColumn
{
    private const byte AllZero = 0;
    private const byte Lengths = 1;
    private const int CodesPerByte = 4;
    private const ulong LowBitOfCodes = 0x5555_5555_5555_5555;

    /// <summary>Appends the column.</summary>
    public static void Encode(ReadOnlySpan<ulong> values, PayloadWriter to)
    {
        Span<int> atMost = stackalloc int[9];
        atMost.Clear();
        foreach (ulong value in values)
        {
            atMost[Bytes(value)]++;
        }

        if (atMost[0] == values.Length)
        {
            to.Byte(AllZero);
            return;
        }

        for (int length = 1; length <= 8; length++)
        {
            atMost[length] += atMost[length - 1];
        }

        Span<byte> lengths = stackalloc byte[4];
        ChooseLengths(atMost, lengths);
        Span<byte> codeOf = stackalloc byte[9];
        for (int length = 0, code = 0; length <= lengths[3]; length++)
        {
            while (lengths[code] < length)
            {
                code++;
            }

            codeOf[length] = (byte)code;
        }

        int controlBytes = (values.Length + CodesPerByte - 1) / CodesPerByte;
        int start = to.Length;
        Span<byte> room = to.Take(1 + 4 + controlBytes + (values.Length * sizeof(ulong)));
        room[0] = Lengths;
        lengths.CopyTo(room[1..]);
        Span<byte> controls = room.Slice(5, controlBytes);
        controls.Clear();
        int used = 5 + controlBytes;
        for (int i = 0; i < values.Length; i++)
        {
            ulong value = values[i];
            int code = codeOf[Bytes(value)];
            controls[i / CodesPerByte] |= (byte)(code << (2 * (i % CodesPerByte)));
            for (int length = lengths[code]; length > 0; length--)
            {
                room[used++] = (byte)value;
                value >>= 8;
            }
        }

        to.Shorten(start + used);
    }

    /// <summary>Decodes a column of <c>values.Length</c> numbers.</summary>
    /// <exception cref="Core.TraceFormatException">The column does not fit into what is left of the payload, or its form or a length is unknown.</exception>
    public static void Decode(PayloadReader from, Span<ulong> values, string what)
    {
        Plain plain = new(values);
        Decode(from, values.Length, ref plain, what);
    }

    /// <summary>Decodes a column of <paramref name="count"/> numbers into a sink.</summary>
    /// <exception cref="Core.TraceFormatException">The column does not fit into what is left of the payload, or its form or a length is unknown.</exception>
    public static void Decode<TSink>(PayloadReader from, int count, scoped ref TSink sink, string what)
        where TSink : struct, INumberSink, allows ref struct
    {
        byte form = from.Byte(what);
        if (form == AllZero)
        {
            for (int i = 0; i < count; i++)
            {
                sink.Put(i, 0);
            }

            return;
        }

        if (form != Lengths)
        {
            throw from.Bad($"column form 0 or 1 for {what}", $"{form}");
        }

        Span<int> lengths = stackalloc int[4];
        Span<ulong> masks = stackalloc ulong[4];
        ReadOnlySpan<byte> chosen = from.Take(4, what);
        for (int code = 0; code < 4; code++)
        {
            if (chosen[code] > sizeof(ulong))
            {
                throw from.Bad($"a number length of 0 to 8 bytes for {what}", $"{chosen[code]}");
            }

            lengths[code] = chosen[code];
            masks[code] = chosen[code] == 0 ? 0 : ulong.MaxValue >> (64 - (8 * chosen[code]));
        }

        ReadOnlySpan<byte> controls = from.Take((count + CodesPerByte - 1) / CodesPerByte, what);
        long bytes = DataBytes(from, controls, count, lengths, what);
        Decode(controls, ref from.TakeWithSlack(bytes, what), lengths, masks, count, ref sink);
    }

    /// <summary>Difference to a signed number near zero as an unsigned number near zero: 0, -1, 1, -2, ... become 0, 1, 2, 3, ...</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong ZigZag(ulong difference) => (difference << 1) ^ (ulong)((long)difference >> 63);

    /// <summary>Inverse of <see cref="ZigZag"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong UnZigZag(ulong value) => (value >> 1) ^ (0 - (value & 1));

    private static int Bytes(ulong value) => (71 - BitOperations.LeadingZeroCount(value)) / 8;

    /// <summary>The four lengths, the last as long as the longest number, that make the column smallest; the first of equals in ascending order.</summary>
    private static void ChooseLengths(ReadOnlySpan<int> atMost, Span<byte> lengths)
    {
        int total = atMost[8];
        int longest = atMost.IndexOf(total);
        long best = long.MaxValue;
        for (int a = 0; a <= longest; a++)
        {
            for (int b = a; b <= longest; b++)
            {
                for (int c = b; c <= longest; c++)
                {
                    long bytes = ((long)a * atMost[a]) + ((long)b * (atMost[b] - atMost[a])) + ((long)c * (atMost[c] - atMost[b])) + ((long)longest * (total - atMost[c]));
                    if (bytes < best)
                    {
                        best = bytes;
                        lengths[0] = (byte)a;
                        lengths[1] = (byte)b;
                        lengths[2] = (byte)c;
                        lengths[3] = (byte)longest;
                    }
                }
            }
        }
    }

    private static long DataBytes(PayloadReader from, ReadOnlySpan<byte> controls, int count, ReadOnlySpan<int> lengths, string what)
    {
        int used = count % CodesPerByte;
        if (used != 0 && controls[^1] >> (2 * used) != 0)
        {
            throw from.Bad($"zero in the unused bits of the last length code of {what}", $"0x{controls[^1]:x2}");
        }

        long ones = 0;
        long twos = 0;
        long threes = 0;
        ReadOnlySpan<ulong> words = MemoryMarshal.Cast<byte, ulong>(controls);
        foreach (ulong word in words)
        {
            Count(word, ref ones, ref twos, ref threes);
        }

        foreach (byte rest in controls[(words.Length * sizeof(ulong))..])
        {
            Count(rest, ref ones, ref twos, ref threes);
        }

        return ((count - ones - twos - threes) * lengths[0]) + (ones * lengths[1]) + (twos * lengths[2]) + (threes * lengths[3]);
    }

    private static void Count(ulong word, ref long ones, ref long twos, ref long threes)
    {
        ulong low = word & LowBitOfCodes;
        ulong high = (word >> 1) & LowBitOfCodes;
        ones += BitOperations.PopCount(low & ~high);
        twos += BitOperations.PopCount(high & ~low);
        threes += BitOperations.PopCount(low & high);
    }

    /// <summary>
    /// The caller has counted: <paramref name="data"/> and the eight bytes after the last number can be loaded. Four numbers at a time: where each begins is
    /// looked up by their common byte of codes, so that the next four wait for one addition and not for four.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Decode<TSink>(
        ReadOnlySpan<byte> controls, ref byte data, scoped ReadOnlySpan<int> lengths, scoped ReadOnlySpan<ulong> masks, int count, scoped ref TSink sink)
        where TSink : struct, INumberSink, allows ref struct
    {
        int whole = count / CodesPerByte * CodesPerByte;
        if (whole > 0)
        {
            Span<uint> offsets = stackalloc uint[256];
            FindOffsets(lengths, offsets);
            ref uint offset = ref MemoryMarshal.GetReference(offsets);
            ref ulong mask = ref MemoryMarshal.GetReference(masks);
            for (int i = 0; i < whole; i += CodesPerByte)
            {
                uint codes = controls[i / CodesPerByte];
                uint at = Unsafe.Add(ref offset, codes);
                sink.Put(i, Load(ref data) & Unsafe.Add(ref mask, codes & 3));
                sink.Put(i + 1, Load(ref Unsafe.Add(ref data, at & 0xFF)) & Unsafe.Add(ref mask, (codes >> 2) & 3));
                sink.Put(i + 2, Load(ref Unsafe.Add(ref data, (at >> 8) & 0xFF)) & Unsafe.Add(ref mask, (codes >> 4) & 3));
                sink.Put(i + 3, Load(ref Unsafe.Add(ref data, (at >> 16) & 0xFF)) & Unsafe.Add(ref mask, codes >> 6));
                data = ref Unsafe.Add(ref data, at >> 24);
            }
        }

        for (int i = whole; i < count; i++)
        {
            int code = (controls[i / CodesPerByte] >> (2 * (i % CodesPerByte))) & 3;
            sink.Put(i, Load(ref data) & masks[code]);
            data = ref Unsafe.Add(ref data, lengths[code]);
        }
    }

    /// <summary>For each byte of four codes: where the second, third and fourth number and the next group begin, from the low byte up.</summary>
    private static void FindOffsets(ReadOnlySpan<int> lengths, Span<uint> offsets)
    {
        for (int codes = 0; codes < offsets.Length; codes++)
        {
            uint second = (uint)lengths[codes & 3];
            uint third = second + (uint)lengths[(codes >> 2) & 3];
            uint fourth = third + (uint)lengths[(codes >> 4) & 3];
            offsets[codes] = second | (third << 8) | (fourth << 16) | ((fourth + (uint)lengths[codes >> 6]) << 24);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong Load(ref byte at)
    {
        ulong word = Unsafe.ReadUnaligned<ulong>(ref at);
        return BitConverter.IsLittleEndian ? word : BinaryPrimitives.ReverseEndianness(word);
    }

    /// <summary>The numbers as they are.</summary>
    private readonly ref struct Plain(Span<ulong> values) : INumberSink
    {
        private readonly ref ulong _first = ref MemoryMarshal.GetReference(values);

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Put(int index, ulong number) => Unsafe.Add(ref _first, index) = number;
    }
}
