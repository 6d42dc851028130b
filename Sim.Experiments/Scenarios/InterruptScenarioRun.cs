using System.Globalization;
using Sim.Core;
using Sim.Core.Stats;
using Sim.Core.Traces;
using Sim.Kvm.Interrupts;
using Sim.Workloads.Scenarios;

namespace Sim.Experiments;

/// <summary>Holds the expectations of a scenario against its interrupts under one path and one APICv update rule.</summary>
internal sealed class InterruptScenarioRun : IScenarioRun
{
    private readonly Scenario _scenario;
    private readonly List<Part> _parts = [];

    /// <summary>Plays the scenario to its end.</summary>
    /// <exception cref="ConfigurationException">The path does not exist on this hardware, or the scenario asks for what there is no path for.</exception>
    public InterruptScenarioRun(Scenario scenario, InterruptSpec spec, IInterruptPath path, IApicvUpdateRule updateRule)
    {
        _scenario = scenario;
        InterruptScenario run = new(spec, path, updateRule, scenario.Header.Lanes, [.. scenario.Parts.SelectMany(part => part.Blocks)]);
        StatSheet before = run.Snapshot();
        int failed = 0;
        foreach (ScenarioPart part in scenario.Parts)
        {
            foreach (TraceBlock block in part.Blocks)
            {
                run.Play(block);
            }

            run.Settle();
            StatSheet after = run.Snapshot();
            IReadOnlyList<string> checks = run.FailedEntries;
            _parts.Add(new Part(after.Since(before), [.. checks.Skip(failed)]));
            (before, failed) = (after, checks.Count);
        }

        Findings = run.Findings;
    }

    /// <summary>What went wrong.</summary>
    public IReadOnlyList<InterruptFinding> Findings { get; }

    /// <inheritdoc/>
    public (bool Holds, string Found) Judge(int part, Expectation expectation) => expectation switch
    {
        SafetyExpectation safety => Judge(safety),
        EntryExpectation entry => ScenarioRun.Judge(entry, _parts[part].FailedEntries),
        CountExpectation count => ScenarioRun.Judge(_scenario, count, _parts[part].Statistics),
        DeliveryExpectation deliveries => Judge(deliveries, Sum(_parts[part].Statistics, StatNames.IrqHandled)),
        ExitExpectation exits => Judge(exits, _parts[part].Statistics),
        _ => throw new InvalidOperationException($"No judgement for {expectation.GetType().Name}."),
    };

    private static (bool, string) Judge(DeliveryExpectation expected, long delivered) => (delivered == expected.Count, delivered.ToString(CultureInfo.InvariantCulture));

    private static long Sum(StatSheet statistics, string path) => statistics.Stats.Where(stat => stat.Path == path).Sum(stat => stat.Value);

    private (bool, string) Judge(ExitExpectation expected, StatSheet statistics)
    {
        foreach (ExpectedExit exit in expected.Exits.Where(exit => !Enum.GetNames<ExitCause>().Contains(exit.Cause)))
        {
            throw new TraceFormatException(
                _scenario.Name, string.Create(CultureInfo.InvariantCulture, $"line {expected.Line}"), "a cause of VM-exits on interrupts' way", $"'{exit.Cause}'",
                NearestNames.Unknown("cause", exit.Cause, [.. Enum.GetNames<ExitCause>()]));
        }

        SortedDictionary<(int Level, string Cause), long> found = [];
        foreach (ExitCause cause in Enum.GetValues<ExitCause>())
        {
            for (int level = 1; level <= 2; level++)
            {
                found[(level, cause.ToString())] = statistics.Stats.Where(stat => stat.Path == StatNames.IrqExits && stat.Label == $"level={level},cause={cause}").Sum(stat => stat.Value);
            }
        }

        TakeSlices(found, Sum(statistics, StatNames.IrqPreemptions));
        string told = string.Join(", ", found.Where(each => each.Value != 0).Select(each => $"{each.Key.Cause}{(each.Value == 1 ? "" : $" x{each.Value}")} at L{each.Key.Level}"));
        bool holds = true;
        foreach (ExpectedExit exit in expected.Exits.OrderBy(exit => exit.Level is null))
        {
            for (int left = exit.Count; left > 0; left--)
            {
                int level = exit.Level ?? (found[(1, exit.Cause)] > 0 ? 1 : 2);
                holds &= --found[(level, exit.Cause)] >= 0;
            }
        }

        return (holds && found.Values.All(left => left == 0), told.Length == 0 ? "nothing" : told);
    }

    // A time slice ends with an exit, too: no interrupt's.
    private static void TakeSlices(SortedDictionary<(int Level, string Cause), long> exits, long preemptions)
    {
        for (int level = 1; level <= 2; level++)
        {
            (int, string) key = (level, nameof(ExitCause.ExternalInterrupt));
            long taken = Math.Min(preemptions, exits[key]);
            exits[key] -= taken;
            preemptions -= taken;
        }
    }

    private (bool, string) Judge(SafetyExpectation expected)
    {
        InterruptFinding? named = Findings.FirstOrDefault(finding => finding.Kind == expected.FindingKind);
        bool holds = expected.FindingKind is null ? Findings.Count == 0 : named is not null && (expected.Count is null || named.Count == expected.Count);
        string found = Findings.Count == 0 ? "safe" : "unsafe " + string.Join(", ", Findings.Select(finding => string.Create(CultureInfo.InvariantCulture, $"{finding.Kind} {finding.Count}")));
        return (holds, holds || Findings.Count == 0 ? found : $"{found}: {string.Join("; ", Findings[0].Story)}");
    }

    private sealed record Part(StatSheet Statistics, IReadOnlyList<string> FailedEntries);
}
