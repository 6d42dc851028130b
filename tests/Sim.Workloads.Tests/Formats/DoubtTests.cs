using System.Security.Cryptography;
using System.Text;
using Sim.Core.Profiles;
using Sim.Core.Traces;
using Sim.Workloads.Footprints;
using Sim.Workloads.Formats;
using Sim.Workloads.Operations;

namespace Sim.Workloads.Tests.Formats;

/// <summary>What a trace rests on stays with it, from the tool that doubts to the last conversion.</summary>
[TestFixture]
public sealed class DoubtTests
{
    private static readonly Doubt[] Two =
    [
        new(DoubtKind.Handlers, "907 of 12,014 stays follow an exit whose family the footprints do not have", 907, 12014),
        new(DoubtKind.Clock, "the clock is an emulator's \"count\" ä"),
    ];

    private string _folder = "";

    [SetUp]
    public void MakeFolder() => _folder = Directory.CreateTempSubdirectory("nestsim-").FullName;

    [TearDown]
    public void RemoveFolder() => Directory.Delete(_folder, recursive: true);

    [TestCase("t.nst")]
    [TestCase("t.txt")]
    [TestCase("t.nst.gz")]
    public void They_are_written_and_read_with_their_numbers(string name)
    {
        string path = Write(name, Header(Two));
        using TraceFile trace = TraceFile.Open(path);
        Assert.That(trace.Header.Doubts, Is.EqualTo(Two));
    }

    [Test]
    public void They_survive_conversion_into_the_twin_and_back_byte_for_byte()
    {
        string first = Write("a.nst", Header(Two));
        string text = Convert(first, "b.txt");
        Assert.That(File.ReadLines(text).First(), Is.EqualTo("nestsim-trace text 1.1"));
        Assert.That(File.ReadAllBytes(Convert(text, "c.nst")), Is.EqualTo(File.ReadAllBytes(first)));
    }

    [Test]
    public void A_trace_without_doubts_is_written_as_before_there_were_any()
    {
        byte[] bytes = File.ReadAllBytes(Write("a.nst", Header([])));
        Assert.That(bytes.AsSpan(8, 4).ToArray(), Is.EqualTo(new byte[] { 1, 0, 0, 0 }), "version 1.0");
        Assert.That(Encoding.UTF8.GetString(bytes), Does.Not.Contain("doubts"));
        Assert.That(File.ReadAllBytes(Write("b.nst", Header(Two))).AsSpan(8, 4).ToArray(), Is.EqualTo(new byte[] { 1, 0, 1, 0 }), "version 1.1");
        Assert.That(File.ReadLines(Write("a.txt", Header([]))).First(), Is.EqualTo("nestsim-trace text 1.0"));
    }

    [Test]
    public void A_kind_of_a_later_version_is_another_kind_with_its_sentence()
    {
        string json = Encoding.UTF8.GetString(HeaderJson.Write(Header(Two), false)).Replace("\"clock\"", "\"weather\"", StringComparison.Ordinal);
        TraceHeader header = HeaderJson.Parse(Encoding.UTF8.GetBytes(json), "new.nst", "offset 20").Header;
        Assert.That(header.Doubts[1], Is.EqualTo(Two[1] with { Kind = DoubtKind.Other }));
    }

    [Test]
    public void Every_kind_has_a_word_of_its_own()
    {
        DoubtKind[] kinds = Enum.GetValues<DoubtKind>();
        Assert.That(kinds.Select(kind => Doubt.KindOf(new Doubt(kind, "x").Word)), Is.EqualTo(kinds));
    }

    [Test]
    public void A_draft_takes_doubts_after_its_last_record_and_leaves_no_file_behind()
    {
        string path = Path.Combine(_folder, "d.nst");
        using (TraceFileWriter writer = TraceFile.CreateDraft(path, Header([Two[1]])))
        {
            TraceConverter.Convert(SampleTraces.Arbitrary(1, 5000), writer);
            Assert.That(File.Exists(path), Is.False);
            writer.Complete([Two[0]]);
        }

        Assert.That(Directory.GetFiles(_folder), Is.EqualTo(new[] { path }));
        Assert.That(File.ReadAllBytes(path), Is.EqualTo(File.ReadAllBytes(Write("e.nst", Header([Two[1], Two[0]])))));
    }

    [Test]
    public void A_draft_that_is_not_completed_is_gone()
    {
        using (TraceFileWriter writer = TraceFile.CreateDraft(Path.Combine(_folder, "d.nst.gz"), Header([])))
        {
            TraceConverter.Convert(SampleTraces.Arbitrary(1, 50), writer);
        }

        Assert.That(Directory.GetFileSystemEntries(_folder), Is.Empty);
    }

    [Test]
    public void Only_a_draft_takes_doubts_late()
    {
        using TraceFileWriter writer = TraceFile.Create(Path.Combine(_folder, "d.nst"), Header([]));
        Assert.Throws<InvalidOperationException>(() => writer.Complete(Two));
    }

    [Test]
    public void A_cut_keeps_them_and_a_merge_has_each_once()
    {
        Assert.That(TraceCutter.Header(Header(Two), new CutRange(ToRecord: 5)).Doubts, Is.EqualTo(Two));
        Doubt third = new(DoubtKind.Program, "another program");
        Assert.That(TraceMerger.Header([Header(Two), Header([third, Two[1]])]).Doubts, Is.EqualTo(new[] { Two[0], Two[1], third }));
    }

    [TestCase("intel", null, null, Vendor.Intel)]
    [TestCase("amd", null, null, Vendor.Amd)]
    [TestCase(null, "arch=svm every=2500", null, Vendor.Amd)]
    [TestCase(null, "every=2500", null, Vendor.Intel)]
    [TestCase(null, null, "hardware capture", Vendor.Intel)]
    [TestCase(null, null, "kernel events", null)]
    [TestCase(null, null, null, null)]
    public void The_vendor_is_a_property_or_for_older_traces_what_they_were_made_by(string? vendor, string? weave, string? lifted, Vendor? expected)
    {
        SortedDictionary<string, string> properties = new(StringComparer.Ordinal);
        foreach ((string name, string? value) in new[] { ("vendor", vendor), ("weave", weave), ("lifted", lifted) })
        {
            if (value is not null)
            {
                properties[name] = value;
            }
        }

        Assert.That(new TraceHeader(1, false, "1/1", properties).Vendor, Is.EqualTo(expected));
    }

    [Test]
    public void A_weave_says_how_many_stays_have_footprints_of_strangers()
    {
        StayKey wanted = default;
        FootprintWeaveSummary summary = new(0, [0, 0, 0], 95, 5, 0, 1, [new FootprintSubstitute(wanted, wanted, true, 30), new FootprintSubstitute(wanted, wanted, false, 7)]);
        Assert.That(summary.Doubts.Select(doubt => (doubt.Kind, doubt.Count, doubt.Of)), Is.EqualTo(new (DoubtKind, long?, long?)[]
        {
            (DoubtKind.Handlers, 30, 100),
            (DoubtKind.Handlers, 5, 100),
            (DoubtKind.Handlers, 7, null),
            (DoubtKind.Handlers, null, null),
            (DoubtKind.Program, null, null),
        }));
        Assert.That(summary.Doubts[0].Sentence, Is.EqualTo("30 of 100 stays of L0 and L1 follow an exit whose family the footprints do not have; the nearest were taken"));
    }

    [TestCase("t.nst")]
    [TestCase("t.nst.gz")]
    public void The_hash_of_a_file_is_known_although_only_its_beginning_is_wanted(string name)
    {
        string path = Write(name, Header([]), records: 200_000);
        using TraceFile trace = TraceFile.Open(path);
        Assert.That(trace.Read(new TraceBlock()), Is.True);
        Assert.That(trace.Sha256, Is.Null);
        trace.ReadRest();
        Assert.That(trace.Sha256, Is.EqualTo(System.Convert.ToHexStringLower(SHA256.HashData(File.ReadAllBytes(path)))));
    }

    private static TraceHeader Header(Doubt[] doubts) => SampleTraces.Arbitrary(1, 1).Header with { Doubts = doubts };

    private string Write(string name, TraceHeader header, int records = 5000)
    {
        string path = Path.Combine(_folder, name);
        using TraceFileWriter writer = TraceFile.Create(path, header);
        TraceConverter.Convert(SampleTraces.Arbitrary(1, records), writer);
        writer.Complete();
        return path;
    }

    private string Convert(string from, string name)
    {
        string path = Path.Combine(_folder, name);
        using TraceFile trace = TraceFile.Open(from);
        using TraceFileWriter writer = TraceFile.Create(path, TraceConverter.Header(trace.Header, false));
        TraceConverter.Convert(trace, writer);
        writer.Complete();
        return path;
    }
}
