using Sim.Core.Stats;
using Sim.Reports.Results;
using Sim.Reports.Views;

namespace Sim.Reports.Tests.Views;

/// <summary>The sentence that a result begins and ends with. The first run is the reference; every run has 100 nested transitions.</summary>
public sealed class VerdictTests
{
    private static readonly SafetyVerdict Safe = new([], 3);
    private static readonly SafetyVerdict NotExercised = new([], 0) { Exercised = false };
    private static readonly SafetyVerdict Stale = new([new SafetyFinding("stale_use", 12, ["mapped", "changed", "used"])], 0);

    [Test]
    public void The_cheapest_choice_wins_and_the_difference_is_against_the_reference() =>
        Assert.That(Of(Run("a", 1_000), Run("b", 900), Run("c", 1_100)).Sentence, Is.EqualTo("b is cheapest, 1.000 cycles less per nested transition than a; safe on this trace."));

    [Test]
    public void If_the_reference_wins_the_difference_is_against_the_next_choice() =>
        Assert.That(Of(Run("a", 1_000), Run("b", 1_500), Run("c", 1_100)).Sentence, Is.EqualTo("a is cheapest, 1.000 cycles less per nested transition than c; safe on this trace."));

    [Test]
    public void A_policy_with_a_known_hole_is_not_recommended_however_cheap_and_its_hole_is_named_with_its_scenario()
    {
        Verdict verdict = Of(
            Run("a", 900) with { Holes = [Hole("H5"), Hole("H1", withoutEpt: true), Hole("H2", withoutEpt: true)] },
            Run("b", 1_000),
            Run("c", 1_000) with { Holes = [Hole("H2", withoutEpt: true)] });

        Assert.That(verdict.Sentence, Is.EqualTo("b is the only choice, 1.000 cycles more per nested transition than a; holes: a (H5+2), c (H2); safe on this trace."));
        Assert.That(verdict.Notes, Is.EqualTo(new[] { "a: H5: meaning of H5 (hole-H5); H1, H2.", "c: H2, without EPT in L0: meaning of H2 (hole-H2)." }));
        Assert.That(verdict.Standings.Select(standing => standing.ChoiceWord), Is.EqualTo(new[] { "H5+2", "yes", "H2" }));
    }

    [Test]
    public void Policies_with_the_same_holes_have_one_note() =>
        Assert.That(Of(Run("a", 900) with { Holes = [Hole("H3"), Hole("H1")] }, Run("b", 900) with { Holes = [Hole("H3"), Hole("H1")] }, Run("c", 900) with { Holes = [Hole("H3")] }).Notes, Is.EqualTo(new[]
        {
            "a, b: H3: meaning of H3 (hole-H3); H1.", "c: H3: meaning of H3 (hole-H3).",
        }));

    [Test]
    public void An_unsafe_policy_does_not_win_and_what_went_wrong_is_counted()
    {
        Verdict verdict = Of(Run("a", 1_000), Run("b", 500, Stale), Run("c", 2_000));

        Assert.That(verdict.Sentence, Is.EqualTo("a is cheapest, 10.00 cycles less per nested transition than c; unsafe on this trace: b; safe on this trace."));
        Assert.That(verdict.Notes, Is.EqualTo(new[] { "b: unsafe on this trace: 12 stale use." }));
        Assert.That(verdict.Standings.Select(standing => standing.Judgement), Is.EqualTo(new[] { Judgement.Safe, Judgement.Unsafe, Judgement.Safe }));
    }

    [Test]
    public void A_yardstick_is_no_choice_and_no_warning_either()
    {
        Verdict verdict = Of(Run("a", 1_000), Run("never", 100, Stale) with { IsYardstick = true });

        Assert.That(verdict.Sentence, Is.EqualTo("a is the only choice; safe on this trace."));
        Assert.That(verdict.Standings.Select(standing => standing.ChoiceWord), Is.EqualTo(new[] { "yes", "yardstick" }));
    }

    [Test]
    public void A_trace_on_which_no_run_could_have_gone_wrong_does_not_call_anything_safe()
    {
        Verdict verdict = Of(Run("a", 1_000, NotExercised), Run("b", 900, NotExercised));

        Assert.That(verdict.Sentence, Does.EndWith("; safety not exercised."));
        Assert.That(verdict.Standings.Select(standing => standing.SafetyWord), Is.All.EqualTo("not exercised"));
    }

    [TestCase(false)]
    [TestCase(true)]
    public void What_one_run_exercised_was_exercised_for_all(bool found)
    {
        Verdict verdict = Of(Run("a", 1_000, NotExercised), Run("b", 900, found ? Stale : Safe) with { IsYardstick = true });

        Assert.That(verdict.Standings[0].Judgement, Is.EqualTo(Judgement.Safe));
        Assert.That(verdict.Sentence, Is.EqualTo("a is the only choice; safe on this trace."));
    }

    [TestCase(5, Judgement.InterruptsSafe, "no interrupt went wrong, safety of translations not exercised.")]
    [TestCase(0, Judgement.NotExercised, "safety not exercised.")]
    public void Interrupts_are_judged_where_translations_are_not_exercised_and_the_sentence_keeps_them_apart(long sent, Judgement judgement, string clause)
    {
        RunResult run = Run("a", 1_000, NotExercised) with { InterruptPath = "posted" };
        run.Statistics.Counter("irq.sent", "interrupts", "S.", sent, "level=1");

        Verdict verdict = Of(run);

        Assert.That(verdict.Standings[0].Judgement, Is.EqualTo(judgement));
        Assert.That(verdict.Sentence, Does.EndWith("; " + clause));
    }

    [Test]
    public void Without_an_oracle_the_sentence_says_so_and_what_was_judged_goes_before_what_was_not()
    {
        Assert.That(Of(Run("a", 1_000, null), Run("b", 1_100, null)).Sentence, Does.EndWith("; safety was not judged."));
        Assert.That(Of(Run("a", 1_000, null), Run("b", 1_500)).Sentence, Is.EqualTo("b is the only choice, 5.000 cycles more per nested transition than a; safe on this trace."));
    }

    [TestCase(1_000_000, 1_000_999, "a and b cost the same; safe on this trace.")]
    [TestCase(1_000_000, 1_001_000, "a is cheapest, 10.00 cycles less per nested transition than b; safe on this trace.")]
    [TestCase(1_000_999, 1_000_000, "a and b cost the same; safe on this trace.")]
    public void Costs_that_differ_by_less_than_a_thousandth_are_the_same(long reference, long other, string sentence) =>
        Assert.That(Of(Run("a", reference), Run("b", other)).Sentence, Is.EqualTo(sentence));

    [Test]
    public void Several_that_cost_the_same_are_named_together()
    {
        Assert.That(Of(Run("a", 2_000_000), Run("b", 1_000_000), Run("c", 1_000_001)).Sentence, Is.EqualTo("b and c are cheapest, at the same cost, 10,000.0 cycles less per nested transition than a; safe on this trace."));
        Assert.That(Of(Run("a", 1_000_000) with { Holes = [Hole("H5")] }, Run("b", 1_000_001)).Sentence, Does.StartWith("b is the only choice, at the cost of a; holes: a (H5)"));
        Assert.That(Of([.. Enumerable.Range(0, 6).Select(i => Run($"p{i}", 1_000))]).Sentence, Does.StartWith("p0 and 5 others cost the same"));
    }

    [Test]
    public void If_nothing_can_be_chosen_that_is_the_answer()
    {
        Assert.That(Of(Run("a", 1_000, Stale), Run("b", 900) with { Holes = [Hole("H1")] }, Run("y", 1) with { IsYardstick = true }).Sentence,
            Is.EqualTo("No policy here can be recommended; holes: b (H1); unsafe on this trace: a; yardsticks: y."));
        Assert.That(Of(Run("a", 1_000, NotExercised) with { Holes = [Hole("H1")] }).Sentence, Is.EqualTo("a costs 10.00 cycles beyond the trace's own per nested transition, and is no choice; holes: a (H1); safety not exercised."));
    }

    [Test]
    public void Points_of_a_sweep_do_not_compete_each_has_its_answer()
    {
        RunResult[] runs = [At("a", 1_000, 1), At("b", 900, 1), At("a", 1_000, 2), At("b", 1_100, 2)];
        Verdict verdict = Of(runs);

        Assert.That(verdict.Sentence, Is.EqualTo("2 points, 2 different answers: b at 1; a at 1."));
        Assert.That(verdict.Notes, Is.EqualTo(new[]
        {
            "ways=1: b is cheapest, 1.000 cycles less per nested transition than a; safe on this trace.",
            "ways=2: a is cheapest, 1.000 cycles less per nested transition than b; safe on this trace.",
        }));
        Assert.That(Of(runs[0], runs[1], At("a", 1_000, 2), At("b", 900, 2)).Sentence, Is.EqualTo("At each of 2 points: b is cheapest, 1.000 cycles less per nested transition than a; safe on this trace."));

        static RunResult At(string policy, long cycles, int ways) => Run(policy, cycles) with { Run = $"{policy} ways={ways}", Parameters = [new RunParameter("ways", $"{ways}")] };
    }

    [Test]
    public void Repetitions_with_other_seeds_are_one_policy()
    {
        RunResult[] runs = [.. new[] { 1, 2 }.SelectMany(seed => new[] { ("a", 1_000L), ("b", 900L) }.Select(run =>
            Run(run.Item1, run.Item2) with { Run = $"{run.Item1} machine.seed={seed}", Parameters = [new RunParameter("machine.seed", $"{seed}")] }))];

        Assert.That(Of(runs).Sentence, Is.EqualTo("b is cheapest, 1.000 cycles less per nested transition than a; safe on this trace."));
    }

    [Test]
    public void The_reason_is_the_misses_and_flushes_that_differ_most()
    {
        RunResult a = Run("a", 1_000);
        RunResult b = Run("b", 900);
        Flushed(a, 40, "invvpid_single", "nested_entry");
        Flushed(a, 500, "invept_single", "nested_exit");
        Flushed(b, 90, "invvpid_single", "nested_entry");

        Assert.That(Of(a, b).Reason, Is.EqualTo("Why, per nested transition: a has 5.4 misses after flushes (mostly invept_single at nested_exit), b 0.9; flushes 2 and 1."));
        Assert.That(Of(Run("a", 1_000), Run("b", 1_000)).Reason, Is.EqualTo("All runs cost the same: what sets their policies apart does not come up in this trace."));
        Assert.That(Of(Run("a", 1_000)).Reason, Is.Empty);

        static void Flushed(RunResult run, long walks, string invalidation, string transition)
        {
            string label = $"invalidation={invalidation},transition={transition},rule=r";
            run.Statistics.Counter("lane[0].walks.flushed", "walks", "F.", walks, label);
            run.Statistics.Counter("lane[0].invalidations", "invalidations", "I.", 100, label);
        }
    }

    [Test]
    public void Failed_runs_are_no_policy_to_choose()
    {
        RunSet set = Sample.Set() with { Runs = [new RunResult("a", "a", new StatSheet(), [], new RunFailure(4, "x"))] };

        Assert.That(Verdict.Of(set).Sentence, Is.EqualTo("Every run failed."));
        Assert.That(Verdict.Of(Sample.Set()).Standings[2], Has.Property(nameof(Standing.Cycles)).Null.And.Property(nameof(Standing.Judgement)).EqualTo(Judgement.Failed));
    }

    private static Verdict Of(params RunResult[] runs) => Verdict.Of(Sample.Set() with { Runs = runs });

    private static RunResult Run(string name, long cycles) => Run(name, cycles, Safe);

    private static RunResult Run(string name, long cycles, SafetyVerdict? safety)
    {
        StatSheet sheet = new();
        sheet.Counter("cycles.hypervisor", "cycles", "H.", cycles);
        sheet.Counter("vm.nested_entries", "transitions", "E.", 100);
        return new RunResult(name, name, sheet, [], null, safety);
    }

    private static PolicyHole Hole(string id, bool withoutEpt = false) => new(id, $"meaning of {id}", $"hole-{id}", withoutEpt);
}
