namespace Sim.Workloads.Scenarios;

/// <summary>What the names of an <c>expect</c> line are.</summary>
public enum ExpectationSubject
{
    /// <summary>Flush policies.</summary>
    Policy,

    /// <summary>Interrupt paths.</summary>
    Path,

    /// <summary>APICv update rules.</summary>
    UpdateRule,
}

/// <summary>One <c>expect</c> line.</summary>
/// <param name="Line">Its line number.</param>
/// <param name="Text">The line without its first word.</param>
/// <param name="Policies">Names as written, of what <see cref="Subject"/> says; <see cref="All"/> and <see cref="Others"/> stand for several.</param>
public abstract record Expectation(int Line, string Text, IReadOnlyList<string> Policies)
{
    /// <summary>What the names are.</summary>
    public ExpectationSubject Subject { get; init; }

    /// <summary>Every shipped policy, path or rule that runs on the scenario's machine.</summary>
    public const string All = "all";

    /// <summary>Those of <see cref="All"/> that no line of the same kind in the same part names.</summary>
    public const string Others = "others";
}

/// <summary>What the safety oracle shall say of the whole scenario: safe, or a finding of that kind (so often, if a count is given).</summary>
public sealed record SafetyExpectation(int Line, string Text, IReadOnlyList<string> Policies, string? FindingKind, long? Count) : Expectation(Line, Text, Policies);

/// <summary>What L0's flushes and hardware's own shall be, in any order; nothing else may be flushed.</summary>
public sealed record FlushExpectation(int Line, string Text, IReadOnlyList<string> Policies, IReadOnlyList<ExpectedFlush> Flushes) : Expectation(Line, Text, Policies);

/// <summary>One invalidation, so often.</summary>
/// <param name="Name">For instance INVVPID(vpid02).</param>
/// <param name="Count">How often.</param>
/// <param name="Transition">The kind of transition or instruction at which it was decided; null for any.</param>
public sealed record ExpectedFlush(string Name, int Count, string? Transition);

/// <summary>Whether nested VM-entries shall fail: with a check whose text contains these words, or (null) not at all.</summary>
public sealed record EntryExpectation(int Line, string Text, IReadOnlyList<string> Policies, string? FailsWith) : Expectation(Line, Text, Policies);

/// <summary>By how much a statistic shall have grown.</summary>
/// <param name="Line">Its line number.</param>
/// <param name="Text">The line without its first word.</param>
/// <param name="Policies">Names as written.</param>
/// <param name="Statistic">Path, or path{label}; lane[*] is the sum over all lanes.</param>
/// <param name="Count">The number.</param>
public sealed record CountExpectation(int Line, string Text, IReadOnlyList<string> Policies, string Statistic, long Count) : Expectation(Line, Text, Policies);

/// <summary>How many interrupts' handlers shall have run.</summary>
public sealed record DeliveryExpectation(int Line, string Text, IReadOnlyList<string> Policies, long Count) : Expectation(Line, Text, Policies);

/// <summary>Which VM-exits interrupts shall have caused, in any order; none else.</summary>
public sealed record ExitExpectation(int Line, string Text, IReadOnlyList<string> Policies, IReadOnlyList<ExpectedExit> Exits) : Expectation(Line, Text, Policies);

/// <summary>One kind of VM-exit, so often.</summary>
/// <param name="Cause">For instance ExternalInterrupt.</param>
/// <param name="Count">How often.</param>
/// <param name="Level">Level of the guest that exits; null for any.</param>
public sealed record ExpectedExit(string Cause, int Count, int? Level);
