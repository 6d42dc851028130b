using Sim.Core;
using Sim.Core.Profiles;
using Sim.Workloads.Scenarios;
using System.Text;

namespace Sim.Experiments.Tests.Scenarios;

/// <summary>Expectations on interrupt paths and APICv update rules hold exactly if what they say happened.</summary>
[TestFixture]
public sealed class InterruptScenarioTests
{
    private const string ToL2 =
        """
        nestsim-scenario 1
        title t
        vcpu v0 lane=0
        vcpu v1 lane=1
        vmcs A vpid=1 controls=kvm
        v0: L1 works 1000
        v1: L1 enters A
        ---
        v0: L1 sends 0x51 to v1 L1

        """;

    [TestCase("path posted exits IcrWrite at L1, ExternalInterrupt at L2, NestedEntry at L1", true)]
    [TestCase("path posted exits NestedEntry, ExternalInterrupt, IcrWrite", true)]
    [TestCase("path posted exits IcrWrite, ExternalInterrupt at L1, NestedEntry", false)]
    [TestCase("path posted exits IcrWrite, ExternalInterrupt", false)]
    [TestCase("path posted exits IcrWrite x2, ExternalInterrupt, NestedEntry", false)]
    [TestCase("path posted exits IcrWrite, ExternalInterrupt, NestedEntry, Eoi", false)]
    [TestCase("path posted exits nothing", false)]
    [TestCase("path posted delivers 1", true)]
    [TestCase("path posted delivers 0", false)]
    [TestCase("path posted delivers 2", false)]
    [TestCase("path posted safe", true)]
    [TestCase("path posted unsafe interrupt_lost", false)]
    [TestCase("path posted enters", true)]
    [TestCase("path posted fails TPR", false)]
    [TestCase("path posted counts irq.nested_exits 1", true)]
    [TestCase("path posted counts irq.nested_exits 0", false)]
    [TestCase("path posted counts irq.exits{level=2,cause=ExternalInterrupt} 1", true)]
    [TestCase("update deferred delivers 1", true)]
    public void An_expectation_holds_only_if_it_was_so(string expectation, bool holds)
    {
        ScenarioCheck check = Check(ToL2 + "expect " + expectation);
        Assert.That(check.Outcomes, Has.Count.EqualTo(1));
        Assert.That(check.Passed, Is.EqualTo(holds), check.Outcomes[0].Found);
    }

    [Test]
    public void All_is_every_path_of_the_vendor_and_others_those_that_lines_of_the_same_kind_do_not_name()
    {
        ScenarioCheck check = Check(ToL2 + "expect path posted exits nothing\nexpect path others exits nothing\nexpect path all delivers 1\nexpect update others delivers 1\nexpect update all safe");
        string[] paths = [.. Components.InterruptPaths.Entries.Select(entry => entry.Name).Where(name => Components.InterruptPaths.Create(name).Supports(Vendor.Intel)).Select(name => "path " + name)];
        Assert.That(paths, Is.SupersetOf(new[] { "path ipiv", "path none", "path posted", "path posted-device" }));
        Assert.That(Of(11), Is.EqualTo(paths.Except(["path posted"])));
        Assert.That(Of(12), Is.EqualTo(paths));
        Assert.That(Of(13), Is.EqualTo(Components.ApicvUpdateRules.Entries.Select(entry => "update " + entry.Name)));

        IEnumerable<string> Of(int line) => check.Outcomes.Where(outcome => outcome.Line == line).Select(outcome => outcome.Policy);
    }

    [TestCase("expect path avic delivers 1", "line 10", "interrupt path")]
    [TestCase("expect path postd delivers 1", "line 10", "Did you mean posted")]
    [TestCase("expect update posted safe", "line 10", "APICv update rule")]
    [TestCase("expect path posted exits ExternalInterrupts", "line 10", "Did you mean ExternalInterrupt")]
    [TestCase("expect path posted counts irq.nestedexits 1", "line 10", "irq.nested_exits")]
    [TestCase("expect path posted flushes nothing", "line 10", "what is expected of a path or rule")]
    [TestCase("expect kvm-6.12 delivers 1", "line 10", "what is expected of a policy")]
    [TestCase("v1: L2 sends 0x61 to v0 L1", "line 10", "L1's APIC is not L2's to write")]
    public void What_does_not_exist_there_is_told_with_its_line(string line, string where, string hint)
    {
        TraceFormatException error = Assert.Throws<TraceFormatException>(() => Check(ToL2 + line))!;
        Assert.That(error.Message, Does.StartWith($"test: {where}: ").And.Contain(hint));
    }

    [TestCase("v0: device sends 0x51 to v1 L2", "only L1 delivers to L2")]
    [TestCase("v1: L2 exits\nv1: L1 enters A controls=none", "Two nested entries have other interrupt controls")]
    [TestCase("host moves v1 to lane 0", "moves to another CPU")]
    public void What_no_path_can_do_is_told(string line, string why) =>
        Assert.That(() => Check(ToL2 + line + "\nexpect path posted delivers 1"), Throws.InstanceOf<ConfigurationException>().With.Message.Contains(why));

    // A device's interrupt is the host's on the CPU of the vCPU that the line names; else on the target's.
    [TestCase("v0: device sends 0x51 to v1 L1", "ExternalInterrupt at L1, ExternalInterrupt at L2, NestedEntry")]
    [TestCase("device sends 0x51 to v1 L1", "ExternalInterrupt at L2, NestedEntry")]
    public void The_host_handles_a_device_on_the_lane_that_the_line_says(string line, string exits) =>
        Assert.That(Check(ToL2.Replace("v0: L1 sends 0x51 to v1 L1", line, StringComparison.Ordinal) + "expect path posted exits " + exits).Passed, Is.True);

    private static ScenarioCheck Check(string text) => ScenarioCheck.Of(Scenario.Parse(new MemoryStream(Encoding.UTF8.GetBytes(text)), "test"));
}
