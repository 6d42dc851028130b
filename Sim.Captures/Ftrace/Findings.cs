using System.Globalization;
using Sim.Core.Traces;

namespace Sim.Captures.Ftrace;

/// <summary>How much a finding matters to what is computed from the input.</summary>
public enum Severity
{
    /// <summary>Nothing that the simulator uses is missing.</summary>
    Information,

    /// <summary>Something was skipped that might matter.</summary>
    Warning,

    /// <summary>Events are missing from the input: counts are lower bounds and states may be wrong.</summary>
    DataLoss,
}

/// <summary>Something in an input that the importer did not understand or that it must tell the user, counted.</summary>
/// <param name="Severity">How much it matters.</param>
/// <param name="Kind">What it is, in a few words, the same for every such finding.</param>
/// <param name="Subject">Which one: the name of an unknown event, say. Empty if the kind says it all.</param>
/// <param name="Count">How often (for lost events: how many events, as far as the input says).</param>
/// <param name="FirstLine">Line of the first occurrence.</param>
public sealed record Finding(Severity Severity, string Kind, string Subject, long Count, long FirstLine);

/// <summary>The findings of one import: counted by kind and subject, never more than a fixed number of subjects, so that garbage cannot fill the memory.</summary>
public sealed class Findings
{
    private const int ShownSubjects = 3;
    private const int MaxSubjects = 1000;
    private const int MaxSubjectLength = 80;

    private readonly Dictionary<(string Kind, string Subject), int> _index = [];
    private readonly List<Finding> _all = [];

    /// <summary>All findings: gravest first, then in order of their first line, then of kind and subject.</summary>
    public IReadOnlyList<Finding> All =>
        [.. _all.OrderByDescending(f => f.Severity).ThenBy(f => f.FirstLine).ThenBy(f => f.Kind, StringComparer.Ordinal).ThenBy(f => f.Subject, StringComparer.Ordinal)];

    /// <summary>The gravest severity, or <see cref="Severity.Information"/> if there are no findings.</summary>
    public Severity Worst => _all.Count == 0 ? Severity.Information : _all.Max(f => f.Severity);

    /// <summary>What matters of them to a result, gravest first: one doubt for each kind.</summary>
    public IReadOnlyList<Doubt> Doubts =>
    [
        .. All.Where(finding => finding.Severity > Severity.Information).GroupBy(finding => (finding.Severity, finding.Kind)).Select(kind =>
        {
            long count = kind.Sum(finding => finding.Count);
            string[] subjects = [.. kind.Select(finding => finding.Subject).Where(subject => subject.Length > 0).Take(ShownSubjects + 1)];
            string which = subjects.Length == 0 ? "" : $" ({string.Join(", ", subjects.Take(ShownSubjects))}{(subjects.Length > ShownSubjects ? ", ..." : "")})";
            return new Doubt(
                kind.Key.Severity == Severity.DataLoss ? DoubtKind.DataLoss : DoubtKind.NotRead,
                string.Create(CultureInfo.InvariantCulture, $"the recording has {kind.Key.Kind}{which}, {count:N0} {(count == 1 ? "time" : "times")}"),
                count);
        }),
    ];

    /// <summary>How often a kind of finding occurred, over all subjects.</summary>
    public long Count(string kind) => _all.Where(f => f.Kind == kind).Sum(f => f.Count);

    internal void Add(Severity severity, string kind, string subject, long line, long count = 1)
    {
        string shown = subject.Length > MaxSubjectLength ? subject[..MaxSubjectLength] + "..." : subject;
        (string, string) key = _index.Count < MaxSubjects || _index.ContainsKey((kind, shown)) ? (kind, shown) : (kind, "(others)");
        if (_index.TryGetValue(key, out int at))
        {
            _all[at] = _all[at] with { Count = _all[at].Count + count };
            return;
        }

        _index.Add(key, _all.Count);
        _all.Add(new Finding(severity, kind, key.Item2, count, line));
    }
}
