using System.Text;
using Sim.Core;
using Sim.Core.Profiles;
using Sim.Core.Traces;
using Sim.Workloads.Scenarios;

namespace Sim.Experiments.Tests.Scenarios;

/// <summary>An expectation holds exactly if what it says happened: each kind on both sides.</summary>
[TestFixture]
public sealed class ScenarioCheckTests
{
    private const string NewVpid =
        """
        nestsim-scenario 1
        title t
        machine l0_ept=off
        vmcs A vpid=1
        page heap
        L1 enters A
        L2 reads heap
        L2 exits
        L1 remaps heap of L2
        ---
        L1 enters A vpid=new
        L2 reads heap

        """;

    [TestCase("kvm-5.14 unsafe stale_use", true)]
    [TestCase("kvm-5.14 unsafe stale_use 1", true)]
    [TestCase("kvm-5.14 unsafe stale_use 2", false)]
    [TestCase("kvm-5.14 unsafe foreign_use", false)]
    [TestCase("kvm-5.14 safe", false)]
    [TestCase("kvm-6.12 safe", true)]
    [TestCase("kvm-6.12 unsafe stale_use", false)]
    [TestCase("kvm-5.14 flushes INVVPID(vpid02)", true)]
    [TestCase("kvm-5.14 flushes INVVPID(vpid02) at nested_entry", true)]
    [TestCase("kvm-5.14 flushes INVVPID(vpid02) at nested_exit", false)]
    [TestCase("kvm-5.14 flushes INVVPID(vpid02) x2", false)]
    [TestCase("kvm-5.14 flushes INVVPID(vpid01)", false)]
    [TestCase("kvm-5.14 flushes INVVPID(vpid02), INVVPID(all)", false)]
    [TestCase("kvm-5.14 flushes nothing", false)]
    [TestCase("never flushes nothing", true)]
    [TestCase("kvm-6.12 flushes INVVPID(all), INVVPID(vpid02)", true)]
    [TestCase("kvm-5.14 walks L2 1", true)]
    [TestCase("kvm-5.14 walks L2 0", false)]
    [TestCase("never walks L2 0", true)]
    [TestCase("kvm-6.12 counts vm.nested_entries 1", true)]
    [TestCase("kvm-6.12 counts vm.nested_entries 2", false)]
    [TestCase("kvm-6.12 counts lane[0].stlb.misses{level=2} 1", true)]
    [TestCase("kvm-6.12 counts lane[*].stlb.misses 1", true)]
    [TestCase("kvm-6.12 enters", true)]
    [TestCase("kvm-6.12 fails VPID", false)]
    [TestCase("kvm-6.12 vmfails 0", true)]
    [TestCase("kvm-6.12 vmfails 1", false)]
    public void An_expectation_holds_only_if_it_was_so(string expectation, bool holds)
    {
        ScenarioCheck check = Check(NewVpid + "expect " + expectation);
        Assert.That(check.Outcomes, Has.Count.EqualTo(1));
        Assert.That((check.Outcomes[0].Holds, check.Passed), Is.EqualTo((holds, holds)), check.Outcomes[0].Found);
    }

    [TestCase("all fails VPID is 0", false)]
    [TestCase("others fails VPID is 0\nexpect kvm-4.2 enters", true)]
    [TestCase("others fails EPTP\nexpect kvm-4.2 enters", false)]
    [TestCase("kvm-6.12 enters", false)]
    public void A_failed_entry_is_seen_and_its_check_read(string expectation, bool holds) =>
        Assert.That(Check("nestsim-scenario 1\ntitle t\nvmcs A vpid=0\nL1 enters A\nL2 exits\nexpect " + expectation).Passed, Is.EqualTo(holds));

    [Test]
    public void All_is_every_policy_of_the_vendor_and_others_those_that_lines_of_the_same_kind_do_not_name()
    {
        ScenarioCheck check = Check(NewVpid + "expect kvm-5.14, kvm-6.12 flushes nothing\nexpect others vmfails 0\nexpect others flushes nothing\nexpect all walks L1 0");
        string[] intel = [.. Components.Policies.Entries.Select(entry => entry.Name).Where(name => Components.Policies.Create(name) is var policy && policy.Supports(Vendor.Intel) && ScenarioCheck.IsOfAll(policy))];
        Assert.That(Of(14), Is.EqualTo(intel));
        Assert.That(Of(15), Is.EqualTo(intel.Except(["kvm-5.14", "kvm-6.12"])));
        Assert.That(Of(16), Is.EqualTo(intel));

        IEnumerable<string> Of(int line) => check.Outcomes.Where(outcome => outcome.Line == line).Select(outcome => outcome.Policy);
    }

    [TestCase("expect kvm-6.21 safe", "line 13", "kvm-6.2")]
    [TestCase("expect nsvm-5.8 safe", "line 13", "Unknown policy")]
    [TestCase("expect never counts mmu.sinks 0", "line 13", "mmu.syncs")]
    public void A_policy_or_statistic_that_does_not_exist_there_is_told_with_its_line(string expectation, string where, string hint)
    {
        TraceFormatException error = Assert.Throws<TraceFormatException>(() => Check(NewVpid + expectation))!;
        Assert.That(error.Message, Does.StartWith($"test: {where}: ").And.Contain(hint));
    }

    [Test]
    public void A_scenario_without_expectations_has_not_passed() => Assert.That(Check(NewVpid).Passed, Is.False);

    [Test]
    public void The_machine_of_the_scenario_is_a_suggestion_that_files_and_options_win_over()
    {
        IReadOnlyList<Assignment> suggested = RunConfiguration.SuggestedBy(Parse(NewVpid.Replace("l0_ept=off", "l0_ept=off seed=7 profile=haswell-ep", StringComparison.Ordinal)).Header);
        RunConfiguration alone = RunConfiguration.Load(null, [], suggested);
        RunConfiguration overruled = RunConfiguration.Load(null, [new Assignment("machine.l0_ept", "true", "--set"), new Assignment("profile", "skylake-sp", "--profile")], suggested);
        Assert.That((alone.Machine.L0Ept, alone.Machine.Seed, alone.Machine.Profile.Name), Is.EqualTo((false, 7UL, "haswell-ep")));
        Assert.That((overruled.Machine.L0Ept, overruled.Machine.Seed, overruled.Machine.Profile.Name), Is.EqualTo((true, 7UL, "skylake-sp")));
        Assert.That(alone.Origins["machine.l0_ept"], Is.EqualTo("the trace's header"));
        Assert.That(RunConfiguration.SuggestedBy(TraceHeader.Default), Is.Empty);
    }

    private static ScenarioCheck Check(string text) => ScenarioCheck.Of(Parse(text));

    private static Scenario Parse(string text) => Scenario.Parse(new MemoryStream(Encoding.UTF8.GetBytes(text)), "test");
}
