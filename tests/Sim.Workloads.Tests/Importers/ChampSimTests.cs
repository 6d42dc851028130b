using System.Buffers.Binary;
using System.Diagnostics;
using Sim.Core;
using Sim.Core.Traces;
using Sim.Workloads.Formats;
using Sim.Workloads.Importers;
using Sim.Workloads.Tests.Formats;

namespace Sim.Workloads.Tests.Importers;

/// <summary>ChampSim's records, written here field by field as inc/trace_instruction.h says.</summary>
[TestFixture]
public sealed class ChampSimTests
{
    [Test]
    public void An_instruction_is_its_fetch_then_its_loads_then_its_stores_at_the_time_of_its_number()
    {
        byte[] trace = [.. Plain(0x401000, [0x7FFE10], [0x601000, 0x602000]), .. Plain(0x401003), .. Plain(0x401007, [0x7FFE08, 0x7FFE00], [], isBranch: 1, taken: 1), .. Plain(0xFFFFFFFF81000000)];
        Assert.That(
            AccessLines.Of(trace),
            Is.EqualTo(new[]
            {
                "0 401000 Execute 1 cpl3", "0 601000 Read 1 cpl3", "0 602000 Read 1 cpl3", "0 7ffe10 Write 1 cpl3", "1 401003 Execute 1 cpl3",
                "2 401007 Execute 1 cpl3", "2 7ffe08 Write 1 cpl3", "2 7ffe00 Write 1 cpl3", "3 ffffffff81000000 Execute 1 cpl0",
            }));
    }

    [Test]
    public void The_cloudsuite_variant_is_told_apart_and_its_address_spaces_are_roots()
    {
        byte[] trace = [.. Cloudsuite(0x401000, 7, [0x7FFE10, 0x7FFE18, 0x7FFE20], [0x601000]), .. Cloudsuite(0x401004, 7), .. Cloudsuite(0x401000, 9), .. Cloudsuite(0x401008, 7)];
        using TraceFile file = AccessLines.Open(trace);
        Assert.That(file.Format, Is.EqualTo("champsim-cloudsuite"));
        Assert.That(
            AccessLines.Of(file),
            Is.EqualTo(new[]
            {
                "0 401000 Execute 1 cpl3", "0 601000 Read 1 cpl3", "0 7ffe10 Write 1 cpl3", "0 7ffe18 Write 1 cpl3", "0 7ffe20 Write 1 cpl3", "1 401004 Execute 1 cpl3",
                "2 SetCr3 1000", "2 401000 Execute 1 cpl3", "3 SetCr3 0", "3 401008 Execute 1 cpl3",
            }));
    }

    [TestCase("gzip")]
    [TestCase("zstd")]
    [TestCase("snappy")]
    [TestCase("zip")]
    public void Compressed_it_is_the_same_trace(string kind)
    {
        byte[] trace = Program(5000);
        byte[] packed = kind switch { "gzip" => CompressionTests.Gzip(trace), "zstd" => CompressionTests.Zstd(trace), "snappy" => CompressionTests.Snappy(trace), _ => CompressionTests.Zip(trace) };
        using TraceFile file = AccessLines.Open(packed);
        Assert.That(file.Format, Is.EqualTo("champsim"));
        Assert.That(AccessLines.Of(file), Is.EqualTo(AccessLines.Of(trace)));
    }

    [Test]
    public void Cut_inside_an_instruction_it_is_refused_at_that_instruction_after_whole_blocks_too()
    {
        byte[] trace = Program(20_000);
        foreach (int instruction in new[] { 2, 64, 2048, 9_999, 19_999 })
        {
            foreach (int rest in new[] { 1, 63 })
            {
                byte[] cut = trace[..((instruction * 64) + rest)];
                using ChampSimSource source = new(new MemoryStream(cut), "t", ChampSimLayout.Plain);
                Assert.That(
                    Assert.Throws<TraceFormatException>(() => AccessLines.Of(source))!.Message,
                    Does.StartWith($"t: offset {instruction * 64}: expected an instruction of 64 bytes, found the end of the input after {rest} of them"));
            }
        }
    }

    [Test]
    public void A_flag_or_a_program_counter_that_cannot_be_is_refused_at_its_instruction()
    {
        byte[] trace = Program(200);
        foreach ((int at, byte value) in new[] { (8, (byte)2), (9, (byte)7), (7, (byte)0x12), (39, (byte)0x80) })
        {
            byte[] damaged = [.. trace];
            damaged[(150 * 64) + at] = value;
            Assert.That(Assert.Throws<TraceFormatException>(() => AccessLines.Of(damaged))!.Message, Does.Contain($"offset {150 * 64}: expected "), $"byte {at}");
        }
    }

    [Test]
    public void Other_content_is_not_taken_for_instructions()
    {
        Rng rng = new(5);
        byte[] noise = new byte[4096];
        for (int i = 0; i < noise.Length; i++)
        {
            noise[i] = (byte)rng.Next();
        }

        byte[] counting = new byte[4096];
        for (int i = 0; i < counting.Length; i += 8)
        {
            BinaryPrimitives.WriteUInt64LittleEndian(counting.AsSpan(i), (ulong)(0x400000 + i));
        }

        byte[] swapped = Program(64);
        for (int i = 0; i < swapped.Length; i += 8)
        {
            swapped.AsSpan(i, 8).Reverse();
        }

        foreach (byte[] head in new[] { noise, new byte[4096], counting, swapped, [.. Enumerable.Repeat((byte)'a', 4096)], [.. "MZ\x90"u8, .. new byte[61]] })
        {
            Assert.That(new ChampSimFormat().Sniff(head), Is.False);
            Assert.That(new ChampSimCloudsuiteFormat().Sniff(head), Is.False);
        }

        byte[] cloudsuite = [.. Enumerable.Range(0, 42).SelectMany(i => Cloudsuite(0x401000 + (ulong)(i * 4), 1, [0x7FFE10]))];
        Assert.That((new ChampSimFormat().Sniff(cloudsuite), new ChampSimCloudsuiteFormat().Sniff(cloudsuite)), Is.EqualTo((false, true)));
        Assert.That((new ChampSimFormat().Sniff(Program(64)), new ChampSimCloudsuiteFormat().Sniff(Program(64))), Is.EqualTo((true, false)));
    }

    [Test]
    public void Damaged_copies_are_refused_with_their_place_or_have_an_instruction_for_every_64_bytes()
    {
        int refused = ByteMutations.Judge(Program(120), MutantCount.Value, 19, damaged =>
        {
            using ChampSimSource source = new(new MemoryStream(damaged), "mutated", ChampSimLayout.Plain);
            int fetches = AccessLines.Of(source).Count(line => line.Contains("Execute", StringComparison.Ordinal));
            return fetches * 64 == damaged.Length ? null : $"{fetches} instructions from {damaged.Length} bytes";
        });
        Assert.That(refused, Is.GreaterThan(MutantCount.Value / 2));
    }

    [Test]
    [Explicit("Measures this machine.")]
    public void At_least_ten_million_instructions_are_read_in_a_second()
    {
        byte[] trace = Program(1_000_000);
        TraceBlock block = new();
        ulong records = 0;
        Stopwatch watch = Stopwatch.StartNew();
        for (int i = 0; i < 20; i++)
        {
            using ChampSimSource source = new(new MemoryStream(trace), "t", ChampSimLayout.Plain);
            while (source.Read(block))
            {
                records += (ulong)block.RecordCount;
            }
        }

        double rate = 20_000_000 / watch.Elapsed.TotalSeconds;
        TestContext.Out.WriteLine($"{rate / 1e6:f1} M instructions/s, {records} records");
        Assert.That(rate, Is.GreaterThan(10e6));
    }

    private static byte[] Program(int instructions)
    {
        Rng rng = new(3);
        ulong pc = 0x401000;
        using MemoryStream bytes = new();
        for (int i = 0; i < instructions; i++)
        {
            bool branch = rng.Below(8) == 0;
            bytes.Write(Plain(pc, rng.Below(4) == 0 ? [0x7FFE00 + (rng.Below(64) * 8)] : [], rng.Below(3) == 0 ? [0x600000 + (rng.Below(1 << 16) * 8)] : [], branch ? (byte)1 : (byte)0, branch ? (byte)1 : (byte)0));
            pc = branch ? 0x401000 + (rng.Below(1000) * 16) : pc + 1 + rng.Below(9);
        }

        return bytes.ToArray();
    }

    private static byte[] Plain(ulong pc, ulong[]? stores = null, ulong[]? loads = null, byte isBranch = 0, byte taken = 0)
    {
        byte[] record = new byte[64];
        BinaryPrimitives.WriteUInt64LittleEndian(record, pc);
        record[8] = isBranch;
        record[9] = taken;
        record[10] = 25;
        record[12] = 6;
        Addresses(record.AsSpan(16), stores ?? []);
        Addresses(record.AsSpan(32), loads ?? []);
        return record;
    }

    private static byte[] Cloudsuite(ulong pc, ushort space, ulong[]? stores = null, ulong[]? loads = null)
    {
        byte[] record = new byte[96];
        BinaryPrimitives.WriteUInt64LittleEndian(record, pc);
        record[10] = 25;
        record[14] = 6;
        Addresses(record.AsSpan(24), stores ?? []);
        Addresses(record.AsSpan(56), loads ?? []);
        BinaryPrimitives.WriteUInt16LittleEndian(record.AsSpan(88), space);
        return record;
    }

    private static void Addresses(Span<byte> place, ulong[] addresses)
    {
        for (int i = 0; i < addresses.Length; i++)
        {
            BinaryPrimitives.WriteUInt64LittleEndian(place[(i * 8)..], addresses[i]);
        }
    }
}
