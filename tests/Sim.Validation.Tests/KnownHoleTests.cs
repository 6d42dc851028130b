using Sim.Core;
using Sim.Experiments;
using Sim.Kvm;
using Sim.Kvm.Interrupts;
using Sim.Workloads.Scenarios;

namespace Sim.Validation.Tests;

/// <summary>The table of known holes says what the scenarios show: neither a policy too many nor one too few.</summary>
[TestFixture]
public sealed class KnownHoleTests
{
    private static readonly string Folder = RepositoryFolder.Of("traces", "scenarios");

    private static IEnumerable<KnownHole> Holes => KnownHole.All;

    private static IEnumerable<string> Scenarios => Directory.GetFiles(Folder, "*.scenario").Select(path => Path.GetFileNameWithoutExtension(path)!).Where(name => !name.StartsWith("irq-", StringComparison.Ordinal)).Order(StringComparer.Ordinal);

    [TestCaseSource(nameof(Holes))]
    public void Exactly_the_policies_of_a_hole_are_unsafe_in_its_scenario(KnownHole hole)
    {
        (Scenario scenario, RunConfiguration machine) = Read(hole.Scenario);

        Assert.That(machine.Machine.Profile.Vendor, Is.EqualTo(hole.Vendor));
        Assert.That(machine.Machine.L0Ept, Is.EqualTo(!hole.WithoutEpt));
        Assert.That(hole.ApicvUpdates.Count > 0 ? ApicvUpdatesUnsafeIn(scenario, machine) : UnsafeIn(scenario, machine), Is.EqualTo(hole.ApicvUpdates.Count > 0 ? hole.ApicvUpdates : hole.Policies));
    }

    /// <summary>A policy that goes wrong anywhere has a hole, so that no verdict recommends it.</summary>
    [TestCaseSource(nameof(Scenarios))]
    public void Whoever_is_unsafe_in_a_scenario_has_a_known_hole(string name)
    {
        (Scenario scenario, RunConfiguration machine) = Read(name);

        Assert.That(UnsafeIn(scenario, machine).Where(policy => !KnownHole.All.Any(hole => hole.Vendor == machine.Machine.Profile.Vendor && hole.IsOf(policy))), Is.Empty);
    }

    /// <summary>A rule for APICv controls that goes wrong anywhere has a hole, behind whatever flush policy it stands.</summary>
    [Test]
    public void Whichever_rule_for_APICv_controls_is_unsafe_in_a_scenario_has_a_known_hole([Values("seed2-changes-in-l1", "seed2-inhibited", "seed2-uninhibited")] string name)
    {
        (Scenario scenario, RunConfiguration machine) = Read(name);

        Assert.That(ApicvUpdatesUnsafeIn(scenario, machine).Where(rule => KnownHole.Of("kvm-6.12", machine.Machine, rule).Count == 0), Is.Empty);
        Assert.That(KnownHole.Of("kvm-5.14", machine.Machine, "immediate").Select(hole => hole.Id), Is.EqualTo(new[] { "apicv-vmcs01", "H5", "H8", "H1", "H2" }));
        Assert.That(KnownHole.Of("kvm-6.12", machine.Machine, "deferred"), Is.Empty);
    }

    [Test]
    public void What_can_show_on_the_machine_comes_first_and_a_mutants_own_bug_before_that()
    {
        RunConfiguration withEpt = RunConfiguration.Load(null, []);
        RunConfiguration without = RunConfiguration.Load(null, [new Assignment("machine.l0_ept", "false", "test")]);

        Assert.That(KnownHole.Of("kvm-5.14", withEpt.Machine).Select(hole => hole.Id), Is.EqualTo(new[] { "H5", "H8", "H1", "H2" }));
        Assert.That(KnownHole.Of("kvm-5.14", without.Machine).Select(hole => hole.Id), Is.EqualTo(new[] { "H1", "H2", "H5", "H8" }));
        Assert.That(KnownHole.Of("kvm-6.12", without.Machine), Is.Empty);
        Assert.That(KnownHole.Of("kvm-5.16~invept-does-nothing~new-vpid12-flushes-hardware-only", withEpt.Machine).Select(hole => (hole.Id, hole.Scenario)), Is.EqualTo(new[]
        {
            ("invept-does-nothing", ""), ("new-vpid12-flushes-hardware-only", "hole-h1-new-vpid12"), ("H2", "hole-h2-no-vpid12"),
        }));
    }

    private static (Scenario Scenario, RunConfiguration Machine) Read(string name)
    {
        Scenario scenario = Scenario.Read(Path.Combine(Folder, name + ".scenario"));
        return (scenario, RunConfiguration.Load(null, [], RunConfiguration.SuggestedBy(scenario.Header)));
    }

    private static string[] ApicvUpdatesUnsafeIn(Scenario scenario, RunConfiguration machine) =>
    [
        .. Components.ApicvUpdateRules.Entries.Select(entry => entry.Name)
            .Where(rule => new InterruptScenarioRun(scenario, new InterruptSpec { Profile = machine.Machine.Profile }, new PostedInterrupts(), Components.ApicvUpdateRules.Create(rule)).Findings.Count > 0)
            .Order(StringComparer.Ordinal),
    ];

    private static string[] UnsafeIn(Scenario scenario, RunConfiguration machine) =>
    [
        .. Components.Policies.Entries.Select(entry => entry.Name)
            .Where(policy => Components.Policies.Create(policy).Supports(machine.Machine.Profile.Vendor))
            .Where(policy => IsUnsafeIn(scenario, machine, policy)).Order(StringComparer.Ordinal),
    ];

    private static bool IsUnsafeIn(Scenario scenario, RunConfiguration machine, string policy)
    {
        try
        {
            return new ScenarioRun(scenario, machine, policy).Safety.Incidents.Count > 0;
        }
        catch (ConfigurationException e) when (e.Message.Contains("address_space_ids", StringComparison.Ordinal))
        {
            // A policy with an ASID for each context has too few of them on a machine where a scenario lets them run out.
            return false;
        }
    }
}
