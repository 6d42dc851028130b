using System.IO.Compression;
using System.Security.Cryptography;
using System.Text;
using Sim.Core;
using Sim.Core.Traces;
using Sim.Workloads.Formats;
using Sim.Workloads.Operations;

namespace Sim.Workloads.Tests.Formats;

[TestFixture]
public sealed class TraceFileTests
{
    private string _folder = "";

    [SetUp]
    public void MakeFolder() => _folder = Directory.CreateTempSubdirectory("nestsim-").FullName;

    [TearDown]
    public void RemoveFolder() => Directory.Delete(_folder, recursive: true);

    [TestCase("t.nst", "native")]
    [TestCase("t.txt", "text")]
    [TestCase("t.nst.gz", "native")]
    [TestCase("t.txt.gz", "text")]
    public void What_is_created_under_a_name_is_read_back_whatever_the_name(string name, string format)
    {
        string path = Create(name);
        string renamed = Path.Combine(_folder, "anything");
        File.Move(path, renamed);
        using TraceFile file = TraceFile.Open(renamed);
        Assert.That(file.Format, Is.EqualTo(format));
        Assert.That(file.Sha256, Is.Null);
        Assert.That(SampleTraces.Describe(file), Is.EqualTo(SampleTraces.Describe(SampleTraces.Arbitrary(1, 5000))));
        Assert.That(file.Sha256, Is.EqualTo(Convert.ToHexStringLower(SHA256.HashData(File.ReadAllBytes(renamed)))));
        Assert.That(file.BytesRead, Is.EqualTo(new FileInfo(renamed).Length));
    }

    [Test]
    public void A_trace_inside_two_layers_of_compression_is_read_and_its_hash_is_that_of_the_file()
    {
        string packed = Path.Combine(_folder, "packed");
        File.WriteAllBytes(packed, CompressionTests.Zstd(CompressionTests.Gzip(File.ReadAllBytes(Create("t.nst")))));
        using (TraceFile file = TraceFile.Open(packed))
        {
            Assert.That(SampleTraces.Describe(file), Is.EqualTo(SampleTraces.Describe(SampleTraces.Arbitrary(1, 5000))));
            Assert.That(file.Sha256, Is.EqualTo(Convert.ToHexStringLower(SHA256.HashData(File.ReadAllBytes(packed)))));
        }

        File.WriteAllBytes(packed, File.ReadAllBytes(packed)[..^1]);
        TraceFormatException error = Assert.Throws<TraceFormatException>(() => TraceSummary.Of(TraceFile.Open(packed)))!;
        Assert.That(error.Message, Does.Contain("packed").And.Contain("cut short"));
    }

    [TestCase("", "the input is empty")]
    [TestCase("BZh9", "bzip2")]
    [TestCase("\u007fELF", "ELF program")]
    [TestCase("hello, world\nmore", "text that begins 'hello, world'")]
    [TestCase("PERFILE2", "perf.data")]
    [TestCase("\u0001\u0002", "bytes 0102")]
    public void What_is_no_trace_is_called_what_it_looks_like(string content, string part)
    {
        TraceFormatException error = Assert.Throws<TraceFormatException>(() => TraceFile.Open(new MemoryStream(Encoding.UTF8.GetBytes(content)), "no-trace"))!;
        Assert.That(error.Message, Does.StartWith("no-trace: offset 0: expected a trace, found ").And.Contain(part));
    }

    [Test]
    public void Too_many_layers_of_compression_are_an_error()
    {
        byte[] bytes = [1];
        for (int layer = 0; layer < 8; layer++)
        {
            MemoryStream packed = new();
            using (GZipStream gzip = new(packed, CompressionLevel.Fastest))
            {
                gzip.Write(bytes);
            }

            bytes = packed.ToArray();
        }

        TraceFormatException error = Assert.Throws<TraceFormatException>(() => TraceFile.Open(new MemoryStream(bytes), "bomb"))!;
        Assert.That(error.Message, Does.Contain("too many layers"));
    }

    [Test]
    public void A_missing_file_and_an_unwritable_place_are_errors_of_usage()
    {
        Assert.That(Assert.Throws<ConfigurationException>(() => TraceFile.Open(Path.Combine(_folder, "missing.nst")))!.Message, Does.Contain("missing.nst"));
        Assert.Throws<ConfigurationException>(() => TraceFile.Create(Path.Combine(_folder, "no", "such", "t.nst"), TraceHeader.Default));
    }

    [Test]
    public void An_unknown_extension_or_format_is_answered_with_those_there_are()
    {
        string path = Path.Combine(_folder, "t.trc");
        Assert.That(Assert.Throws<ConfigurationException>(() => TraceFile.Create(path, TraceHeader.Default))!.Message, Does.Contain(".nst or .txt"));
        Assert.That(Assert.Throws<ConfigurationException>(() => TraceFile.Create(path, TraceHeader.Default, "nativ"))!.Message, Does.Contain("Did you mean native,"));
        Assert.That(Directory.GetFiles(_folder), Is.Empty);
    }

    [Test]
    public void A_trace_that_is_not_completed_leaves_the_old_file_and_nothing_beside_it()
    {
        string path = Path.Combine(_folder, "t.nst");
        File.WriteAllText(path, "old");
        using (TraceFileWriter writer = TraceFile.Create(path, TraceHeader.Default))
        {
            SampleTraces.Copy(SampleTraces.Arbitrary(1, 50_000), writer);
            Assert.That(File.ReadAllText(path), Is.EqualTo("old"));
        }

        Assert.That(Directory.GetFiles(_folder), Is.EqualTo(new[] { path }));
        Assert.That(File.ReadAllText(path), Is.EqualTo("old"));
    }

    [Test]
    public void A_symbolic_link_is_replaced_and_not_followed_and_a_device_stays_a_device()
    {
        string real = Path.Combine(_folder, "real.nst");
        string link = Path.Combine(_folder, "link.nst");
        File.WriteAllText(real, "old");
        File.CreateSymbolicLink(link, real);
        using (TraceFileWriter writer = TraceFile.Create(link, TraceHeader.Default))
        {
            writer.Complete();
        }

        Assert.That(new FileInfo(link).LinkTarget, Is.Null);
        Assert.That(File.ReadAllText(real), Is.EqualTo("old"));
        Assert.That(TraceSummary.Of(TraceFile.Open(link)).Records, Is.Zero);
        using (TraceFileWriter writer = TraceFile.Create("/dev/null", TraceHeader.Default))
        {
            writer.Complete();
        }

        Assert.That(new FileInfo("/dev/null").Length, Is.Zero);
        Assert.That(File.Exists("/dev/null.partial"), Is.False);
    }

    [Test]
    public void Every_writable_format_has_an_extension_of_its_own_and_knows_its_own_output_alone()
    {
        string[] writable = [.. TraceFile.Formats.Entries.Select(entry => entry.Name).Where(name => TraceFile.Formats.Create(name) is IWritableTraceFormat)];
        Assert.That(writable, Is.SupersetOf(new[] { "native", "text" }));
        Assert.That(writable.Select(name => ((IWritableTraceFormat)TraceFile.Formats.Create(name)).Extension), Is.Unique);
        foreach (string name in writable)
        {
            MemoryTrace trace = SampleTraces.Arbitrary(3, 2000, 2);
            MemoryStream bytes = new();
            using ITraceWriter writer = ((IWritableTraceFormat)TraceFile.Formats.Create(name)).Create(bytes, trace.Header);
            SampleTraces.Copy(trace, writer);
            writer.Complete();
            byte[] head = bytes.ToArray()[..TraceFile.HeadBytes];
            Assert.That(TraceFile.Formats.Entries.Select(entry => entry.Name).Where(other => TraceFile.Formats.Create(other).Sniff(head)), Is.EqualTo(new[] { name }));
            trace.Rewind();
            Assert.That(SampleTraces.Describe(TraceFile.Open(new MemoryStream(bytes.ToArray()), name)), Is.EqualTo(SampleTraces.Describe(trace)));
        }
    }

    private string Create(string name)
    {
        string path = Path.Combine(_folder, name);
        using MemoryTrace trace = SampleTraces.Arbitrary(1, 5000);
        using TraceFileWriter writer = TraceFile.Create(path, trace.Header);
        SampleTraces.Copy(trace, writer);
        writer.Complete();
        return path;
    }
}
