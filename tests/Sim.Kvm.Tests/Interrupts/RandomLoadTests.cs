using Sim.Apic;
using Sim.Core;
using Sim.Core.Architecture;
using Sim.Core.Stats;
using Sim.Core.Traces;
using Sim.Kvm.Interrupts;

namespace Sim.Kvm.Tests.Interrupts;

/// <summary>Random load with several vCPUs on each CPU, devices, timers and IPIs: what must always hold (docs/rules.md#interrupt-invariants), and that runs are the same however they are cut.</summary>
[TestFixture]
internal sealed class RandomLoadTests
{
    [Test]
    public void Nothing_is_lost_duplicated_or_out_of_order_under_random_load_and_the_descriptors_invariants_hold_at_every_step(
        [ValueSource(typeof(Bench), nameof(Bench.PathNames))] string path, [Values(1, 2)] int level, [Values] bool halts)
    {
        InterruptSimulation run = null!;
        List<string> broken = [];
        run = Load(path, level, halts, seed: 7, step => Check(run, step, broken));

        // The last is sent before 60,000,000. Spinning vCPUs take turns for ever, so there is no end to wait for.
        run.Run(until: 200_000_000);
        Assert.That(run.IsDrained, Is.EqualTo(halts));
        IReadOnlyList<InterruptFinding> findings = run.Ledger.Findings(drained: true);
        Assert.That(findings, Is.Empty, string.Join('\n', findings.SelectMany(finding => finding.Story)));
        Assert.That(broken, Is.Empty);
        if (halts)
        {
            // 4.7, rules 1 and 2, where nothing is under way: nobody sleeps or runs with something posted, and no notification is outstanding.
            Assert.That(run.System.Vcpus.Select(vcpu => (vcpu.Pid.Pir.IsEmpty, vcpu.Pid12.Pir.IsEmpty, vcpu.Pid.On, vcpu.Pid12.On)), Is.All.EqualTo((true, true, false, false)));
        }

        StatSheet sheet = run.Snapshot();
        Assert.That(sheet.Sum("irq.sent"), Is.EqualTo(sheet.Sum("irq.handled") + sheet.Sum("irq.coalesced")), "sent = handled + merged");
        Assert.That(sheet.Sum("irq.handled"), Is.GreaterThan(1_200));
        Assert.That(sheet["irq.preemptions"] + sheet["irq.wake_ups"], Is.GreaterThan(10), "the load is one at which it matters");
        LatencyHistogram.AddPercentiles(sheet);
        Assert.That(sheet["irq.latency.p50{level=1}"], Is.Positive);
    }

    [Test]
    public void A_run_is_the_same_for_any_number_of_events_at_a_time([Values("posted-device", "avic-iommu", "none")] string path)
    {
        string whole = Text(Load(path, 1, halts: true, seed: 3), long.MaxValue);
        Assert.That(Text(Load(path, 1, halts: true, seed: 3), 1), Is.EqualTo(whole));
        Assert.That(Text(Load(path, 1, halts: true, seed: 3), 1_000), Is.EqualTo(whole));
        Assert.That(Text(Load(path, 1, halts: true, seed: 4), long.MaxValue), Is.Not.EqualTo(whole), "another seed is another run");
    }

    [Test]
    public void Inhibiting_and_uninhibiting_under_load_loses_nothing([Values("posted", "posted-device", "ipiv", "avic", "avic-iommu")] string path, [Values("deferred", "switch-vmcs")] string rule, [Values(1, 2)] int level)
    {
        CommandedBehaviour guests = new((1, GuestActionKind.Spin), (level, GuestActionKind.Spin), (1, GuestActionKind.Halt), (level, GuestActionKind.Spin));
        IApicvUpdateRule update = rule == "deferred" ? new DeferredUpdate() : new SwitchVmcsUpdate();
        List<string> broken = [];
        InterruptSimulation run = null!;
        run = new(
            Bench.SpecFor(path) with { VcpusPerLane = 2, SliceCycles = 70_000 }, Bench.Path(path), update, guests,
            [.. Enumerable.Range(0, 3).Select(i => new PoissonSource(new Delivery((byte)(0x31 + (0x20 * i)), 1 + i, 1, InterruptSource.Device), 9_000, 600, new Rng((ulong)i + 1)))],
            step => Check(run, step, broken));
        for (int flip = 0; flip < 40; flip++)
        {
            run.Run(until: (flip + 1) * 100_000);
            guests.Command(0, new GuestAction(flip % 2 == 0 ? GuestActionKind.Inhibit : GuestActionKind.Uninhibit, Vector: (byte)ApicvInhibit.BlockIrq));
            run.Rouse(0);
        }

        run.Run(until: 60_000_000);
        Assert.That(run.Ledger.ApicvUpdates, Is.GreaterThan(40));
        Assert.That(broken, Is.Empty);
        Assert.That((run.Ledger.Handled + run.Ledger.Coalesced, run.Ledger.Sent), Is.EqualTo((1_800L, 1_800L)));
        Assert.That(run.Findings, Is.Empty, string.Join('\n', run.Findings.SelectMany(finding => finding.Story)));
    }

    [TestCase(IpiPattern.PingPong, 2 * 2 * 50)]
    [TestCase(IpiPattern.Broadcast, 3 * 50)]
    [TestCase(IpiPattern.Shootdown, 3 * 50)]
    public void Every_IPI_of_a_pattern_is_sent_and_handled(IpiPattern pattern, int ipis)
    {
        foreach (string path in Bench.PathNames)
        {
            foreach (int level in new[] { 1, 2 })
            {
                // The work is longer than a broadcast takes to arrive, so that none is merged.
                InterruptSpec spec = Bench.SpecFor(path) with { Lanes = 4 };
                InterruptSimulation run = new(spec, Bench.Path(path), new DeferredUpdate(), new IpiBehaviour(pattern, 4, level, 50, 200_000, halts: true), []);
                run.Run();
                Assert.That((run.Ledger.Sent, run.Ledger.Handled, run.Findings.Count), Is.EqualTo(((long)ipis, (long)ipis, 0)), $"{path} L{level}");
            }
        }
    }

    [Test]
    public void Polling_before_sleep_spares_the_wake_up_iff_the_interrupt_comes_within_it([Values("posted-device", "avic-iommu", "none")] string path)
    {
        (long WakeUps, long Latency) Run(int poll)
        {
            Bench bench = new() { Spec = Bench.SpecFor(path) with { HaltPollCycles = poll }, Behaviour = new SteadyBehaviour(1, halts: true) };
            bench.Send(100_000, 0x51, 1, InterruptSource.Device).Run(path);
            Assert.That(bench.Ledger.Handled, Is.EqualTo(1));
            return (bench.Ledger.WakeUps, bench.Ledger.Latency(1).Percentile(500));
        }

        (long WakeUps, long Latency) asleep = Run(90_000);
        (long WakeUps, long Latency) polling = Run(110_000);
        Assert.That((asleep.WakeUps, polling.WakeUps), Is.EqualTo((1L, 0L)));
        Assert.That(asleep.Latency - polling.Latency, Is.GreaterThan(2_000), "waking alone costs that");
    }

    [Test]
    public void A_Poisson_source_has_the_mean_it_was_given_and_comes_in_order()
    {
        PoissonSource source = new(default, 10_000, 20_000, new Rng(1));
        long last = 0;
        long count = 0;
        while (source.Next(out long time, out _))
        {
            Assert.That(time, Is.GreaterThanOrEqualTo(last));
            last = time;
            count++;
        }

        Assert.That(count, Is.EqualTo(20_000));
        Assert.That(last / count, Is.InRange(9_700, 10_300), "three standard deviations of the mean are 2%");
    }

    private static InterruptSimulation Load(string path, int level, bool halts, ulong seed, Action<ExecutedStep>? observer = null)
    {
        InterruptSpec spec = Bench.SpecFor(path) with { Lanes = 2, VcpusPerLane = 4, SliceCycles = 60_000, HaltPollCycles = 3_000 };
        IInterruptSource[] sources =
        [
            new PoissonSource(new Delivery(0x31, 1, 1, InterruptSource.Device), 25_000, 400, Rng.Fork(seed, "a"), hostLane: 0),
            new PoissonSource(new Delivery(0x52, 2, 1, InterruptSource.Device), 30_000, 400, Rng.Fork(seed, "b"), hostLane: 1),
            new PoissonSource(new Delivery(0x53, 1, 1, InterruptSource.Software), 20_000, 400, Rng.Fork(seed, "c")),
            new PeriodicSource(new Delivery(0xEC, 5, 1, InterruptSource.Timer), 1_000, 21_001, 400),
            new PeriodicSource(new Delivery(0xEC, 6, 1, InterruptSource.Timer), 1_500, 23_003, 400),
        ];
        return new InterruptSimulation(
            spec, Bench.Path(path), new DeferredUpdate(), new IpiBehaviour(IpiPattern.PingPong, 8, level, 100, 5_000, halts), sources, observer);
    }

    private static string Text(InterruptSimulation run, long batch)
    {
        while (!run.IsDrained)
        {
            run.Run(batch);
            if (batch > 1)
            {
                run.System.CheckConservation();
            }
        }

        StatSheet sheet = run.Snapshot();
        return string.Join('\n', sheet.Stats) + string.Join('\n', sheet.Series.SelectMany(series => series.Points));
    }

    /// <summary>docs/rules.md#interrupt-invariants, rules 3 to 7. Rules 3 to 5 hold where KVM keeps the descriptor: if hardware may post.</summary>
    private static void Check(InterruptSimulation run, ExecutedStep step, List<string> broken)
    {
        if (run is null)
        {
            return;
        }

        foreach (Vcpu vcpu in run.System.Vcpus.Where(vcpu => vcpu.GuestMode))
        {
            if (vcpu.ActiveVmcs.NotificationVector != HostVectors.NestedPostedInterrupt || vcpu.ActiveVmcs.Descriptor == vcpu.Pid)
            {
                broken.Add($"{step}: L2 on vCPU {vcpu.Id} notifies on {vcpu.ActiveVmcs.NotificationVector}, or has L1's descriptor");
            }
        }

        if (step.Name == "nested VM-exit")
        {
            Vcpu vcpu = run.System.Vcpus[step.Vcpu];
            if ((run.System.Path.UsesAvic ? vcpu.Vmcs01.Avic : vcpu.Vmcs01.Has(VmControls.VirtualInterruptDelivery)) != vcpu.ApicvActive)
            {
                broken.Add($"{step}: vmcs01 has controls for apicv_active = {!vcpu.ApicvActive}");
            }
        }

        if (run.System.Path.UsesAvic || run.System.Path.HardwareDevice is null)
        {
            return;
        }

        foreach (Vcpu vcpu in run.System.Vcpus)
        {
            bool inGuest = vcpu.Mode == VcpuMode.InGuestMode;
            int lists = run.System.Cpus.Count(cpu => cpu.WakeupList.Contains(vcpu));
            if (inGuest && (vcpu.Pid.Sn || vcpu.Pid.Ndst != vcpu.Cpu.Index || vcpu.Pid.Nv != (byte)HostVector.PostedInterrupt))
            {
                broken.Add($"{step}: vCPU {vcpu.Id} is in guest mode with SN={vcpu.Pid.Sn} NDST={vcpu.Pid.Ndst} NV={vcpu.Pid.Nv:x2}");
            }

            if (step.Name != "onto the wake-up list" && lists != (vcpu.Pid.Nv == (byte)HostVector.Wakeup ? 1 : 0))
            {
                broken.Add($"{step}: vCPU {vcpu.Id} has NV={vcpu.Pid.Nv:x2} and is on {lists} wake-up lists");
            }
        }
    }
}
