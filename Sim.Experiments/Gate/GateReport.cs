namespace Sim.Experiments;

/// <summary>What became of one metric.</summary>
public enum GateStatus
{
    /// <summary>The same number.</summary>
    Equal,

    /// <summary>Another number, tolerated.</summary>
    Within,

    /// <summary>Better by more than the tolerance. Passes; <c>--update</c> keeps the gain.</summary>
    Improved,

    /// <summary>A wall-clock number of another machine. Passes.</summary>
    Advisory,

    /// <summary>Worse by more than the tolerance, or changed where nothing may.</summary>
    Regressed,

    /// <summary>The baseline has it and the result does not.</summary>
    Missing,

    /// <summary>A rule asks for it and the baseline does not have it.</summary>
    New,

    /// <summary>Its unit is not the rule's, or not the baseline's.</summary>
    UnitChanged,

    /// <summary>The run failed, there are too few samples, or a rule fits nothing: it could not be judged.</summary>
    NotJudged,
}

/// <summary>The verdict about one metric.</summary>
/// <param name="Run">Name of the run; <c>session</c> for the wall clock, <c>baseline</c> for a rule that fits nothing.</param>
/// <param name="Metric">Name of the metric, or the rule's pattern.</param>
/// <param name="Status">What became of it.</param>
/// <param name="Message">One sentence with both numbers, the unit and the tolerance.</param>
/// <param name="Reason">Why it is gated.</param>
public sealed record GateOutcome(string Run, string Metric, GateStatus Status, string Message, string Reason)
{
    /// <summary>True if this makes the gate fail.</summary>
    public bool Fails => Status >= GateStatus.Regressed;
}

/// <summary>All verdicts: simulated metrics run by run, the wall clock, then rules that fit nothing.</summary>
/// <param name="Title">What was judged against what.</param>
/// <param name="Outcomes">In a fixed order.</param>
public sealed record GateReport(string Title, IReadOnlyList<GateOutcome> Outcomes)
{
    /// <summary>Outcomes that make the gate fail.</summary>
    public IReadOnlyList<GateOutcome> Failures { get; } = [.. Outcomes.Where(outcome => outcome.Fails)];

    /// <summary>Outcomes worth a look: all but equal ones.</summary>
    public IReadOnlyList<GateOutcome> Notable { get; } = [.. Outcomes.Where(outcome => outcome.Status != GateStatus.Equal).OrderBy(outcome => outcome.Fails ? 0 : 1)];

    /// <summary>One sentence.</summary>
    public string Summary
    {
        get
        {
            string others = string.Join(", ", Outcomes.Where(outcome => outcome.Status is not GateStatus.Equal).GroupBy(outcome => outcome.Status).OrderByDescending(group => group.Key)
                .Select(group => $"{group.Count()} {GateCheck.Word(group.Key)}"));
            return $"{(Failures.Count == 0 ? "passed" : "FAILED")}: {Outcomes.Count(outcome => outcome.Status == GateStatus.Equal)} of {Outcomes.Count} metrics equal{(others.Length == 0 ? "" : $", {others}")}.";
        }
    }
}
