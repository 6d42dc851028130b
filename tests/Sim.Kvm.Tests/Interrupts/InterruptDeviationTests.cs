using Sim.Core.Traces;
using Sim.Kvm.Interrupts;

namespace Sim.Kvm.Tests.Interrupts;

/// <summary>Rows of docs/DEVIATIONS.md about interrupts: what the model does instead, so that a change of it is noticed.</summary>
[TestFixture]
internal sealed class InterruptDeviationTests
{
    private const int Nested = 1;

    // I1.
    [TestCase("immediate")]
    [TestCase("deferred-by-request")]
    public void I1_an_interrupt_that_a_wrong_update_rule_loses_is_not_found_again_by_later_exits_of_its_vCPU(string rule)
    {
        (long handled, InterruptSimulation run) = Uninhibited(rule, laterExits: 20);
        Assert.That(run.Findings.Any(finding => finding.Kind == "interrupt_lost"), Is.True);
        Assert.That(run.Ledger.Handled, Is.EqualTo(handled), "20 exits later");
        Assert.That(run.Ledger.Exits(1, ExitCause.Other), Is.GreaterThanOrEqualTo(20));
        (_, run) = Uninhibited("deferred", laterExits: 0);
        Assert.That(run.Findings, Is.Empty, "the right rule loses none in the same run");
    }

    // I3.
    [Test]
    public void I3_every_IPI_is_fixed_and_edge_triggered_and_an_IPI_to_several_of_L2_is_one_for_each()
    {
        InterruptSystem system = new RaceStage(new RaceSetting(Bench.SpecFor("avic").Profile, Bench.Path("avic"), InterruptSource.Ipi, WrongRule.None()), new RaceRun(NoRace), [1, 1]).System;
        Activity sender = system.Vcpus[0].Thread;
        sender.Delivery = new Delivery(0x51, 1, 1, InterruptSource.Ipi);
        Assert.That((sender.Icr.DeliveryMode, sender.Icr.Level, sender.Icr.IsMulticast), Is.EqualTo((0, false, false)));

        InterruptSimulation run = new(
            Bench.SpecFor("posted") with { Lanes = 4 }, Bench.Path("posted"), new DeferredUpdate(), new IpiBehaviour(IpiPattern.Broadcast, 4, level: 2, rounds: 1, work: 0, halts: false), []);
        run.Run(until: 10_000_000);
        Assert.That((run.Ledger.Handled, run.Ledger.Exits(2, ExitCause.IcrWrite)), Is.EqualTo((3L, 3L)), "L2's ICR is written three times");
    }

    // I4.
    [Test]
    public void I4_on_AMD_an_interrupt_for_L2_is_injected_by_L1_and_its_EOI_goes_to_L1_whatever_the_path([Values("none", "avic", "avic-iommu", "avic-no-ipiv")] string path)
    {
        CommandedBehaviour guests = new((1, GuestActionKind.Spin), (2, GuestActionKind.Spin));
        List<string> steps = [];
        InterruptSimulation run = new(Bench.SpecFor(path) with { Lanes = 2 }, Bench.Path(path), new DeferredUpdate(), guests, [], step => steps.Add(step.Name));
        run.Run(until: 100_000);
        long nested = run.Ledger.NestedExits;
        steps.Clear();
        guests.Command(0, new GuestAction(GuestActionKind.SendIpi, 0, Nested, 2, 0x61));
        run.Rouse(0);
        run.Run(until: 300_000);
        Assert.That((run.Ledger.Latency(2).Count, run.Ledger.Exits(2, ExitCause.Eoi), run.Ledger.NestedExits - nested), Is.EqualTo((1L, 1L, 2L)), "one to inject, one for EOI");
        Assert.That(steps.Count(step => step == "L1: inject into vmcs12"), Is.EqualTo(2), "each time L1 enters L2 again");
        Assert.That(run.System.Controls12 & (VmControls.VirtualInterruptDelivery | VmControls.PostedInterrupts), Is.EqualTo((VmControls)0));
    }

    private static (long Handled, InterruptSimulation Run) Uninhibited(string rule, int laterExits)
    {
        CommandedBehaviour guests = new((1, GuestActionKind.Spin), (2, GuestActionKind.Spin));
        InterruptSpec spec = Bench.SpecFor("posted") with
        {
            Lanes = 2, Inhibits = 1UL << (int)ApicvInhibit.BlockIrq, Controls12 = VmControls.ExternalInterruptExiting | VmControls.AckInterruptOnExit,
        };
        IApicvUpdateRule update = rule switch
        {
            "immediate" => new ImmediateUpdate(),
            "deferred" => new DeferredUpdate(),
            _ => new DeferredByRequestUpdate(),
        };
        InterruptSimulation run = new(spec, Bench.Path("posted"), update, guests, []);
        run.Run(until: 100_000);
        Do(0, new GuestAction(GuestActionKind.Uninhibit, Vector: (byte)ApicvInhibit.BlockIrq));
        guests.Settle(Nested, 1);
        foreach (byte vector in new byte[] { 0x51, 0x52 })
        {
            Do(0, new GuestAction(GuestActionKind.SendIpi, 0, Nested, 1, vector));
        }

        long handled = run.Ledger.Handled;
        for (int i = 0; i < laterExits; i++)
        {
            Do(Nested, new GuestAction(GuestActionKind.Exit));
        }

        run.Run();
        return (handled, run);

        void Do(int vcpu, GuestAction action)
        {
            guests.Command(vcpu, action);
            run.Rouse(vcpu);
            run.Run(until: run.Now + 100_000);
        }
    }

    private static Race NoRace(IConductor conductor) =>
        new RaceStage(new RaceSetting(Bench.SpecFor("none").Profile, Bench.Path("none"), InterruptSource.Software, WrongRule.None()), conductor, [1]).Build();
}
