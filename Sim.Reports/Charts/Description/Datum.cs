using Sim.Reports.Views;

namespace Sim.Reports.Charts.Description;

/// <summary>What one mark says: the runs it is about, and its exact text.</summary>
/// <param name="Runs">Names of the runs; empty: all.</param>
/// <param name="Facts">In the order of a tooltip. Numbers are text, exactly: JavaScript rounds beyond 2^53.</param>
public sealed record Datum(IReadOnlyList<string> Runs, IReadOnlyList<Fact> Facts)
{
    /// <summary>About one run, whose name comes first.</summary>
    public static Datum Of(string run, params IReadOnlyList<(string Name, string Text)> facts) => Of([run], [("run", run), .. facts]);

    /// <summary>About some runs, or all if there is none. Labels from traces are made harmless.</summary>
    public static Datum Of(IReadOnlyList<string> runs, params IReadOnlyList<(string Name, string Text)> facts) => new(runs, [.. facts.Select(fact => new Fact(fact.Name, InertText.OneLine(fact.Text)))]);
}

/// <summary>One line of a tooltip.</summary>
/// <param name="Name">What it is.</param>
/// <param name="Text">Exactly.</param>
public sealed record Fact(string Name, string Text);
