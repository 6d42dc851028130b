using Sim.Core;
using Sim.Core.Architecture;
using Sim.Core.Traces;
using Sim.Workloads.Generators;
using Sim.Workloads.Operations;

namespace Sim.Workloads.Tests.Operations;

[TestFixture]
public sealed class TraceTransformTests
{
    [Test]
    public void A_summary_counts_what_a_small_trace_holds()
    {
        MemoryTrace trace = new();
        TraceAppender appender = new(trace, 1);
        appender.Access(0, 10, 0x1000, AccessType.Read);
        appender.Event(0, TraceEvent.VmEnter(11, TransitionKind.L0ToL1, 0));
        appender.Access(0, 12, 0x1FF8, AccessType.Write, repeat: 5);
        appender.Access(0, 13, 0x2000, AccessType.Write);
        appender.Access(0, 14, 0x1000, AccessType.Execute, repeat: 2);
        appender.Event(0, TraceEvent.VmExit(15, TransitionKind.L1ToL0, 0, VmxExit.Cpuid));
        appender.Event(0, TraceEvent.VmEnter(16, TransitionKind.L0ToL1, 0));
        appender.Event(0, TraceEvent.Mark(17, 1, "warm-up ends"));
        appender.Event(0, TraceEvent.VmExit(18, TransitionKind.L1ToL0, 0, VmxExit.Hlt));
        appender.Complete();
        TraceSummary summary = TraceSummary.Of(trace);
        Assert.That((summary.Records, summary.References, summary.Blocks), Is.EqualTo((9UL, 9UL, 1UL)));
        Assert.That((summary.FirstTime, summary.LastTime), Is.EqualTo((10UL, 18UL)));
        Assert.That(summary.Kinds, Is.EqualTo(new KindCount[] { new(RecordKind.Access, 4), new(RecordKind.VmEnter, 2), new(RecordKind.VmExit, 2), new(RecordKind.Mark, 1) }));
        Assert.That(summary.Accesses, Is.EqualTo(new AccessCount[]
        {
            new(0, AccessType.Read, 1, 1), new(1, AccessType.Write, 2, 6), new(1, AccessType.Execute, 1, 2),
        }));
        Assert.That(summary.Transitions, Is.EqualTo(new TransitionCount[]
        {
            new(TransitionKind.L0ToL1, 0, 2), new(TransitionKind.L1ToL0, 10, 1), new(TransitionKind.L1ToL0, 12, 1),
        }));
        Assert.That(summary.Pages, Is.EqualTo(new PageCount[] { new(0, 1, true), new(1, 2, true), new(2, 0, true) }));
        Assert.That(summary.Marks, Is.EqualTo(new MarkPlace[] { new(7, 0, 17, "warm-up ends") }));
        Assert.That(summary.Lanes, Is.EqualTo(new LaneSpan[] { new(0, 9, 10, 18) }));
    }

    [Test]
    public void A_cut_from_anywhere_in_a_nested_trace_verifies_and_keeps_exactly_the_records_asked_for()
    {
        using MemoryTrace trace = Nested();
        List<string> all = Records(trace);
        for (int from = 0; from < all.Count - 5; from++)
        {
            trace.Rewind();
            MemoryTrace cut = new();
            CutResult result = TraceCutter.Cut(trace, cut, new CutRange(FromRecord: (ulong)from, ToRecord: (ulong)from + 5));
            List<string> kept = Records(cut);
            Assert.That(result.Kept, Is.EqualTo(5));
            Assert.That(kept, Has.Count.EqualTo((int)(result.Kept + result.Established)));
            Assert.That(kept[^5..], Is.EqualTo(all.GetRange(from, 5)), $"from {from}");
            cut.Rewind();
            Assert.That(TraceVerifier.Run(cut).Findings, Is.Empty, $"from {from}");
        }
    }

    [Test]
    public void A_cut_at_a_preemption_inside_a_nested_entry_knows_the_exit_before_it([Range(2, 4)] int from)
    {
        MemoryTrace trace = new();
        TraceAppender appender = new(trace, 1);
        appender.Event(0, TraceEvent.VmEnter(0, TransitionKind.L0ToL1, 0));
        appender.Event(0, TraceEvent.VmExit(1, TransitionKind.L1ToL0, 0, VmxExit.Vmresume));
        appender.Event(0, new TraceEvent { Time = 2, Kind = RecordKind.SchedOut, A = 0, B = 1 });
        appender.Event(0, new TraceEvent { Time = 3, Kind = RecordKind.SchedIn, A = 0 });
        appender.Event(0, TraceEvent.NestedEnter(4, 0, 0x1000, VmControls.EnableVpid, 1, 0));
        appender.Event(0, TraceEvent.VmEnter(5, TransitionKind.L0ToL2, 0));
        appender.Complete();
        MemoryTrace cut = new();
        CutResult result = TraceCutter.Cut(trace, cut, new CutRange(FromRecord: (ulong)from));
        Assert.That((result.Kept, result.Established), Is.EqualTo((6UL - (ulong)from, 3UL)));
        cut.Rewind();
        Assert.That(TraceVerifier.Run(cut).Findings, Is.Empty);
    }

    [Test]
    public void A_cut_into_L2_is_preceded_by_the_way_there()
    {
        using MemoryTrace trace = Nested();
        List<string> all = Records(trace);
        int from = all.FindLastIndex(all.Count - 20, line => line.Contains("kind=L0ToL2", StringComparison.Ordinal)) + 2;
        MemoryTrace cut = new();
        trace.Rewind();
        TraceCutter.Cut(trace, cut, new CutRange(FromRecord: (ulong)from, ToRecord: (ulong)from + 1));
        Assert.That(Records(cut).Select(line => string.Join(' ', line.Split(' ')[1..3])), Is.EqualTo(new[]
        {
            "SetCr4 level=0", "SetCr3 level=0", "VmEnter level=0", "SetCr4 level=1", "SetCr3 level=1", "VmExit level=1", "VmEnter level=1", "VmEnter level=0",
            "SetCr4 level=2", "SetCr3 level=2", "Mark level=2", string.Join(' ', all[from].Split(' ')[1..3]),
        }));
    }

    [Test]
    public void A_cut_by_time_and_one_by_marks_keep_their_first_record_and_not_their_end()
    {
        MemoryTrace trace = new();
        TraceAppender appender = new(trace, 2);
        for (ulong time = 0; time < 10; time++)
        {
            appender.Event((int)(time % 2), TraceEvent.Mark(time, 0, $"m{time}"));
        }

        appender.Complete();
        using MemoryTrace two = new(trace.Header with { Lanes = 2 });
        SampleTraces.Copy(trace, two);
        MemoryTrace byTime = new(two.Header);
        MemoryTrace byMark = new(two.Header);
        Assert.That(TraceCutter.Cut(two, byTime, new CutRange(FromTime: 3, ToTime: 7)), Is.EqualTo(new CutResult(4, 2)));
        two.Rewind();
        Assert.That(TraceCutter.Cut(two, byMark, new CutRange(FromMark: "m3", UntilMark: "m7")), Is.EqualTo(new CutResult(4, 2)));
        Assert.That(SampleTraces.Describe(byMark), Is.EqualTo(SampleTraces.Describe(byTime)));
    }

    [Test]
    public void A_cut_that_holds_nothing_is_an_error_that_names_the_range()
    {
        using MemoryTrace trace = Nested();
        ConfigurationException error = Assert.Throws<ConfigurationException>(() => TraceCutter.Cut(trace, new MemoryTrace(), new CutRange(FromRecord: 1 << 30)))!;
        Assert.That(error.Message, Does.Contain("from-record=1073741824"));
    }

    [Test]
    public void Converting_without_folding_keeps_blocks_and_with_folding_keeps_references()
    {
        using MemoryTrace trace = Generated("sequential", "accesses=100000", "pages=100");
        MemoryTrace plain = new();
        Assert.That(TraceConverter.Convert(trace, plain), Is.EqualTo(100_000));
        trace.Rewind();
        Assert.That(SampleTraces.Describe(plain), Is.EqualTo(SampleTraces.Describe(trace)));
        trace.Rewind();
        MemoryTrace folded = new(TraceConverter.Header(trace.Header, fold: true));
        ulong records = TraceConverter.Convert(trace, folded, fold: true);
        TraceSummary summary = TraceSummary.Of(folded);
        Assert.That(records, Is.LessThan(10_000));
        Assert.That((summary.Records, summary.References), Is.EqualTo((records, 100_000UL)));
        Assert.That(summary.Header.Folded, Is.True);
    }

    [Test]
    public void Merged_traces_lie_side_by_side_with_vCPUs_of_their_own()
    {
        using MemoryTrace first = Nested();
        using MemoryTrace second = Nested();
        ulong records = TraceSummary.Of(first).Records;
        first.Rewind();
        TraceHeader header = TraceMerger.Header([first.Header, second.Header]);
        MemoryTrace merged = new(header);
        Assert.That(TraceMerger.Merge([first, second], merged), Is.EqualTo(2 * records));
        Assert.That(header.Lanes, Is.EqualTo(2));
        Assert.That(TraceVerifier.Run(merged).Findings, Is.Empty);
        merged.Rewind();
        List<string> lines = SampleTraces.Describe(merged);
        Assert.That(lines.Any(line => line.Contains("vcpu=1", StringComparison.Ordinal)));
        first.Rewind();
        merged.Rewind();
        List<string> lane0 = [];
        Read(merged, 0, lane0);
        Assert.That(lane0, Is.EqualTo(Records(first)));
    }

    [Test]
    public void A_cut_brings_back_the_page_sizes_that_were_told_before_it()
    {
        MemoryTrace trace = new();
        TraceAppender appender = new(trace, 1);
        appender.Event(0, TraceEvent.PageSizes(5, 0, 0x1000, 0x200000, 0x200000, 0));
        appender.Access(0, 6, 0x200000, AccessType.Read, 0);
        appender.Event(0, TraceEvent.PageSizes(7, 0, 0x1000, 0x400000, 0x1000, 0));
        appender.Access(0, 8, 0x201000, AccessType.Read, 0);
        appender.Complete();
        MemoryTrace cut = new();

        TraceCutter.Cut(trace, cut, new CutRange(FromRecord: 2));

        Assert.That(SampleTraces.Describe(cut).Where(line => line.Contains("PageSizes", StringComparison.Ordinal)).Select(line => line[line.IndexOf("address", StringComparison.Ordinal)..]), Is.EqualTo(new[]
        {
            "address=0x200000 size=0x200000 second_level=0x0", "address=0x400000 size=0x1000 second_level=0x0",
        }));
    }

    [Test]
    public void A_vCPU_number_beyond_the_stride_is_an_error()
    {
        MemoryTrace trace = new();
        TraceAppender appender = new(trace, 1);
        appender.Event(0, TraceEvent.VmEnter(0, TransitionKind.L0ToL1, 1));
        appender.Complete();
        Assert.Throws<ConfigurationException>(() => TraceMerger.Merge([trace], new MemoryTrace()));
        trace.Rewind();
        Assert.That(TraceMerger.Merge([trace], new MemoryTrace(), vcpuStride: 2), Is.EqualTo(1));
    }

    private static MemoryTrace Nested() => Generated("nested-ping-pong", "accesses=200", "every=7", "l1-pages=3", "l0-pages=2", "vpid12=alternate", "l1-percent=60");

    private static MemoryTrace Generated(string name, params string[] words)
    {
        GeneratorSpec spec = GeneratorCatalogue.Parse(name, words);
        MemoryTrace trace = new(GeneratorCatalogue.Header(spec));
        GeneratorCatalogue.Generate(spec, trace);
        return trace;
    }

    private static List<string> Records(MemoryTrace trace) => [.. SampleTraces.Describe(trace).Where(line => !line.StartsWith("block ", StringComparison.Ordinal))];

    private static void Read(MemoryTrace trace, int lane, List<string> lines)
    {
        bool wanted = false;
        foreach (string line in SampleTraces.Describe(trace))
        {
            if (line.StartsWith("block ", StringComparison.Ordinal))
            {
                wanted = line.StartsWith($"block lane={lane} ", StringComparison.Ordinal);
            }
            else if (wanted)
            {
                lines.Add(line);
            }
        }
    }
}
