using System.Diagnostics;
using Sim.Core;
using Sim.Core.Traces;
using Sim.Workloads.Formats;
using Sim.Workloads.Importers;
using Sim.Workloads.Tests.Formats;

namespace Sim.Workloads.Tests.Importers;

/// <summary>DynamoRIO's drmemtrace, files and folders.</summary>
[TestFixture]
public sealed class DrMemtraceTests
{
    private string _folder = "";

    [SetUp]
    public void MakeFolder() => _folder = Directory.CreateTempSubdirectory("nestsim-drmemtrace-").FullName;

    [TearDown]
    public void RemoveFolder() => Directory.Delete(_folder, recursive: true);

    [Test]
    public void Instructions_loads_and_stores_are_accesses_at_the_number_of_the_instruction_and_nothing_else_is()
    {
        byte[] trace = Writer().Begin().Fetch(0x401000).Load(0x601000).Store(0x7FFE10).Entry(3, 64, 0x9000).Entry(27, 64, 0x9000).Fetch(0x401004, 2, 49).Fetch(0x401006, 3, 31)
            .Entry(18, 64, 0x9000).Marker(25, 60).Marker(99, 7).Marker(1000, 7).Fetch(0x401009, 1, 16).End().Bytes;
        Assert.That(
            Lines(trace),
            Is.EqualTo(new[]
            {
                "0 401000 Execute 4 cpl3", "0 601000 Read 8 cpl3", "0 7ffe10 Write 8 cpl3", "1 401004 Execute 2 cpl3", "2 401006 Execute 4 cpl3", "3 401009 Execute 1 cpl3",
            }));
    }

    [Test]
    public void Rounds_of_a_string_instruction_are_fetched_once_and_their_data_each()
    {
        byte[] trace = Writer().Begin().Fetch(0x401000, 2).Load(0x5000, 1).Fetch(0x401000, 2, 29).Load(0x5001, 1).Fetch(0x401002, 1, 30).Load(0x6000, 1).Fetch(0x401002, 1, 30).Load(0x6001, 1).End().Bytes;
        Assert.That(
            Lines(trace),
            Is.EqualTo(new[] { "0 401000 Execute 2 cpl3", "0 5000 Read 1 cpl3", "0 5001 Read 1 cpl3", "1 401002 Execute 1 cpl3", "1 6000 Read 1 cpl3", "1 6001 Read 1 cpl3" }));
    }

    [Test]
    public void Bundles_are_instructions_behind_the_one_before()
    {
        byte[] trace = Writer().Begin().Fetch(0x401000, 4).Entry(17, 3, 0x02_05_03).Fetch(0x402000, 1).End().Bytes;
        Assert.That(Lines(trace).Select(line => line.Split(' ')[1]), Is.EqualTo(new[] { "401000", "401004", "401007", "40100c", "402000" }));
    }

    [Test]
    public void Accesses_across_pages_are_split_and_one_of_64_KiB_touches_seventeen_pages()
    {
        Assert.That(Lines(Writer().Begin().Fetch(0x401FFE, 4).Store(0x2FF8, 16).End().Bytes), Is.EqualTo(new[]
        {
            "0 401ffe Execute 2 cpl3", "0 402000 Execute 2 cpl3", "0 2ff8 Write 8 cpl3", "0 3000 Write 8 cpl3",
        }));
        List<string> wide = Lines(Writer().Begin().Fetch(0x401000).Store(0x10800, 65535).End().Bytes);
        Assert.That(wide.Skip(1).Select(line => Convert.ToUInt64(line.Split(' ')[1], 16) >> 12).Distinct(), Is.EqualTo(Enumerable.Range(0x10, 17).Select(page => (ulong)page)));
    }

    [Test]
    public void The_kernels_parts_have_privilege_and_another_process_another_root()
    {
        byte[] trace = Writer().Begin(type: 0x1240).Fetch(0x401000).Marker(27, 60).Fetch(0xFFFFFFFF81000000).Load(0x601000).Marker(28, 60).Fetch(0x401004)
            .Marker(34, 1).Fetch(0xFFFFFFFF81000100).Marker(35, 1).Entry(22, 4, 200).Entry(24, 4, 200).Fetch(0x401000).Entry(22, 4, 100).Entry(24, 4, 100).Fetch(0x401008).End().Bytes;
        Assert.That(
            Lines(trace),
            Is.EqualTo(new[]
            {
                "0 401000 Execute 4 cpl3", "1 ffffffff81000000 Execute 4 cpl0", "1 601000 Read 8 cpl0", "2 401004 Execute 4 cpl3", "3 ffffffff81000100 Execute 4 cpl0",
                "3 SetCr3 1000", "4 401000 Execute 4 cpl3", "4 SetCr3 0", "5 401008 Execute 4 cpl3",
            }));
        Assert.That(Lines(Writer().Begin(type: 0x40240).Fetch(0x401000).Fetch(0xFFFFFFFF81000000).Load(0x601000).End().Bytes).Select(line => line[^1]), Is.EqualTo("300"));
    }

    [Test]
    public void Chunks_begin_with_a_timestamp_that_came_before_and_windows_and_filtering_are_marks()
    {
        byte[] trace = Writer().Begin(type: 0x2340).Marker(14, 0).Fetch(0x401000).Marker(21, 0).Marker(22, 9).Timestamp(1000).Fetch(0x401004).Marker(23, 0).Fetch(0x401008).Marker(14, 1).Fetch(0x40100C).Marker(21, 1).Timestamp(1000).End().Bytes;
        Assert.That(Lines(trace).Where(line => line.Contains("Mark", StringComparison.Ordinal)), Is.EqualTo(new[] { "1 Mark warm-up ends", "2 Mark window 1" }));
    }

    [Test]
    public void What_a_recording_lacks_is_a_doubt_and_what_it_tells_is_in_its_header()
    {
        using (TraceFile file = AccessLines.Open(Writer().Begin(type: 0x1C1).Fetch(0x401000, 0).Load(0x5000).End().Bytes))
        {
            Assert.That(file.Header.Doubts[0].Sentence, Is.EqualTo("the trace was filtered while it was recorded: accesses that hit in the tracer's own first-level cache are missing, which a TLB would have seen"));
            Assert.That(AccessLines.Of(file), Is.EqualTo(new[] { "0 5000 Read 8 cpl3" }));
        }

        using (TraceFile file = AccessLines.Open(Writer().Begin(type: 0x244, version: 7).Marker(15, 0x7000).Fetch(0x401000).End().Bytes))
        {
            Assert.That(file.Header.Doubts.Select(doubt => doubt.Kind), Is.EqualTo(new[] { DoubtKind.DataLoss, DoubtKind.Clock }));
            Assert.That(file.Header.Properties["tracer"], Is.EqualTo("DynamoRIO drmemtrace, format version 7"));
            Assert.That(file.Header.Properties["base page size"], Is.EqualTo("4096 (recorded)"));
            Assert.That(file.Header.Properties["architecture"], Is.EqualTo("x86-64"));
        }

        Assert.That(AccessLines.Open(Writer().Begin(type: 0x208).Fetch(0x401000).End().Bytes).Header.Doubts.Select(doubt => doubt.Kind), Does.Contain(DoubtKind.Other));
    }

    [TestCase("gzip")]
    [TestCase("zstd")]
    [TestCase("snappy")]
    [TestCase("zip")]
    public void A_compressed_file_is_the_same_trace(string kind)
    {
        byte[] first = Writer().Begin().Fetch(0x401000).Marker(21, 0).Bytes;
        byte[] second = Writer().Timestamp(1000).Fetch(0x401004).End().Bytes;
        byte[] trace = [.. first, .. second];
        byte[] packed = kind switch { "gzip" => CompressionTests.Gzip(trace), "zstd" => CompressionTests.Zstd(trace), "snappy" => CompressionTests.Snappy(trace), _ => CompressionTests.Zip(first, second) };
        Assert.That(Lines(packed), Is.EqualTo(Lines(trace)).And.Count.EqualTo(2));
    }

    [Test]
    public void On_a_core_threads_come_with_the_headers_of_their_files_and_leave_with_their_footers()
    {
        byte[] trace = Writer().Begin(1, 50, 1000, type: 0x10240, version: 7).Fetch(0x1000).Begin(2, 50, 990, type: 0x10240, version: 7).Fetch(0x2000).End(2).Entry(22, 4, 1).Entry(24, 4, 50).Fetch(0x1004).End(1).Bytes;
        using TraceFile file = AccessLines.Open(trace);
        Assert.That(file.Header.Properties["cores"], Is.EqualTo("1"));
        Assert.That(AccessLines.Of(file), Is.EqualTo(new[] { "0 1000 Execute 4 cpl3", "1 2000 Execute 4 cpl3", "2 1004 Execute 4 cpl3" }));
    }

    [Test]
    public void Threads_of_a_folder_follow_one_another_by_their_timestamps_on_one_lane_or_on_a_lane_each()
    {
        Save("trace/drmemtrace.app.1.0001.trace.zip", CompressionTests.Zip(Writer().Begin(1, 50, 1000).Fetch(0x1000).Timestamp(1020).Fetch(0x1004).End(1).Bytes));
        Save("trace/drmemtrace.app.2.0002.trace.zip", CompressionTests.Zip(Writer().Begin(2, 50, 1010).Fetch(0x2000).Load(0x9000).Timestamp(1020).Fetch(0x2004).End(2).Bytes));
        Save("trace/drmemtrace.app.3.0003.trace.gz", CompressionTests.Gzip(Writer().Begin(3, 60, 1005).Fetch(0x3000).End(3).Bytes));
        Save("trace/cpu_schedule.bin.zip", CompressionTests.Zip([1, 2, 3]));
        Save("raw/modules.log", []);
        Save("v2p.textproto", "# comment\naddress_mapping_group {\n  page_size: 2097152\n  address_mapping {\n    virtual_address: 0x201000\n    physical_address: 5\n  }\n}\n"u8.ToArray());
        string[] pages = ["0 PageSizes 200000 200000"];
        using (TraceFile file = TraceFile.Open(_folder))
        {
            Assert.That(file.Format, Is.EqualTo("drmemtrace"));
            Assert.That((file.Header.Lanes, file.Header.Properties["threads"], file.Header.Properties["program"], file.Header.Properties["page_sizes.l0"]), Is.EqualTo((1, "3", "app", "recorded")));
            Assert.That(
                AccessLines.Of(file),
                Is.EqualTo((string[])[.. pages, "0 1000 Execute 4 cpl3", "0 SetCr3 1000", "1 3000 Execute 4 cpl3", "1 SetCr3 0", "2 2000 Execute 4 cpl3", "2 9000 Read 8 cpl3", "3 1004 Execute 4 cpl3", "4 2004 Execute 4 cpl3"]));
            Assert.That(file.Sha256, Has.Length.EqualTo(64));
        }

        using TraceFile lanes = TraceFile.Open(_folder, DrLanes.Files);
        Assert.That(lanes.Header.Lanes, Is.EqualTo(3));
        Assert.That(
            AccessLines.Of(lanes),
            Is.EqualTo((string[])[.. pages, "0 1000 Execute 4 cpl3", "2: 0 SetCr3 1000", "2: 1 3000 Execute 4 cpl3", "1: 2 2000 Execute 4 cpl3", "1: 2 9000 Read 8 cpl3", "3 1004 Execute 4 cpl3", "1: 4 2004 Execute 4 cpl3"]));
        Assert.That((TraceFile.IsTrace(_folder), TraceFile.IsTrace(Path.Combine(_folder, "trace"))), Is.EqualTo((true, true)));
    }

    [Test]
    public void Folders_that_are_no_recording_or_not_ready_or_mixed_are_refused_with_what_to_do()
    {
        Assert.That(Assert.Throws<ConfigurationException>(() => TraceFile.Open(_folder))!.Message, Does.Contain("no files of a drmemtrace recording"));
        Save("raw/drmemtrace.app.1.0001.raw.lz4", []);
        Assert.That(Assert.Throws<ConfigurationException>(() => TraceFile.Open(_folder))!.Message, Does.Contain("drrun -t drmemtrace -indir"));
        Save("trace/drmemtrace.app.1.0001.trace", Writer().Begin(version: 5).Fetch(0x1000).End().Bytes);
        Save("trace/drmemtrace.app.2.0002.trace", Writer().Begin(version: 6).Fetch(0x1000).End().Bytes);
        Assert.That(Assert.Throws<TraceFormatException>(() => TraceFile.Open(_folder))!.Message, Does.Contain("drmemtrace.app.2.0002.trace: offset 0: expected version 5, x86-64, as in ").And.Contain("found version 6, x86-64"));
        Save("trace/drmemtrace.app.2.0002.trace", Writer().Begin(version: 5, type: 0x208).Fetch(0x1000).End().Bytes);
        Assert.That(Assert.Throws<TraceFormatException>(() => TraceFile.Open(_folder))!.Message, Does.Contain("found version 5, AArch64"));
    }

    [Test]
    public void A_file_that_is_cut_anywhere_is_refused_with_its_offset()
    {
        byte[] trace = Writer().Begin().Fetch(0x401000).Load(0x5000).Fetch(0x401004).End().Bytes;
        for (int length = 24; length < trace.Length; length++)
        {
            Assert.That(
                Assert.Throws<TraceFormatException>(() => Lines(trace[..length]))!.Message,
                Does.StartWith($"t: offset {length / 12 * 12}: expected {(length % 12 == 0 ? "a footer at the end, found the end of the file" : $"an entry of 12 bytes, found the end of the file after {length % 12} of them")}"));
        }
    }

    [TestCase("wrong-endian", "offset 0: expected a little-endian drmemtrace recording of a 64-bit program, found a big-endian one")]
    [TestCase("32-bit", "offset 0: expected a little-endian drmemtrace recording of a 64-bit program, found one of a 32-bit program")]
    [TestCase("version 8", "offset 0: expected a header of version 1 to 7, found version 8")]
    [TestCase("mixed", "offset 168: expected a further header of version 5, as the first, behind a footer, found version 6")]
    [TestCase("marker", "offset 12: expected version 5 as in the header, found 6")]
    [TestCase("kind", "offset 108: expected an entry of a kind up to 49, found 50")]
    [TestCase("long", "offset 120: expected an instruction of at most 15 bytes, found one of 16")]
    [TestCase("past the end", "offset 132: expected an access inside the 64-bit address space, found 8 bytes at 0xfffffffffffffffc")]
    [TestCase("time", "offset 132: expected a timestamp of at least 1000, found 999")]
    [TestCase("chunk", "offset 132: expected the end of chunk 0, found that of chunk 1")]
    [TestCase("kernel", "offset 132: expected the begin of the kernel's part before its end, found its end")]
    [TestCase("thread", "offset 12: expected the thread before its first access, found an access")]
    [TestCase("behind", "offset 156: expected the end of the file, or the header of a further trace, behind a footer, found an entry of kind 0")]
    public void What_cannot_be_is_refused_where_it_is(string what, string message)
    {
        byte[] whole = Writer().Begin().Fetch(0x401000).End().Bytes;
        byte[] trace = what switch
        {
            "wrong-endian" => [.. Enumerable.Range(0, whole.Length / 12).SelectMany(i => Swapped(whole.AsSpan(i * 12, 12)))],
            "32-bit" => [.. Enumerable.Range(0, whole.Length / 12).SelectMany(i => whole[(i * 12)..((i * 12) + 8)])],
            "version 8" => Writer().Begin(version: 8).Fetch(0x401000).End().Bytes,
            "mixed" => [.. Writer().Begin().Fetch(0x401000).End().Bytes, .. Writer().Begin(version: 6).Fetch(0x401000).End().Bytes],
            "marker" => Writer().Entry(25, 0, 5).Marker(12, 6).End().Bytes,
            "kind" => Writer().Begin().Entry(50, 0, 0).End().Bytes,
            "long" => Writer().Begin().Fetch(0x401000, 16).End().Bytes,
            "past the end" => Writer().Begin().Fetch(0x401000).Load(0xFFFFFFFFFFFFFFFC).End().Bytes,
            "time" => Writer().Begin().Fetch(0x401000).Timestamp(999).End().Bytes,
            "chunk" => Writer().Begin().Fetch(0x401000).Marker(21, 1).End().Bytes,
            "kernel" => Writer().Begin().Fetch(0x401000).Marker(28, 1).End().Bytes,
            "thread" => Writer().Entry(25, 0, 5).Entry(28, 12, 5).Load(0x5000).End().Bytes,
            _ => Writer().Begin().Fetch(0x401000).End().Load(1).Bytes,
        };
        if (what == "mixed")
        {
            message = message.Replace("168", $"{whole.Length}", StringComparison.Ordinal);
        }
        else if (what == "behind")
        {
            message = message.Replace("156", $"{whole.Length}", StringComparison.Ordinal);
        }
        else if (what == "thread")
        {
            message = message.Replace("offset 12", "offset 24", StringComparison.Ordinal);
        }
        else if (what is not ("wrong-endian" or "32-bit" or "version 8" or "marker"))
        {
            int begin = Writer().Begin().Bytes.Length;
            int at = begin + (what switch { "kind" => 0, "long" => 12, _ => 24 });
            message = $"offset {at}{message[message.IndexOf(':', StringComparison.Ordinal)..]}";
        }

        Assert.That(Assert.Throws<TraceFormatException>(() => Lines(trace))!.Message, Does.StartWith($"t: {message}"));
    }

    [Test]
    public void Damaged_copies_are_refused_with_their_place_or_lose_no_access()
    {
        DrMemtraceWriter writer = Writer().Begin();
        for (int i = 0; i < 40; i++)
        {
            writer.Fetch(0x401000 + (ulong)(i * 4)).Load(0x600000 + (ulong)(i * 0x100)).Store(0x7FFE00);
            writer = i % 10 == 9 ? writer.Timestamp(1000 + (ulong)i) : writer;
        }

        byte[] trace = writer.End().Bytes;
        int refused = ByteMutations.Judge(trace, MutantCount.Value, 19, damaged =>
        {
            int read = Lines(damaged).Count;
            int held = Enumerable.Range(0, damaged.Length / 12).Count(i => BitConverter.ToUInt16(damaged, i * 12) is 0 or 1 or 10);
            int empty = Enumerable.Range(0, damaged.Length / 12).Count(i => BitConverter.ToUInt16(damaged, i * 12) is 10 && BitConverter.ToUInt16(damaged, (i * 12) + 2) == 0);
            return read < held - empty ? $"{read} records from {held} accesses" : null;
        });
        Assert.That(refused, Is.GreaterThan(MutantCount.Value / 3));
    }

    [Test]
    [Explicit("Measures this machine.")]
    public void At_least_35_million_entries_are_read_in_a_second()
    {
        DrMemtraceWriter writer = Writer().Begin(type: 0x40);
        const int Instructions = 1_000_000;
        for (int i = 0; i < Instructions; i++)
        {
            writer.Entry(10, 4, 0x401000 + ((ulong)(i % 5000) * 4)).Load(0x600000 + ((ulong)i * 8));
        }

        byte[] trace = writer.End().Bytes;
        TraceBlock block = new();
        TimeSpan begin = Process.GetCurrentProcess().TotalProcessorTime;
        for (int i = 0; i < 10; i++)
        {
            using ITraceSource source = new DrMemtraceFormat().Open(new MemoryStream(trace), "t");
            while (source.Read(block))
            {
            }
        }

        double rate = 10.0 * trace.Length / 12 / (Process.GetCurrentProcess().TotalProcessorTime - begin).TotalSeconds;
        TestContext.Out.WriteLine($"{rate / 1e6:f1} M entries/s of CPU time");
        Assert.That(rate, Is.GreaterThan(35e6));
    }

    private static DrMemtraceWriter Writer() => new();

    private static List<string> Lines(byte[] bytes) => AccessLines.Of(bytes);

    private static byte[] Swapped(Span<byte> entry)
    {
        byte[] swapped = entry.ToArray();
        swapped.AsSpan(0, 2).Reverse();
        swapped.AsSpan(2, 2).Reverse();
        swapped.AsSpan(4, 8).Reverse();
        return swapped;
    }

    private void Save(string name, byte[] content)
    {
        string path = Path.Combine(_folder, name);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllBytes(path, content);
    }
}
