using Sim.Reports.Results;

namespace Sim.Reports.Views;

/// <summary>What is known about a run's safety.</summary>
public enum Judgement
{
    /// <summary>The oracle watched and nothing wrong happened.</summary>
    Safe,

    /// <summary>The oracle saw something wrong.</summary>
    Unsafe,

    /// <summary>The policy that never flushes: a bound and no proposal, even where the oracle saw nothing wrong.</summary>
    Yardstick,

    /// <summary>Nobody watched.</summary>
    NotJudged,

    /// <summary>The run has no result.</summary>
    Failed,
}

/// <summary>Where one run stands.</summary>
/// <param name="Run">The run.</param>
/// <param name="Judgement">Whether its policy may be used at all.</param>
/// <param name="Cycles">All cycles of the measured window; null if the run failed.</param>
public sealed record Standing(RunResult Run, Judgement Judgement, double? Cycles);

/// <summary>The answer that a report begins with: which policy, how much, safe or not, against what.</summary>
/// <param name="Headline">One short sentence.</param>
/// <param name="Sentences">What must be known beside it, in order of weight.</param>
/// <param name="Standings">Every run, in the order of the set.</param>
public sealed record Verdict(string Headline, IReadOnlyList<string> Sentences, IReadOnlyList<Standing> Standings)
{
    private const string Never = "never";

    /// <summary>Two costs that differ by less than this part are called practically the same.</summary>
    private const double Negligible = 0.001;

    /// <summary>More runs than these are counted instead of named, as in a sweep.</summary>
    private const int Named = 6;

    /// <summary>The answer of a result set.</summary>
    public static Verdict Of(RunSet set)
    {
        Standing[] standings = [.. set.Runs.Select(run => new Standing(run, Judge(run), run.Failure is null ? Figures.TotalCycles(run.Statistics) : null))];
        Standing reference = standings.First(standing => ReferenceEquals(standing.Run, set.Reference));
        Standing[] eligible = [.. standings.Where(standing => standing.Judgement is Judgement.Safe or Judgement.NotJudged)];
        if (eligible.Length == 0)
        {
            string none = standings.All(standing => standing.Judgement == Judgement.Failed) ? "Every run failed." : "No policy here is safe to use.";
            return new Verdict(none, [.. NoChoice(standings, null)], standings);
        }

        // What the oracle found safe goes before what nobody judged.
        Standing[] field = eligible.Any(standing => standing.Judgement == Judgement.Safe) ? [.. eligible.Where(standing => standing.Judgement == Judgement.Safe)] : eligible;
        Standing best = field.MinBy(standing => standing.Cycles)!;
        string safety = best.Judgement == Judgement.Safe ? "safe on this trace" : "safety not judged";
        List<string> sentences = [];
        if (Figures.TotalPerTransition(best.Run.Statistics) is { } each)
        {
            sentences.Add($"{Name(best)} costs {Numbers.Fraction(each)} cycles per nested transition, the trace's own included.");
        }

        AddOthers(sentences, best, [.. field.Where(standing => standing != best)]);
        sentences.AddRange(NoChoice(standings, best));
        if (eligible.Any(standing => standing.Judgement == Judgement.NotJudged))
        {
            sentences.Add("Safety was not judged for every policy: a cost without it is half an answer.");
        }

        return new Verdict(Answer(best, reference, field, safety), sentences, standings);
    }

    /// <summary>Whether a run's policy may be used.</summary>
    private static Judgement Judge(RunResult run) => run switch
    {
        { Failure: not null } => Judgement.Failed,
        { Safety.IsSafe: false } => Judgement.Unsafe,
        { Policy: Never } => Judgement.Yardstick,
        { Safety: not null } => Judgement.Safe,
        _ => Judgement.NotJudged,
    };

    private static string Answer(Standing best, Standing reference, Standing[] field, string safety)
    {
        if (field.Length == 1)
        {
            return best == reference ? $"{Name(best)} is the only policy to choose from: {safety}." : $"{Name(best)} is the only policy to choose from, {Against(best, reference)}; {safety}.";
        }

        return best == reference ? $"{Name(best)}, the reference, is cheapest; {safety}." : $"{Name(best)} is cheapest: {Against(best, reference)}; {safety}.";
    }

    private static string Against(Standing standing, Standing reference) => (standing.Cycles, reference.Cycles) switch
    {
        ({ } cycles, { } against) when cycles.Equals(against) => $"it costs exactly what {Name(reference)} does",
        ({ } cycles, { } against) when Math.Abs(cycles - against) < Negligible * against => $"practically the same as {Name(reference)} ({Numbers.Change(cycles, against)})",
        ({ } cycles, { } against) => $"{Numbers.Change(cycles, against).TrimStart('+', '-')} {(cycles < against ? "less" : "more")} than {Name(reference)}",
        _ => $"the reference {Name(reference)} failed",
    };

    private static void AddOthers(List<string> sentences, Standing best, Standing[] others)
    {
        Standing[] close = [.. others.Where(other => other.Cycles - best.Cycles < Negligible * best.Cycles)];
        Standing[] dearer = [.. others.Except(close).OrderBy(other => other.Cycles)];
        if (close.Length > 0)
        {
            sentences.Add($"{List(close.Select(Name))} cost{(close.Length == 1 ? "s" : "")} practically the same (less than 0.1% more).");
        }

        if (dearer.Length > Named)
        {
            sentences.Add($"{dearer.Length} others cost {Numbers.Change(dearer[0].Cycles, best.Cycles).TrimStart('+')} to {Numbers.Change(dearer[^1].Cycles, best.Cycles).TrimStart('+')} more.");
        }
        else if (dearer.Length > 0)
        {
            sentences.Add($"{List(dearer.Select(other => $"{Name(other)} {Numbers.Change(other.Cycles, best.Cycles).TrimStart('+')}"))} more.");
        }
    }

    /// <summary>One sentence for each reason why something is no choice.</summary>
    private static IEnumerable<string> NoChoice(Standing[] standings, Standing? best) => standings
        .Where(standing => standing.Judgement is Judgement.Unsafe or Judgement.Yardstick)
        .GroupBy(Why, StringComparer.Ordinal)
        .Select(group => (Reason: group.Key, Names: group.Select(standing => Name(standing) + Cheaper(standing, best)).ToArray()))
        .Select(group => group.Names.Length > Named
            ? $"{group.Names.Length} runs are no choice: {group.Reason}."
            : $"{List(group.Names)} {(group.Names.Length == 1 ? "is" : "are")} no choice: {group.Reason}.");

    private static string Why(Standing standing) => standing switch
    {
        { Run.Safety.IsSafe: false } => $"unsafe, {List(standing.Run.Safety.Findings.Select(finding => $"{Numbers.Whole(finding.Count)} {InertText.OneLine(finding.Kind).Replace('_', ' ')}"))}",
        { Run.Safety: not null } => "a yardstick; that nothing went wrong on this trace is no promise",
        _ => "a yardstick, unsafe by design",
    };

    private static string Cheaper(Standing standing, Standing? best) =>
        best is not null && standing.Cycles < best.Cycles ? $" ({Numbers.Change(standing.Cycles, best.Cycles).TrimStart('-')} cheaper)" : "";

    private static string Name(Standing standing) => InertText.OneLine(standing.Run.Run);

    private static string List(IEnumerable<string> items)
    {
        string[] all = [.. items];
        return all.Length < 2 ? string.Concat(all) : $"{string.Join(", ", all[..^1])} and {all[^1]}";
    }
}
