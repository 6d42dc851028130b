using System.Globalization;
using Sim.Core;
using Sim.Core.Profiles;
using Sim.Kvm;
using Sim.Workloads.Scenarios;

namespace Sim.Experiments;

/// <summary>How one expectation of a scenario fared under one policy.</summary>
/// <param name="Line">Line of the expectation.</param>
/// <param name="Policy">The policy.</param>
/// <param name="Expected">The line as written, without its first word.</param>
/// <param name="Holds">Whether it was so.</param>
/// <param name="Found">What was.</param>
public sealed record ExpectationOutcome(int Line, string Policy, string Expected, bool Holds, string Found);

/// <summary>A scenario, replayed under every policy that its expectations name, with what became of them.</summary>
/// <param name="Scenario">The scenario.</param>
/// <param name="Outcomes">One for each expectation and policy, in the order of the lines.</param>
public sealed record ScenarioCheck(Scenario Scenario, IReadOnlyList<ExpectationOutcome> Outcomes)
{
    /// <summary>True if there is something to hold and all of it holds.</summary>
    public bool Passed => Outcomes.Count > 0 && Outcomes.All(outcome => outcome.Holds);

    /// <summary>Reads a scenario file and checks it.</summary>
    /// <exception cref="ConfigurationException">The file cannot be read, or its machine is wrong.</exception>
    /// <exception cref="TraceFormatException">It is no scenario, or an expectation names a policy that does not exist or does not run there.</exception>
    public static ScenarioCheck Of(string path) => Of(Scenario.Read(path));

    /// <summary>Checks a scenario.</summary>
    /// <exception cref="ConfigurationException">Its machine is wrong.</exception>
    /// <exception cref="TraceFormatException">An expectation names a policy or a statistic that does not exist.</exception>
    public static ScenarioCheck Of(Scenario scenario)
    {
        RunConfiguration configuration = RunConfiguration.Load(null, [], RunConfiguration.SuggestedBy(scenario.Header));
        string[] runnable = Runnable(configuration.Machine.Profile.Vendor);
        SortedDictionary<string, ScenarioRun> runs = new(StringComparer.Ordinal);
        List<ExpectationOutcome> outcomes = [];
        for (int part = 0; part < scenario.Parts.Count; part++)
        {
            IReadOnlyList<Expectation> expectations = scenario.Parts[part].Expectations;
            foreach (Expectation expectation in expectations)
            {
                foreach (string policy in Policies(scenario, expectation, expectations, runnable, configuration.Machine.Profile.Vendor))
                {
                    if (!runs.TryGetValue(policy, out ScenarioRun? run))
                    {
                        runs.Add(policy, run = new ScenarioRun(scenario, configuration, policy));
                    }

                    (bool holds, string found) = run.Judge(part, expectation);
                    outcomes.Add(new ExpectationOutcome(expectation.Line, policy, expectation.Text, holds, found));
                }
            }
        }

        return new ScenarioCheck(scenario, outcomes);
    }

    private static string[] Runnable(Vendor vendor) =>
        [.. Components.Policies.Entries.Select(entry => entry.Name).Where(name => Components.Policies.Create(name).Supports(vendor))];

    private static IEnumerable<string> Policies(Scenario scenario, Expectation expectation, IReadOnlyList<Expectation> part, string[] runnable, Vendor vendor)
    {
        foreach (string name in expectation.Policies)
        {
            switch (name)
            {
                case Expectation.All:
                    foreach (string policy in runnable)
                    {
                        yield return policy;
                    }

                    break;
                case Expectation.Others:
                    string[] named = [.. part.Where(other => other.GetType() == expectation.GetType()).SelectMany(other => other.Policies)];
                    foreach (string policy in runnable.Except(named))
                    {
                        yield return policy;
                    }

                    break;
                case var _ when runnable.Contains(name.Split(MutatedPolicy.Separator)[0]):
                    CheckMutant(scenario, expectation, name, vendor);
                    yield return name;
                    break;
                default:
                    throw Unknown(scenario, expectation, name, NearestNames.Unknown("policy", name, [.. runnable, Expectation.All, Expectation.Others]));
            }
        }
    }

    private static void CheckMutant(Scenario scenario, Expectation expectation, string name, Vendor vendor)
    {
        try
        {
            Components.Policy(name, vendor);
        }
        catch (ConfigurationException error)
        {
            throw Unknown(scenario, expectation, name, error.Message);
        }
    }

    private static TraceFormatException Unknown(Scenario scenario, Expectation expectation, string name, string hint) => new(
        scenario.Name, string.Create(CultureInfo.InvariantCulture, $"line {expectation.Line}"), "a policy that runs on the scenario's machine, 'all' or 'others'", $"'{name}'", hint);
}
