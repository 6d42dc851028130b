using Sim.Core.Architecture;
using Sim.Core.Traces;
using Sim.Kvm.Interrupts;

namespace Sim.Kvm.Tests.Interrupts;

/// <summary>The trace's own interrupts, delivered anew.</summary>
[TestFixture]
internal sealed class RecordedInterruptTests
{
    private const byte Vector = 0x51;
    private const byte HostTimer = (byte)HostVector.LocalTimer;

    [Test]
    public void An_exit_for_a_notification_goes_and_one_for_a_host_timer_stays([Values(0xF2, 0xF0, 0xF1)] byte notification)
    {
        Assert.That(ExitsLeft(Told().Exit(1, 1).Event(Host(notification)).Enter(1)), Is.EqualTo((0L, 1L)));
        Assert.That(ExitsLeft(Told().Exit(1, 1).Event(Host(HostTimer)).Enter(1)), Is.EqualTo((1L, 0L)));
        Assert.That(ExitsLeft(Told().Exit(1, 1).Event(Host(notification)).Event(Host(HostTimer)).Enter(1)), Is.EqualTo((1L, 0L)), "the timer alone would have made it");
        Assert.That(ExitsLeft(Told().Exit(1, 1).Enter(1)), Is.EqualTo((1L, 0L)), "nobody knows why");
    }

    [Test]
    public void Interrupt_windows_and_EOI_exits_go_with_L0s_accesses_and_their_time([Values(7u, 43u, 45u)] uint reason)
    {
        Coupled with = Told().Exit(1, reason).Work(50, pages: 50, from: 0x7000_0000).Enter(1).Work(100);
        Coupled without = Told().Work(100);
        InterruptReplay dropped = with.Run("posted");
        InterruptReplay plain = without.Run("posted");

        Assert.That(dropped.Snapshot()["trace.irq_exits_dropped"], Is.EqualTo(1));
        Assert.That(dropped.Now, Is.EqualTo(plain.Now));
        Assert.That(dropped.Snapshot()["cycles.translation"], Is.EqualTo(plain.Snapshot()["cycles.translation"]));
    }

    [Test]
    public void A_stay_that_does_something_else_too_is_kept()
    {
        Coupled changes = Told().Exit(1, 7).Event(TraceEvent.MapChange(0, 0, MapTable.Tdp01, 0, 0x10_0000, 4096, MapChangeKind.Removed)).Enter(1);
        Assert.That(ExitsLeft(changes), Is.EqualTo((1L, 0L)));
    }

    [Test]
    public void An_ICR_write_exits_as_recorded_unless_the_path_virtualizes_IPIs([Values("none", "posted", "ipiv")] string path)
    {
        Assert.That(ExitsLeft(Told().Exit(1, 56).Enter(1), path).Dropped, Is.EqualTo(path == "ipiv" ? 1 : 0));
    }

    [Test]
    public void Without_a_recorded_interrupt_before_it_nothing_goes()
    {
        Coupled trace = new() { Load = new InterruptLoad() };
        Assert.That(ExitsLeft(trace.Enter(1).Work(100).Exit(1, 7).Enter(1).Work(10)), Is.EqualTo((1L, 0L)));
    }

    [Test]
    public void A_nested_exit_for_an_interrupt_of_L1_is_decided_anew_with_all_that_L1_did_about_it()
    {
        Coupled trace = Told().NestedEntry().Work(1_000);
        trace.Exit(2, 1).Event(Host(0xF2)).Event(TraceEvent.VmExit(0, TransitionKind.L2ToL1, 0, VmxExit.ExternalInterrupt)).Enter(1).Work(20).Interrupt(0x61, 1).Work(50);
        trace.Exit(1, 32).Work(10).Enter(1).NestedEntry().Work(1_000);
        InterruptReplay replay = trace.Run("posted");

        Assert.That(replay.Snapshot()["trace.irq_exits_dropped"], Is.EqualTo(1));
        Assert.That((replay.Snapshot()["vm.nested_exits"], replay.Snapshot()["vm.nested_entries"]), Is.EqualTo((1L, 2L)), "one of its own instead");
        Assert.That(replay.Snapshot()["vm.exits{level=1,reason=32}"], Is.Zero);
        Assert.That(replay.Snapshot()["irq.handled{level=1}"], Is.EqualTo(2));
        Assert.That(replay.Findings, Is.Empty);
    }

    [Test]
    public void The_same_stay_is_kept_if_L1_entered_another_L2()
    {
        Coupled trace = Told().NestedEntry().Work(1_000);
        trace.Exit(2, 1).Event(TraceEvent.VmExit(0, TransitionKind.L2ToL1, 0, VmxExit.ExternalInterrupt)).Enter(1).Interrupt(0x61, 1).Exit(1, 24);
        trace.Event(TraceEvent.NestedEnter(0, 0, 0x9000, VmControls.EnableVpid | VmControls.EnableEpt, 2, 0x90000)).Enter(2).Work(100);
        Assert.That(trace.Run("posted").Snapshot()["trace.irq_exits_dropped"], Is.Zero);
    }

    [Test]
    public void An_interrupt_taken_right_behind_an_entry_was_pending_there_and_costs_no_exit_of_its_own([Values("none", "posted")] string path)
    {
        Coupled trace = new() { Load = new InterruptLoad() };
        trace.Enter(1).Work(1_000).Exit(1, 52).Work(10).Enter(1).Work(10).Interrupt(Vector, 1).Work(1_000);
        InterruptReplay replay = trace.Run(path);

        Assert.That(replay.Snapshot()["irq.handled{level=1}"], Is.EqualTo(1));
        Assert.That(replay.Snapshot().Sum("irq.exits"), Is.EqualTo(path == "none" ? 1 : 0), "EOI");
        Assert.That(replay.Snapshot()["irq.kicks"] + replay.Snapshot()["irq.notifications"], Is.Zero);
    }

    [Test]
    public void An_interrupt_taken_in_the_middle_came_from_elsewhere([Values("none", "posted")] string path)
    {
        Coupled trace = new() { Load = new InterruptLoad() };
        trace.Enter(1).Work(1_000).Interrupt(Vector, 1).Work(1_000);
        InterruptReplay replay = trace.Run(path);

        Assert.That(replay.Snapshot().Sum("irq.exits"), Is.EqualTo(path == "none" ? 2 : 0), "kick and EOI");
        Assert.That(replay.Snapshot()["irq.notifications"], Is.EqualTo(path == "none" ? 0 : 1));
    }

    [Test]
    public void Interrupts_of_L2_come_by_L1_without_a_nested_exit_where_vmcs12_posts()
    {
        Coupled trace = new() { Load = new InterruptLoad() };
        trace.Enter(1).Work(10).NestedEntry().Work(2_000).Interrupt(Vector, 2).Work(2_000);
        InterruptReplay replay = trace.Run("posted");

        Assert.That((replay.Snapshot()["irq.handled{level=2}"], replay.Snapshot()["vm.nested_exits"], replay.Findings.Count), Is.EqualTo((1L, 0L, 0)));
    }

    [Test]
    public void L1s_own_notifications_are_passed_on_and_nobody_misses_them([Values(0xF2, 0xFD)] byte vector)
    {
        Coupled trace = new() { Load = new InterruptLoad() };
        InterruptReplay replay = trace.Enter(1).Work(1_000).Interrupt(vector, 1, InterruptSource.Ipi).Work(1_000).Run("none");
        Assert.That((replay.Findings.Count, replay.Snapshot()["irq.sent{level=1}"], replay.Snapshot()["irq.exits{level=1,cause=Eoi}"]), Is.EqualTo((0, 0L, 1L)));
    }

    [Test]
    public void A_CPU_that_idles_in_a_recorded_HLT_goes_on_when_a_generated_interrupt_comes()
    {
        Coupled halts = new();
        halts.Enter(1).Work(100).Exit(1, 12).Work(10);
        halts.Time += 1_000_000;
        halts.Enter(1).Work(1_000);
        long idle = halts.Run("posted").Now;
        long woken = halts.Device(100_000).Run("posted").Now;

        Assert.That(idle - woken, Is.InRange(895_000, 905_000), "of a million cycles of idling about a hundred thousand are left");
    }

    private static Coupled Told()
    {
        Coupled trace = new() { Load = new InterruptLoad() };
        return trace.Enter(1).Work(1_000).Interrupt(Vector, 1).Work(1_000);
    }

    private static TraceEvent Host(byte vector) => new() { Kind = RecordKind.Interrupt, A = (ulong)InterruptSource.Ipi, B = vector };

    private static (long Recorded, long Dropped) ExitsLeft(Coupled trace, string path = "posted")
    {
        InterruptReplay replay = trace.Work(10).Run(path);
        return (replay.Snapshot()["trace.records{kind=VmExit}"], replay.Snapshot()["trace.irq_exits_dropped"]);
    }
}
