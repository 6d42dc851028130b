using Sim.Core;
using Sim.Core.Traces;
using Sim.Workloads.Formats;

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
