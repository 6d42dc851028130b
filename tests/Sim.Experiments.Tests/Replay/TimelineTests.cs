using System.Globalization;
using System.Text.Json;
using Sim.Core;
using Sim.Core.Architecture;
using Sim.Core.Traces;
using Sim.Reports.Results;
using Sim.Reports.Timelines;
using Sim.Workloads;

namespace Sim.Experiments.Tests.Replay;

/// <summary>What <c>run --timeline</c> writes.</summary>
public sealed class TimelineTests
{
    private const uint Cpuid = (uint)VmxExit.Cpuid;
    private const uint Vmresume = (uint)VmxExit.Vmresume;
    private static readonly string Sqlite = RepositoryFolder.Of("traces", "nested-sqlite-vpid-new.nst.gz");

    private string _folder = "";

    [SetUp]
    public void MakeFolder() => _folder = Directory.CreateTempSubdirectory().FullName;

    [TearDown]
    public void DeleteFolder() => Directory.Delete(_folder, recursive: true);

    [Test]
    public void A_nested_round_trip_is_told_in_slices_and_instants()
    {
        JsonElement[] events = Timeline(RoundTrip(), "always-guest");

        Assert.That(events.Where(e => Word(e, "ph") == "X").Select(e => $"{Cycle(e)}+{Cycles(e, "dur")} {Word(e, "name")}"), Is.EqualTo(new[]
        {
            "10+90 L0", "100+900 L1 vCPU 0", "1000+500 L0: VMRESUME from L1", "1500+1500 L2 vCPU 0", "3000+1000 L0: CPUID from L2", "4000+6000 L1 vCPU 0",
        }));
        Assert.That(events.Where(e => Word(e, "cat") is "nested" or "mark").Select(e => $"{Cycle(e)} {Word(e, "name")}"), Is.EqualTo(new[] { "1200 nested VM-entry", "3500 nested VM-exit", "9000 the end" }));
        JsonElement flush = events.Single(e => Word(e, "cat") == "flush" && Word(Arguments(e), "decided_at") == "nested_entry" && Word(e, "name") == "invvpid_single");
        Assert.That(Word(Arguments(flush), "rule"), Is.EqualTo("every_transition"));
        Assert.That(Cycle(flush), Is.InRange(1200, 1500), "requested at the nested entry, executed before the next real one");
    }

    [Test]
    public void An_interrupt_is_an_arrow_to_its_end_and_equal_ones_that_wait_are_merged()
    {
        MemoryTrace trace = new();
        TraceAppender appender = new(trace, 1);
        appender.Event(0, TraceEvent.VmEnter(0, TransitionKind.L0ToL1, 3));
        appender.Event(0, Interrupt(10, vector: 0x41, vcpu: 3));
        appender.Event(0, Interrupt(20, vector: 0x41, vcpu: 3));
        appender.Event(0, Interrupt(30, vector: 0x42, vcpu: 3));
        appender.Event(0, new TraceEvent { Time = 50, Kind = RecordKind.Eoi, Level = 1, A = 0x41 });
        appender.Event(0, new TraceEvent { Time = 60, Kind = RecordKind.Eoi, Level = 1, A = 0x43 });
        appender.Complete();

        JsonElement[] events = Timeline(trace, "never");

        Assert.That(events.Where(e => Word(e, "cat") == "flow").Select(e => $"{Word(e, "ph")} {e.GetProperty("id")} {Word(e, "name")}"), Is.EqualTo(new[]
        {
            "s 1 interrupt 0x41", "s 2 interrupt 0x41", "s 3 interrupt 0x42", "f 1 interrupt 0x41", "f 2 interrupt 0x41",
        }));
    }

    [Test]
    public void Only_the_measured_window_is_written_and_a_slice_that_began_before_it_begins_with_it()
    {
        JsonElement[] all = Timeline(RoundTrip(), "never");
        JsonElement[] some = Timeline(RoundTrip(), "never", ("windows.warm_up", "7"));

        Assert.That(some.Where(e => Word(e, "ph") == "X").Select(e => $"{Cycle(e)} {Word(e, "name")}").First(), Is.EqualTo("2000 L2 vCPU 0"), "record 7 is the first behind the warm-up");
        Assert.That(some.Length, Is.LessThan(all.Length));
    }

    [Test]
    public void Writing_a_timeline_changes_no_result()
    {
        RunConfiguration configuration = Configuration("kvm-6.12");
        RunSet plain = new Experiment(configuration).Run(Sqlite);
        using ChromeTraceWriter writer = new(At("t.json"), "t", 3_000_000);
        RunSet told = new Experiment(configuration) { Timeline = writer }.Run(Sqlite);

        Assert.That(RunSetJson.ToText(told, withSession: false), Is.EqualTo(RunSetJson.ToText(plain, withSession: false)));
    }

    [Test]
    public void A_real_trace_gives_a_timeline_that_obeys_the_format()
    {
        using (ChromeTraceWriter writer = new(At("t.json"), "t", 3_000_000))
        {
            new Experiment(Configuration("kvm-6.12", ("windows.measure", "200K"))) { Timeline = writer }.Run(Sqlite);
            writer.Complete();
        }

        JsonElement[] events = [.. JsonDocument.Parse(File.ReadAllText(At("t.json"))).RootElement.GetProperty("traceEvents").EnumerateArray()];

        Assert.That(events.Select(e => Word(e, "ph")).Distinct(), Is.EquivalentTo(new[] { "M", "X", "i", "C" }));
        Assert.That(events.Where(e => Word(e, "ph") != "M").Select(e => e.GetProperty("ts").GetDecimal()), Has.All.GreaterThanOrEqualTo(0));
        Assert.That(events.Where(e => Word(e, "ph") == "i").Select(e => Word(e, "s")), Has.All.AnyOf("t", "g"));
        foreach (IGrouping<int, JsonElement> lane in events.Where(e => Word(e, "ph") == "X").GroupBy(e => e.GetProperty("tid").GetInt32()))
        {
            decimal end = 0;
            foreach (JsonElement slice in lane)
            {
                Assert.That(slice.GetProperty("ts").GetDecimal(), Is.GreaterThanOrEqualTo(end), "slices of a lane do not overlap");
                end = slice.GetProperty("ts").GetDecimal() + slice.GetProperty("dur").GetDecimal();
            }
        }

        // 200,000 records make 20 samples of two counters.
        JsonElement[] counters = [.. events.Where(e => Word(e, "ph") == "C")];
        Assert.That(counters.Select(e => Word(e, "name")).Distinct(), Is.EqualTo(new[] { "lane 0: walks per 1000 accesses", "lane 0: TLB entries" }));
        Assert.That(counters, Has.Length.EqualTo(40));
    }

    [Test]
    public void A_sample_is_taken_at_the_end_of_a_window_that_does_not_end_with_one([Values("4", "13", "100")] string interval)
    {
        int samples = Timeline(RoundTrip(), "never", ("windows.interval", interval)).Count(e => Word(e, "name") == "lane 0: TLB entries");

        Assert.That(samples, Is.EqualTo(interval == "4" ? 4 : 1), "of 13 records");
    }

    [Test]
    public void The_same_run_gives_the_same_bytes() => Assert.That(Text(RoundTrip(), "always-guest"), Is.EqualTo(Text(RoundTrip(), "always-guest")));

    [Test]
    public void Several_runs_have_no_common_timeline()
    {
        using ChromeTraceWriter writer = new(At("t.json"), "t", 1);
        Experiment experiment = new(RunConfiguration.Load(null, [])) { Timeline = writer };

        Assert.That(() => experiment.Run(RoundTrip(), "t"), Throws.TypeOf<ConfigurationException>().With.Message.Contains("A timeline shows one run"));
    }

    /// <summary>Thirteen records: L0, L1, a nested entry, L2 with three accesses, a nested exit, L1, a mark.</summary>
    private static MemoryTrace RoundTrip()
    {
        MemoryTrace trace = new();
        TraceAppender appender = new(trace, 1);
        appender.Event(0, TraceEvent.SetCr3(10, 0, 0x10));
        appender.Event(0, TraceEvent.VmEnter(100, TransitionKind.L0ToL1, 0));
        appender.Event(0, TraceEvent.VmExit(1_000, TransitionKind.L1ToL0, 0, Vmresume));
        appender.Event(0, TraceEvent.NestedEnter(1_200, 0, 0x1000, VmControls.EnableVpid | VmControls.EnableEpt, 1, 0x2000));
        appender.Event(0, TraceEvent.VmEnter(1_500, TransitionKind.L0ToL2, 0));
        appender.Access(0, 1_600, 0x5000, AccessType.Read);
        appender.Access(0, 1_700, 0x6000, AccessType.Read);
        appender.Access(0, 2_000, 0x5000, AccessType.Read);
        appender.Event(0, TraceEvent.VmExit(3_000, TransitionKind.L2ToL0, 0, Cpuid));
        appender.Event(0, TraceEvent.VmExit(3_500, TransitionKind.L2ToL1, 0, Cpuid));
        appender.Event(0, TraceEvent.VmEnter(4_000, TransitionKind.L0ToL1, 0));
        appender.Event(0, TraceEvent.Mark(9_000, 1, "the end"));
        appender.Access(0, 10_000, 0x7000, AccessType.Read);
        appender.Complete();
        return trace;
    }

    private static TraceEvent Interrupt(ulong time, ulong vector, ulong vcpu) => new() { Time = time, Kind = RecordKind.Interrupt, A = 0, B = vector, C = vcpu, D = 1 };

    private string Text(MemoryTrace trace, string policy, params (string, string)[] settings)
    {
        using (ChromeTraceWriter writer = new(At("t.json"), "t", 3_000_000))
        {
            RunSet set = new Experiment(Configuration(policy, settings)) { Timeline = writer }.Run(trace, "t");
            Assert.That(set.Runs.Single().Failure, Is.Null);
            writer.Complete();
        }

        return File.ReadAllText(At("t.json"));
    }

    private JsonElement[] Timeline(MemoryTrace trace, string policy, params (string, string)[] settings) =>
        [.. JsonDocument.Parse(Text(trace, policy, settings)).RootElement.GetProperty("traceEvents").EnumerateArray()];

    private static RunConfiguration Configuration(string policy, params (string Path, string Value)[] settings) =>
        RunConfiguration.Load(null, [new Assignment("policies", $"[\"{policy}\"]", "test"), .. settings.Select(setting => new Assignment(setting.Path, setting.Value, "test"))]);

    private static string Word(JsonElement element, string member) => element.TryGetProperty(member, out JsonElement value) ? value.GetString() ?? "" : "";

    private static JsonElement Arguments(JsonElement element) => element.GetProperty("args");

    private static int Cycle(JsonElement element) => Arguments(element).GetProperty("cycle").GetInt32();

    private static string Cycles(JsonElement element, string member) => Math.Round(element.GetProperty(member).GetDecimal() * 3000).ToString(CultureInfo.InvariantCulture);

    private string At(string name) => Path.Combine(_folder, name);
}
