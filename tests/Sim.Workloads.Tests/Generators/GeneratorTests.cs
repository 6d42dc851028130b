using System.Security.Cryptography;
using Sim.Core;
using Sim.Core.Traces;
using Sim.Workloads.Formats;
using Sim.Workloads.Generators;
using Sim.Workloads.Operations;

namespace Sim.Workloads.Tests.Generators;

[TestFixture]
public sealed class GeneratorTests
{
    private static IEnumerable<string> Names => GeneratorCatalogue.All.Entries.Select(entry => entry.Name);

    [TestCaseSource(nameof(Names))]
    public void Every_generator_makes_the_accesses_asked_for_in_a_trace_that_verifies(string name)
    {
        byte[] file = Generate(name, "accesses=20000");
        TraceSummary summary = TraceSummary.Of(Open(file));
        Assert.That(summary.References, Is.EqualTo(20_000));
        Assert.That(TraceVerifier.Run(Open(file)).Findings, Is.Empty);
        Assert.That(summary.Header.Properties["generator"], Is.EqualTo(name));
        Assert.That(summary.Header.Properties["spec"], Does.Contain("accesses=20000").And.Contain("seed=1"));
    }

    [TestCaseSource(nameof(Names))]
    public void The_spec_in_the_header_makes_the_same_bytes_again(string name)
    {
        byte[] file = Generate(name, "accesses=5000", "seed=42");
        string[] words = Open(file).Header.Properties["spec"].Split(' ');
        Assert.That(SHA256.HashData(Generate(name, words)), Is.EqualTo(SHA256.HashData(file)));
    }

    [TestCase("uniform-pages")]
    [TestCase("zipf-pages")]
    [TestCase("pointer-chase")]
    [TestCase("nested-ping-pong")]
    [TestCase("multi-process")]
    public void Another_seed_makes_another_trace(string name) =>
        Assert.That(Generate(name, "accesses=5000", "seed=1").AsSpan(^2000..).SequenceEqual(Generate(name, "accesses=5000", "seed=2").AsSpan(^2000..)), Is.False);

    [Test]
    public void Cycles_per_access_are_exact_over_any_length()
    {
        TraceSummary summary = TraceSummary.Of(Open(Generate("round-robin", "accesses=1000001", "cpi=7/3")));
        Assert.That(summary.LastTime, Is.EqualTo(1_000_000UL * 7 / 3));
        Assert.That(summary.Header.CyclesPerRecordTick, Is.EqualTo("7/3"));
    }

    [Test]
    public void Pointer_chase_visits_every_page_once_before_it_repeats()
    {
        using MemoryTrace trace = Memory("pointer-chase", "accesses=2000", "pages=1000");
        TraceBlock block = new();
        trace.Read(block);
        ulong[] pages = [.. block.Address.Take(2000).Select(address => address >> 12)];
        Assert.That(pages[..1000].Distinct().Count(), Is.EqualTo(1000));
        Assert.That(pages[1000..], Is.EqualTo(pages[..1000]));
    }

    [Test]
    public void Zipf_with_exponent_1_takes_the_hottest_page_twice_as_often_as_the_second()
    {
        using MemoryTrace trace = Memory("zipf-pages", "accesses=30000", "pages=64");
        TraceBlock block = new();
        trace.Read(block);
        int[] counts = [.. block.Address.Take(30_000).GroupBy(address => address >> 12).Select(page => page.Count()).OrderDescending()];
        // 30,000 / H(64) = 30,000 / 4.7439 = 6324 and half of it; five standard deviations are 353 and 266.
        Assert.That(counts[0], Is.EqualTo(6324).Within(353));
        Assert.That(counts[1], Is.EqualTo(3162).Within(266));
    }

    [Test]
    public void Multi_process_keeps_entries_only_with_PCID_and_from_the_second_turn_on()
    {
        string[] with = Cr3(Memory("multi-process", "accesses=50", "processes=2", "switch-every=10"));
        string[] without = Cr3(Memory("multi-process", "accesses=50", "processes=2", "switch-every=10", "pcid=off"));
        Assert.That(with, Is.EqualTo(new[] { "1 0", "2 0", "1 1", "2 1", "1 1" }));
        Assert.That(without, Is.EqualTo(new[] { "0 0", "0 0", "0 0", "0 0", "0 0" }));
    }

    [TestCase("none", "0", "1000000")]
    [TestCase("same", "1", "1")]
    [TestCase("alternate", "1 2 3", "3")]
    public void Vpid12_follows_the_pattern(string pattern, string expected, string period)
    {
        using MemoryTrace trace = Memory("nested-ping-pong", "accesses=3000", "every=10", "l1-percent=100", $"vpid12={pattern}", "vpid12-count=3");
        TraceBlock block = new();
        trace.Read(block);
        TraceEvent[] entries = [.. block.Events.Take(block.EventCount).Where(e => e is { Kind: RecordKind.VmEnter, A: (ulong)TransitionKind.L1ToL2 })];
        ulong[] distinct = [.. entries.Select(e => e.D).Distinct()];
        Assert.That(string.Join(' ', distinct), Is.EqualTo(expected));
        int shown = Math.Min(entries.Length, int.Parse(period, System.Globalization.CultureInfo.InvariantCulture) * 2);
        Assert.That(entries.Take(shown).Select((e, i) => e.D == distinct[i % distinct.Length]), Is.All.True);
    }

    [TestCase("round-robbin", "", "Did you mean round-robin,")]
    [TestCase("round-robin", "page=3", "Did you mean pages,")]
    [TestCase("round-robin", "pages=0", "from 1 to 16777216")]
    [TestCase("round-robin", "pages=16777217", "from 1 to 16777216")]
    [TestCase("round-robin", "pages=3 pages=4", "given twice")]
    [TestCase("round-robin", "pages", "not key=value")]
    [TestCase("nested-ping-pong", "vpid12=sam", "Did you mean same,")]
    public void A_wrong_option_is_answered_with_what_is_possible(string name, string words, string part)
    {
        string[] split = words.Length == 0 ? [] : words.Split(' ');
        ConfigurationException error = Assert.Throws<ConfigurationException>(() => GeneratorCatalogue.Parse(name, split))!;
        Assert.That(error.Message, Does.Contain(part));
    }

    [TestCase("10k", 10_000UL)]
    [TestCase("16_777_216", 1UL << 24)]
    [TestCase("0x10", 16UL)]
    public void Numbers_may_be_written_short(string text, ulong expected) =>
        Assert.That(GeneratorCatalogue.Parse("round-robin", [$"pages={text}"]).Settings.Number("pages"), Is.EqualTo(expected));

    private static string[] Cr3(MemoryTrace trace)
    {
        TraceBlock block = new();
        trace.Read(block);
        return [.. block.Events.Take(block.EventCount).Where(e => e.Kind == RecordKind.SetCr3).Select(e => $"{e.B} {e.C}")];
    }

    private static MemoryTrace Memory(string name, params string[] words)
    {
        GeneratorSpec spec = GeneratorCatalogue.Parse(name, words);
        MemoryTrace trace = new(GeneratorCatalogue.Header(spec));
        GeneratorCatalogue.Generate(spec, trace);
        return trace;
    }

    private static TraceFile Open(byte[] file) => TraceFile.Open(new MemoryStream(file), "generated");

    private static byte[] Generate(string name, params string[] words)
    {
        GeneratorSpec spec = GeneratorCatalogue.Parse(name, words);
        MemoryStream bytes = new();
        using NativeTraceWriter writer = new(bytes, GeneratorCatalogue.Header(spec));
        GeneratorCatalogue.Generate(spec, writer);
        writer.Complete();
        return bytes.ToArray();
    }
}
