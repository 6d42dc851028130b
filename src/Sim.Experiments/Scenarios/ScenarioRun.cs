using System.Globalization;
using System.Text.RegularExpressions;
using Sim.Core;
using Sim.Core.Stats;
using Sim.Core.Traces;
using Sim.Kvm;
using Sim.Workloads.Scenarios;

namespace Sim.Experiments;

/// <summary>A scenario replayed under one policy: what happened in each part, and whether that is what was expected.</summary>
internal sealed partial class ScenarioRun
{
    private readonly Scenario _scenario;
    private readonly List<Part> _parts = [];

    public ScenarioRun(Scenario scenario, RunConfiguration configuration, string policy)
    {
        _scenario = scenario;
        List<IssuedInvalidation> issued = [];
        Machine machine = new(configuration.Machine with { Safety = true }, Components.Policy(policy, configuration.Machine.Profile.Vendor), ReplayKind.ByPolicy, scenario.Header.Lanes, issued.Add);
        StatSheet before = machine.Snapshot();
        foreach (ScenarioPart part in scenario.Parts)
        {
            issued.Clear();
            int failed = machine.FailedVmEntries.Count;
            foreach (TraceBlock block in part.Blocks)
            {
                machine.Replay(block, 0, block.RecordCount);
            }

            StatSheet after = machine.Snapshot();
            _parts.Add(new Part(
                [.. issued.Select(each => (Name: machine.NameOf(each.Invalidation), each.Transition)).Where(flush => flush.Name is not null).Select(flush => new Flush(Symbolic(flush.Name!), flush.Transition))],
                [.. machine.FailedVmEntries.Skip(failed).Select(entry => entry.Check)],
                after.Since(before)));
            before = after;
        }

        machine.CheckConservation();
        Safety = machine.Safety!;
    }

    /// <summary>What the safety oracle saw.</summary>
    public SafetyReport Safety { get; }

    /// <summary>Whether an expectation of a part holds, and what was found.</summary>
    public (bool Holds, string Found) Judge(int part, Expectation expectation) => expectation switch
    {
        SafetyExpectation safety => Judge(safety),
        FlushExpectation flushes => Judge(flushes, _parts[part].Flushes),
        EntryExpectation entry => Judge(entry, _parts[part].FailedEntries),
        CountExpectation count => Judge(count, _parts[part].Statistics),
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

    private (bool, string) Judge(FlushExpectation expected, IReadOnlyList<Flush> flushes)
    {
        List<Flush> left = [.. flushes];
        bool holds = true;
        foreach (ExpectedFlush item in expected.Flushes.OrderBy(item => item.Transition is null))
        {
            string name = Symbolic(item.Name);
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

    private static (bool, string) Judge(EntryExpectation expected, IReadOnlyList<string> failed)
    {
        string found = failed.Count == 0 ? "enters" : "fails: " + string.Join("; ", failed);
        return expected.FailsWith is { } words ? (failed.Count > 0 && failed.All(check => check.Contains(words, StringComparison.Ordinal)), found) : (failed.Count == 0, found);
    }

    private (bool, string) Judge(CountExpectation expected, StatSheet statistics)
    {
        Stat[] known = [.. statistics.Stats.Select(stat => stat with { Path = LaneNumber().Replace(stat.Path, "lane[*]") })];
        string path = expected.Statistic.Split('{')[0];
        if (!Array.Exists(known, stat => stat.Path == path) && statistics.Stats.All(stat => stat.Path != path))
        {
            throw new TraceFormatException(
                _scenario.Name,
                string.Create(CultureInfo.InvariantCulture, $"line {expected.Line}"),
                "a statistic of this machine",
                $"'{path}'",
                NearestNames.Unknown("statistic", path, known.Select(stat => stat.Path).Distinct()));
        }

        long count = known.Concat(statistics.Stats.Where(stat => LaneNumber().IsMatch(stat.Path))).Where(stat => stat.Path == expected.Statistic || stat.Key == expected.Statistic).Sum(stat => stat.Value);
        return (count == expected.Count, count.ToString(CultureInfo.InvariantCulture));
    }

    private static string Tell(IReadOnlyList<Flush> flushes) => flushes.Count == 0
        ? "nothing"
        : string.Join(", ", flushes.GroupBy(flush => flush).Select(group => $"{group.Key.Name}{(group.Count() == 1 ? "" : $" x{group.Count()}")} at {group.Key.Transition}"));

    /// <summary>The name of an invalidation with the scenario's names for addresses.</summary>
    private string Symbolic(string name) => HexNumber().Replace(name, hex => _scenario.Symbols.GetValueOrDefault(hex.Value, hex.Value));

    [GeneratedRegex(@"lane\[\d+\]")]
    private static partial Regex LaneNumber();

    [GeneratedRegex("0x[0-9a-f]+")]
    private static partial Regex HexNumber();

    /// <summary>An invalidation by its symbolic name, and where it was decided.</summary>
    private sealed record Flush(string Name, string Transition);

    /// <summary>What happened in one part.</summary>
    private sealed record Part(IReadOnlyList<Flush> Flushes, IReadOnlyList<string> FailedEntries, StatSheet Statistics);
}
