using System.IO.Compression;
using System.Text;
using Sim.Core;
using Sim.Core.Traces;
using Sim.Workloads.Formats;
using Sim.Workloads.Importers;

namespace Sim.Workloads.Tests.Importers;

[TestFixture]
public sealed class LackeyTests
{
    private const string Preamble = "==7050== Lackey, an example Valgrind tool\n==7050== Command: true\n==7050== \n";

    [Test]
    public void Every_kind_of_line_becomes_one_access_of_its_type_with_the_time_of_its_instruction()
    {
        const string Text = Preamble + "I  04025310,3\n S 1ffefff4a8,8\n L 04222af8,1\nI  04025313,16\n M 0421747c,4\n--7050-- a warning\n**7050** a note\nI  4,1\n";
        Assert.That(
            Lines(Text),
            Is.EqualTo(new[]
            {
                "0 4025310 Execute 4 cpl3", "0 1ffefff4a8 Write 8 cpl3", "0 4222af8 Read 1 cpl3", "1 4025313 Execute 16 cpl3", "1 421747c Write 4 cpl3", "2 4 Execute 1 cpl3",
            }));
    }

    [Test]
    public void An_access_that_crosses_a_page_is_split_and_counted_and_one_that_ends_at_the_page_is_not()
    {
        LackeySource source = Source(" L 1ff8,8\n L 1ff9,8\nI  2fff,2\n");
        Assert.That(Lines(source), Is.EqualTo(new[] { "0 1ff8 Read 8 cpl3", "0 1ff9 Read 8 cpl3", "0 2000 Read 1 cpl3", "0 2fff Execute 1 cpl3", "0 3000 Execute 1 cpl3" }));
        Assert.That(source.PageCrossings, Is.EqualTo(2));
        Assert.That(source.Instructions, Is.EqualTo(1));
    }

    [TestCase(1, 1)]
    [TestCase(2, 2)]
    [TestCase(3, 4)]
    [TestCase(64, 64)]
    [TestCase(65, 64)]
    [TestCase(512, 64)]
    public void A_size_is_rounded_up_to_a_power_of_two_and_capped(int written, int read) =>
        Assert.That(Lines($" L 1000,{written}\n"), Is.EqualTo(new[] { $"0 1000 Read {read} cpl3" }));

    [Test]
    public void Times_are_the_instruction_number_times_the_cycles_per_instruction_rounded_down()
    {
        string text = string.Concat(Enumerable.Repeat("I  1000,1\n", 9));
        using LackeySource source = new(Bytes(text), "t", 7, 3);
        ulong[] expected = Enumerable.Range(0, 9).Select(n => (ulong)(n * 7 / 3)).ToArray();
        TraceBlock block = new();
        source.Read(block);
        Assert.That(block.Time.Take(9), Is.EqualTo(expected));
        Assert.That(source.Header.CyclesPerRecordTick, Is.EqualTo("7/3"));
    }

    [TestCase(0u, 1u)]
    [TestCase(1u, 0u)]
    [TestCase(1_000_001u, 1u)]
    public void Cycles_per_instruction_out_of_range_are_a_configuration_error(uint numerator, uint denominator) =>
        Assert.That(() => new LackeySource(Bytes(""), "t", numerator, denominator), Throws.TypeOf<ConfigurationException>());

    [TestCase("I  1000,1\nhello\n", "line 2")]
    [TestCase("I  1000,1\n\n", "line 2")]
    [TestCase("I 1000,1\n", "line 1")]
    [TestCase(" X 1000,1\n", "line 1")]
    [TestCase("I  1000 1\n", "line 1")]
    [TestCase("I  1000,\n", "line 1")]
    [TestCase("I  1000,0\n", "line 1")]
    [TestCase("I  1000,4097\n", "line 1")]
    [TestCase("I  1000,1 \n", "line 1")]
    [TestCase("I  1000,1\r", "line 1")]
    [TestCase("I  1000,1\r\r\n", "line 1")]
    [TestCase("I  1000,1\rx\n", "line 1")]
    [TestCase("I  ,1\n", "line 1")]
    [TestCase("I  00000000000001000,1\n", "line 1")]
    [TestCase("I  10g0,1\n", "line 1")]
    [TestCase(" L ffffffffffffffff,2\n", "line 1")]
    [TestCase("I  1000,1\nI  1000,1", "line 2")]
    [TestCase("I  1000,1\nI", "line 2")]
    [TestCase("==1== Lackey\n", "line 1")]
    public void A_malformed_line_is_an_error_that_names_the_line(string text, string where) =>
        Assert.That(() => Lines(text), Throws.TypeOf<TraceFormatException>().With.Message.Contains($"t: {where}: expected "));

    [Test]
    public void Lines_that_end_with_CR_LF_are_the_same_lines()
    {
        const string Text = Preamble + "I  04001000,3\n L 1ffeffe7e8,8\nI  04001003,5\n S 1ffeffe7f0,8\n";
        Assert.That(Lines(Text.Replace("\n", "\r\n", StringComparison.Ordinal)), Is.EqualTo(Lines(Text)).And.Count.EqualTo(4));
    }

    [Test]
    public void Ten_thousand_damaged_copies_are_refused_or_lose_no_access()
    {
        StringBuilder text = new("==500== Lackey, an example Valgrind tool\n");
        for (int i = 0; i < 60; i++)
        {
            text.Append($"I  {0x4001000 + (3 * i):x8},3\n {"LSM"[i % 3]} {0x1ffeffe000 + (i * 40):x},8\n");
        }

        Mutations.Judge(Encoding.ASCII.GetBytes(text.ToString()), 10_000, 21, damaged =>
        {
            using LackeySource source = new(new MemoryStream(damaged), "mutated");
            int read = Lines(source).Count - (int)source.PageCrossings;
            long held = Mutations.Lines(damaged, ",") - Mutations.Lines(damaged, "==");
            return read < held ? $"{read} accesses from {held} lines" : null;
        });
    }

    [Test]
    public void A_line_longer_than_the_buffer_is_an_error_and_not_a_hang() =>
        Assert.That(() => Lines("I  1000,1\n" + new string('x', 1 << 20)), Throws.TypeOf<TraceFormatException>().With.Message.Contains("line 2"));

    [Test]
    public void Short_reads_of_the_stream_and_many_blocks_change_nothing()
    {
        StringBuilder text = new(Preamble);
        Rng rng = new(1);
        for (int i = 0; i < 100_000; i++)
        {
            text.Append(i % 2 == 0 ? $"I  {rng.Next() >> 20:x8},{1 + rng.Below(15)}\n" : $" {"LSM"[(int)rng.Below(3)]} {rng.Next() >> 20:x8},{1 + rng.Below(32)}\n");
        }

        using LackeySource whole = Source(text.ToString());
        using LackeySource dribbled = new(new Dribble(Encoding.ASCII.GetBytes(text.ToString())), "t");
        List<string> expected = Lines(whole);
        Assert.That(expected, Has.Count.EqualTo(100_000 + (int)whole.PageCrossings));
        Assert.That(Lines(dribbled), Is.EqualTo(expected));
    }

    [TestCase("I  04025310,3\n", true)]
    [TestCase("==500== Lackey, an example Valgrind tool\r\n==500== \r\nI  04001000,3\r\n", true)]
    [TestCase(" L 1ffefff4a8,8\n S 0,1\n", true)]
    [TestCase(Preamble + "I  04025310,3\n", true)]
    [TestCase(Preamble, true)]
    [TestCase("==1== Memcheck, a memory error detector\n", false)]
    [TestCase("==1== Memcheck\nhello\n", false)]
    [TestCase("I am text\n", false)]
    [TestCase("", false)]
    public void The_format_is_recognised_by_content_only(string head, bool lackey) =>
        Assert.That(new LackeyFormat().Sniff(Encoding.ASCII.GetBytes(head)), Is.EqualTo(lackey));

    [Test]
    public void A_gzipped_trace_opens_by_content()
    {
        MemoryStream packed = new();
        using (GZipStream gzip = new(packed, CompressionLevel.Fastest, leaveOpen: true))
        {
            gzip.Write(Encoding.ASCII.GetBytes(Preamble + "I  04025310,3\n"));
        }

        packed.Position = 0;
        using TraceFile file = TraceFile.Open(packed, "t.gz");
        Assert.That(file.Format, Is.EqualTo("lackey"));
        Assert.That(Lines(file), Is.EqualTo(new[] { "0 4025310 Execute 4 cpl3" }));
    }

    private static MemoryStream Bytes(string text) => new(Encoding.ASCII.GetBytes(text));

    private static LackeySource Source(string text) => new(Bytes(text), "t");

    private static List<string> Lines(string text)
    {
        using LackeySource source = Source(text);
        return Lines(source);
    }

    private static List<string> Lines(ITraceSource source)
    {
        List<string> lines = [];
        TraceBlock block = new();
        while (source.Read(block))
        {
            for (int i = 0; i < block.AccessCount; i++)
            {
                byte flags = block.Flags[i];
                lines.Add($"{block.Time[i]} {block.Address[i]:x} {AccessFlags.Type(flags)} {AccessFlags.Size(flags)} cpl{AccessFlags.Cpl(flags)}");
            }
        }

        return lines;
    }

    /// <summary>A stream that gives 1 to 7 bytes at a time.</summary>
    private sealed class Dribble(byte[] bytes) : MemoryStream(bytes)
    {
        public override int Read(byte[] buffer, int offset, int count) => base.Read(buffer, offset, Math.Min(count, 1 + (int)(Position % 7)));
    }
}
