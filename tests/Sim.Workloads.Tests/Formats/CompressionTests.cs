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

    /// <summary>What <c>bzip2 -9</c> 1.0.8 makes of <see cref="Content"/>.</summary>
    private const string Bzip2OfContent =
        "QlpoOTFBWSZTWXJdfyUAAH1ZgAAQQAB/4C7njAAwAMWBpRtNR/qkHqAAaUH/qqRkyMCNAqUof6qAaAG1O83rGGJbLPALwACAKAAVAHABwAqAUHd7MlaUy9TKiZfJlsmXCZTMzOtdoiML5ULRdKguLZUC9ZKgFVAFtttttq221Hkj2Rh"
        + "HxGEaEao0I7IwRqioyjJG5GEZR6RtRUfxdyRThQkHJdfyUA==";

    /// <summary>What <c>lz4 -9</c> 1.9 makes of <see cref="Content"/>: one frame with a checksum of its content.</summary>
    private const string Lz4OfContent =
        "BCJNGGRAp9IAAADyDGEgbGluZSB0aGF0IGNvbWVzIGFnYWluIGFuZAoAHwoiAP8g8JwxCjIKMwo0CjUKNgo3CjgKOQoxMAoxMQoxMgoxMwoxNAoxNQoxNgoxNwoxOAoxOQoyMAoyMQoyMgoyMwoyNAoyNQoyNgoyNwoyOAoyOQozMAoz"
        + "MQozMgozMwozNAozNQozNgozNwozOAozOQo0MAo0MQo0Mgo0Mwo0NAo0NQo0Ngo0Nwo0OAo0OQo1MAo1MQo1Mgo1Mwo1NAo1NQo1Ngo1Nwo1OAo1OQo2MAoAAAAA7Lcqdw==";

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
    [TestCase("bzip2")]
    [TestCase("lz4")]
    [TestCase("snappy")]
    public void The_content_comes_out_of_one_part_and_of_two(string kind)
    {
        byte[] packed = Packed(kind);
        Assert.That(Unpack(packed), Is.EqualTo(Content));
        Assert.That(Unpack([.. packed, .. packed]), Is.EqualTo((byte[])[.. Content, .. Content]));
    }

    [TestCase("gzip")]
    [TestCase("xz")]
    [TestCase("zstd")]
    [TestCase("bzip2")]
    [TestCase("lz4")]
    [TestCase("snappy")]
    public void Cut_anywhere_inside_a_part_it_is_refused(string kind)
    {
        byte[] one = Packed(kind);
        byte[] two = [.. one, .. one];
        for (int length = HeadBytes(kind); length < two.Length; length++)
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
    [TestCase("bzip2")]
    [TestCase("lz4")]
    [TestCase("snappy")]
    public void With_any_bit_turned_it_is_refused_or_has_the_same_content(string kind)
    {
        byte[] packed = Packed(kind);
        byte[] two = [.. packed, .. packed];
        int refused = 0;
        for (int bit = 8 * (HeadBytes(kind)); bit < 8 * two.Length; bit++)
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
    [TestCase("bzip2", "bzip2")]
    [TestCase("lz4", "LZ4")]
    [TestCase("snappy", "snappy")]
    [TestCase("zip", "behind the end of the archive comes something")]
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

    [Test]
    public void The_files_of_a_zip_archive_come_one_behind_the_other()
    {
        byte[] archive = Zip(Content, [.. "second\n"u8], []);
        Assert.That(Unpack(archive), Is.EqualTo((byte[])[.. Content, .. "second\n"u8]));
        for (int length = 4; length < archive.Length; length++)
        {
            Assert.Throws<InvalidDataException>(() => Unpack(archive[..length]), $"{length} of {archive.Length} bytes");
        }
    }

    [Test]
    public void A_zip_archive_whose_sizes_come_only_behind_its_files_is_refused_with_what_to_do()
    {
        using MemoryStream packed = new();
        using (System.IO.Compression.ZipArchive archive = new(new Forward(packed), ZipArchiveMode.Create))
        {
            using Stream file = archive.CreateEntry("a").Open();
            file.Write(Content);
        }

        Assert.That(Assert.Throws<InvalidDataException>(() => Unpack(packed.ToArray()))!.Message, Does.Contain("unzip -p FILE"));
    }

    [Test]
    public void Zip64_sizes_are_read_and_a_checksum_that_is_another_is_refused()
    {
        byte[] content = [.. "123456789"u8];
        Assert.That(Crc32.Continue(0, content), Is.EqualTo(0xCBF43926), "the check value of CRC-32/ISO-HDLC");
        Assert.That(Crc32.Continue(Crc32.Continue(0, content.AsSpan(0, 4)), content.AsSpan(4)), Is.EqualTo(0xCBF43926));
        Assert.That(Unpack(Zip64(content, 0xCBF43926, 9)), Is.EqualTo(content));
        Assert.That(Assert.Throws<InvalidDataException>(() => Unpack(Zip64(content, 0xCBF43927, 9)))!.Message, Does.Contain("another length or checksum"));
        Assert.That(Assert.Throws<InvalidDataException>(() => Unpack(Zip64(content, Crc32.Continue(0, content.AsSpan(0, 8)), 8)))!.Message, Does.Contain("expected a file, the directory or its end"));
    }

    /// <summary>An archive of one stored file whose sizes are in the extra field, with the records of Zip64 at its end (APPNOTE 4.3.14 to 4.5.3).</summary>
    private static byte[] Zip64(byte[] content, uint crc, ulong size)
    {
        using MemoryStream bytes = new();
        using BinaryWriter writer = new(bytes);
        writer.Write(0x04034B50);
        writer.Write([45, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        writer.Write(crc);
        writer.Write(uint.MaxValue);
        writer.Write(uint.MaxValue);
        writer.Write((ushort)1);
        writer.Write((ushort)20);
        writer.Write((byte)'a');
        writer.Write((ushort)1);
        writer.Write((ushort)16);
        writer.Write(size);
        writer.Write(size);
        writer.Write(content);
        writer.Write(0x02014B50);
        writer.Write(new byte[24]);
        writer.Write((ushort)1);
        writer.Write(new byte[16]);
        writer.Write((byte)'a');
        writer.Write(0x06064B50);
        writer.Write(44UL);
        writer.Write(new byte[44]);
        writer.Write(0x07064B50);
        writer.Write(new byte[16]);
        writer.Write(0x06054B50);
        writer.Write(new byte[6]);
        writer.Write((ushort)1);
        writer.Write(new byte[10]);
        return bytes.ToArray();
    }

    /// <summary>DynamoRIO writes chunks without a checksum, of kinds that the framing format does not have.</summary>
    [Test]
    public void Snappy_chunks_without_a_checksum_are_read()
    {
        byte[] packed = [.. Signatures.Snappy, .. Chunk(3, "plain "u8), .. Chunk(2, Snappier.Snappy.CompressToArray("packed"u8)), .. Chunk(0xFE, [0, 0, 0])];
        Assert.That(Encoding.ASCII.GetString(Unpack(packed)), Is.EqualTo("plain packed"));
        Assert.Throws<InvalidDataException>(() => Unpack([.. packed, .. Chunk(4, [0])]));
    }

    private static byte[] Chunk(byte kind, ReadOnlySpan<byte> body) => [kind, (byte)body.Length, (byte)(body.Length >> 8), (byte)(body.Length >> 16), .. body];

    /// <summary>An archive as <c>zip</c> writes it into a file.</summary>
    public static byte[] Zip(params byte[][] files)
    {
        using MemoryStream packed = new();
        using (ZipArchive archive = new(packed, ZipArchiveMode.Create, leaveOpen: true))
        {
            for (int i = 0; i < files.Length; i++)
            {
                using Stream file = archive.CreateEntry($"chunk.{i:d4}").Open();
                file.Write(files[i]);
            }
        }

        return packed.ToArray();
    }

    /// <summary>A snappy stream in the framing format.</summary>
    public static byte[] Snappy(byte[] content)
    {
        using MemoryStream packed = new();
        using (Snappier.SnappyStream snappy = new(packed, CompressionMode.Compress, leaveOpen: true))
        {
            snappy.Write(content);
        }

        return packed.ToArray();
    }

    private static int HeadBytes(string kind) => kind switch { "zstd" or "lz4" => 4, "snappy" or "bzip2" => 10, _ => 6 };

    private static byte[] Packed(string kind) => kind switch { "gzip" => Gzip(Content), "zstd" => Zstd(Content), "zip" => Zip(Content), "snappy" => Snappy(Content), "bzip2" => Convert.FromBase64String(Bzip2OfContent), "lz4" => Convert.FromBase64String(Lz4OfContent), _ => Convert.FromBase64String(XzOfContent) };

    private static byte[] Unpack(byte[] packed)
    {
        using Stream unpacked = Compression.Unwrap(new MemoryStream(packed), packed) ?? throw new InvalidDataException("no compressor's head");
        using MemoryStream content = new();
        unpacked.CopyTo(content, 97);
        return content.ToArray();
    }

    /// <summary>A stream that can only be written.</summary>
    private sealed class Forward(Stream inner) : Stream
    {
        public override bool CanRead => false;

        public override bool CanSeek => false;

        public override bool CanWrite => true;

        public override long Length => throw new NotSupportedException();

        public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

        public override void Flush() => inner.Flush();

        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => inner.Write(buffer, offset, count);
    }
}
