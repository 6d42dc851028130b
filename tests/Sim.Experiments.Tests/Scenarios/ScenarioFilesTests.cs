using Sim.Core.Traces;
using Sim.Workloads.Operations;
using Sim.Workloads.Scenarios;

namespace Sim.Experiments.Tests.Scenarios;

/// <summary>Every committed scenario holds what it promises.</summary>
[TestFixture]
public sealed class ScenarioFilesTests
{
    private static readonly string Folder = RepositoryFolder.Of("traces", "scenarios");

    private static IEnumerable<TestCaseData> Files() =>
        Directory.GetFiles(Folder, "*.scenario").Order(StringComparer.Ordinal).Select(path => new TestCaseData(path).SetArgDisplayNames(Path.GetFileNameWithoutExtension(path)));

    [TestCaseSource(nameof(Files))]
    public void Every_expectation_of_a_committed_scenario_holds(string path)
    {
        ScenarioCheck check = ScenarioCheck.Of(path);
        Assert.That(check.Outcomes, Is.Not.Empty);
        Assert.That(check.Outcomes.Where(outcome => !outcome.Holds).Select(outcome => $"line {outcome.Line}: {outcome.Policy}: expected '{outcome.Expected}', found {outcome.Found}"), Is.Empty);
    }

    [TestCaseSource(nameof(Files))]
    public void A_committed_scenario_is_a_trace_that_a_machine_can_have_run(string path)
    {
        using ITraceSource trace = Scenario.Read(path).OpenTrace();
        Assert.That(TraceVerifier.Run(trace).Findings.Where(finding => finding.Severity == FindingSeverity.Error), Is.Empty);
    }

    [Test]
    public void There_are_scenarios() => Assert.That(Files().Count(), Is.GreaterThan(0));
}
