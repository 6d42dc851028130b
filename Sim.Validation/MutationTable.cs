using Sim.Experiments;
using Sim.Kvm;
using Sim.Workloads.Scenarios;

namespace Sim.Validation;

/// <summary>What became of one mutant of one policy.</summary>
/// <param name="Mutant">The mutant.</param>
/// <param name="Policy">The policy that it was put into; empty if no scenario expects anything of this mutant.</param>
/// <param name="Scenario">File name of the scenario whose first wrong use caught it; null if it survived.</param>
/// <param name="Records">Records of the scenario up to and with that use.</param>
/// <param name="Finding">The finding; null if it survived.</param>
public sealed record MutationRow(KernelMutant Mutant, string Policy, string? Scenario, ulong Records, SafetyIncident? Finding)
{
    /// <summary>POLICY~MUTANT, or the mutant alone if no scenario has it.</summary>
    public string Name => Policy.Length == 0 ? Mutant.Name : Policy + MutatedPolicy.Separator + Mutant.Name;
}

/// <summary>
/// Every mutant of <see cref="KernelMutants"/> beside the scenario that catches it: the oracle has a finding under POLICY~MUTANT, and none under POLICY. Pairs are those that the expectations
/// of the scenarios call unsafe; of several scenarios the first in the given order counts.
/// </summary>
/// <param name="Rows">In the order of the mutants, then of the policies' names.</param>
public sealed record MutationTable(IReadOnlyList<MutationRow> Rows)
{
    /// <summary>True if every mutant is caught, in every policy that a scenario puts it into.</summary>
    public bool Passed => Rows.All(row => row.Finding is not null);

    /// <summary>Replays scenarios under the mutants that they name.</summary>
    /// <exception cref="Core.ConfigurationException">A scenario's machine is wrong, or a policy or mutant does not exist.</exception>
    public static MutationTable Of(IReadOnlyList<Scenario> scenarios)
    {
        SortedDictionary<string, List<Scenario>> candidates = new(StringComparer.Ordinal);
        foreach (Scenario scenario in scenarios)
        {
            foreach (string mutated in Unsafe(scenario).Distinct())
            {
                if (!candidates.TryGetValue(mutated, out List<Scenario>? named))
                {
                    candidates.Add(mutated, named = []);
                }

                named.Add(scenario);
            }
        }

        return new MutationTable([.. KernelMutants.All.Where(mutant => !mutant.OnlyUncovers).SelectMany(mutant => RowsOf(mutant, candidates))]);
    }

    private static IEnumerable<string> Unsafe(Scenario scenario) =>
        scenario.Parts.SelectMany(part => part.Expectations).OfType<SafetyExpectation>().Where(expectation => expectation.FindingKind is not null)
            .SelectMany(expectation => expectation.Policies).Where(name => name.Contains(MutatedPolicy.Separator, StringComparison.Ordinal));

    private static MutationRow[] RowsOf(KernelMutant mutant, SortedDictionary<string, List<Scenario>> candidates)
    {
        MutationRow[] rows = [.. candidates.Where(candidate => candidate.Key.EndsWith(MutatedPolicy.Separator + mutant.Name, StringComparison.Ordinal))
            .Select(candidate => Row(mutant, candidate.Key[..^(mutant.Name.Length + 1)], candidate.Value))];
        return rows.Length > 0 ? rows : [new MutationRow(mutant, "", null, 0, null)];
    }

    private static MutationRow Row(KernelMutant mutant, string policy, List<Scenario> scenarios)
    {
        foreach (Scenario scenario in scenarios)
        {
            RunConfiguration configuration = RunConfiguration.Load(null, [], RunConfiguration.SuggestedBy(scenario.Header));
            IReadOnlyList<SafetyIncident> found = new ScenarioRun(scenario, configuration, $"{policy}{MutatedPolicy.Separator}{mutant.Name}").Safety.Incidents;
            if (found.Count > 0 && new ScenarioRun(scenario, configuration, policy).Safety.Incidents.Count == 0)
            {
                SafetyIncident first = found.MinBy(incident => incident.FirstRecord)!;
                return new MutationRow(mutant, policy, Path.GetFileNameWithoutExtension(scenario.Name), first.FirstRecord + 1, first);
            }
        }

        return new MutationRow(mutant, policy, null, 0, null);
    }
}
