using System.Text;
using Sim.Core;
using Sim.Core.Architecture;
using Sim.Core.Traces;
using Sim.Workloads.Formats;

namespace Sim.Workloads.Tests.Formats;

[TestFixture]
public sealed class TextFormatTests
{
    private const string Head = "nestsim-trace text 1.0\nheader {\"lanes\":2,\"folded\":false,\"cyclesPerRecordTick\":\"1/1\",\"addresses\":\"linear\",\"properties\":{}}\n";

    [TestCase(1UL, 0, 1)]
    [TestCase(2UL, 1, 1)]
    [TestCase(3UL, 3000, 1)]
    [TestCase(4UL, 100_000, 3)]
    public void Native_to_text_to_native_gives_the_same_bytes(ulong seed, int records, int lanes)
    {
        byte[] native = Write(SampleTraces.Arbitrary(seed, records, lanes), (s, h) => new NativeTraceWriter(s, h));
        byte[] text = Write(new NativeTraceReader(new MemoryStream(native), "native"), (s, h) => new TextTraceWriter(s, h));
        byte[] again = Write(new TextTraceReader(new MemoryStream(text), "text"), (s, h) => new NativeTraceWriter(s, h));
        Assert.That(again, Is.EqualTo(native));
    }

    [Test]
    public void Lines_read_as_they_are_documented()
    {
        MemoryTrace trace = new();
        TraceAppender appender = new(trace, 1);
        appender.Access(0, 1200, 0x7fff1234, AccessType.Read, cpl: 3, size: 8, repeat: 16);
        appender.Access(0, 1201, 0x400000, AccessType.Execute, cpl: 3, size: 1);
        appender.Event(0, TraceEvent.VmExit(1250, TransitionKind.L2ToL0, 0, VmxExit.Cpuid));
        appender.Event(0, TraceEvent.Mark(1251, 0, "warm-up ends"));
        appender.Complete();
        string text = Encoding.UTF8.GetString(Write(trace, (s, h) => new TextTraceWriter(s, h)));
        string[] lines = text.Split('\n');
        Assert.That(lines[2..], Is.EqualTo(new[]
        {
            "block lane=0",
            "0 @1200 R 0x7fff1234 cpl=3 size=8 x16",
            "0 @1201 X 0x400000 cpl=3 size=1",
            "0 @1250 VmExit level=2 kind=L2ToL0 vcpu=0 reason=0xa qualification=0x0",
            "0 @1251 Mark level=0 warm-up ends",
            "end 4",
            "",
        }));
    }

    [Test]
    public void Text_written_by_hand_needs_no_blocks_and_no_defaults()
    {
        const string Body = "# by hand\n\n0 @5 W 0x1000\r\n1 @6 SetCr3 level=1 pcid=3 root=4096\n0 @6 Mark level=2\nend 3\n";
        using TextTraceReader reader = new(new MemoryStream(Encoding.UTF8.GetBytes(Head + Body)), "hand.txt");
        Assert.That(SampleTraces.Describe(reader), Is.EqualTo(new[]
        {
            "block lane=0 first=0",
            $"5 1000 {AccessFlags.Pack(AccessType.Write):x2} x1",
            "6 Mark level=2 ",
            "block lane=1 first=2",
            "6 SetCr3 level=1 root=0x1000 pcid=3 no_flush=0",
        }));
    }

    [TestCase("0 @5 Q 0x1000\nend 1\n", "line 3", "R, W, X or an event")]
    [TestCase("0 @5 SetCr33 level=0\nend 1\n", "line 3", "Did you mean SetCr3,")]
    [TestCase("0 @5 SetCr3 level=0 rot=1\nend 1\n", "line 3", "Did you mean root,")]
    [TestCase("0 @5 SetCr3 level=0 root=1 root=1\nend 1\n", "line 3", "each field once")]
    [TestCase("0 @5 SetCr3 level=3\nend 1\n", "line 3", "a level of at most 2")]
    [TestCase("2 @5 R 0x1\nend 1\n", "line 3", "a lane of at most 1")]
    [TestCase("0 @5 R 0x1\n0 @4 R 0x1\nend 2\n", "line 4", "not before 5")]
    [TestCase("0 @5 R 0x10000000000000000\nend 1\n", "line 3", "an address")]
    [TestCase("0 @5 R 0x1 size=3\nend 1\n", "line 3", "a size of 1, 2, 4")]
    [TestCase("0 @5 R 0x1 x0\nend 1\n", "line 3", "a repeat of at least 1")]
    [TestCase("0 @5 R 0x1 x4294967296\nend 1\n", "line 3", "a repeat of at most 4294967295")]
    [TestCase("0 @5 R 0x1\nend 2\n", "line 4", "'end 1'")]
    [TestCase("0 @5 R 0x1\n", "line 3", "the end of the file")]
    [TestCase("0 @5 R 0x1\nend 1", "line 4", "a line feed")]
    [TestCase("0 @5 R 0x1\nend 1\n0 @6 R 0x1\n", "line 5", "after 'end'")]
    [TestCase("0 @5 R 0x1\nblock lane=0\nend 1\n", "line 4", "a block line after records")]
    [TestCase("block lane=0\n1 @5 R 0x1\nend 1\n", "line 4", "the block's lane 0")]
    [TestCase("block lane=0\nend 0\n", "line 4", "a block without records")]
    [TestCase("block lane=0\n0 @5 R 0x1\nblock lane=1\n1 @4 R 0x1\nend 2\n", "line 6", "begins not before")]
    [TestCase("0 @5 Mark level=0 a\\b\nend 1\n", "line 3", "four hexadecimal digits")]
    [TestCase("0 @5 Mark level=0 \\ud83d\nend 1\n", "line 3", "half a surrogate pair")]
    public void A_wrong_line_is_named_with_what_was_expected(string body, string where, string part)
    {
        TraceFormatException error = Assert.Throws<TraceFormatException>(() =>
        {
            using TraceFile reader = TraceFile.Open(new MemoryStream(Encoding.UTF8.GetBytes(Head + body)), "hand.txt");
            SampleTraces.Describe(reader);
        })!;
        Assert.That(error.Message, Does.StartWith("hand.txt: " + where + ":"));
        Assert.That(error.Message, Does.Contain(part));
    }

    [Test]
    public void Cutting_the_text_short_at_any_byte_is_an_error_of_the_format()
    {
        byte[] text = Write(SampleTraces.Arbitrary(5, 60, 2), (s, h) => new TextTraceWriter(s, h));
        for (int length = 0; length < text.Length; length++)
        {
            byte[] cut = text[..length];
            Assert.Throws<TraceFormatException>(
                () =>
                {
                    using TraceFile reader = TraceFile.Open(new MemoryStream(cut), "cut.txt");
                    SampleTraces.Describe(reader);
                },
                $"cut at {length}");
        }
    }

    [Test]
    public void The_longest_mark_passes_and_one_byte_more_does_not()
    {
        string longest = "é" + new string('x', 1022);
        using TextTraceReader reader = new(new MemoryStream(Encoding.UTF8.GetBytes($"{Head}0 @5 Mark level=0 {longest}\nend 1\n")), "mark");
        Assert.That(SampleTraces.Describe(reader)[1], Does.EndWith(longest));
        using TextTraceReader longer = new(new MemoryStream(Encoding.UTF8.GetBytes($"{Head}0 @5 Mark level=0 x{longest}\nend 1\n")), "mark");
        Assert.Throws<TraceFormatException>(() => SampleTraces.Describe(longer));
    }

    [Test]
    public void Changed_text_gives_an_error_of_the_format_or_a_trace_that_can_be_written_as_native()
    {
        byte[] text = Write(SampleTraces.Arbitrary(6, 200, 2, eventShare: 0.5), (s, h) => new TextTraceWriter(s, h));
        byte[][] lines = [.. Encoding.UTF8.GetString(text).Split('\n')[..^1].Select(line => Encoding.UTF8.GetBytes(line + "\n"))];
        Rng rng = new(7);
        int errors = 0;
        for (int round = 0; round < 3_000; round++)
        {
            List<byte[]> changed = [.. lines];
            int at = (int)rng.Below((ulong)lines.Length);
            int other = (int)rng.Below((ulong)lines.Length);
            switch (rng.Below(4))
            {
                case 0: changed.RemoveAt(at); break;
                case 1: changed[at] = changed[other]; break;
                case 2: (changed[at], changed[other]) = (changed[other], changed[at]); break;
                default:
                    changed[at] = [.. changed[at]];
                    changed[at][rng.Below((ulong)changed[at].Length)] = (byte)rng.Below(256);
                    break;
            }

            try
            {
                Write(TraceFile.Open(new MemoryStream([.. changed.SelectMany(line => line)]), "changed"), (s, h) => new NativeTraceWriter(Stream.Null, h));
            }
            catch (TraceFormatException)
            {
                errors++;
            }
        }

        Assert.That(errors, Is.GreaterThan(1_000));
    }

    private static byte[] Write(ITraceSource source, Func<Stream, TraceHeader, ITraceWriter> create)
    {
        MemoryStream bytes = new();
        using ITraceWriter writer = create(bytes, source.Header);
        SampleTraces.Copy(source, writer);
        writer.Complete();
        return bytes.ToArray();
    }
}
