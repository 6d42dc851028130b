using System.Globalization;
using System.Text.RegularExpressions;
using Sim.Core;
using Sim.Core.Profiles;
using Sim.Kvm;
using Sim.Kvm.Interrupts;
using Sim.Workloads.Scenarios;

namespace Sim.Experiments;

/// <summary>How one expectation of a scenario fared under one policy.</summary>
/// <param name="Line">Line of the expectation.</param>
/// <param name="Policy">The policy; of an interrupt path or APICv update rule <c>path NAME</c>, <c>update NAME</c>.</param>
/// <param name="Expected">The line as written, without its first word.</param>
/// <param name="Holds">Whether it was so.</param>
/// <param name="Found">What was.</param>
public sealed record ExpectationOutcome(int Line, string Policy, string Expected, bool Holds, string Found);

/// <summary>A scenario, replayed under every policy that its expectations name, with what became of them.</summary>
/// <param name="Scenario">The scenario.</param>
/// <param name="Outcomes">One for each expectation and policy, in the order of the lines.</param>
public sealed partial record ScenarioCheck(Scenario Scenario, IReadOnlyList<ExpectationOutcome> Outcomes)
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
        Vendor vendor = configuration.Machine.Profile.Vendor;
        SortedDictionary<string, IScenarioRun> runs = new(StringComparer.Ordinal);
        List<ExpectationOutcome> outcomes = [];
        for (int part = 0; part < scenario.Parts.Count; part++)
        {
            IReadOnlyList<Expectation> expectations = scenario.Parts[part].Expectations;
            foreach (Expectation expectation in expectations)
            {
                foreach (string name in Names(scenario, expectation, expectations, Runnable(expectation.Subject, vendor), vendor))
                {
                    string subject = expectation.Subject switch { ExpectationSubject.Path => "path " + name, ExpectationSubject.UpdateRule => "update " + name, _ => name };
                    if (!runs.TryGetValue(subject, out IScenarioRun? run))
                    {
                        runs.Add(subject, run = Run(scenario, configuration, expectation.Subject, name));
                    }

                    (bool holds, string found) = run.Judge(part, expectation);
                    outcomes.Add(new ExpectationOutcome(expectation.Line, subject, expectation.Text, holds, found));
                }
            }
        }

        return new ScenarioCheck(scenario, outcomes);
    }

    private static IScenarioRun Run(Scenario scenario, RunConfiguration configuration, ExpectationSubject subject, string name)
    {
        if (subject == ExpectationSubject.Policy)
        {
            return new ScenarioRun(scenario, configuration, name);
        }

        bool isPath = subject == ExpectationSubject.Path;
        return new InterruptScenarioRun(
            scenario, configuration.Interrupts.Spec, isPath ? Components.InterruptPaths.Create(name) : new PostedInterrupts(), isPath ? new DeferredUpdate() : Components.ApicvUpdateRules.Create(name));
    }

    private static string[] Runnable(ExpectationSubject subject, Vendor vendor) => subject switch
    {
        ExpectationSubject.Path => [.. InterruptComparison.PathsOf(vendor)],
        ExpectationSubject.UpdateRule => vendor == Vendor.Intel ? [.. Components.ApicvUpdateRules.Entries.Select(entry => entry.Name)] : [],
        _ => [.. Components.Policies.Entries.Select(entry => entry.Name).Where(name => Components.Policies.Create(name).Supports(vendor))],
    };

    /// <summary>
    /// Whether "all" and "others" mean a policy: kernels, which are called by their versions, and yardsticks, whose decisions never change. What a scenario says of them says nothing about a policy that
    /// somebody thinks of later: such a one is meant where its name is written.
    /// </summary>
    public static bool IsOfAll(IFlushPolicy policy) => policy.IsYardstick || KernelName().IsMatch(ComponentAttribute.NameOf(policy));

    private static string[] AllOf(ExpectationSubject subject, string[] runnable) =>
        subject == ExpectationSubject.Policy ? [.. runnable.Where(name => IsOfAll(Components.Policies.Create(name)))] : runnable;

    [GeneratedRegex(@"^(kvm|nsvm)-\d", RegexOptions.CultureInvariant)]
    private static partial Regex KernelName();

    private static IEnumerable<string> Names(Scenario scenario, Expectation expectation, IReadOnlyList<Expectation> part, string[] runnable, Vendor vendor)
    {
        foreach (string name in expectation.Policies)
        {
            switch (name)
            {
                case Expectation.All:
                    foreach (string policy in AllOf(expectation.Subject, runnable))
                    {
                        yield return policy;
                    }

                    break;
                case Expectation.Others:
                    string[] named = [.. part.Where(other => other.GetType() == expectation.GetType() && other.Subject == expectation.Subject).SelectMany(other => other.Policies)];
                    foreach (string policy in AllOf(expectation.Subject, runnable).Except(named))
                    {
                        yield return policy;
                    }

                    break;
                case var _ when runnable.Contains(name) || (expectation.Subject == ExpectationSubject.Policy && IsRunnable(name.Split(MutatedPolicy.Separator)[0], runnable, vendor)):
                    CheckMutant(scenario, expectation, name, vendor);
                    yield return name;
                    break;
                default:
                    throw Unknown(scenario, expectation, name, NearestNames.Unknown(SubjectName(expectation.Subject), name, [.. runnable, Expectation.All, Expectation.Others]));
            }
        }
    }

    private static bool IsRunnable(string policy, string[] runnable, Vendor vendor) =>
        runnable.Contains(policy) || (NamedKernel.TryParse(policy, out Vendor ofName, out _) && ofName == vendor);

    private static void CheckMutant(Scenario scenario, Expectation expectation, string name, Vendor vendor)
    {
        if (expectation.Subject != ExpectationSubject.Policy)
        {
            return;
        }

        try
        {
            Components.Policy(name, vendor);
        }
        catch (ConfigurationException error)
        {
            throw Unknown(scenario, expectation, name, error.Message);
        }
    }

    private static string SubjectName(ExpectationSubject subject) => subject switch
    {
        ExpectationSubject.Path => "interrupt path",
        ExpectationSubject.UpdateRule => "APICv update rule",
        _ => "policy",
    };

    private static TraceFormatException Unknown(Scenario scenario, Expectation expectation, string name, string hint) => new(
        scenario.Name,
        string.Create(CultureInfo.InvariantCulture, $"line {expectation.Line}"),
        $"{(expectation.Subject == ExpectationSubject.Policy ? "a" : "an")} {SubjectName(expectation.Subject)} that runs on the scenario's machine, 'all' or 'others'",
        $"'{name}'",
        hint);
}
