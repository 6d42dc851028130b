using System.Text;
using Sim.Captures.Ftrace;
using Sim.Core.Traces;
using Sim.Core;
using Sim.Workloads.Operations;

namespace Sim.Captures.Tests.Ftrace;

[TestFixture]
internal sealed class TracepointLiftTests
{
    [TestCase("bochs-vmx-1cpu.nb1-2.ftrace.txt.xz")]
    [TestCase("bochs-vmx-2cpu.nb3-1.ftrace.txt.xz")]
    [TestCase("bochs-vmx-2cpu.nb3-2.ftrace.txt.xz")]
    [TestCase("bochs-vmx-mem.nb2-1.ftrace.txt.xz")]
    [TestCase("qemu-svm-1cpu.n1cpu-2.ftrace.txt.xz")]
    [TestCase("qemu-svm-1cpu.n1cpu-5.ftrace.txt.xz")]
    [TestCase("qemu-svm-2cpu.n2cpu-1.ftrace.txt.xz")]
    [TestCase("qemu-svm-perf.direct-w1.perf-script.txt.xz")]
    public void A_lifted_recording_obeys_every_invariant_and_keeps_every_transition_and_flush(string name)
    {
        SortedDictionary<string, long> expected = Recordings.Awk(
            name,
            "/kvm_entry:/ { c[\"entries\"]++ } /kvm_exit:/ { c[\"exits\"]++ } /kvm_nested_vmenter:/ { c[\"nested entries\"]++ } /kvm_nested_vmexit_inject:/ { c[\"nested exits\"]++ }" +
            " /kvm_entry:/ { match($0, /-[0-9]+ +\\[/); s[substr($0, RSTART, RLENGTH)] = 1 }" +
            " /function: .*(svm|vmx)_flush_tlb_/ { match($0, /-[0-9]+ +\\[/); f[substr($0, RSTART, RLENGTH) SUBSEP $NF]++ }" +
            " END { for (k in f) { split(k, p, SUBSEP); if (p[1] in s) c[\"flushes \" p[2]] += f[k] } for (k in c) print c[k], k }");
        (MemoryTrace trace, TracepointLiftResult result) = Lift(() => CaptureText.Open(Recordings.File(name)), name);
        TraceVerification verification = TraceVerifier.Run(trace);
        SortedDictionary<string, long> counts = new(StringComparer.Ordinal);
        void Count(string key) => counts[key] = counts.GetValueOrDefault(key) + 1;
        foreach (TraceEvent e in Events(trace).Where(e => e.Kind is RecordKind.VmEnter or RecordKind.VmExit))
        {
            Count(e.Transition switch
            {
                TransitionKind.L0ToL1 or TransitionKind.L0ToL2 => "entries",
                TransitionKind.L1ToL0 or TransitionKind.L2ToL0 => "exits",
                TransitionKind.L1ToL2 => "nested entries",
                _ => "nested exits",
            });
        }

        foreach (KernelFlush flush in result.Flushes)
        {
            Count("flushes " + flush.Function);
        }

        Assert.Multiple(() =>
        {
            // n1cpu-5 has two places where L0 is preempted in the middle of a nested transition (SchedOut, SchedIn, then L1ToL2).
            Assert.That(verification.Findings.Where(finding => finding.Severity == FindingSeverity.Error), Is.Empty);
            Assert.That(verification.Errors, Is.Zero);
            if (result.Synthesized == 0)
            {
                Assert.That(counts, Is.EqualTo(expected));
            }

            Assert.That(result.Synthesized, Is.LessThan(12));
        });
    }

    // KVM 6.12 on SVM (policy S0): every nested entry and exit that is carried out flushes L1's and L2's shared ASID.
    [TestCase("qemu-svm-1cpu.n1cpu-2.ftrace.txt.xz")]
    [TestCase("qemu-svm-2cpu.n2cpu-1.ftrace.txt.xz")]
    public void Each_nested_transition_on_svm_is_followed_by_a_flush_before_the_next_real_entry(string name)
    {
        (MemoryTrace trace, TracepointLiftResult result) = Lift(() => CaptureText.Open(Recordings.File(name)), name);
        HashSet<(int Vcpu, long Nested)> flushed = [.. result.Flushes.Where(flush => flush.Function == "svm_flush_tlb_asid").Select(flush => (flush.Vcpu, flush.NestedTransition))];
        Dictionary<int, long> nested = [];
        long transitions = 0;
        foreach (TraceEvent e in Events(trace).Where(e => e.Kind is RecordKind.VmEnter or RecordKind.VmExit && e.Transition is TransitionKind.L1ToL2 or TransitionKind.L2ToL1))
        {
            nested[e.Vcpu] = nested.GetValueOrDefault(e.Vcpu) + 1;
            Assert.That(flushed, Does.Contain(((int)e.Vcpu, nested[e.Vcpu])));
            transitions++;
        }

        Assert.That(transitions, Is.GreaterThan(1000));
    }

    [Test]
    public void A_nested_round_trip_is_lifted_record_by_record()
    {
        const string Text = """
             nvmm-7 [000] 1.000000: kvm_entry: vcpu 0, rip 0x1000
             nvmm-7 [000] 1.000001: kvm_exit: vcpu 0 reason vmrun rip 0x1000 info1 0x0000000000000000 info2 0x0000000000000000 intr_info 0x00000000 error_code 0x00000000
             nvmm-7 [000] 1.000002: kvm_nested_vmenter: rip: 0x1003 vmcb: 0x5000 nested_rip: 0x200000 int_ctl: 0x0 event_inj: 0x0 nested_npt=y nested_cr3: 0x6000
             nvmm-7 [000] 1.000003: function: svm_flush_tlb_current
             nvmm-7 [000] 1.000004: kvm_entry: vcpu 0, rip 0x200000
             nvmm-7 [000] 1.000005: kvm_exit: vcpu 0 reason npf rip 0x200000 info1 0x0000000200000006 info2 0x0000000000070000 intr_info 0x00000000 error_code 0x00000000
             nvmm-7 [000] 1.000006: kvm_nested_vmexit: vcpu 0 reason npf rip 0x200000 info1 0x0000000200000006 info2 0x0000000000070000 intr_info 0x00000000 error_code 0x00000000
             nvmm-7 [000] 1.000007: kvm_tdp_mmu_spte_changed: as id 0 gfn 51a2 level 1 old_spte 86000000103c7b77 new_spte 82000000103c7b75
             nvmm-7 [000] 1.000008: kvm_nested_vmexit_inject: reason: npf ext_inf1: 0x0000000200000006 ext_inf2: 0x0000000000070000 ext_int: 0x00000000 ext_int_err: 0x00000000
             nvmm-7 [000] 1.000009: kvm_inj_virq: IRQ 0xec
             nvmm-7 [000] 1.000010: sched_switch: nvmm:7 [120] R ==> swapper/0:0 [120]
             <idle>-0 [001] 1.000011: sched_switch: swapper/1:0 [120] R ==> nvmm:7 [120]
             nvmm-7 [001] 1.000012: kvm_entry: vcpu 0, rip 0x1003
             nvmm-7 [001] 1.000013: kvm_exit: vcpu 0 reason hlt rip 0x1003 info1 0x0000000000000000 info2 0x0000000000000000 intr_info 0x00000000 error_code 0x00000000

            """;
        (MemoryTrace trace, TracepointLiftResult result) = Lift(() => new MemoryStream(Encoding.ASCII.GetBytes(Text)), "test");
        Assert.Multiple(() =>
        {
            Assert.That(Events(trace).Select(e => $"@{e.Time} {e}"), Is.EqualTo(new[]
            {
                "@0 SchedIn level=0 vcpu=0",
                "@0 VmEnter level=0 kind=L0ToL1 vcpu=0 vmcs=0x0 vpid=0 eptp=0x0 controls=0x0",
                "@1000 VmExit level=1 kind=L1ToL0 vcpu=0 reason=0x80 qualification=0x0",
                "@2000 VmEnter level=1 kind=L1ToL2 vcpu=0 vmcs=0x5000 vpid=1 eptp=0x6000 controls=0x3",
                "@4000 VmEnter level=0 kind=L0ToL2 vcpu=0 vmcs=0x0 vpid=0 eptp=0x0 controls=0x0",
                "@5000 VmExit level=2 kind=L2ToL0 vcpu=0 reason=0x400 qualification=0x200000006",
                "@7000 MapChange level=0 table=Tdp01 root=0x0 address=0x51a2000 size=0x1000 change=Restricted",
                "@8000 VmExit level=2 kind=L2ToL1 vcpu=0 reason=0x400 qualification=0x0",
                "@9000 Interrupt level=0 source=device vector=0xec vcpu=0 target_level=1",
                "@10000 SchedOut level=0 vcpu=0 preempted=1",
                "@11000 Migrate level=0 vcpu=0 to_lane=1",
                "@11000 SchedIn level=0 vcpu=0",
                "@12000 VmEnter level=0 kind=L0ToL1 vcpu=0 vmcs=0x0 vpid=0 eptp=0x0 controls=0x0",
                "@13000 Halt level=1",
                "@13000 VmExit level=1 kind=L1ToL0 vcpu=0 reason=0x78 qualification=0x0",
            }));
            Assert.That(result.Flushes.Single(), Is.EqualTo(new KernelFlush(4, 3000, 0, 0, "svm_flush_tlb_current", 0x80, 1, 1, true, 1, "")));
            Assert.That(result.Synthesized, Is.Zero);
        });
    }

    // Two vCPU threads on two CPUs. vCPU 1 is in L0 while vCPU 0's thread calls kvm_flush_remote_tlbs: its next service or entry tells whether it saw the request.
    [TestCase("kvm_service_local_tlb_flush_requests", "@6000 FlushRequest level=0 request=All vcpu=1 after_service_of=65535", "@7000 VmEnter")]
    [TestCase("kvm_vcpu_kick", "@7000 VmEnter", "@7000 FlushRequest level=0 request=All vcpu=1 after_service_of=65535")]
    public void A_remote_flush_reaches_a_vCPU_in_L0_before_its_next_service_or_else_after_its_entry(string function, string first, string second)
    {
        string text = $"""
             nvmm-7 [000] 1.000000: kvm_entry: vcpu 0, rip 0x1000
             nvmm-8 [001] 1.000001: kvm_entry: vcpu 1, rip 0x1000
             nvmm-7 [000] 1.000002: kvm_exit: vcpu 0 reason npf rip 0x1000 info1 0x0000000000000000 info2 0x0000000000000000 intr_info 0x00000000 error_code 0x00000000
             nvmm-7 [000] 1.000003: function: kvm_service_local_tlb_flush_requests
             nvmm-8 [001] 1.000004: kvm_exit: vcpu 1 reason msr rip 0x1000 info1 0x0000000000000000 info2 0x0000000000000000 intr_info 0x00000000 error_code 0x00000000
             nvmm-7 [000] 1.000005: function: kvm_flush_remote_tlbs
             nvmm-8 [001] 1.000006: function: {function}
             nvmm-8 [001] 1.000007: kvm_entry: vcpu 1, rip 0x1000

            """;
        (MemoryTrace trace, _) = Lift(() => new MemoryStream(Encoding.ASCII.GetBytes(text)), "test");
        Assert.That(trace.Header.RecordsRemoteFlushes, Is.True);
        string[] records = [.. Events(trace).OrderBy(e => e.Time).Select(e => $"@{e.Time} {e}")];
        Assert.That(records, Has.Some.EqualTo("@5000 FlushRequest level=0 request=All vcpu=0 after_service_of=65535"));
        Assert.That(records[^2], Does.StartWith(first));
        Assert.That(records[^1], Does.StartWith(second));
    }

    // svm_flush_tlb_asid by itself between kvm_nested_vmenter and nested_svm_load_cr3 is svm_set_cr4's; behind another flush function it is that one's.
    [TestCase("svm_flush_tlb_asid", 1)]
    [TestCase("svm_flush_tlb_current\n             nvmm-7 [000] 1.000003: function: svm_flush_tlb_asid", 0)]
    [TestCase("nested_svm_load_cr3\n             nvmm-7 [000] 1.000003: function: svm_flush_tlb_asid", 0)]
    public void A_flush_by_itself_at_a_nested_entry_shows_another_CR4_PGE(string functions, int expected)
    {
        string text = $"""
             nvmm-7 [000] 1.000000: kvm_entry: vcpu 0, rip 0x1000
             nvmm-7 [000] 1.000001: kvm_exit: vcpu 0 reason vmrun rip 0x1000 info1 0x0000000000000000 info2 0x0000000000000000 intr_info 0x00000000 error_code 0x00000000
             nvmm-7 [000] 1.000002: kvm_nested_vmenter: rip: 0x1003 vmcb: 0x5000 nested_rip: 0x200000 int_ctl: 0x0 event_inj: 0x0 nested_npt=y nested_cr3: 0x6000
             nvmm-7 [000] 1.000003: function: {functions}
             nvmm-7 [000] 1.000004: kvm_entry: vcpu 0, rip 0x200000

            """;
        (MemoryTrace trace, _) = Lift(() => new MemoryStream(Encoding.ASCII.GetBytes(text)), "test");
        Assert.That(Events(trace).Where(e => e.Kind == RecordKind.SetCr4).Select(e => e.ToString()), Is.EqualTo(Enumerable.Repeat("SetCr4 level=2 value=0x20", expected)));
        Assert.That(TraceVerifier.Run(trace).Errors, Is.Zero);
    }

    [Test]
    public void A_kernel_without_nested_entry_events_enters_L2_where_the_entry_is_elsewhere()
    {
        const string Exit = " nvmm-7 [000] 1.000001: kvm_exit: vcpu 0 reason VMRESUME rip 0x1000 info1 0x0 info2 0x0 intr_info 0x00000000 error_code 0x00000000\n";
        (MemoryTrace enters, _) = Lift(() => new MemoryStream(Encoding.ASCII.GetBytes(" nvmm-7 [000] 1.000000: kvm_entry: vcpu 0, rip 0x1000\n" + Exit + " nvmm-7 [000] 1.000004: kvm_entry: vcpu 0, rip 0x200000\n")), "test");
        (MemoryTrace fails, _) = Lift(() => new MemoryStream(Encoding.ASCII.GetBytes(" nvmm-7 [000] 1.000000: kvm_entry: vcpu 0, rip 0x1000\n" + Exit + " nvmm-7 [000] 1.000004: kvm_entry: vcpu 0, rip 0x1003\n")), "test");
        Assert.Multiple(() =>
        {
            Assert.That(Events(enters).Where(e => e.Kind == RecordKind.VmEnter).Select(e => e.Transition), Is.EqualTo(new[] { TransitionKind.L0ToL1, TransitionKind.L1ToL2, TransitionKind.L0ToL2 }));
            Assert.That(Events(fails).Where(e => e.Kind == RecordKind.VmEnter).Select(e => e.Transition), Is.EqualTo(new[] { TransitionKind.L0ToL1, TransitionKind.L0ToL1 }));
        });
    }

    [Test]
    public void A_recording_without_one_event_of_KVM_is_an_error()
    {
        TraceFormatException error = Assert.Throws<TraceFormatException>(() => Lift(() => new MemoryStream(" a-7 [000] 1.0: sched_switch: a:7 [120] R ==> b:8 [120]\n"u8.ToArray()), "test"))!;
        Assert.That(error.Message, Does.Contain("1 events and none of them to the end").And.Contain("trace-cmd record -e kvm"));
    }

    [Test]
    public void A_recording_of_too_many_CPUs_is_an_error()
    {
        TraceFormatException error = Assert.Throws<TraceFormatException>(() => Lift(() => new MemoryStream(" nvmm-7 [256] 1.000000: kvm_fpu: load\n"u8.ToArray()), "test"))!;
        Assert.That(error.Message, Does.Contain("at most 256 CPUs"));
    }

    [Test]
    public void Damaged_recordings_give_errors_or_a_trace_and_nothing_else()
    {
        StringBuilder text = new();
        using (StreamReader recording = new(CaptureText.Open(Recordings.File("bochs-vmx-2cpu.nb3-1.ftrace.txt.xz"))))
        {
            for (int line = 0; line < 12_000 && recording.ReadLine() is { } next; line++)
            {
                text.Append(line >= 10_000 ? next + "\n" : "");
            }
        }

        Mutations.Run(Encoding.ASCII.GetBytes(text.ToString()), 300, 15, input =>
        {
            byte[] bytes = ((MemoryStream)input).ToArray();
            return Lift(() => new MemoryStream(bytes), "mutated").Result.Findings.All.Count;
        });
    }

    internal static (MemoryTrace Trace, TracepointLiftResult Result) Lift(Func<Stream> open, string name)
    {
        KernelSurvey survey;
        using (TracepointReader reader = new(open(), name))
        {
            survey = KernelSurvey.Of(reader);
        }

        using TracepointReader again = new(open(), name);
        MemoryTrace trace = new(TracepointLift.HeaderOf(survey, name));
        return (trace, TracepointLift.Run(again, survey, trace));
    }

    internal static List<TraceEvent> Events(MemoryTrace trace)
    {
        trace.Rewind();
        List<TraceEvent> events = [];
        TraceBlock block = new();
        while (trace.Read(block))
        {
            events.AddRange(block.Events[..block.EventCount]);
        }

        trace.Rewind();
        return events;
    }
}
