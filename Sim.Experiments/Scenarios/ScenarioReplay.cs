using System.Text.RegularExpressions;
using Sim.Core;
using Sim.Core.Stats;
using Sim.Core.Traces;
using Sim.Kvm;
using Sim.Workloads.Scenarios;

namespace Sim.Experiments;

/// <summary>An invalidation by its symbolic name, and where it was decided.</summary>
internal sealed record SymbolicFlush(string Name, string Transition);

/// <summary>What happened in one part of a scenario.</summary>
/// <param name="Flushes">Invalidations that hypervisors carried out, in order.</param>
/// <param name="FailedEntries">The check of each VM-entry that failed, in order.</param>
/// <param name="Statistics">How the statistics grew.</param>
/// <param name="Safety">What the oracle saw from the beginning to the end of this part.</param>
internal sealed record ReplayedPart(IReadOnlyList<SymbolicFlush> Flushes, IReadOnlyList<string> FailedEntries, StatSheet Statistics, SafetyReport Safety);

/// <summary>A scenario replayed under one policy, with the safety oracle watching.</summary>
internal sealed partial class ScenarioReplay
{
    private readonly Scenario _scenario;

    /// <summary>Replays the scenario from its beginning to its end.</summary>
    /// <exception cref="ConfigurationException">The policy does not run on this machine.</exception>
    public ScenarioReplay(Scenario scenario, MachineSpec spec, IFlushPolicy policy)
    {
        _scenario = scenario;
        List<IssuedInvalidation> issued = [];
        Machine machine = new(spec with { Safety = true, RefusesLevelsNotOffered = true }, policy, ReplayKind.ByPolicy, scenario.Header.Lanes, issued.Add);
        List<ReplayedPart> parts = [];
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
            parts.Add(new ReplayedPart(
                [.. issued.Select(each => (Name: machine.NameOf(each.Invalidation), each.Transition)).Where(flush => flush.Name is not null).Select(flush => new SymbolicFlush(Symbolic(flush.Name!), flush.Transition))],
                [.. machine.FailedVmEntries.Skip(failed).Select(entry => entry.Check)],
                after.Since(before),
                machine.Safety!));
            before = after;
        }

        machine.CheckConservation();
        Parts = parts;
    }

    /// <summary>What happened, part by part.</summary>
    public IReadOnlyList<ReplayedPart> Parts { get; }

    /// <summary>The name of an invalidation with the scenario's names for addresses.</summary>
    public string Symbolic(string name) => HexNumber().Replace(name, hex => _scenario.Symbols.GetValueOrDefault(hex.Value, hex.Value));

    [GeneratedRegex("0x[0-9a-f]+")]
    private static partial Regex HexNumber();
}
