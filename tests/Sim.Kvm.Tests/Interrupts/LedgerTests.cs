using Sim.Core.Stats;
using Sim.Kvm.Interrupts;
using Sim.Kvm.Tests.Machines;

namespace Sim.Kvm.Tests.Interrupts;

/// <summary>What an interrupt run counts: whose time exits take, notifications that are spared, percentiles of a window, and where every interrupt is.</summary>
[TestFixture]
internal sealed class LedgerTests
{
    private const long When = 1_000_000;

    [Test]
    public void A_second_vector_while_a_notification_is_outstanding_sends_none_and_is_counted_as_coalesced_notification()
    {
        StatSheet sheet = new Bench().Send(When, 0x51, 1).Send(When, 0x61, 1).Run("posted").Simulation.Snapshot();

        Assert.That((sheet["irq.notifications"], sheet["irq.coalesced_notifications"], sheet["irq.suppressed_notifications"]), Is.EqualTo((1L, 1L, 0L)));
        Assert.That((sheet["irq.sent{level=1}"], sheet["irq.handled{level=1}"], sheet["irq.coalesced{level=1}"]), Is.EqualTo((2L, 2L, 0L)));
    }

    [Test]
    public void Equal_vectors_that_wait_together_are_one_interrupt_and_need_one_notification()
    {
        StatSheet sheet = new Bench().Send(When, 0x51, 1).Send(When, 0x51, 1).Run("posted").Simulation.Snapshot();

        Assert.That((sheet["irq.notifications"], sheet["irq.coalesced_notifications"]), Is.EqualTo((1L, 0L)));
        Assert.That((sheet["irq.sent{level=1}"], sheet["irq.handled{level=1}"], sheet["irq.coalesced{level=1}"]), Is.EqualTo((2L, 1L, 1L)));
    }

    [Test]
    public void Hardware_does_not_notify_a_preempted_vCPU_and_the_spared_notification_is_counted_as_suppressed()
    {
        // Two vCPUs on each of two lanes: vCPU 3 waits while vCPU 1 has the first slice.
        Bench bench = new() { Spec = new InterruptSpec { Profile = Profiles.Textbook, VcpusPerLane = 2, SliceCycles = 10_000_000 } };
        StatSheet sheet = bench.Send(12_000_000, 0x51, 1, InterruptSource.Device).Run(Bench.Path("posted-device"), until: 40_000_000).Simulation.Snapshot();

        Assert.That((sheet["irq.suppressed_notifications"], sheet["irq.notifications"], sheet["irq.handled{level=1}"]), Is.EqualTo((1L, 0L, 1L)));
    }

    [Test]
    public void Time_behind_the_exit_of_an_ICR_write_is_the_senders_and_behind_the_kick_and_the_EOI_the_targets()
    {
        Bench bench = new()
        {
            Behaviour = new ScriptedBehaviour((1, [new(GuestActionKind.Work, When), new(GuestActionKind.SendIpi, 0, 1, 1, 0x51)]), (1, [])),
        };
        StatSheet sheet = bench.Run("none").Simulation.Snapshot();

        Assert.That(sheet["irq.stolen{from=sender,cause=IcrWrite}"], Is.EqualTo(Between(bench, 0, "VM-exit IcrWrite", "VM-entry") + Profiles.Textbook.Costs.VmEntry));
        Assert.That(sheet["irq.stolen{from=target,cause=ExternalInterrupt}"], Is.EqualTo(Between(bench, 1, "VM-exit ExternalInterrupt", "handler starts")));
        Assert.That(sheet["irq.stolen{from=target,cause=Eoi}"], Is.EqualTo(Between(bench, 1, "VM-exit Eoi", "handler returns")));
        Assert.That(sheet["irq.stolen{from=bystander,cause=ExternalInterrupt}"], Is.Zero);
        Assert.That(sheet["irq.kicks"], Is.EqualTo(1));
    }

    [TestCase(0, "bystander")]
    [TestCase(1, "target")]
    public void A_device_interrupt_that_the_host_takes_costs_whoever_runs_there(int hostLane, string from)
    {
        StatSheet sheet = new Bench().Send(When, 0x51, 1, InterruptSource.Device, hostLane).Run("posted").Simulation.Snapshot();

        Assert.That(sheet[$"irq.stolen{{from={from},cause=ExternalInterrupt}}"], Is.GreaterThan(Profiles.Textbook.Costs.VmExit));
        Assert.That(sheet[$"irq.stolen{{from={(from == "target" ? "bystander" : "target")},cause=ExternalInterrupt}}"], Is.Zero);
        Assert.That(sheet["irq.exits{level=1,cause=ExternalInterrupt}"], Is.EqualTo(1));
    }

    [Test]
    public void Percentiles_of_a_window_are_of_what_fell_into_it_alone()
    {
        StatSheet sheet = Sheet((10, 90), (100, 9), (127, 1)).Since(Sheet((10, 90)));

        LatencyHistogram.AddPercentiles(sheet);

        // Ten values are left: nine of 100 and one of 127.
        Assert.That(
            (sheet["irq.latency.p50{level=1}"], sheet["irq.latency.p90{level=1}"], sheet["irq.latency.p99{level=1}"], sheet["irq.latency.p999{level=1}"]),
            Is.EqualTo((100L, 100L, 127L, 127L)));
    }

    [Test]
    public void A_bit_in_IRR_or_PIR_that_nobody_sent_and_one_that_vanished_break_conservation()
    {
        Bench bench = new Bench { Behaviour = new SteadyBehaviour(1, halts: false) }.Send(When, 0x51, 1).Run(Bench.Path("posted"), until: When + 15);
        Assert.That(bench.Simulation.System.Vcpus[1].Pid.Pir[0x51], Is.True, "the interrupt is under way");
        Assert.That(bench.Simulation.System.CheckConservation, Throws.Nothing);

        bench.Simulation.System.Vcpus[1].Pid.Pir.TestAndClear(0x51);
        Assert.That(bench.Simulation.System.CheckConservation, Throws.InvalidOperationException.With.Message.Contains("Interrupt 51 of vCPU 1's L1 is not in IRR or PIR"));

        bench.Simulation.System.Vcpus[1].Apic.Irr.TestAndSet(0x51);
        Assert.That(bench.Simulation.System.CheckConservation, Throws.Nothing);

        bench.Simulation.System.Vcpus[0].L2Apic.Irr.TestAndSet(0x99);
        Assert.That(bench.Simulation.System.CheckConservation, Throws.InvalidOperationException.With.Message.Contains("Interrupt 99 of vCPU 0's L2 is in IRR or PIR"));
    }

    /// <summary>Cycles from the begin of a step on a lane to the begin of another one behind it.</summary>
    private static long Between(Bench bench, int lane, string step, string end)
    {
        ExecutedStep[] steps = [.. bench.Steps.Where(s => s.Lane == lane).SkipWhile(s => s.Name != step)];
        return steps.First(s => s.Name == end).Time - steps[0].Time;
    }

    private static StatSheet Sheet(params (long Cycles, int Count)[] values)
    {
        LatencyHistogram histogram = new();
        foreach ((long cycles, int count) in values)
        {
            for (int i = 0; i < count; i++)
            {
                histogram.Record(cycles);
            }
        }

        StatSheet sheet = new();
        sheet.Add(new Series("irq.latency", "level=1", "cycles", "interrupts", SeriesKind.Histogram, "Latency.", histogram.Points()));
        return sheet;
    }
}
