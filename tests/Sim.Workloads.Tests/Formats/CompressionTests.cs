using System.IO.Compression;
using System.Text;
using Sim.Workloads.Formats;

namespace Sim.Workloads.Tests.Formats;

/// <summary>Compressed input is whole or refused, whatever compressed it.</summary>
[TestFixture]
public sealed class CompressionTests
{
    /// <summary>What <c>xz -9</c> 5.4 makes of <see cref="Content"/>.</summary>
    private const string XzOfContent =
        "/Td6WFoAAATm1rRGAgAhARwAAAAQz1jM4AH+AItdADCICYbUH0W4LehOB5wFO320Xjl0CLPyRwRNCmR+QpyLAXmFdXw4AQ2HbpPM7cJEdPX9g1g4lRwdQIHuGEavJJMrp4xMYKm21KfvT8VvBxHY3dGLzrV4oj6fQxxK"
        + "7ppzzz878tqa6q63HIrmd36ya1sxwzIW0IZxKWJ+cHk4P8QAi+JWIcmqZjyTJrUAAIZ8/p3qVoBBAAGnAf8DAACTZG8mscRn+wIAAAAABFla";

    private static byte[] Content =>
        Encoding.ASCII.GetBytes(string.Concat(Enumerable.Repeat("a line that comes again and again\n", 10)) + string.Concat(Enumerable.Range(1, 60).Select(i => $"{i}\n")));

    /// <summary>One gzip member.</summary>
    public static byte[] Gzip(byte[] content)
    {
        using MemoryStream packed = new();
        using (GZipStream gzip = new(packed, CompressionLevel.SmallestSize))
        {
            gzip.Write(content);
        }

        return packed.ToArray();
    }

    /// <summary>One zstd frame with its checksum.</summary>
    public static byte[] Zstd(byte[] content)
    {
        using MemoryStream packed = new();
        using (ZstdSharp.CompressionStream zstd = new(packed))
        {
            zstd.SetParameter(ZstdSharp.Unsafe.ZSTD_cParameter.ZSTD_c_checksumFlag, 1);
            zstd.Write(content);
        }

        return packed.ToArray();
    }

    [TestCase("gzip")]
    [TestCase("xz")]
    [TestCase("zstd")]
    public void The_content_comes_out_of_one_part_and_of_two(string kind)
    {
        byte[] packed = Packed(kind);
        Assert.That(Unpack(packed), Is.EqualTo(Content));
        Assert.That(Unpack([.. packed, .. packed]), Is.EqualTo((byte[])[.. Content, .. Content]));
    }

    [TestCase("gzip")]
    [TestCase("xz")]
    [TestCase("zstd")]
    public void Cut_anywhere_inside_a_part_it_is_refused(string kind)
    {
        byte[] one = Packed(kind);
        byte[] two = [.. one, .. one];
        for (int length = kind == "zstd" ? 4 : 6; length < two.Length; length++)
        {
            byte[] cut = two[..length];
            if (length == one.Length)
            {
                Assert.That(Unpack(cut), Is.EqualTo(Content));
            }
            else
            {
                Assert.Throws<InvalidDataException>(() => Unpack(cut), $"{length} of {two.Length} bytes");
            }
        }
    }

    [TestCase("gzip")]
    [TestCase("xz")]
    [TestCase("zstd")]
    public void With_any_bit_turned_it_is_refused_or_has_the_same_content(string kind)
    {
        byte[] packed = Packed(kind);
        byte[] two = [.. packed, .. packed];
        int refused = 0;
        for (int bit = 8 * (kind == "zstd" ? 4 : 6); bit < 8 * two.Length; bit++)
        {
            byte[] damaged = (byte[])two.Clone();
            damaged[bit / 8] ^= (byte)(1 << (bit % 8));
            try
            {
                Assert.That(Unpack(damaged), Is.EqualTo((byte[])[.. Content, .. Content]), $"bit {bit}");
            }
            catch (InvalidDataException)
            {
                refused++;
            }
        }

        Assert.That(refused, Is.GreaterThan(8 * two.Length * 9 / 10));
    }

    [TestCase("gzip", "behind the last gzip member")]
    [TestCase("xz", "behind the last .xz stream")]
    [TestCase("zstd", "zstd: ")]
    public void What_follows_the_last_part_and_is_none_is_refused(string kind, string part) =>
        Assert.That(Assert.Throws<InvalidDataException>(() => Unpack([.. Packed(kind), .. "junk"u8]))!.Message, Does.Contain(part));

    [TestCase("gzip", 1)]
    [TestCase("gzip", 512)]
    [TestCase("xz", 4)]
    [TestCase("xz", 512)]
    public void Zeros_may_pad_the_end(string kind, int zeros) => Assert.That(Unpack([.. Packed(kind), .. new byte[zeros]]), Is.EqualTo(Content));

    [Test]
    public void Padding_of_an_xz_file_comes_in_units_of_four() => Assert.Throws<InvalidDataException>(() => Unpack([.. Packed("xz"), 0, 0, 0]));

    /// <summary>A file in the working folder that is called like a compressor is not run: nothing is started at all.</summary>
    [Test]
    public void No_library_starts_a_program() =>
        Assert.That(
            Directory.GetFiles(RepositoryFolder.Root, "*.cs", SearchOption.AllDirectories).Where(file => Path.GetRelativePath(RepositoryFolder.Root, file).StartsWith("Sim.", StringComparison.Ordinal))
                .Where(file => File.ReadAllText(file).Contains("ProcessStartInfo", StringComparison.Ordinal) || File.ReadAllText(file).Contains("Process.Start", StringComparison.Ordinal))
                .Select(file => Path.GetRelativePath(RepositoryFolder.Root, file)),
            Is.SubsetOf((string[])["Sim.Reports/Charts/StaticCharts.cs"]));

    private static byte[] Packed(string kind) => kind switch { "gzip" => Gzip(Content), "zstd" => Zstd(Content), _ => Convert.FromBase64String(XzOfContent) };

    private static byte[] Unpack(byte[] packed)
    {
        using Stream unpacked = Compression.Unwrap(new MemoryStream(packed), packed) ?? throw new InvalidDataException("no compressor's head");
        using MemoryStream content = new();
        unpacked.CopyTo(content, 97);
        return content.ToArray();
    }
}
