using Sim.Core.Stats;
using Sim.Reports.Analysers;
using Sim.Reports.Results;

namespace Sim.Reports.Tests.Analysers;

public sealed class SanityChecksTests
{
    private const int Reach = 1_600;

    [Test]
    public void Healthy_results_raise_no_hint() =>
        Assert.That(SanityChecks.Hints(Set(("a", Sample.Sheet(1_000, 100, 40, 200)), ("b", Sample.Sheet(1_000, 101, 40, 200))), Reach), Is.Empty);

    [TestCase(0, 200, "none of 1000 accesses missed")]
    [TestCase(1_000, 200, "every access missed (1000)")]
    [TestCase(100, 99, "only 99 nested transitions")]
    public void Suspicious_figures_raise_one_hint(int walks, int transitions, string hint) =>
        Assert.That(SanityChecks.Hints(Set(("a", Sample.Sheet(1_000, walks, 0, transitions))), Reach), Has.Exactly(1).Contains(hint));

    [Test]
    public void A_hundred_transitions_are_enough() => Assert.That(SanityChecks.Hints(Set(("a", Sample.Sheet(1_000, 100, 0, 100))), Reach), Is.Empty);

    [TestCase(1_599UL, 1)]
    [TestCase(1_600UL, 0)]
    [TestCase(0UL, 0)]
    public void A_warm_up_shorter_than_the_reach_is_said(ulong warmUp, int hints)
    {
        RunSet set = Set(("a", Sample.Sheet(1_000, 100, 40, 200)));
        set = set with { Provenance = set.Provenance with { Windows = new WindowCounts(0, warmUp, 300) } };

        Assert.That(SanityChecks.Hints(set, Reach), Has.Exactly(hints).Contains("warm-up"));
    }

    [TestCase(true, 1)]
    [TestCase(false, 0)]
    public void Equal_statistics_are_no_news_where_the_verdict_says_that_nothing_was_exercised(bool exercised, int hints)
    {
        RunSet set = Set(("a", Sample.Sheet(1_000, 100, 40, 200)), ("b", Sample.Sheet(1_000, 100, 40, 200)));
        set = set with { Runs = [.. set.Runs.Select(run => run with { Safety = new SafetyVerdict([], 0) { Exercised = exercised } })] };

        Assert.That(SanityChecks.Hints(set, Reach), Has.Exactly(hints).Contains("identical statistics"));
    }

    [Test]
    public void A_run_that_was_stopped_before_its_window_says_only_that()
    {
        RunSet set = Set(("a", new StatSheet()), ("b", new StatSheet()));
        set = set with { Partial = true, Provenance = set.Provenance with { Windows = new WindowCounts(0, 10, 0) } };

        Assert.That(SanityChecks.Hints(set, Reach), Is.EqualTo(new[] { "The run was interrupted: results cover only the 0 records of the measured window that were reached." }));
    }

    [Test]
    public void A_flushing_policy_that_never_flushed_is_said()
    {
        StatSheet quiet = new();
        quiet.Counter("lane[0].accesses", "accesses", "A.", 10);
        quiet.Counter("lane[0].stlb.misses", "walks", "W.", 5);
        quiet.Counter("vm.nested_entries", "transitions", "E.", 200);

        Assert.That(SanityChecks.Hints(Set(("always-guest", quiet)), Reach), Has.Exactly(1).Contains("no flush was requested in 200"));
        Assert.That(SanityChecks.Hints(Set(("never", quiet)), Reach), Has.None.Contains("no flush was requested"));
    }

    [Test]
    public void The_policy_that_never_flushes_is_called_unsafe()
    {
        StatSheet sheet = Sample.Sheet(1_000, 100, 40, 200);
        Assert.That(SanityChecks.Hints(Set(("never", sheet)), Reach), Has.Exactly(1).StartsWith("never: unsafe"));
        Assert.That(SanityChecks.Hints(Set(("kvm-6.12", sheet)), Reach), Is.Empty);
    }

    [Test]
    public void Two_policies_with_the_same_statistics_are_said()
    {
        StatSheet sheet = Sample.Sheet(1_000, 100, 40, 200);

        Assert.That(SanityChecks.Hints(Set(("a", sheet), ("b", Sample.Sheet(1_000, 100, 40, 200)), ("c", Sample.Sheet(1_000, 99, 40, 200))), Reach), Is.EqualTo(new[]
        {
            "a, b have identical statistics: the trace does not exercise what sets them apart.",
        }));
    }

    [TestCase(0, 0, "no interrupt was sent in the measured window")]
    [TestCase(5, 9, "5 of 9 interrupts are the trace's own, the others generated")]
    [TestCase(9, 9, null)]
    [TestCase(0, 9, null)]
    public void A_run_without_interrupts_and_one_that_mixes_recorded_and_generated_ones_are_said(long recorded, long sent, string? hint)
    {
        StatSheet sheet = Sample.Sheet(1_000, 100, 40, 200);
        sheet.Counter("trace.irq_sent", "records", "R.", recorded);
        sheet.Counter("irq.sent", "interrupts", "S.", sent, "level=1");
        RunSet set = Set(("a", sheet));

        Assert.That(SanityChecks.Hints(set, Reach), Is.Empty, "this run delivers none");
        Assert.That(string.Join('\n', SanityChecks.Hints(set with { Runs = [set.Runs[0] with { InterruptPath = "none" }] }, Reach)), hint is null ? Is.Empty : Does.StartWith($"a: {hint}").And.Not.Contain("\n"));
    }

    private static RunSet Set(params (string Policy, StatSheet Sheet)[] runs) => Sample.Set() with { Runs = [.. runs.Select(run => new RunResult(run.Policy, run.Policy, run.Sheet, []))] };
}
