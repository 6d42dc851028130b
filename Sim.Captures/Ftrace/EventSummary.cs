using System.Globalization;

namespace Sim.Captures.Ftrace;

/// <summary>One line of an event summary.</summary>
/// <param name="Section">input, exits, transitions, flushes, interrupts, accesses, time, findings.</param>
/// <param name="Level">L0, L1 or L2: who executed, suffered or received it; "?" if the recording does not say; empty if the question does not arise.</param>
/// <param name="Name">What is counted.</param>
/// <param name="Value">How many or how long.</param>
/// <param name="Unit">events, ticks, instructions, per second, lines.</param>
public sealed record SummaryRow(string Section, string Level, string Name, long Value, string Unit);

/// <summary>What a recording of events holds, as ordered rows that a view prints as a table or CSV (<c>nestsim trace events</c>).</summary>
/// <param name="Headline">First line of every view: says "DATA LOSS" if the recording is not complete.</param>
/// <param name="Rows">Rows in order: by section, then level, then falling value, then name.</param>
public sealed record EventSummary(string Headline, IReadOnlyList<SummaryRow> Rows)
{
    /// <summary>The value of a row, or 0 if there is none.</summary>
    public long this[string section, string level, string name] =>
        Rows.FirstOrDefault(row => row.Section == section && row.Level == level && row.Name == name)?.Value ?? 0;
}

/// <summary>Counts that become an <see cref="EventSummary"/>.</summary>
internal sealed class EventTally
{
    private const string Events = "events";

    private static readonly string[] Sections = ["input", "exits", "transitions", "flushes", "interrupts", "accesses", "time", "findings"];

    private readonly Dictionary<(string Section, string Level, string Name), (long Value, string Unit)> _counts = [];

    /// <summary>L0, L1, L2, or "?".</summary>
    public static string LevelName(int level) => level switch { 0 => "L0", 1 => "L1", 2 => "L2", _ => "?" };

    /// <summary>Adds to a row.</summary>
    public void Add(string section, string level, string name, long value = 1, string unit = Events)
    {
        _counts.TryGetValue((section, level, name), out (long Value, string Unit) count);
        _counts[(section, level, name)] = (count.Value + value, unit);
    }

    /// <summary>Adds the transitions of a whole recording that lasted <paramref name="ticks"/>, and their rates.</summary>
    public void AddTransitions(TransitionCounts counts, long ticks, long ticksPerSecond)
    {
        for (int level = 1; level <= 2; level++)
        {
            Add("transitions", LevelName(level), "real entries", counts.EntriesInto(level));
            Add("transitions", LevelName(level), "real exits", counts.ExitsOf(level));
        }

        Add("transitions", "", "nested entries", counts.NestedEntries);
        Add("transitions", "", "nested exits", counts.NestedExits);
        Add("transitions", "", "failed nested entries", counts.FailedNestedEntries);
        AddRate("real exits", counts.ExitsOf(1) + counts.ExitsOf(2), ticks, ticksPerSecond);
        AddRate("nested round trips", counts.NestedEntries, ticks, ticksPerSecond);
    }

    /// <summary>The summary. Findings become rows of their own.</summary>
    public EventSummary Build(string headline, Findings findings)
    {
        foreach (Finding finding in findings.All)
        {
            string subject = finding.Subject.Length > 0 ? $" '{finding.Subject}'" : "";
            Add("findings", "", string.Create(CultureInfo.InvariantCulture, $"{finding.Severity}: {finding.Kind}{subject}, first in line {finding.FirstLine}"), finding.Count, "times");
        }

        IEnumerable<SummaryRow> rows = _counts
            .Where(count => count.Value.Value != 0)
            .Select(count => new SummaryRow(count.Key.Section, count.Key.Level, count.Key.Name, count.Value.Value, count.Value.Unit))
            .OrderBy(row => Array.IndexOf(Sections, row.Section))
            .ThenBy(row => row.Level, StringComparer.Ordinal)
            .ThenByDescending(row => row.Value)
            .ThenBy(row => row.Name, StringComparer.Ordinal);
        return new EventSummary(findings.Worst == Severity.DataLoss ? $"DATA LOSS: {headline}" : headline, [.. rows]);
    }

    // Rounded to the nearest; nothing if no time passed.
    private void AddRate(string name, long count, long ticks, long ticksPerSecond)
    {
        if (ticks > 0)
        {
            Add("transitions", "", name, (long)((((Int128)count * ticksPerSecond) + (ticks / 2)) / ticks), "per second");
        }
    }
}
