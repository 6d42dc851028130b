using System.Globalization;
using System.Text.RegularExpressions;
using Sim.Core;
using Sim.Core.Stats;
using Sim.Kvm;
using Sim.Workloads.Scenarios;

namespace Sim.Experiments;

/// <summary>A scenario, replayed once, against which its expectations are held.</summary>
internal interface IScenarioRun
{
    /// <summary>Whether an expectation of a part holds, and what was found.</summary>
    (bool Holds, string Found) Judge(int part, Expectation expectation);
}

/// <summary>Holds the expectations of a scenario against its replay under one policy.</summary>
internal sealed partial class ScenarioRun : IScenarioRun
{
    private readonly Scenario _scenario;
    private readonly ScenarioReplay _replay;

    public ScenarioRun(Scenario scenario, RunConfiguration configuration, string policy)
    {
        _scenario = scenario;
        _replay = new ScenarioReplay(scenario, configuration.Machine, Components.Policy(policy, configuration.Machine.Profile.Vendor));
    }

    /// <summary>What the safety oracle saw.</summary>
    public SafetyReport Safety => _replay.Parts[^1].Safety;

    /// <inheritdoc/>
    public (bool Holds, string Found) Judge(int part, Expectation expectation) => expectation switch
    {
        SafetyExpectation safety => Judge(safety),
        FlushExpectation flushes => Judge(flushes, _replay.Parts[part].Flushes),
        EntryExpectation entry => Judge(entry, _replay.Parts[part].FailedEntries),
        CountExpectation count => Judge(_scenario, count, _replay.Parts[part].Statistics),
        _ => throw new InvalidOperationException($"No judgement for {expectation.GetType().Name}."),
    };

    private (bool, string) Judge(SafetyExpectation expected)
    {
        IReadOnlyList<SafetyIncident> incidents = Safety.Incidents;
        SafetyIncident? named = incidents.FirstOrDefault(incident => incident.Kind == expected.FindingKind);
        bool holds = expected.FindingKind is null ? incidents.Count == 0 : named is not null && incidents.Count == 1 && (expected.Count is null || named.Count == expected.Count);
        string found = incidents.Count == 0 ? "safe" : "unsafe " + string.Join(", ", incidents.Select(incident => string.Create(CultureInfo.InvariantCulture, $"{incident.Kind} {incident.Count}")));
        return (holds, holds || incidents.Count == 0 ? found : $"{found}: {string.Join("; ", incidents[0].Story)}");
    }

    private (bool, string) Judge(FlushExpectation expected, IReadOnlyList<SymbolicFlush> flushes)
    {
        List<SymbolicFlush> left = [.. flushes];
        bool holds = true;
        foreach (ExpectedFlush item in expected.Flushes.OrderBy(item => item.Transition is null))
        {
            string name = _replay.Symbolic(item.Name);
            for (int i = 0; i < item.Count; i++)
            {
                int at = left.FindIndex(flush => flush.Name == name && (item.Transition is null || flush.Transition == item.Transition));
                holds &= at >= 0;
                if (at >= 0)
                {
                    left.RemoveAt(at);
                }
            }
        }

        return (holds && left.Count == 0, Tell(flushes));
    }

    /// <summary>Holds an expectation on VM-entries against the checks that failed.</summary>
    internal static (bool Holds, string Found) Judge(EntryExpectation expected, IReadOnlyList<string> failed)
    {
        string found = failed.Count == 0 ? "enters" : "fails: " + string.Join("; ", failed);
        return expected.FailsWith is { } words ? (failed.Count > 0 && failed.All(check => check.Contains(words, StringComparison.Ordinal)), found) : (failed.Count == 0, found);
    }

    /// <summary>Holds an expectation on a statistic against how the statistics grew.</summary>
    internal static (bool Holds, string Found) Judge(Scenario scenario, CountExpectation expected, StatSheet statistics)
    {
        Stat[] known = [.. statistics.Stats.Select(stat => stat with { Path = LaneNumber().Replace(stat.Path, StatNames.AnyLane) })];
        string path = expected.Statistic.Split('{')[0];
        if (!Array.Exists(known, stat => stat.Path == path) && statistics.Stats.All(stat => stat.Path != path))
        {
            throw new TraceFormatException(
                scenario.Name,
                string.Create(CultureInfo.InvariantCulture, $"line {expected.Line}"),
                "a statistic of this machine",
                $"'{path}'",
                NearestNames.Unknown("statistic", path, known.Select(stat => stat.Path).Distinct()));
        }

        long count = known.Concat(statistics.Stats.Where(stat => LaneNumber().IsMatch(stat.Path))).Where(stat => stat.Path == expected.Statistic || stat.Key == expected.Statistic).Sum(stat => stat.Value);
        return (count == expected.Count, count.ToString(CultureInfo.InvariantCulture));
    }

    private static string Tell(IReadOnlyList<SymbolicFlush> flushes) => flushes.Count == 0
        ? "nothing"
        : string.Join(", ", flushes.GroupBy(flush => flush).Select(group => $"{group.Key.Name}{(group.Count() == 1 ? "" : $" x{group.Count()}")} at {group.Key.Transition}"));

    [GeneratedRegex(@"lane\[\d+\]")]
    private static partial Regex LaneNumber();
}
