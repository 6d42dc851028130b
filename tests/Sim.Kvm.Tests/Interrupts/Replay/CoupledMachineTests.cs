using Sim.Core;
using Sim.Core.Traces;
using Sim.Kvm.Interrupts;

namespace Sim.Kvm.Tests.Interrupts;

/// <summary>APICv updates, IPIs, remote flushes and several CPUs, over traces.</summary>
[TestFixture]
internal sealed class CoupledMachineTests
{
    [Test]
    public void Seed_2_over_a_trace_ends_in_the_failed_entry_under_immediate_and_delivers_under_the_others([Values("immediate", "deferred", "switch-vmcs")] string rule)
    {
        Coupled trace = new() { Rule = rule };
        trace.Spec = trace.Spec with { Inhibits = 1UL << (int)ApicvInhibit.BlockIrq, Controls12 = VmControls.ExternalInterruptExiting | VmControls.AckInterruptOnExit };
        trace.Enter(1).Work(100).NestedEntry().Work(3_000).Event(new TraceEvent { Kind = RecordKind.ApicvInhibit, A = (ulong)ApicvInhibit.BlockIrq, B = 0 }).Work(10_000).NestedExit().Work(5_000);
        InterruptReplay replay = trace.Device(80_000).Run("posted");

        bool fails = rule == "immediate";
        Assert.That(replay.FailedVmEntries.Count, Is.EqualTo(fails ? 1 : 0));
        Assert.That(replay.Findings.Select(finding => finding.Kind), Is.EqualTo(fails ? new[] { "failed_vm_entry", "interrupt_lost" } : []));
        Assert.That(replay.Safety!.Incidents.Select(incident => incident.Kind), Is.EqualTo(fails ? new[] { "failed_vm_entry", "interrupt_lost" } : []));
        Assert.That(replay.Snapshot()["trace.skipped"], fails ? Is.GreaterThan(5_000) : Is.Zero, "what L2 would have done");
    }

    [Test]
    public void A_remote_flush_kicks_the_guest_on_the_other_CPU_and_its_initiator_waits()
    {
        Coupled alone = TwoCpus(changes: false);
        Coupled flushed = TwoCpus(changes: true);
        InterruptReplay quiet = alone.Run("posted");
        InterruptReplay replay = flushed.Run("posted");

        Assert.That(replay.Snapshot()["irq.exits{level=1,cause=ExternalInterrupt}"], Is.EqualTo(1));
        Assert.That(replay.Snapshot()["irq.kicks"], Is.EqualTo(1));
        Assert.That(replay.Snapshot()["vm.implied_exits"] - quiet.Snapshot()["vm.implied_exits"], Is.EqualTo(flushed.Plain().Snapshot()["vm.implied_exits"]), "the machine's flush is the plain one's");
        Assert.That(flushed.Steps.First(step => step is { Lane: 0, Name: "VM-exit ExternalInterrupt" }).Time, Is.GreaterThan(50_000));

        static Coupled TwoCpus(bool changes)
        {
            Coupled trace = new(lanes: 2);
            trace.Enter(1);
            (trace.Lane, trace.Vcpu) = (1, 1);
            trace.Enter(1);
            ulong start = trace.Time;
            (trace.Lane, trace.Vcpu) = (0, 0);
            trace.Work(10_000);
            (trace.Lane, trace.Vcpu, trace.Time) = (1, 1, start);
            trace.Work(5_000).Exit(1);
            if (changes)
            {
                trace.Event(TraceEvent.MapChange(0, 0, MapTable.Tdp01, 0, 0x40_0000, 0x20_0000, MapChangeKind.Removed));
            }

            return trace.Enter(1).Work(5_000);
        }
    }

    [Test]
    public void A_shootdown_between_guests_of_a_trace_is_delivered_and_drops_the_page_at_the_target()
    {
        Coupled trace = TwoGuests();
        trace.Load = trace.Load with { Ipis = new IpiLoad { Pattern = IpiPattern.Shootdown, WorkCycles = 10_000, Rounds = 5 } };
        InterruptReplay replay = trace.Run("posted");

        Assert.That((replay.Snapshot()["irq.sent{level=1}"], replay.Snapshot()["irq.handled{level=1}"]), Is.EqualTo((5L, 5L)));
        Assert.That(replay.Snapshot().Stats.Where(stat => stat.Path == "lane[1].invalidations" && stat.Label.StartsWith("invalidation=INVLPG,", StringComparison.OrdinalIgnoreCase)).Sum(stat => stat.Value), Is.EqualTo(5));
    }

    [Test]
    public void A_vCPU_that_moves_to_another_CPU_does_not_run_there_before_it_has_left_the_first()
    {
        Coupled trace = new(lanes: 2) { Machine = new MachineSpec { Profile = Machines.Profiles.Textbook with { MemoryCycles = 2_000 } } };
        trace.Enter(1).Work(2_000, pages: 2_000).Exit(1);
        trace.Event(new TraceEvent { Kind = RecordKind.SchedOut, A = 0, B = 1 });
        trace.Lane = 1;
        trace.Event(new TraceEvent { Kind = RecordKind.SchedIn, A = 0 }, after: 100).Enter(1).Work(100);
        InterruptReplay replay = trace.Run("posted");

        long left = trace.Steps.First(step => step is { Lane: 0, Name: "recorded VM-exit" }).Time;
        long entered = trace.Steps.First(step => step is { Lane: 1, Name: "VM-entry" }).Time;
        Assert.That(left, Is.GreaterThan((long)trace.Time), "the first CPU is far behind the trace");
        Assert.That(entered, Is.GreaterThanOrEqualTo(left));
        Assert.That(replay.Snapshot().Sum("lane[0].accesses") + replay.Snapshot().Sum("lane[1].accesses"), Is.EqualTo(2_100));
    }

    [Test]
    public void Cycles_of_interrupts_stalls_and_the_trace_are_all_the_time_there_is([Values("none", "posted")] string path)
    {
        Coupled trace = new();
        trace.Enter(1).Work(100).NestedEntry().Work(20_000);
        trace.Load = trace.Load with { Peers = 1, Sources = [new SourceLoad { Arrivals = ArrivalPattern.Fixed, PeriodCycles = 9_000, Count = 10, Target = 0 }] };
        InterruptReplay replay = trace.Work(1).Run(path);

        Assert.That(replay.Snapshot()["irq.handled{level=1}"], Is.EqualTo(10));
        Assert.That(replay.Now, Is.EqualTo((long)(trace.Time - 10 - 1_000) + replay.Machine.LaneOf(0).StallCycles + replay.Snapshot()["cycles.interrupts"]));
    }

    [Test]
    public void Memory_does_not_grow_with_a_lane_that_has_nothing_more_to_tell()
    {
        Coupled trace = new(lanes: 2);
        (trace.Lane, trace.Vcpu) = (1, 1);
        trace.Enter(1).Work(10);
        (trace.Lane, trace.Vcpu, trace.Time) = (0, 0, 1_000);
        trace.Enter(1).Work(200_000);
        InterruptReplay replay = trace.Run("posted");

        Assert.That(replay.MostBlocks, Is.InRange(1, 2), "of seven");
    }

    [Test]
    public void With_two_CPUs_feeding_in_other_portions_changes_nothing_either([Values(1, 13, 4_000)] int portion)
    {
        Coupled whole = Busy();
        Coupled parts = Busy();
        InterruptReplay one = whole.Run("ipiv");
        InterruptReplay many = parts.Run("ipiv", portion);

        Assert.That(one.Snapshot()["irq.handled{level=1}"], Is.GreaterThan(30));
        Assert.That(parts.Steps, Is.EqualTo(whole.Steps));
        Assert.That(Coupled.Told(many.Snapshot(), _ => true), Is.EqualTo(Coupled.Told(one.Snapshot(), _ => true)));

        static Coupled Busy()
        {
            Coupled trace = TwoGuests();
            trace.NestedEntry().Work(3_000).Exit(2).Event(TraceEvent.MapChange(0, 0, MapTable.Tdp01, 0, 0x40_0000, 0x20_0000, MapChangeKind.Removed)).Enter(2).Work(3_000);
            trace.Load = trace.Load with
            {
                Ipis = new IpiLoad { Pattern = IpiPattern.PingPong, WorkCycles = 7_000 },
                Sources = [new SourceLoad { PeriodCycles = 6_000, Vector = 0x61 }, new SourceLoad { Kind = InterruptSource.Timer, PeriodCycles = 9_000, Vector = 0x71 }],
                HaltEveryCycles = 40_000,
            };
            return trace;
        }
    }

    [Test]
    public void What_is_for_a_vCPU_that_the_trace_does_not_run_any_more_waits_and_is_not_lost()
    {
        Coupled trace = new(lanes: 2);
        trace.Enter(1).Work(100).Exit(1).Event(new TraceEvent { Kind = RecordKind.SchedOut, A = 0, B = 1 });
        (trace.Lane, trace.Vcpu) = (1, 1);
        trace.Enter(1).Work(10_000);
        InterruptReplay replay = trace.Device(50_000).Run("posted");

        Assert.That(replay.Findings, Is.Empty);
        Assert.That((replay.Snapshot()["irq.sent{level=1}"], replay.Snapshot()["irq.pending{level=1}"], replay.Snapshot()["irq.lost{level=1}"]), Is.EqualTo((1L, 1L, 0L)));
    }

    [Test]
    public void As_recorded_replay_is_refused()
    {
        ConfigurationException refused = Assert.Throws<ConfigurationException>(() => _ = new InterruptReplay(
            new MachineSpec { Profile = Machines.Profiles.Textbook },
            new Kvm612(),
            ReplayKind.AsRecorded,
            1,
            new InterruptSpec { Profile = Machines.Profiles.Textbook },
            new PostedInterrupts(),
            new DeferredUpdate(),
            new InterruptLoad()))!;
        Assert.That(refused.Message, Does.Contain("Replay by policy"));
    }

    private static Coupled TwoGuests()
    {
        Coupled trace = new(lanes: 2);
        trace.Enter(1);
        (trace.Lane, trace.Vcpu) = (1, 1);
        trace.Enter(1).Work(10_000);
        (trace.Lane, trace.Vcpu, trace.Time) = (0, 0, 1_000);
        return trace.Work(10_000);
    }
}
