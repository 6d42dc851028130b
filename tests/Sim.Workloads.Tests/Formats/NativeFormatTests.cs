using Sim.Core;
using Sim.Core.Traces;
using Sim.Workloads.Formats;
using Sim.Workloads.Formats.Native;

namespace Sim.Workloads.Tests.Formats;

[TestFixture]
public sealed class NativeFormatTests
{
    [TestCase(1UL, 1, 1)]
    [TestCase(2UL, 7, 1)]
    [TestCase(3UL, 1000, 3)]
    [TestCase(4UL, 200_000, 2)]
    public void Every_record_and_block_boundary_survives_writing_and_reading(ulong seed, int records, int lanes)
    {
        using MemoryTrace trace = SampleTraces.Arbitrary(seed, records, lanes);
        byte[] file = Native(trace);
        trace.Rewind();
        using NativeTraceReader reader = new(new MemoryStream(file), "test");
        Assert.That(SampleTraces.Describe(reader), Is.EqualTo(SampleTraces.Describe(trace)));
        Assert.That(reader.Header.Lanes, Is.EqualTo(lanes));
        Assert.That(reader.Header.Folded, Is.True);
        Assert.That(reader.Header.CyclesPerRecordTick, Is.EqualTo("3/2"));
        Assert.That(reader.Header.Properties, Is.EqualTo(trace.Header.Properties));
    }

    [Test]
    public void Cutting_a_file_short_at_any_byte_is_an_error_of_the_format()
    {
        byte[] file = Native(SampleTraces.Arbitrary(5, 60, 2));
        for (int length = 0; length < file.Length; length++)
        {
            TraceFormatException error = Fails(file[..length]);
            Assert.That(error.Message, Does.StartWith("test: offset "), $"cut at {length}");
        }
    }

    [Test]
    public void Flipping_any_bit_is_an_error_of_the_format()
    {
        byte[] file = Native(SampleTraces.Arbitrary(6, 60, 2));
        for (int bit = 0; bit < file.Length * 8; bit++)
        {
            file[bit / 8] ^= (byte)(1 << (bit % 8));
            Assert.That(Fails(file).ExitCode, Is.EqualTo(3), $"bit {bit}");
            file[bit / 8] ^= (byte)(1 << (bit % 8));
        }
    }

    [Test]
    public void The_checksum_is_CRC_32C() => Assert.That(Crc32C.Of("123456789"u8), Is.EqualTo(0xE3069283));

    [Test]
    public void A_file_taken_apart_and_put_together_by_the_specification_is_the_same_file()
    {
        byte[] file = Native(SampleTraces.Arbitrary(7, 100_000, 3));
        Assert.That(NativeSurgery.Open(file).Close(), Is.EqualTo(file));
    }

    [Test]
    public void Wrong_contents_with_right_checksums_give_an_error_of_the_format_or_a_trace_that_can_be_written()
    {
        byte[] file = Native(SampleTraces.Arbitrary(8, 300, 2, eventShare: 0.4));
        Rng rng = new(9);
        int errors = 0;
        for (int round = 0; round < 5_000; round++)
        {
            NativeSurgery surgery = NativeSurgery.Open(file);
            NativeSurgery.Block block = surgery.Blocks[(int)rng.Below((ulong)surgery.Blocks.Count)];
            byte[] target = rng.Below(8) == 0 ? block.Fields : block.Payload;
            for (ulong changes = rng.Below(3); changes < 3; changes++)
            {
                target[rng.Below((ulong)target.Length)] = (byte)rng.Next();
            }

            if (rng.Below(10) == 0)
            {
                block.Payload = block.Payload[..(int)rng.Below((ulong)block.Payload.Length)];
            }

            try
            {
                using NativeTraceReader reader = new(new MemoryStream(surgery.Close()), "wrong");
                using NativeTraceWriter writer = new(Stream.Null, reader.Header);
                SampleTraces.Copy(reader, writer);
                writer.Complete();
            }
            catch (TraceFormatException)
            {
                errors++;
            }
        }

        Assert.That(errors, Is.GreaterThan(1_000), "mutations that do not change what is read are the minority");
    }

    [Test]
    public void Event_kinds_of_a_newer_minor_are_left_out_and_counted()
    {
        MemoryTrace trace = new();
        TraceAppender appender = new(trace, 1);
        appender.Access(0, 1, 0x1000, AccessType.Read);
        appender.Event(0, TraceEvent.Invlpg(2, 0, 0x5000));
        appender.Event(0, TraceEvent.Invept(3, 0, 1, 0x601E));
        appender.Access(0, 4, 0x2000, AccessType.Read);
        appender.Event(0, TraceEvent.Invlpg(5, 0, 0x7000));
        appender.Complete();
        NativeSurgery surgery = NativeSurgery.Open(Native(trace));
        surgery.Minor = 7;
        // Invept (7) is declared as kind 200 with another field; the kinds column is a palette of two: 4 and 7.
        surgery.Json = surgery.Json.Replace("{\"kind\":7,\"name\":\"Invept\",\"fields\":[", "{\"kind\":200,\"name\":\"Invfuture\",\"fields\":[{\"name\":\"depth\",\"format\":\"fraction\"},", StringComparison.Ordinal);
        byte[] payload = surgery.Blocks[0].Payload;
        int kinds = payload.AsSpan().IndexOf((ReadOnlySpan<byte>)[4, 7, 4]);
        payload[kinds + 1] = 200;
        using NativeTraceReader reader = new(new MemoryStream(surgery.Close()), "newer");
        Assert.That(SampleTraces.Describe(reader), Is.EqualTo(new[]
        {
            "block lane=0 first=0", "1 1000 30 x1", "2 Invlpg level=0 address=0x5000", "4 2000 30 x1", "5 Invlpg level=0 address=0x7000",
        }));
        Assert.That(reader.SkippedEvents, Is.EqualTo(1));
    }

    [TestCase(0UL)]
    [TestCase(1UL)]
    [TestCase(50_000UL)]
    [TestCase(149_999UL)]
    [TestCase(150_000UL)]
    public void Seeking_to_a_record_continues_with_the_block_that_holds_it(ulong record)
    {
        byte[] file = Native(SampleTraces.Arbitrary(10, 150_000, 2));
        List<string> all = SampleTraces.Describe(new NativeTraceReader(new MemoryStream(file), "all"));
        using NativeTraceReader reader = new(new MemoryStream(file), "seek");
        reader.SeekToRecord(record);
        List<string> rest = SampleTraces.Describe(reader);
        Assert.That(rest, Is.EqualTo(all[(all.Count - rest.Count)..]));
        if (record == 150_000)
        {
            Assert.That(rest, Is.Empty);
        }
        else
        {
            ulong first = ulong.Parse(rest[0].Split("first=")[1], System.Globalization.CultureInfo.InvariantCulture);
            int firstBlock = rest.FindIndex(1, line => line.StartsWith("block", StringComparison.Ordinal));
            ulong next = first + (ulong)(firstBlock < 0 ? rest.Count - 1 : firstBlock - 1);
            Assert.That(record, Is.GreaterThanOrEqualTo(first).And.LessThan(next));
        }
    }

    [Test]
    public void Seeking_to_a_time_leaves_no_later_record_behind()
    {
        byte[] file = Native(SampleTraces.Arbitrary(11, 150_000, 3));
        List<string> all = SampleTraces.Describe(new NativeTraceReader(new MemoryStream(file), "all"));
        static ulong Time(string line) => line.StartsWith("block", StringComparison.Ordinal) ? 0 : ulong.Parse(line.Split(' ')[0], System.Globalization.CultureInfo.InvariantCulture);
        ulong middle = all.Max(Time) / 2;
        using NativeTraceReader reader = new(new MemoryStream(file), "seek");
        reader.SeekToTime(middle);
        List<string> rest = SampleTraces.Describe(reader);
        Assert.That(rest, Is.EqualTo(all[(all.Count - rest.Count)..]));
        Assert.That(all.Take(all.Count - rest.Count).Max(Time), Is.LessThan(middle));
        Assert.That(rest, Has.Count.LessThan(all.Count));
    }

    [Test]
    public void A_block_left_out_a_block_doubled_and_anything_appended_are_errors()
    {
        byte[] file = Native(SampleTraces.Arbitrary(12, 100_000, 1));
        NativeSurgery whole = NativeSurgery.Open(file);
        Assert.That(whole.Blocks, Has.Count.GreaterThan(2));
        int first = 24 + BitConverter.ToInt32(file, 16);
        int second = first + 44 + whole.Blocks[0].Payload.Length;
        Assert.That(Fails([.. file[..first], .. file[second..]]).Message, Does.Contain("record index 0"));
        Assert.That(Fails([.. file[..second], .. file[first..]]).Message, Does.Contain("expected record index"));
        Assert.That(Fails([.. file, 0]).Message, Does.Contain("the end of the file"));
    }

    [Test]
    public void A_newer_major_says_that_a_newer_nestsim_is_needed()
    {
        byte[] file = Native(SampleTraces.Arbitrary(13, 10));
        file[8] = 2;
        Assert.That(Fails(file).Message, Does.Contain("offset 8").And.Contain("expected major version 1, found 2").And.Contain("reads major version 2"));
    }

    [Test]
    public void A_record_the_format_cannot_hold_is_refused()
    {
        Refused(block => block.AddAccess(5, 0, 3));
        Refused(block => block.AddAccess(5, 0, 0x70));
        Refused(block => block.AddAccess(5, 0, 0, repeat: 0));
        Refused(block => block.AddEvent(new TraceEvent { Time = 5, Kind = RecordKind.Halt, Level = 3 }));
        Refused(block => block.AddEvent(new TraceEvent { Time = 5, Kind = RecordKind.Halt, A = 1 }));
        Refused(block => block.AddEvent(new TraceEvent { Time = 5, Kind = RecordKind.Halt, Text = "lost" }));
        Refused(block => block.AddEvent(new TraceEvent { Time = 5, Kind = (RecordKind)RecordSchema.Kinds.Count }));
        Refused(block => block.AddEvent(TraceEvent.Mark(5, 0, new string('x', 1025))));
        Refused(block => block.Lane = 1);
        Refused(block => block.AddEvent(new TraceEvent { Time = 4, Kind = RecordKind.Halt }));
    }

    private static void Refused(Action<TraceBlock> spoil)
    {
        TraceBlock block = new();
        block.AddAccess(5, 0, 0);
        spoil(block);
        using NativeTraceWriter writer = new(Stream.Null, TraceHeader.Default);
        Assert.Throws<ArgumentException>(() => writer.Write(block));
    }

    private static TraceFormatException Fails(byte[] file) => Assert.Throws<TraceFormatException>(() =>
    {
        using TraceFile reader = TraceFile.Open(new MemoryStream(file), "test");
        SampleTraces.Describe(reader);
    })!;

    private static byte[] Native(MemoryTrace trace)
    {
        MemoryStream bytes = new();
        using NativeTraceWriter writer = new(bytes, trace.Header);
        SampleTraces.Copy(trace, writer);
        writer.Complete();
        return bytes.ToArray();
    }
}
