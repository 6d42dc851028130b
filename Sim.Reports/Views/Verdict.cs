using Sim.Core.Stats;
using Sim.Reports.Results;

namespace Sim.Reports.Views;

/// <summary>What is known about a run's safety.</summary>
public enum Judgement
{
    /// <summary>The oracle watched, something could have gone wrong, and nothing did.</summary>
    Safe,

    /// <summary>The oracle watched, and nothing could have gone wrong.</summary>
    NotExercised,

    /// <summary>Interrupts were delivered and none went wrong; no translation could have gone wrong.</summary>
    InterruptsSafe,

    /// <summary>The oracle saw something wrong.</summary>
    Unsafe,

    /// <summary>Nobody watched.</summary>
    NotJudged,

    /// <summary>The run has no result.</summary>
    Failed,
}

/// <summary>Where one run stands.</summary>
/// <param name="Run">The run.</param>
/// <param name="Judgement">What is known about its safety.</param>
/// <param name="Cycles">All cycles of the measured window; null if the run failed.</param>
public sealed record Standing(RunResult Run, Judgement Judgement, double? Cycles)
{
    /// <summary>It may be recommended: it has a result, nothing went wrong, its policy is no yardstick and has no known hole.</summary>
    public bool IsChoice => Judgement is not (Judgement.Failed or Judgement.Unsafe) && !Run.IsYardstick && Run.Holes.Count == 0;

    /// <summary>Its safety in a word or two.</summary>
    public string SafetyWord => Judgement switch
    {
        Judgement.Safe => "safe",
        Judgement.NotExercised => "not exercised",
        Judgement.InterruptsSafe => "irqs only",
        Judgement.Unsafe => "UNSAFE",
        Judgement.NotJudged => "not judged",
        _ => "failed",
    };

    /// <summary>Whether it can be chosen, and if not why, in a word: <c>yes</c>, <c>yardstick</c>, <c>H5+3</c> for four holes, <c>unsafe</c>, <c>failed</c>.</summary>
    public string ChoiceWord => this switch
    {
        { Judgement: Judgement.Failed } => "failed",
        { Run.IsYardstick: true } => "yardstick",
        { Run.Holes: [var hole] } => hole.Id,
        { Run.Holes: [var hole, ..] } => $"{hole.Id}+{Run.Holes.Count - 1}",
        { Judgement: Judgement.Unsafe } => "unsafe",
        _ => "yes",
    };
}

/// <summary>The answer that a result begins and ends with: which policy, at what price, safe or not.</summary>
/// <param name="Sentence">The answer in one sentence.</param>
/// <param name="Reason">Which misses and which flushes make the difference, in one line; empty if there is nothing to compare.</param>
/// <param name="Notes">Why others cannot be chosen, a line each; of a sweep, the answer at each point.</param>
/// <param name="Standings">Every run, in the order of the set.</param>
public sealed record Verdict(string Sentence, string Reason, IReadOnlyList<string> Notes, IReadOnlyList<Standing> Standings)
{
    private const string Seed = "machine.seed";

    /// <summary>More runs than these are counted instead of named.</summary>
    private const int Named = 4;

    /// <summary>The answer of a result set. Points of a sweep do not compete: each has its own.</summary>
    public static Verdict Of(RunSet set)
    {
        (string Point, RunSet Set)[] points = PointsOf(set);
        return points.Length == 1 ? OfPoint(points[0].Set) : OfSweep(points);
    }

    /// <summary>The values of the swept parameters that a run is at; empty if nothing is swept. A seed that is repeated is no parameter.</summary>
    internal static string PointOf(RunResult run) => string.Join(' ', run.Parameters.Where(parameter => parameter.Path != Seed).Select(parameter => $"{parameter.Path}={parameter.Value}"));

    private static (string Point, RunSet Set)[] PointsOf(RunSet set) =>
        [.. set.Runs.GroupBy(PointOf, StringComparer.Ordinal).Select(point => (point.Key, set with { Runs = [.. point] }))];

    private static Verdict OfSweep((string Point, RunSet Set)[] points)
    {
        Verdict[] verdicts = [.. points.Select(point => OfPoint(point.Set))];
        string[] answers = [.. verdicts.Select(verdict => verdict.Sentence.TrimEnd('.')).Distinct(StringComparer.Ordinal)];
        string sentence = answers.Length == 1
            ? $"At each of {points.Length} points: {answers[0]}."
            : $"{points.Length} points, {answers.Length} different answers: " + string.Join("; ", Best(verdicts).Select(best => $"{best.Name} at {best.Count}")) + ".";
        return new Verdict(sentence, "", [.. points.Zip(verdicts, (point, verdict) => $"{InertText.OneLine(point.Point)}: {verdict.Sentence}")], [.. verdicts.SelectMany(verdict => verdict.Standings)]);
    }

    /// <summary>What is recommended at how many points, in order of first appearance.</summary>
    private static IEnumerable<(string Name, int Count)> Best(Verdict[] verdicts) => verdicts
        .Select(verdict => verdict.Standings.Where(standing => standing.IsChoice).MinBy(standing => standing.Cycles) is { } best ? best.Run.Case : "none")
        .GroupBy(name => name, StringComparer.Ordinal).Select(group => (InertText.OneLine(group.Key), group.Count()));

    private static Verdict OfPoint(RunSet set)
    {
        Standing[] standings = [.. set.Runs.Select(run => new Standing(run, Judge(run, set.Runs), run.Failure is null ? Figures.TotalCycles(run.Statistics) : null))];
        Standing[] told = [.. standings.GroupBy(standing => standing.Run.Case, StringComparer.Ordinal).Select(OfSeeds)];
        return new Verdict(SentenceOf(set, told), ReasonOf(set, told), [.. NotesOf(told)], standings);
    }

    /// <summary>What is known about the safety of a run.</summary>
    /// <param name="run">The run.</param>
    /// <param name="compared">The runs that are compared with it, itself among them: one page that a hypervisor could have got wrong is enough for all, whichever run came to see it.</param>
    internal static Judgement Judge(RunResult run, IReadOnlyList<RunResult> compared) => run switch
    {
        { Failure: not null } => Judgement.Failed,
        { Safety: null } => Judgement.NotJudged,
        { Safety.IsSafe: false } => Judgement.Unsafe,
        _ => compared.Any(other => other.Safety is { } safety && (safety.Exercised || safety.Findings.Any(finding => finding.IsAboutTranslations))) ? Judgement.Safe : run.InterruptPath is not null && InterruptFigures.Sent(run.Statistics) > 0 ? Judgement.InterruptsSafe : Judgement.NotExercised,
    };

    /// <summary>One for all repetitions with other seeds: the first, or the first that went wrong.</summary>
    private static Standing OfSeeds(IEnumerable<Standing> repetitions) =>
        repetitions.FirstOrDefault(standing => standing.Judgement is Judgement.Unsafe or Judgement.Failed) ?? repetitions.First();

    private static string SentenceOf(RunSet set, Standing[] standings)
    {
        Standing[] good = [.. standings.Where(standing => standing.Judgement != Judgement.Failed)];
        if (good.Length == 0)
        {
            return "Every run failed.";
        }

        // What the oracle found safe goes before what nobody judged.
        Standing[] choices = [.. standings.Where(standing => standing.IsChoice)];
        choices = choices.Any(standing => standing.Judgement != Judgement.NotJudged) ? [.. choices.Where(standing => standing.Judgement != Judgement.NotJudged)] : choices;
        List<string> clauses = [good.Length == 1 ? CostOf(good[0]) : choices.Length == 0 ? "No policy here can be recommended" : Answer(set, choices)];
        AddHindrance(clauses, "holes", [.. good.Where(standing => standing.Run.Holes.Count > 0 && !standing.Run.IsYardstick).Select(standing => $"{Name(standing)} ({standing.ChoiceWord})")]);
        AddHindrance(clauses, "unsafe on this trace", [.. good.Where(standing => standing.Judgement == Judgement.Unsafe && (!standing.Run.IsYardstick || good.Length == 1)).Select(Name)]);
        if (choices.Length == 0)
        {
            AddHindrance(clauses, "yardsticks", [.. good.Where(standing => standing.Run.IsYardstick).Select(Name)]);
        }

        clauses.Add(SafetyClause(choices.Length == 0 ? good : choices));
        return string.Join("; ", clauses.Where(clause => clause.Length > 0)) + ".";
    }

    /// <summary>Who is recommended, and at what price.</summary>
    private static string Answer(RunSet set, Standing[] choices)
    {
        Standing cheapest = choices.MinBy(standing => standing.Cycles)!;
        Standing[] best = [.. choices.Where(standing => standing == cheapest || Price.IsSame(set, standing.Run, cheapest.Run))];
        string answer = choices.Length == 1 ? $"{Name(cheapest)} is the only choice"
            : best.Length == 1 ? $"{Name(cheapest)} is cheapest"
            : best.Length == choices.Length ? $"{NamesOf(best)} cost the same"
            : $"{NamesOf(best)} are cheapest, at the same cost";
        RunResult reference = set.Reference;
        return reference.Failure is not null ? $"{answer}; the reference {InertText.OneLine(reference.Case)} failed"
            : best.Any(standing => standing.Run.Case == reference.Case) ? answer + AgainstNext(set, choices, best)
            : $"{answer}, {Price.Difference(set, cheapest.Run, reference)}";
    }

    /// <summary>What the only run costs.</summary>
    private static string CostOf(Standing run) =>
        $"{Name(run)} costs {Price.Each(run.Run.Statistics, Figures.AddedCycles)} cycles beyond the trace's own{(Figures.NestedTransitions(run.Run.Statistics) > 0 ? " per nested transition" : "")}{(run.IsChoice ? "" : ", and is no choice")}";

    /// <summary>Where the reference is best: how much the next choice costs.</summary>
    private static string AgainstNext(RunSet set, Standing[] choices, Standing[] best) =>
        choices.Except(best).MinBy(standing => standing.Cycles) is { } next ? $", {Price.Difference(set, best[0].Run, next.Run)}" : "";

    private static void AddHindrance(List<string> clauses, string what, string[] names)
    {
        if (names.Length > 0)
        {
            clauses.Add($"{what}: {(names.Length > Named ? $"{names.Length} runs" : string.Join(", ", names))}");
        }
    }

    private static string SafetyClause(Standing[] standings) =>
        standings.All(standing => standing.Judgement == Judgement.Unsafe) ? ""
        : standings.Any(standing => standing.Judgement == Judgement.NotJudged) ? "safety was not judged"
        : standings.Any(standing => standing.Judgement == Judgement.NotExercised) ? "safety not exercised"
        : standings.Any(standing => standing.Judgement == Judgement.InterruptsSafe) ? "no interrupt went wrong, safety of translations not exercised"
        : standings.Any(standing => standing.IsChoice) ? "safe on this trace" : "";

    /// <summary>The reference, or if it costs what the best choice does the dearest run, against the best choice: which misses, which flushes.</summary>
    private static string ReasonOf(RunSet set, Standing[] standings)
    {
        Standing[] good = [.. standings.Where(standing => standing.Cycles is not null)];
        Standing? best = good.Where(standing => standing.IsChoice).MinBy(standing => standing.Cycles) ?? good.MinBy(standing => standing.Cycles);
        Standing? other = good.FirstOrDefault(standing => standing.Run.Case == set.Reference.Case);
        other = other is null || best is null || other == best || Price.IsSame(set, other.Run, best.Run) ? good.MaxBy(standing => standing.Cycles) : other;
        if (best is null || other is null || good.Length < 2)
        {
            return "";
        }

        if (other == best || Price.IsSame(set, other.Run, best.Run))
        {
            return "All runs cost the same: what sets their policies apart does not come up in this trace.";
        }

        (string cause, long misses) = LargestDifference(Figures.FlushedByCause(other.Run.Statistics), Figures.FlushedByCause(best.Run.Statistics));
        string behind = misses == 0 ? "" : $" (mostly {CauseInWords(cause)})";
        return $"{(Figures.NestedTransitions(best.Run.Statistics) > 0 ? "Why, per nested transition" : "Why")}: {Name(other)} has {Each(other, Figures.Flushed)} misses after flushes{behind}, {Name(best)} {Each(best, Figures.Flushed)}; "
            + $"flushes {Each(other, Figures.Flushes)} and {Each(best, Figures.Flushes)}.";
    }

    /// <summary>A figure as a sentence needs it: three digits.</summary>
    private static string Each(Standing standing, Func<StatSheet, double?> figure)
    {
        StatSheet sheet = standing.Run.Statistics;
        double value = (Figures.NestedTransitions(sheet) > 0 ? Figures.PerTransition(sheet, figure) : figure(sheet)) ?? 0;
        return new Bracket(value, value).Ends();
    }

    /// <summary>The key under which two counts differ most; ties in ordinal order.</summary>
    private static (string Key, long Difference) LargestDifference(SortedDictionary<string, long> counts, SortedDictionary<string, long> others) => counts.Keys.Union(others.Keys)
        .Select(key => (key, counts.GetValueOrDefault(key) - others.GetValueOrDefault(key)))
        .OrderByDescending(pair => Math.Abs(pair.Item2)).ThenBy(pair => pair.key, StringComparer.Ordinal).FirstOrDefault(("", 0L));

    /// <summary>A cause's label, <c>invalidation=I,transition=T,rule=R</c>, as <c>I at T</c>.</summary>
    private static string CauseInWords(string label) => InertText.OneLine($"{StatQuery.Value(label, "invalidation")} at {StatQuery.Value(label, "transition")}");

    /// <summary>One line for those policies that have the same holes and are not recommended for them, and for each run that went wrong.</summary>
    private static IEnumerable<string> NotesOf(Standing[] standings)
    {
        foreach (IGrouping<string, Standing> alike in standings.Where(standing => standing.Run.Holes.Count > 0 && !standing.Run.IsYardstick)
            .GroupBy(standing => string.Join(", ", standing.Run.Holes.Select(hole => hole.Id)), StringComparer.Ordinal))
        {
            PolicyHole hole = alike.First().Run.Holes[0];
            string others = string.Join(", ", alike.First().Run.Holes.Skip(1).Select(other => other.Id));
            yield return InertText.OneLine($"{string.Join(", ", alike.Select(standing => standing.Run.Case).Distinct())}: {hole.Id}{(hole.WithoutEpt ? ", without EPT in L0" : "")}: {hole.Meaning}{(hole.Scenario.Length == 0 ? "" : $" ({hole.Scenario})")}{(others.Length == 0 ? "" : $"; {others}")}.");
        }

        foreach (Standing standing in standings.Where(standing => standing.Judgement == Judgement.Unsafe))
        {
            yield return $"{Name(standing)}: unsafe on this trace: {string.Join(", ", standing.Run.Safety!.Findings.Select(finding => $"{Numbers.Whole(finding.Count)} {InertText.OneLine(finding.Kind).Replace('_', ' ')}"))}.";
        }
    }

    private static string Name(Standing standing) => InertText.OneLine(standing.Run.Case);

    private static string NamesOf(Standing[] standings)
    {
        string[] all = [.. standings.Select(Name)];
        return all.Length == 1 ? all[0] : all.Length > Named ? $"{all[0]} and {all.Length - 1} others" : $"{string.Join(", ", all[..^1])} and {all[^1]}";
    }
}
