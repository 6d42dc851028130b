using Sim.Core;
using Sim.Core.Architecture;
using Sim.Core.Traces;
using Sim.Workloads.Operations;

namespace Sim.Workloads.Tests.Operations;

[TestFixture]
public sealed class TraceVerifierTests
{
    private const TransitionKind In1 = TransitionKind.L0ToL1;
    private const TransitionKind In2 = TransitionKind.L0ToL2;
    private const TransitionKind Nest = TransitionKind.L1ToL2;
    private const TransitionKind Out1 = TransitionKind.L1ToL0;
    private const TransitionKind Out2 = TransitionKind.L2ToL0;
    private const TransitionKind Unnest = TransitionKind.L2ToL1;

    [TestCase(In1, Out1, Nest, In2, Out2, Unnest, In1)]
    [TestCase(In1, Out1, In1, Out1, Nest, In2, Out2, In2, Out2, Unnest, In1)]
    public void A_legal_order_of_transitions_has_no_finding(params TransitionKind[] order) =>
        Assert.That(Run(order).Findings, Is.Empty);

    [TestCase("L1ToL0 while L1 runs", Out1)]
    [TestCase("L2ToL0 while L2 runs", In1, Out2)]
    [TestCase("L0ToL1 while L0 runs", In1, In1)]
    [TestCase("L1ToL2 while L0 runs", In1, Nest)]
    [TestCase("L1ToL2 after L1ToL0", In1, Out1, Nest, Nest)]
    [TestCase("L1ToL2 after an exit of vCPU 0", Nest)]
    [TestCase("L2ToL1 after L2ToL0", In1, Out1, Unnest)]
    [TestCase("L2ToL1 after L2ToL0", In1, Out1, Nest, In2, Out2, Unnest, Unnest)]
    [TestCase("L0ToL1 after L2ToL1", In1, Out1, Nest, In2, Out2, In1)]
    [TestCase("L0ToL2 after L1ToL2", In1, Out1, In2)]
    public void A_transition_out_of_order_is_one_error_that_says_what_it_needs(string expected, params TransitionKind[] order)
    {
        TraceVerification outcome = Run(order);
        Assert.That(outcome.Errors, Is.EqualTo(1));
        Assert.That(outcome.Findings[0].Invariant, Is.EqualTo(TraceInvariant.Transitions));
        Assert.That(outcome.Findings[0].Expected, Is.EqualTo(expected));
        Assert.That(outcome.Findings[0].Record, Is.EqualTo((ulong)order.Length - 1));
    }

    [Test]
    public void A_nested_entry_that_ends_before_L2_ran_is_a_warning()
    {
        TraceVerification outcome = Run(In1, Out1, Nest, Unnest, In1);
        Assert.That((outcome.Errors, outcome.Warnings), Is.EqualTo((0UL, 1UL)));
    }

    [Test]
    public void An_exit_of_another_vCPU_than_the_one_entered_is_an_error() =>
        Assert.That(Invariants(TraceEvent.VmEnter(0, In1, 3), TraceEvent.VmExit(1, Out1, 4, VmxExit.Cpuid)), Is.EqualTo(new[] { TraceInvariant.Transitions }));

    [Test]
    public void A_vCPU_that_is_preempted_inside_a_nested_transition_goes_on_where_it_was()
    {
        TraceEvent[] preempted = [TraceEvent.VmEnter(0, In1, 0), TraceEvent.VmExit(1, Out1, 0, VmxExit.Vmresume), Sched(RecordKind.SchedOut, 0), Sched(RecordKind.SchedIn, 0)];
        Assert.That(Run([.. preempted, TraceEvent.NestedEnter(3, 0, 0x1000, VmControls.EnableVpid, 1, 0), TraceEvent.VmEnter(3, In2, 0)]).Findings, Is.Empty);
        Assert.That(Run([.. preempted, TraceEvent.VmEnter(3, In2, 0)]).Findings.Select(f => f.Expected), Is.EqualTo(new[] { "L0ToL2 after L1ToL2" }));
    }

    [Test]
    public void A_vCPU_that_another_one_displaced_is_still_in_L2()
    {
        TraceEvent[] displaced =
        [
            .. Entered(TraceEvent.NestedEnter(2, 0, 0x1000, VmControls.EnableVpid, 1, 0)), TraceEvent.VmEnter(2, In2, 0), TraceEvent.VmExit(2, Out2, 0, VmxExit.ExternalInterrupt), Sched(RecordKind.SchedOut, 0),
            Sched(RecordKind.SchedIn, 1), TraceEvent.VmEnter(2, In1, 1), TraceEvent.VmExit(2, Out1, 1, VmxExit.Hlt), Sched(RecordKind.SchedOut, 1), Sched(RecordKind.SchedIn, 0),
        ];
        Assert.That(Run([.. displaced, TraceEvent.VmEnter(4, In2, 0)]).Findings, Is.Empty);
        Assert.That(Run([.. displaced, TraceEvent.VmEnter(4, In1, 0)]).Findings.Select(f => f.Expected), Is.EqualTo(new[] { "L0ToL1 after L2ToL1" }));
    }

    [Test]
    public void L1_of_a_vCPU_that_is_scheduled_out_is_not_emulated()
    {
        TraceEvent[] exited = [TraceEvent.VmEnter(0, In1, 0), TraceEvent.VmExit(1, Out1, 0, VmxExit.Invvpid), Sched(RecordKind.SchedOut, 0)];
        TraceEvent invvpid = TraceEvent.Invvpid(3, 1, 1, 5);
        Assert.That(Invariants([.. exited, invvpid]), Is.EqualTo(new[] { TraceInvariant.Level }));
        Assert.That(Invariants([.. exited, Sched(RecordKind.SchedIn, 0), invvpid]), Is.Empty);
        Assert.That(Invariants([.. exited, Sched(RecordKind.SchedIn, 1), invvpid]), Is.EqualTo(new[] { TraceInvariant.Level }));
    }

    [Test]
    public void VMXON_and_VMXOFF_take_turns_and_nothing_is_entered_behind_VMXOFF()
    {
        TraceEvent[] exited = [TraceEvent.VmEnter(0, In1, 0), TraceEvent.VmExit(1, Out1, 0, VmxExit.Vmxoff)];
        TraceEvent nested = TraceEvent.NestedEnter(3, 0, 0x1000, VmControls.EnableVpid, 1, 0);
        Assert.That(Run([.. exited, TraceEvent.Vmxoff(2, 0), TraceEvent.Vmxon(2, 0), nested]).Findings, Is.Empty);
        Assert.That(Run([.. exited, TraceEvent.Vmxon(2, 0), nested]).Findings, Is.Empty, "a trace may begin anywhere");
        Assert.That(Run([.. exited, TraceEvent.Vmxoff(2, 0), TraceEvent.Vmxoff(2, 0)]).Findings.Select(f => f.Expected), Is.EqualTo(new[] { "Vmxon before a further Vmxoff" }));
        Assert.That(Run([.. exited, TraceEvent.Vmxon(2, 0), TraceEvent.Vmxon(2, 0)]).Findings.Select(f => f.Expected), Is.EqualTo(new[] { "Vmxoff before a further Vmxon" }));
        Assert.That(Run([.. exited, TraceEvent.Vmxoff(2, 0), nested]).Findings.Select(f => (f.Expected, f.Found)), Is.EqualTo(new[] { ("L1ToL2 in VMX operation", "it after Vmxoff") }));
        Assert.That(Invariants([.. exited, TraceEvent.Vmxoff(2, 0) with { Level = 0 }]), Is.EqualTo(new[] { TraceInvariant.Level }));
        Assert.That(Invariants(TraceEvent.Vmxoff(2, 0)), Is.EqualTo(new[] { TraceInvariant.Level }), "nobody has exited");
    }

    // What happened to it on the other lane may come later in the file, so its first transition here is believed, and only that one.
    [Test]
    public void A_vCPU_that_migrates_inside_a_nested_transition_may_finish_it_on_the_other_lane()
    {
        Assert.That(Migrated(isScheduledIn: true).Findings, Is.Empty);
        Assert.That(Migrated(isScheduledIn: false).Findings.Select(f => f.Expected), Is.EqualTo(new[] { "L1ToL2 after an exit of vCPU 0" }));
        Assert.That(Invariants(Sched(RecordKind.SchedIn, 0), TraceEvent.NestedEnter(3, 0, 0x1000, VmControls.EnableVpid, 1, 0)), Is.EqualTo(new[] { TraceInvariant.Transitions }));

        static TraceVerification Migrated(bool isScheduledIn)
        {
            MemoryTrace trace = new(TraceHeader.Default with { Lanes = 2 });
            TraceAppender appender = new(trace, 2);
            foreach (TraceEvent e in new[] { TraceEvent.VmEnter(0, In1, 0), TraceEvent.VmExit(1, Out1, 0, VmxExit.Vmresume), Sched(RecordKind.SchedOut, 0), new TraceEvent { Time = 2, Kind = RecordKind.Migrate, A = 0, B = 1 } })
            {
                appender.Event(0, e);
            }

            if (isScheduledIn)
            {
                appender.Event(1, Sched(RecordKind.SchedIn, 0));
            }

            appender.Event(1, TraceEvent.NestedEnter(3, 0, 0x1000, VmControls.EnableVpid, 1, 0));
            appender.Event(1, TraceEvent.VmEnter(4, In2, 0));
            appender.Complete();
            return TraceVerifier.Run(trace);
        }
    }

    [Test]
    public void Enabling_VPID_with_vpid12_0_is_a_warning_and_without_VPID_it_is_none()
    {
        TraceVerification with = Run(Entered(TraceEvent.NestedEnter(2, 0, 0x1000, VmControls.EnableVpid, 0, 0)));
        TraceVerification without = Run(Entered(TraceEvent.NestedEnter(2, 0, 0x1000, VmControls.EnableEpt, 0, 0x5000)));
        Assert.That(with.Findings.Select(finding => (finding.Severity, finding.Invariant)), Is.EqualTo(new[] { (FindingSeverity.Warning, TraceInvariant.Vpid12) }));
        Assert.That(with.IsValid, Is.True);
        Assert.That(without.Findings, Is.Empty);
    }

    [TestCase(0x3ful, true)]
    [TestCase(0x3fful, true)]
    [TestCase(0x400ul, false)]
    [TestCase(0x8000ul, false)]
    [TestCase(0x10001ul, true)]
    [TestCase(0x20001ul, false)]
    [TestCase(0x30001ul, true)]
    [TestCase(0x40001ul, false)]
    [TestCase(0x50001ul, false)]
    [TestCase(0x60001ul, false)]
    [TestCase(0x70001ul, true)]
    [TestCase(0x80001ul, false)]
    [TestCase(0x100000001ul, false)]
    public void Controls_of_a_nested_entry_that_mean_nothing_are_one_error(ulong controls, bool legal) =>
        Assert.That(Invariants(Entered(TraceEvent.NestedEnter(2, 0, 0x1000, (VmControls)controls, 1, 0x5000))), legal ? Is.Empty : Is.EqualTo(new[] { TraceInvariant.FieldRange }));

    [Test]
    public void Tlb_control_lies_beside_the_other_controls_and_both_come_back()
    {
        const VmControls Others = VmControls.EnableVpid | VmControls.VirtualizeApicAccesses;
        foreach (TlbControl control in Enum.GetValues<TlbControl>())
        {
            VmControls all = Others.With(TlbControl.FlushAsidNonGlobal).With(control);
            Assert.That((all.TlbControl(), all & ~VmControls.TlbControlMask), Is.EqualTo((control, Others)));
        }

        Assert.That((ulong)Others.With(TlbControl.FlushAsid), Is.EqualTo(0x30201));
    }

    [TestCase(1, FindingSeverity.Warning)]
    [TestCase(0, FindingSeverity.Error)]
    public void A_wrong_operand_of_INVVPID_or_INVEPT_fails_as_L1s_instruction_and_cannot_be_L0s(int level, FindingSeverity severity)
    {
        TraceEvent[] before = level == 0 ? [] : [TraceEvent.VmEnter(0, In1, 0), TraceEvent.VmExit(1, Out1, 0, VmxExit.Invvpid)];
        TraceEvent[] wrong =
        [
            TraceEvent.Invvpid(2, (byte)level, 4, 1), new TraceEvent { Time = 2, Kind = RecordKind.Invvpid, Level = (byte)level, A = 1, B = 0x10000 },
            TraceEvent.Invvpid(2, (byte)level, 0, 1, 1UL << 47), TraceEvent.Invept(2, (byte)level, 3, 0),
        ];
        foreach (TraceEvent e in wrong)
        {
            Assert.That(Run([.. before, e]).Findings.Select(finding => finding.Severity), Is.EqualTo(new[] { severity }), e.ToString());
        }
    }

    [TestCase(RecordKind.SetCr3)]
    [TestCase(RecordKind.SetCr4)]
    [TestCase(RecordKind.Invlpg)]
    [TestCase(RecordKind.Invpcid)]
    [TestCase(RecordKind.Work)]
    [TestCase(RecordKind.Eoi)]
    [TestCase(RecordKind.Halt)]
    [TestCase(RecordKind.ApicMode)]
    public void An_event_of_the_running_level_must_say_so(RecordKind kind)
    {
        TraceEvent enter = TraceEvent.VmEnter(0, In1, 0);
        Assert.That(Invariants(enter, new TraceEvent { Time = 1, Kind = kind, Level = 1 }), Is.Empty);
        Assert.That(Invariants(enter, new TraceEvent { Time = 1, Kind = kind, Level = 0 }), Is.EqualTo(new[] { TraceInvariant.Level }));
        Assert.That(Invariants(enter, new TraceEvent { Time = 1, Kind = kind, Level = 2 }), Is.EqualTo(new[] { TraceInvariant.Level }));
    }

    [Test]
    public void INVVPID_of_L1_comes_while_L1_runs_or_while_L0_emulates_it_and_never_else()
    {
        TraceEvent enter = TraceEvent.VmEnter(0, In1, 0);
        TraceEvent exit = TraceEvent.VmExit(1, Out1, 0, VmxExit.Invvpid);
        Assert.That(Invariants(enter, TraceEvent.Invvpid(1, 1, 1, 5)), Is.Empty);
        Assert.That(Invariants(enter, exit, TraceEvent.Invvpid(1, 1, 1, 5)), Is.Empty);
        Assert.That(Invariants(enter, exit, TraceEvent.Invvpid(1, 0, 1, 5)), Is.Empty);
        Assert.That(Invariants(TraceEvent.Invvpid(1, 1, 1, 5)), Is.EqualTo(new[] { TraceInvariant.Level }));
        Assert.That(Invariants(enter, TraceEvent.Invvpid(1, 0, 1, 5)), Is.EqualTo(new[] { TraceInvariant.Level }));
        Assert.That(Invariants(enter, TraceEvent.Invvpid(1, 2, 1, 5)), Is.EqualTo(new[] { TraceInvariant.Level }));
    }

    [Test]
    public void The_largest_legal_field_passes_and_one_more_does_not()
    {
        Assert.That(Invariants(TraceEvent.SetCr3(0, 0, 0x1000, 4095)), Is.Empty);
        Assert.That(Invariants(TraceEvent.SetCr3(0, 0, 0x1000, 4096)), Is.EqualTo(new[] { TraceInvariant.FieldRange }));
    }

    [TestCase(0x0000_7FFF_FFFF_FFFFUL, 0x0000_8000_0000_0000UL, Cr4Bits.None)]
    [TestCase(0xFFFF_8000_0000_0000UL, 0xFFFF_7FFF_FFFF_FFFFUL, Cr4Bits.None)]
    [TestCase(0x00FF_FFFF_FFFF_FFFFUL, 0x0100_0000_0000_0000UL, Cr4Bits.La57)]
    [TestCase(0xFF00_0000_0000_0000UL, 0xFEFF_FFFF_FFFF_FFFFUL, Cr4Bits.La57)]
    public void An_address_must_be_canonical_for_the_levels_paging(ulong last, ulong beyond, Cr4Bits cr4)
    {
        Assert.That(WithAccess(last, cr4).Findings, Is.Empty);
        Assert.That(WithAccess(beyond, cr4).Findings.Select(finding => finding.Invariant), Is.EqualTo(new[] { TraceInvariant.Canonical }));
    }

    [Test]
    public void The_cycles_of_a_Work_must_pass_before_the_next_record()
    {
        Assert.That(Invariants(TraceEvent.Work(10, 0, 5), TraceEvent.Mark(15, 0, "m")), Is.Empty);
        Assert.That(Invariants(TraceEvent.Work(10, 0, 5), TraceEvent.Mark(14, 0, "m")), Is.EqualTo(new[] { TraceInvariant.WorkFits }));
    }

    [Test]
    public void Times_of_a_lane_and_blocks_of_a_trace_must_not_go_back()
    {
        MemoryTrace trace = new(TraceHeader.Default with { Lanes = 2 });
        trace.Write(Block(0, 10, 9));
        trace.Write(Block(1, 9));
        trace.Write(Block(2, 11));
        TraceVerification outcome = TraceVerifier.Run(trace);
        Assert.That(outcome.Findings.Select(f => (f.Number, f.Invariant, f.Record, f.Lane)), Is.EqualTo(new[]
        {
            (1UL, TraceInvariant.TimeOrder, 1UL, 0), (2UL, TraceInvariant.BlockOrder, 2UL, 1), (3UL, TraceInvariant.BlockOrder, 3UL, 2),
        }));
        Assert.That(outcome.Findings[0].ToString(), Is.EqualTo("V01 error at record 1, lane 0, time 9: expected a time not before 10, found 9"));
    }

    /// <summary>A stretch of accesses is checked at once where nothing is wrong, and one by one where something is: both say the same, wherever in the stretch it is.</summary>
    [Test]
    public void Records_that_are_checked_together_have_the_findings_of_records_that_are_checked_alone()
    {
        Rng rng = new(FuzzSeed.Fresh());
        for (int round = 0; round < 2_000; round++)
        {
            TraceBlock block = new();
            ulong time = 100;
            int length = 1 + (int)rng.Below(40);
            for (int i = 0; i < length; i++)
            {
                time += rng.Below(3);
                if (rng.Below(16) == 0)
                {
                    block.AddEvent(TraceEvent.Work(time, 0, rng.Below(3)));
                    continue;
                }

                bool isWrong = rng.Below(24) == 0;
                ulong address = isWrong && rng.Below(2) == 0 ? 1UL << 47 << (int)rng.Below(17) : rng.Below(2) == 0 ? rng.Below(1UL << 47) : ulong.MaxValue - rng.Below(1UL << 47);
                byte flags = isWrong && rng.Below(3) == 0 ? (byte)rng.Next() : AccessFlags.Pack(AccessType.Write);
                ulong at = isWrong && rng.Below(3) == 0 ? time - rng.Below(50) : isWrong && rng.Below(8) == 0 ? TraceVerifier.MostTime : time;
                block.AddAccess(at, address, flags, isWrong && rng.Below(3) == 0 ? 0 : 1u);
            }

            TraceVerifier together = new(1, int.MaxValue);
            together.Check(block, block.RecordCount);
            TraceVerifier alone = new(1, int.MaxValue);
            int e = 0;
            for (int record = 0; record < block.RecordCount; record++)
            {
                TraceBlock one = new();
                if (e < block.EventCount && block.EventPosition[e] + e == record)
                {
                    one.AddEvent(block.Events[e++]);
                }
                else
                {
                    one.AddAccess(block.Time[record - e], block.Address[record - e], block.Flags[record - e], block.Repeat[record - e]);
                }

                alone.Check(one, 1);
            }

            // Blocks of one record are compared with each other too.
            Assert.That(
                together.Outcome.Findings.Select(finding => (finding.Invariant, finding.Record, finding.Found)),
                Is.EqualTo(alone.Outcome.Findings.Where(finding => finding.Invariant != TraceInvariant.BlockOrder).Select(finding => (finding.Invariant, finding.Record, finding.Found))), $"round {round}");
            int half = (int)rng.Below((ulong)block.RecordCount + 1);
            TraceVerifier first = new(1, int.MaxValue);
            first.Check(block, half);
            Assert.That(first.Outcome.Records, Is.EqualTo((ulong)half));
            Assert.That(first.Outcome.Findings, Has.Count.EqualTo(together.Outcome.Findings.Count(finding => finding.Record < (ulong)half)));
        }
    }

    [Test]
    public void All_findings_are_counted_and_only_the_first_are_kept()
    {
        MemoryTrace trace = new();
        TraceAppender appender = new(trace, 1);
        for (ulong i = 0; i < 1000; i++)
        {
            appender.Event(0, new TraceEvent { Time = i, Kind = RecordKind.Halt, Level = 1 });
        }

        appender.Complete();
        TraceVerification outcome = TraceVerifier.Run(trace, maxFindings: 3);
        Assert.That((outcome.Records, outcome.Errors, outcome.Findings.Count), Is.EqualTo((1000UL, 1000UL, 3)));
    }

    private static TraceBlock Block(int lane, params ulong[] times)
    {
        TraceBlock block = new() { Lane = lane };
        foreach (ulong time in times)
        {
            block.AddAccess(time, 0x1000, AccessFlags.Pack(AccessType.Read));
        }

        return block;
    }

    private static TraceVerification WithAccess(ulong address, Cr4Bits cr4)
    {
        MemoryTrace trace = new();
        TraceAppender appender = new(trace, 1);
        appender.Event(0, TraceEvent.SetCr4(0, 0, cr4));
        appender.Access(0, 1, address, AccessType.Read);
        appender.Complete();
        return TraceVerifier.Run(trace);
    }

    private static TraceEvent Sched(RecordKind kind, ushort vcpu) => new() { Time = 2, Kind = kind, A = vcpu };

    private static TraceEvent[] Entered(TraceEvent nested) => [TraceEvent.VmEnter(0, In1, 0), TraceEvent.VmExit(1, Out1, 0, VmxExit.Vmlaunch), nested];

    private static IEnumerable<TraceInvariant> Invariants(params TraceEvent[] events) => Run(events).Findings.Select(finding => finding.Invariant);

    private static TraceVerification Run(params TransitionKind[] order) => Run([.. order.Select((kind, i) => kind switch
    {
        Nest => TraceEvent.NestedEnter((ulong)i, 0, 0x1000, VmControls.EnableVpid, 1, 0),
        In1 or In2 => TraceEvent.VmEnter((ulong)i, kind, 0),
        _ => TraceEvent.VmExit((ulong)i, kind, 0, 10),
    })]);

    private static TraceVerification Run(TraceEvent[] events)
    {
        MemoryTrace trace = new();
        TraceAppender appender = new(trace, 1);
        foreach (TraceEvent e in events)
        {
            appender.Event(0, e);
        }

        appender.Complete();
        return TraceVerifier.Run(trace);
    }
}
