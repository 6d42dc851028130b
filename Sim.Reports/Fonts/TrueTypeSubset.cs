using System.Buffers.Binary;
using System.Text;

namespace Sim.Reports.Fonts;

/// <summary>
/// A TrueType font with the glyphs of some characters only, so that a page can carry it: outlines, advances and the character map (format 4); no kerning, no features, no hints. Names and licence stay.
/// Tables and fields are those of the OpenType specification 1.9.
/// </summary>
internal static class TrueTypeSubset
{
    private const ushort ComponentWords = 0x0001;
    private const ushort ComponentScale = 0x0008;
    private const ushort ComponentMore = 0x0020;
    private const ushort ComponentTwoScales = 0x0040;
    private const ushort ComponentMatrix = 0x0080;
    private const uint WholeFontSum = 0xB1B0AFBA;

    /// <summary>The font.</summary>
    /// <param name="font">A font with <c>glyf</c> outlines and a character map of format 4.</param>
    /// <param name="characters">What must be in it; characters that the font lacks are left out.</param>
    public static byte[] Of(byte[] font, string characters)
    {
        Dictionary<string, ReadOnlyMemory<byte>> tables = TablesOf(font);
        SortedDictionary<ushort, ushort> map = [];
        foreach (char character in characters.Where(character => GlyphOf(tables["cmap"].Span, character) != 0))
        {
            map[character] = GlyphOf(tables["cmap"].Span, character);
        }

        // Glyph 0 stands for what is missing. Composite glyphs bring their parts.
        List<ushort> kept = [0, .. map.Values.Distinct().Order()];
        Dictionary<ushort, ushort> renumbered = kept.Select((glyph, i) => (glyph, i)).ToDictionary(pair => pair.glyph, pair => (ushort)pair.i);
        MemoryStream outlines = new();
        List<uint> offsets = [];
        for (int i = 0; i < kept.Count; i++)
        {
            offsets.Add((uint)outlines.Length);
            byte[] glyph = OutlineOf(tables, kept[i]).ToArray();
            foreach (int at in ComponentsOf(glyph))
            {
                ushort part = BinaryPrimitives.ReadUInt16BigEndian(glyph.AsSpan(at));
                if (renumbered.TryAdd(part, (ushort)kept.Count))
                {
                    kept.Add(part);
                }

                BinaryPrimitives.WriteUInt16BigEndian(glyph.AsSpan(at), renumbered[part]);
            }

            outlines.Write(glyph);
            outlines.Write(new byte[(4 - (glyph.Length % 4)) % 4]);
        }

        offsets.Add((uint)outlines.Length);
        return Assemble(new SortedDictionary<string, byte[]>(StringComparer.Ordinal)
        {
            ["OS/2"] = tables["OS/2"].ToArray(),
            ["cmap"] = CharacterMap(map, renumbered),
            ["glyf"] = outlines.ToArray(),
            ["head"] = Patched(tables["head"], (8, 0), (10, 0), (50, 1)),
            ["hhea"] = Patched(tables["hhea"], (34, (ushort)kept.Count)),
            ["hmtx"] = [.. kept.SelectMany(glyph => Metrics(tables, glyph))],
            ["loca"] = [.. offsets.SelectMany(Long)],
            ["maxp"] = Patched(tables["maxp"], (4, (ushort)kept.Count)),
            ["name"] = tables["name"].ToArray(),
            ["post"] = [.. Long(0x00030000), .. new byte[28]],
        });
    }

    private static Dictionary<string, ReadOnlyMemory<byte>> TablesOf(byte[] font)
    {
        Dictionary<string, ReadOnlyMemory<byte>> tables = new(StringComparer.Ordinal);
        int count = BinaryPrimitives.ReadUInt16BigEndian(font.AsSpan(4));
        for (int i = 0; i < count; i++)
        {
            ReadOnlySpan<byte> entry = font.AsSpan(12 + (16 * i), 16);
            tables[Encoding.ASCII.GetString(entry[..4])] = font.AsMemory((int)BinaryPrimitives.ReadUInt32BigEndian(entry[8..]), (int)BinaryPrimitives.ReadUInt32BigEndian(entry[12..]));
        }

        return tables;
    }

    private static ushort GlyphOf(ReadOnlySpan<byte> cmap, char character)
    {
        int subtables = BinaryPrimitives.ReadUInt16BigEndian(cmap[2..]);
        for (int i = 0; i < subtables; i++)
        {
            ReadOnlySpan<byte> table = cmap[(int)BinaryPrimitives.ReadUInt32BigEndian(cmap[(4 + (8 * i) + 4)..])..];
            if (BinaryPrimitives.ReadUInt16BigEndian(table) != 4)
            {
                continue;
            }

            int twice = BinaryPrimitives.ReadUInt16BigEndian(table[6..]);
            for (int at = 0; at < twice; at += 2)
            {
                int start = BinaryPrimitives.ReadUInt16BigEndian(table[(16 + twice + at)..]);
                if (character > BinaryPrimitives.ReadUInt16BigEndian(table[(14 + at)..]) || character < start)
                {
                    continue;
                }

                ushort delta = BinaryPrimitives.ReadUInt16BigEndian(table[(16 + (2 * twice) + at)..]);
                int rangeAt = 16 + (3 * twice) + at;
                int range = BinaryPrimitives.ReadUInt16BigEndian(table[rangeAt..]);
                ushort glyph = range == 0 ? character : BinaryPrimitives.ReadUInt16BigEndian(table[(rangeAt + range + (2 * (character - start)))..]);
                return range != 0 && glyph == 0 ? (ushort)0 : unchecked((ushort)(glyph + delta));
            }
        }

        return 0;
    }

    private static ReadOnlySpan<byte> OutlineOf(Dictionary<string, ReadOnlyMemory<byte>> tables, ushort glyph)
    {
        ReadOnlySpan<byte> loca = tables["loca"].Span;
        bool isLong = BinaryPrimitives.ReadUInt16BigEndian(tables["head"].Span[50..]) == 1;
        int Offset(ReadOnlySpan<byte> of, int index) => isLong ? (int)BinaryPrimitives.ReadUInt32BigEndian(of[(4 * index)..]) : 2 * BinaryPrimitives.ReadUInt16BigEndian(of[(2 * index)..]);
        return tables["glyf"].Span[Offset(loca, glyph)..Offset(loca, glyph + 1)];
    }

    /// <summary>Where a composite glyph names its parts; none in a simple one.</summary>
    private static List<int> ComponentsOf(byte[] glyph)
    {
        List<int> places = [];
        if (glyph.Length == 0 || BinaryPrimitives.ReadInt16BigEndian(glyph) >= 0)
        {
            return places;
        }

        ushort flags = ComponentMore;
        for (int at = 10; (flags & ComponentMore) != 0;)
        {
            flags = BinaryPrimitives.ReadUInt16BigEndian(glyph.AsSpan(at));
            places.Add(at + 2);
            at += 4 + ((flags & ComponentWords) != 0 ? 4 : 2) + ((flags & ComponentScale) != 0 ? 2 : (flags & ComponentTwoScales) != 0 ? 4 : (flags & ComponentMatrix) != 0 ? 8 : 0);
        }

        return places;
    }

    private static byte[] Metrics(Dictionary<string, ReadOnlyMemory<byte>> tables, ushort glyph)
    {
        ReadOnlySpan<byte> hmtx = tables["hmtx"].Span;
        int full = BinaryPrimitives.ReadUInt16BigEndian(tables["hhea"].Span[34..]);
        ReadOnlySpan<byte> advance = hmtx.Slice(4 * Math.Min(glyph, full - 1), 2);
        ReadOnlySpan<byte> bearing = glyph < full ? hmtx.Slice((4 * glyph) + 2, 2) : hmtx.Slice((4 * full) + (2 * (glyph - full)), 2);
        return [.. advance, .. bearing];
    }

    /// <summary>One segment for each character, then the one that format 4 ends with.</summary>
    private static byte[] CharacterMap(SortedDictionary<ushort, ushort> map, Dictionary<ushort, ushort> renumbered)
    {
        ushort[] characters = [.. map.Keys, ushort.MaxValue];
        ushort[] deltas = [.. map.Select(pair => unchecked((ushort)(renumbered[pair.Value] - pair.Key))), 1];
        ushort segments = (ushort)characters.Length;
        ushort power = (ushort)(2 * (int)System.Numerics.BitOperations.RoundUpToPowerOf2((uint)segments + 1) / 2);
        power = power > 2 * segments ? (ushort)(power / 2) : power;
        ushort length = (ushort)(16 + (8 * segments));
        return
        [
            .. Words(0, 1, 3, 1), .. Long(12),
            .. Words(4, length, 0, (ushort)(2 * segments), power, (ushort)System.Numerics.BitOperations.Log2(power / 2u), (ushort)((2 * segments) - power)),
            .. Words(characters), .. Words(0), .. Words(characters), .. Words(deltas), .. Words(new ushort[segments]),
        ];
    }

    private static byte[] Patched(ReadOnlyMemory<byte> table, params (int At, ushort Value)[] fields)
    {
        byte[] patched = table.ToArray();
        foreach ((int at, ushort value) in fields)
        {
            BinaryPrimitives.WriteUInt16BigEndian(patched.AsSpan(at), value);
        }

        return patched;
    }

    private static byte[] Assemble(SortedDictionary<string, byte[]> tables)
    {
        ushort count = (ushort)tables.Count;
        ushort power = (ushort)(16 * (int)System.Numerics.BitOperations.RoundUpToPowerOf2(count + 1u) / 2);
        List<byte> font = [.. Long(0x00010000), .. Words(count, power, (ushort)System.Numerics.BitOperations.Log2(power / 16u), (ushort)((16 * count) - power))];
        int offset = 12 + (16 * count);
        foreach ((string tag, byte[] table) in tables)
        {
            font.AddRange([.. Encoding.ASCII.GetBytes(tag), .. Long(Sum(table)), .. Long((uint)offset), .. Long((uint)table.Length)]);
            offset += (table.Length + 3) / 4 * 4;
        }

        int head = 0;
        foreach ((string tag, byte[] table) in tables)
        {
            head = tag == "head" ? font.Count : head;
            font.AddRange([.. table, .. new byte[(4 - (table.Length % 4)) % 4]]);
        }

        byte[] bytes = [.. font];
        BinaryPrimitives.WriteUInt32BigEndian(bytes.AsSpan(head + 8), unchecked(WholeFontSum - Sum(bytes)));
        return bytes;
    }

    private static uint Sum(byte[] table)
    {
        uint sum = 0;
        for (int i = 0; i < table.Length; i++)
        {
            sum = unchecked(sum + ((uint)table[i] << (24 - (8 * (i % 4)))));
        }

        return sum;
    }

    private static byte[] Words(params ushort[] values) => [.. values.SelectMany(value => new[] { (byte)(value >> 8), (byte)value })];

    private static byte[] Long(uint value) => [(byte)(value >> 24), (byte)(value >> 16), (byte)(value >> 8), (byte)value];
}
