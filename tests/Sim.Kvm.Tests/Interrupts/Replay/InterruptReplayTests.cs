using Sim.Kvm.Interrupts;
using Sim.Kvm.Tests.Machines;

namespace Sim.Kvm.Tests.Interrupts;

/// <summary>Interrupts and translation in one machine.</summary>
[TestFixture]
internal sealed class InterruptReplayTests
{
    private const byte Vector = 0x51;

    private static string[] Policies => ["kvm-5.14", "kvm-5.16", "kvm-6.12", "always-guest", "always-current", "always-all", "never"];

    [Test]
    public void An_interrupt_for_L1_while_L2_runs_does_to_the_machine_what_the_written_down_round_trip_does(
        [ValueSource(nameof(Policies))] string policy, [Values("posted", "ipiv", "posted-device")] string path)
    {
        InterruptReplay replay = NestedWork(policy).Device(50_000).Run(path);
        Coupled written = new() { Policy = policy };
        written.Enter(1).Work(100).NestedEntry().Work(5_000);
        written.NestedExit(1).NestedEntry().Work(5_000);

        Func<string, bool> switches = stat => stat.StartsWith("vm.", StringComparison.Ordinal) || stat is "lane[0].invalidations" or "lane[0].flush_calls" or "flush.calls";
        Assert.That(Coupled.Told(replay.Snapshot(), switches), Is.EqualTo(Coupled.Told(written.Plain().Snapshot(), switches)));
        Assert.That((replay.Snapshot()["irq.handled{level=1}"], replay.Findings.Count), Is.EqualTo((1L, 0)));
    }

    [Test]
    public void On_AMD_too_it_does_what_the_written_down_round_trip_does([Values("nsvm-5.8", "nsvm-6.14", "nsvm-l2-asid", "always-guest", "never")] string policy)
    {
        Coupled interrupted = Coupled.OnAmd();
        interrupted.Policy = policy;
        InterruptReplay replay = interrupted.Enter(1).Work(100).NestedEntry().Work(10_000).Device(50_000).Run("avic");
        Coupled written = Coupled.OnAmd();
        written.Policy = policy;
        written.Enter(1).Work(100).NestedEntry().Work(5_000).NestedExit(0x60).NestedEntry().Work(5_000);

        Func<string, bool> switches = stat => stat is "vm.entries" or "vm.nested_entries" or "vm.nested_exits" or "vm.implied_exits" or "lane[0].invalidations";
        Assert.That(Coupled.Told(replay.Snapshot(), switches), Is.EqualTo(Coupled.Told(written.Plain().Snapshot(), switches)));
        Assert.That((replay.Snapshot()["irq.handled{level=1}"], replay.Snapshot()["vm.nested_exits"], replay.Findings.Count), Is.EqualTo((1L, 1L, 0)));
        Assert.That(replay.Snapshot()["vm.exits{level=2,reason=96}"], Is.EqualTo(1), "INTR");
    }

    [TestCase("nsvm-l2-asid", "avic", true, 3)]
    [TestCase("nsvm-l2-asid", "avic", false, 3)]
    [TestCase("never", "avic-iommu", true, 3)]
    [TestCase("nsvm-l2-asid", "none", true, 0)]
    [TestCase("nsvm-7.2", "avic", true, 0)]
    [TestCase("nsvm-6.14", "avic", false, 0)]
    public void AVIC_that_is_activated_again_at_a_nested_exit_flushes_L1_where_the_exit_itself_does_not(string policy, string path, bool x2Apic, long flushes)
    {
        Coupled trace = Coupled.OnAmd();
        trace.Policy = policy;
        trace.Spec = trace.Spec with { X2Apic = x2Apic };
        trace.Enter(1).Work(100).NestedEntry().Work(100).NestedExit().Work(100).NestedEntry().Work(100).NestedExit().Work(100).NestedEntry().Work(100).NestedExit().Work(100);
        InterruptReplay replay = trace.Run(path);

        Assert.That(ReActivations(replay), Is.EqualTo(flushes));
        Assert.That(
            Invalidations(replay.Snapshot()),
            Is.EqualTo(Invalidations(trace.Plain().Snapshot()) + Math.Max(0, flushes - 1)),
            "one TLB_CONTROL each, at the VMRUN of L1, but for the first, which the first load of vmcb02 has set already; where the kernel flushes there anyway, none");
        Assert.That(replay.Snapshot()["irq.apicv_updates"], Is.EqualTo(path == "none" ? 0 : 6), "off and on for each stay in L2");
    }

    [Test]
    public void Without_APICv_the_same_interrupt_costs_an_exit_for_EOI_more()
    {
        InterruptReplay posted = NestedWork().Device(50_000).Run("posted");
        InterruptReplay none = NestedWork().Device(50_000).Run("none");

        Assert.That(Coupled.Told(posted.Snapshot(), stat => stat == "vm.exits"), Is.EqualTo(new[] { "vm.exits{level=1,reason=24} = 2", "vm.exits{level=2,reason=1} = 1" }));
        Assert.That(Coupled.Told(none.Snapshot(), stat => stat == "vm.exits"), Is.EqualTo(new[] { "vm.exits{level=1,reason=24} = 2", "vm.exits{level=1,reason=32} = 1", "vm.exits{level=2,reason=1} = 1" }));
        Assert.That((posted.Snapshot()["vm.entries"], none.Snapshot()["vm.entries"]), Is.EqualTo((4L, 5L)), "L1, L2, L1, L2; and behind the EOI's exit");
        Assert.That((none.Snapshot()["vm.nested_exits"], none.Snapshot()["vm.nested_entries"]), Is.EqualTo((1L, 2L)));
    }

    [Test]
    public void Without_VPID_an_injection_flushes_at_each_exit_and_entry_and_a_posted_notification_flushes_nothing()
    {
        InterruptReplay posted = WithoutVpid().Run("posted");
        InterruptReplay none = WithoutVpid().Run("none");

        Assert.That(Flushes(posted), Is.EqualTo(1), "the entry's");
        Assert.That(Flushes(none), Is.EqualTo(1 + 2 + 2), "exit and entry for the kick, and for EOI");
        Assert.That(none.Snapshot()["cycles.translation"] - posted.Snapshot()["cycles.translation"], Is.Positive, "refills");

        static Coupled WithoutVpid()
        {
            Coupled trace = new() { Machine = new MachineSpec { Profile = Profiles.Textbook, L0Vpid = false } };
            return trace.Enter(1).Work(10_000).Device(50_000);
        }

        static long Flushes(InterruptReplay replay) =>
            replay.Snapshot().Stats.Where(stat => stat.Path == "lane[0].invalidations" && stat.Label.Contains("no_vpid", StringComparison.Ordinal)).Sum(stat => stat.Value);
    }

    [Test]
    public void A_slower_TLB_delays_the_handler_by_exactly_the_translation_cycles()
    {
        (long fast, long fastStall) = HandlerAt(100);
        (long slow, long slowStall) = HandlerAt(1_000);

        Assert.That(slowStall - fastStall, Is.GreaterThan(10_000), "else this shows nothing");
        Assert.That(slow - fast, Is.EqualTo(slowStall - fastStall));

        static (long Time, long Stall) HandlerAt(int memoryCycles)
        {
            Coupled trace = new() { Machine = new MachineSpec { Profile = Profiles.Textbook with { MemoryCycles = memoryCycles } }, Load = new InterruptLoad() };
            trace.Enter(1).Work(20_000, pages: 4_000).Interrupt(Vector, 1).Work(1, apart: 10_000);
            InterruptReplay replay = trace.Run("posted");
            return (trace.Steps.Single(step => step.Name == "handler starts").Time, replay.Snapshot()["cycles.translation"]);
        }
    }

    [Test]
    public void Without_interrupts_time_is_the_traces_and_the_stalls()
    {
        Coupled trace = NestedWork();
        ulong from = 1_000;
        InterruptReplay replay = trace.Work(1).Run("posted");
        long stalls = replay.Machine.LaneOf(0).StallCycles;
        Assert.That(replay.Now, Is.EqualTo((long)(trace.Time - 10 - from) + stalls));
    }

    private static long Invalidations(Core.Stats.StatSheet sheet) => sheet.Stats.Where(stat => stat.Path == "lane[0].invalidations").Sum(stat => stat.Value);

    private static long ReActivations(InterruptReplay replay) =>
        replay.Snapshot().Stats.Where(stat => stat.Path == "flush.requests" && stat.Key.Contains("rule=avic_activated", StringComparison.Ordinal)).Sum(stat => stat.Value);

    [Test]
    public void Feeding_in_other_portions_changes_nothing([Values("none", "posted")] string path, [Values(1, 2, 7, 1_000)] int portion)
    {
        Coupled whole = Busy();
        Coupled parts = Busy();
        InterruptReplay one = whole.Run(path);
        InterruptReplay many = parts.Run(path, portion);

        Assert.That(parts.Steps, Is.EqualTo(whole.Steps));
        Assert.That(Coupled.Told(many.Snapshot(), _ => true), Is.EqualTo(Coupled.Told(one.Snapshot(), _ => true)));
        Assert.That(one.Snapshot()["irq.handled{level=1}"], Is.GreaterThan(20));

        static Coupled Busy()
        {
            Coupled trace = NestedWork();
            for (int i = 0; i < 20; i++)
            {
                trace.NestedExit().Work(50).NestedEntry().Work(300 + (17 * i)).Exit(2).Work(20, pages: 30).Enter(2).Work(100);
            }

            trace.Load = trace.Load with
            {
                Peers = 1,
                Sources = [new SourceLoad { PeriodCycles = 5_000, Vector = 0x61, Target = 0 }, new SourceLoad { Kind = InterruptSource.Timer, PeriodCycles = 9_000, Vector = 0x71, Target = 0 }],
            };
            return trace;
        }
    }

    private static Coupled NestedWork(string policy = "kvm-6.12")
    {
        Coupled trace = new() { Policy = policy };
        return trace.Enter(1).Work(100).NestedEntry().Work(10_000);
    }
}
