using Sim.Core;
using Sim.Core.Profiles;
using Sim.Core.Traces;
using Sim.Workloads.Weave;

namespace Sim.Workloads.Tests.Weave;

/// <summary>Exits of a named mix, for programs of which none were recorded.</summary>
[TestFixture]
public sealed class MixedExitsTests
{
    private const long Kilohertz = 3_000_000;

    [Test]
    public void Exits_come_at_the_rate_and_in_the_shares_of_the_mix()
    {
        List<TraceEvent> events = Events(Options("idle-timer") with { Exits = 20_000, Rate = 10_000 });
        ulong[] reasons = [.. Exits(events)];
        Assert.That(reasons, Has.Length.EqualTo(20_001), "all, and the one that ends the trace");
        Assert.That(reasons.Distinct(), Is.EquivalentTo(new ulong[] { 32, 12 }));
        Assert.That(reasons.Count(reason => reason == 32) / 20_000.0, Is.EqualTo(33 / 45.0).Within(0.02));

        ulong ran = 0;
        ulong entered = 0;
        foreach (TraceEvent e in events.Where(e => e.Kind is RecordKind.VmEnter or RecordKind.VmExit))
        {
            entered = e.Transition == TransitionKind.L0ToL2 ? e.Time : entered;
            ran += e.Transition == TransitionKind.L2ToL0 ? e.Time - entered : 0;
        }

        Assert.That(ran / 20_001.0, Is.EqualTo(300_000).Within(3).Percent, "3 GHz by 10,000 exits a second");
    }

    [Test]
    public void Those_of_L0_go_back_at_once_and_those_of_L1_through_L1()
    {
        List<TraceEvent> events = Events(Options("database") with { Exits = 300 });
        TransitionKind[] kinds = [.. events.Where(e => e.Kind is RecordKind.VmEnter or RecordKind.VmExit).Select(e => e.Transition)];
        int reflected = 0;
        int alone = 0;
        for (int i = 0; i + 1 < kinds.Length; i++)
        {
            if (kinds[i] == TransitionKind.L2ToL0)
            {
                Assert.That(kinds[i + 1], Is.EqualTo(TransitionKind.L2ToL1).Or.EqualTo(TransitionKind.L0ToL2));
                reflected += kinds[i + 1] == TransitionKind.L2ToL1 ? 1 : 0;
                alone += kinds[i + 1] == TransitionKind.L0ToL2 ? 1 : 0;
            }
        }

        Assert.That((reflected + alone, reflected > 4 * alone / 2, alone > 30), Is.EqualTo((300, true, true)));
        Assert.That(kinds.Count(kind => kind == TransitionKind.L1ToL2), Is.EqualTo(reflected + 1));
    }

    [Test]
    public void On_AMD_the_exits_are_SVM_s()
    {
        List<TraceEvent> events = Events(Options("web-server") with { Vendor = Vendor.Amd, Exits = 500 });
        Assert.That(Exits(events).Distinct().Order(), Is.EqualTo(new ulong[] { 0x60, 0x78, 0x7B, 0x7C, 0x400 }));
        Assert.That(events.Where(e => e.Kind == RecordKind.VmExit && e.Transition == TransitionKind.L1ToL0).Select(e => e.C).Distinct().Order(), Is.EqualTo(new ulong[] { 0x7C, 0x80 }));
    }

    [Test]
    public void The_same_seed_gives_the_same_exits_and_another_one_others()
    {
        Assert.That(Events(Options("database")), Is.EqualTo(Events(Options("database"))));
        Assert.That(Events(Options("database") with { Seed = 2 }), Is.Not.EqualTo(Events(Options("database"))));
    }

    [Test]
    public void What_was_put_in_is_said_and_what_is_assumed_too()
    {
        Assert.That(MixedExits.Make(Options("database")).Header.Doubts[0].Sentence, Is.EqualTo("no exits of this program were recorded: 10,000 a second of L2 in the shares of 'database', which are assumed, were put in"));
        Assert.That(MixedExits.Make(Options("cpuid-loop")).Header.Doubts[0].Sentence, Does.Not.Contain("assumed"));
    }

    [TestCase(0ul, 10)]
    [TestCase(3_000_000_001ul, 10)]
    [TestCase(1ul, 0)]
    [TestCase(1ul, 10_000_001)]
    public void Numbers_out_of_range_are_refused(ulong rate, int exits) =>
        Assert.Throws<ConfigurationException>(() => MixedExits.Make(Options("cpuid-loop") with { Rate = rate, Exits = exits }));

    [Test]
    public void Mixes_are_known_by_their_names_in_order() =>
        Assert.That(ExitMix.All.Select(mix => mix.Name), Is.EqualTo(new[] { "cpuid-loop", "database", "idle-timer", "web-server" }));

    [Test]
    public void An_unknown_mix_is_answered_with_the_nearest() =>
        Assert.That(Assert.Throws<ConfigurationException>(() => ExitMix.Of("databases"))!.Message, Does.Contain("database"));

    private static MixedExitOptions Options(string mix) => new() { Vendor = Vendor.Intel, Kilohertz = Kilohertz, Rate = 10_000, Mix = ExitMix.Of(mix), Exits = 100 };

    private static IEnumerable<ulong> Exits(List<TraceEvent> events) => events.Where(e => e.Kind == RecordKind.VmExit && e.Transition == TransitionKind.L2ToL0).Select(e => e.C);

    private static List<TraceEvent> Events(MixedExitOptions options)
    {
        using MemoryTrace trace = MixedExits.Make(options);
        List<TraceEvent> events = [];
        TraceBlock block = new();
        while (trace.Read(block))
        {
            events.AddRange(block.Events.AsSpan(0, block.EventCount));
        }

        return events;
    }
}
