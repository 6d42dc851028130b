using Sim.Core.Traces;
using Sim.Kvm.Interrupts;
using Sim.Kvm.Tests.Machines;

namespace Sim.Kvm.Tests.Interrupts;

/// <summary>Seed 2 (docs/rules.md#apicv-inhibition): APICv controls that change while L2 is active, under each update rule.</summary>
[TestFixture]
internal sealed class ApicvUpdateTests
{
    private static readonly InterruptSpec Spec = new() { Profile = Profiles.Textbook };

    [Test]
    public void Immediate_stomps_vmcs02_and_the_failed_entry_is_blamed_on_L1_while_vmcs01_stays_behind()
    {
        ApicvUpdateScenario run = ApicvUpdateScenario.Uninhibited(Spec, new ImmediateUpdate());
        Assert.That(run.Findings.Select(finding => (finding.Kind, finding.Count)), Is.EqualTo(new[] { ("failed_vm_entry", 1L), ("interrupt_lost", 3L) }), Lines(run));
        Assert.That(run.Findings[0].Story[^1], Does.Contain("without TPR shadow").And.Contain("blamed on L1"));
        ApicvMoment stomped = run.Moments.First(moment => moment.Event == "apicv_active = 1");
        ApicvMoment failed = run.Moments.First(moment => moment.Event.StartsWith("VM-entry to L2 failed", StringComparison.Ordinal));
        Assert.That((failed.Level, failed.ApicvActive, failed.Vmcs01, failed.Vmcs02), Is.EqualTo((2, true, false, true)), Lines(run));
        Assert.That(stomped.Level, Is.EqualTo(2));
        Assert.That(run.Moments[^1].Level, Is.EqualTo(1), "L1 goes on, and believes that it made a mistake");
    }

    [Test]
    public void With_nested_early_check_the_same_failure_is_L0s_own_warning()
    {
        ApicvUpdateScenario run = ApicvUpdateScenario.Uninhibited(Spec with { NestedEarlyCheck = true }, new ImmediateUpdate());
        Assert.That(run.Findings[0].Story[^1], Does.Contain("L0 warns of itself").And.Not.Contain("blamed on L1"));
    }

    [TestCase(false)]
    [TestCase(true)]
    public void Deferred_and_switch_vmcs_deliver_everything_and_vmcs01_agrees_with_apicv_active_behind_every_nested_exit(bool earlyCheck)
    {
        foreach (IApicvUpdateRule rule in new IApicvUpdateRule[] { new DeferredUpdate(), new SwitchVmcsUpdate() })
        {
            foreach (bool inhibits in new[] { false, true })
            {
                InterruptSpec spec = Spec with { NestedEarlyCheck = earlyCheck };
                ApicvUpdateScenario run = inhibits ? ApicvUpdateScenario.Inhibited(spec, rule) : ApicvUpdateScenario.Uninhibited(spec, rule);
                Assert.That(run.Findings, Is.Empty, Lines(run));
                Assert.That((run.Sent, run.Handled), Is.EqualTo((inhibits ? 4L : 3L, inhibits ? 4L : 3L)));
                Assert.That(run.Moments.Where(moment => moment.Event == "nested VM-exit").All(moment => moment.Vmcs01 == moment.ApicvActive), Is.True, Lines(run));
                Assert.That(run.Moments.Any(moment => moment.Event == "nested VM-exit"), Is.True);
            }
        }
    }

    [Test]
    public void Switch_vmcs_writes_vmcs01_at_once_and_deferred_at_the_nested_exit()
    {
        ApicvMoment ActiveDuringL2(IApicvUpdateRule rule) => ApicvUpdateScenario.Uninhibited(Spec, rule).Moments.First(moment => moment is { Event: "VM-entry", ApicvActive: true, Level: 2 });
        Assert.That(ActiveDuringL2(new SwitchVmcsUpdate()).Vmcs01, Is.True);
        Assert.That(ActiveDuringL2(new DeferredUpdate()).Vmcs01, Is.False);
        Assert.That(ActiveDuringL2(new SwitchVmcsUpdate()).Vmcs02, Is.False);
    }

    [Test]
    public void The_seeds_own_patch_saves_vmcs02_but_its_request_at_the_nested_exit_finds_nothing_to_do()
    {
        ApicvUpdateScenario run = ApicvUpdateScenario.Uninhibited(Spec, new DeferredByRequestUpdate());
        Assert.That(run.Findings.Select(finding => finding.Kind), Is.EqualTo(new[] { "interrupt_lost" }), Lines(run));
        ApicvMoment last = run.Moments[^1];
        Assert.That((last.Level, last.ApicvActive, last.Vmcs01), Is.EqualTo((1, true, false)), "stale off: PIR never reaches the guest");
    }

    [Test]
    public void Immediate_inhibition_turns_L2s_delivery_off_until_vmcs02_is_written_again_and_a_stale_SVI_blocks_L1()
    {
        ApicvUpdateScenario run = ApicvUpdateScenario.Inhibited(Spec, new ImmediateUpdate());
        ApicvMoment atL2 = run.Moments.First(moment => moment is { Event: "handler starts", Level: 2 });
        ApicvMoment secondEntry = run.Moments.Where(moment => moment.Event == "nested VM-entry").ElementAt(1);
        Assert.That(atL2.Time, Is.GreaterThan(secondEntry.Time).And.GreaterThan(300_000), "it was sent at 200,000");
        Assert.That(run.Findings.Select(finding => (finding.Kind, finding.Count)), Is.EqualTo(new[] { ("interrupt_lost", 2L) }), Lines(run));
        Assert.That(run.Findings[0].Story[^1], Does.Contain("L1 never got 31"), "vmcs01 still virtualizes EOI, with an SVI that names nothing: 0x51 stays in service");
    }

    // 4.7 rule 7 and SDM 28.2.1.1, both sides of each rule.
    [TestCase(VmControls.TprShadow | VmControls.VirtualInterruptDelivery | VmControls.ExternalInterruptExiting, true)]
    [TestCase(VmControls.VirtualInterruptDelivery | VmControls.ExternalInterruptExiting, false)]
    [TestCase(VmControls.TprShadow | VmControls.VirtualInterruptDelivery, false)]
    [TestCase(VmControls.ApicRegisterVirtualization, false)]
    [TestCase(VmControls.TprShadow | VmControls.ApicRegisterVirtualization, true)]
    [TestCase(InterruptSpec.FullControls12, true)]
    [TestCase(InterruptSpec.FullControls12 & ~VmControls.AckInterruptOnExit, false)]
    [TestCase(InterruptSpec.FullControls12 & ~VmControls.VirtualInterruptDelivery, false)]
    public void A_VM_entry_succeeds_only_with_controls_that_are_consistent(VmControls controls, bool succeeds) =>
        Assert.That(ApicvSteps.FailedCheck(Spec, controls) is null, Is.EqualTo(succeeds));

    [Test]
    public void A_flip_kicks_every_vCPU_out_of_its_guest_before_the_mask_is_stored_and_rewrites_each_ones_controls()
    {
        Bench bench = new()
        {
            Spec = Spec with { Lanes = 4 },
            Behaviour = new ScriptedBehaviour(
                (1, [new GuestAction(GuestActionKind.Work, 50_000), new GuestAction(GuestActionKind.Inhibit, Vector: (byte)ApicvInhibit.BlockIrq)]), (1, []), (1, []), (1, [])),
        };
        bench.Run("posted");
        int stored = bench.Steps.FindIndex(step => step.Name == "store the reasons");
        Assert.That(bench.Steps.Take(stored).Count(step => step.Name == "VM-exit ExternalInterrupt"), Is.EqualTo(3), "all but the requester, which had left");
        Assert.That(bench.Steps.Take(stored).Any(step => step.Name == "apicv_active = 0"), Is.False, "the lock is held");
        Assert.That(bench.Steps.Count(step => step.Name == "apicv_active = 0"), Is.EqualTo(4));
        Assert.That(bench.Simulation.System.Vcpus.All(vcpu => !vcpu.ApicvActive && !vcpu.Vmcs01.Has(VmControls.VirtualInterruptDelivery)), Is.True);
    }

    [Test]
    public void A_second_reason_changes_the_mask_and_kicks_nobody()
    {
        GuestAction First(GuestActionKind kind) => new(kind, Vector: (byte)ApicvInhibit.BlockIrq);
        GuestAction Second(GuestActionKind kind) => new(kind, Vector: (byte)ApicvInhibit.HyperV);
        Bench Run(params GuestAction[] actions)
        {
            Bench bench = new() { Spec = Spec, Behaviour = new ScriptedBehaviour((1, [new GuestAction(GuestActionKind.Work, 50_000), .. actions]), (1, [])) };
            return bench.Run("posted");
        }

        Bench one = Run(First(GuestActionKind.Inhibit));
        Bench two = Run(First(GuestActionKind.Inhibit), Second(GuestActionKind.Inhibit), First(GuestActionKind.Uninhibit));
        Assert.That(two.Ledger.Exits(1, ExitCause.ExternalInterrupt), Is.EqualTo(one.Ledger.Exits(1, ExitCause.ExternalInterrupt)));
        Assert.That((two.Ledger.ApicvUpdates, two.Simulation.System.Apicv.Reasons), Is.EqualTo((2L, 1UL << (int)ApicvInhibit.HyperV)));
        Bench three = Run(First(GuestActionKind.Inhibit), Second(GuestActionKind.Inhibit), First(GuestActionKind.Uninhibit), Second(GuestActionKind.Uninhibit));
        Assert.That((three.Ledger.ApicvUpdates, three.Simulation.System.Vcpus.All(vcpu => vcpu.ApicvActive)), Is.EqualTo((4L, true)));
    }

    private static string Lines(ApicvUpdateScenario run) => string.Join('\n', run.Moments) + "\n" + string.Join('\n', run.Findings.SelectMany(finding => finding.Story));
}
