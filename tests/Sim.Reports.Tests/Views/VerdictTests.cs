using Sim.Core.Stats;
using Sim.Reports.Results;
using Sim.Reports.Views;

namespace Sim.Reports.Tests.Views;

/// <summary>The first sentence of a report. The first run is the reference.</summary>
public sealed class VerdictTests
{
    private static readonly SafetyVerdict Safe = new([], 3);
    private static readonly SafetyVerdict Stale = new([new SafetyFinding("stale_use", 12, ["mapped", "changed", "used"])], 0);

    [Test]
    public void The_cheapest_safe_policy_wins_and_the_change_is_against_the_reference()
    {
        Verdict verdict = Of(("a", 1_000, Safe), ("b", 900, Safe), ("c", 1_100, Safe));

        Assert.That(verdict.Headline, Is.EqualTo("b is cheapest: 10.0% less than a; safe on this trace."));
        Assert.That(verdict.Sentences, Is.EqualTo(new[] { "b costs 9.000 cycles per nested transition, the trace's own included.", "a 11.1% and c 22.2% more." }));
    }

    [Test]
    public void An_unsafe_policy_does_not_win_however_cheap_and_its_story_is_counted()
    {
        Verdict verdict = Of(("a", 1_000, Safe), ("b", 500, Stale), ("c", 2_000, Safe));

        Assert.That(verdict.Headline, Is.EqualTo("a, the reference, is cheapest; safe on this trace."));
        Assert.That(verdict.Sentences, Does.Contain("b (50.0% cheaper) is no choice: unsafe, 12 stale use."));
        Assert.That(verdict.Standings.Select(standing => standing.Judgement), Is.EqualTo(new[] { Judgement.Safe, Judgement.Unsafe, Judgement.Safe }));
    }

    [Test]
    public void What_was_found_safe_goes_before_what_nobody_judged()
    {
        Verdict verdict = Of(("a", 1_000, null), ("b", 1_500, Safe));

        Assert.That(verdict.Headline, Is.EqualTo("b is the only policy to choose from, 50.0% more than a; safe on this trace."));
        Assert.That(verdict.Sentences, Has.Some.Contains("Safety was not judged for every policy"));
    }

    [Test]
    public void Without_an_oracle_the_headline_says_so_and_never_is_no_choice()
    {
        Verdict verdict = Of(("a", 1_000, null), ("never", 100, null), ("c", 1_100, null));

        Assert.That(verdict.Headline, Is.EqualTo("a, the reference, is cheapest; safety not judged."));
        Assert.That(verdict.Sentences, Does.Contain("never (90.0% cheaper) is no choice: a yardstick, unsafe by design."));
    }

    [Test]
    public void Never_is_no_choice_even_where_nothing_went_wrong()
    {
        Verdict verdict = Of(("a", 1_000, Safe), ("never", 100, Safe));

        Assert.That(verdict.Headline, Is.EqualTo("a is the only policy to choose from: safe on this trace."));
        Assert.That(verdict.Sentences, Does.Contain("never (90.0% cheaper) is no choice: a yardstick; that nothing went wrong on this trace is no promise."));
        Assert.That(verdict.Standings[1].Judgement, Is.EqualTo(Judgement.Yardstick));
        Assert.That(Of(("a", 1_000, Safe), ("never", 100, Stale)).Standings[1].Judgement, Is.EqualTo(Judgement.Unsafe), "what the oracle saw goes first");
    }

    [Test]
    public void Many_runs_are_counted_instead_of_named()
    {
        Verdict verdict = Of([("a", 1_000, Safe), .. Enumerable.Range(1, 7).Select(i => ($"b{i}", 1_000L + (100 * i), (SafetyVerdict?)Safe)), ("never", 1_200, Safe), ("x", 1, Stale), ("y", 2_000, Stale)]);

        Assert.That(verdict.Sentences, Is.EqualTo(new[]
        {
            "a costs 10.00 cycles per nested transition, the trace's own included.",
            "7 others cost 10.0% to 70.0% more.",
            "never is no choice: a yardstick; that nothing went wrong on this trace is no promise.",
            "x (99.9% cheaper) and y are no choice: unsafe, 12 stale use.",
        }));
    }

    [TestCase(1_000_999, "a and c cost practically the same (less than 0.1% more).")]
    [TestCase(1_001_000, "a costs practically the same (less than 0.1% more).")]
    public void Less_than_a_thousandth_more_is_practically_the_same(long cycles, string sentence) =>
        Assert.That(Of(("a", 1_000_000, Safe), ("b", 1_000_000 - 1, Safe), ("c", cycles - 1, Safe)).Sentences[1], Is.EqualTo(sentence));

    [Test]
    public void A_tie_with_the_reference_is_won_by_the_reference_if_it_comes_first() =>
        Assert.That(Of(("a", 1_000, Safe), ("b", 1_000, Safe)).Headline, Is.EqualTo("a, the reference, is cheapest; safe on this trace."));

    [Test]
    public void If_nothing_is_safe_that_is_the_answer() =>
        Assert.That(Of(("a", 1_000, Stale), ("b", 900, Stale)).Headline, Is.EqualTo("No policy here is safe to use."));

    [Test]
    public void Failed_runs_are_no_policy_to_choose()
    {
        RunSet set = Sample.Set() with { Runs = [new RunResult("a", "a", new StatSheet(), [], new RunFailure(4, "x"))] };

        Assert.That(Verdict.Of(set).Headline, Is.EqualTo("Every run failed."));
        Assert.That(Verdict.Of(Sample.Set()).Standings[2], Has.Property(nameof(Standing.Cycles)).Null.And.Property(nameof(Standing.Judgement)).EqualTo(Judgement.Failed));
    }

    private static Verdict Of(params (string Name, long Cycles, SafetyVerdict? Safety)[] runs) => Verdict.Of(Sample.Set() with
    {
        Runs = [.. runs.Select(run => new RunResult(run.Name, run.Name, Sheet(run.Cycles), [], null, run.Safety))],
    });

    private static StatSheet Sheet(long cycles)
    {
        StatSheet sheet = new();
        sheet.Counter("cycles.trace", "cycles", "T.", cycles);
        sheet.Counter("vm.nested_entries", "transitions", "E.", 100);
        return sheet;
    }
}
