using Sim.Core;
using Sim.Core.Traces;
using Sim.Workloads.Weave;

namespace Sim.Workloads.Tests.Weave;

[TestFixture]
public sealed class WeaverTests
{
    private const string Small = "reuse=1 l0-exit=4+3@70 l0-entry=5+2@70 l0-l1-exit=2+2@40 l0-alone=3+3@60 l1=6+4@100 warm-up=0 fold=off";

    private static readonly string[] Specs =
    [
        "every=50",
        "every=1 l1-exits=0",
        "every=37 l1-exits=3 vpid12=alternate:3 l2-vms=3",
        "schedule=poisson every=40 vpid12=new invvpid-every=1 invept-every=2",
        "schedule=poisson unit=cycles every=25 vpid12=off ept12=off l2-cr3-every=30",
        "arch=svm every=60 vpid12=alternate:2 invvpid-every=3 l2-pcid=off l2-cr3-every=7",
        "every=50 vpid12=zero exits=10:l1",
        "every=50 exits=1:l0",
        "every=90 l0-exit=0+0@0 l0-entry=0+0@0 l0-l1-exit=0+0@0 l1=0+0@0 l0-alone=0+0@0",
        "every=10000",
    ];

    [TestCaseSource(nameof(Specs))]
    public void Every_transition_follows_from_the_one_before_and_every_access_is_counted_for_the_level_that_runs(string options)
    {
        (NestedChecker woven, WeaveSummary summary) = Weave($"{Small} {options}", Program(1000));
        Assert.That(woven.Accesses, Is.EqualTo(new[] { summary.L0Accesses, summary.L1Accesses, summary.L2Accesses }));
        Assert.That(summary.L2Accesses, Is.EqualTo(1000));
        Assert.That(Count(woven, TransitionKind.L2ToL0), Is.EqualTo(summary.L2Exits));
        Assert.That(Count(woven, TransitionKind.L1ToL2), Is.EqualTo(summary.NestedEntries));
        Assert.That(Count(woven, TransitionKind.L2ToL1), Is.EqualTo(summary.NestedEntries - 1));
        Assert.That(woven.Running, Is.EqualTo(2));
    }

    [TestCaseSource(nameof(Specs))]
    public void Without_the_handlers_what_remains_is_the_program(string options)
    {
        (NestedChecker woven, _) = Weave($"{Small} {options}", Program(1000));
        NestedChecker program = NestedChecker.Check(Program(1000));
        Assert.That(
            woven.Records.Where(r => r.Level == 2).Select(r => (r.Address, r.Flags, r.Repeat)),
            Is.EqualTo(program.Records.Select(r => (r.Address, r.Flags, r.Repeat))));
    }

    [TestCaseSource(nameof(Specs))]
    public void Folding_keeps_every_access_and_event(string options)
    {
        (NestedChecker plain, WeaveSummary plainSummary) = Weave($"{Small} {options}", Program(1000));
        (NestedChecker folded, WeaveSummary foldedSummary) = Weave($"{Small} {options}".Replace("fold=off", "fold=on", StringComparison.Ordinal), Program(1000));
        Assert.That(folded.Accesses, Is.EqualTo(plain.Accesses));
        Assert.That(folded.Events, Is.EqualTo(plain.Events));
        Assert.That(foldedSummary.Records, options == "every=1 l1-exits=0" ? Is.EqualTo(plainSummary.Records) : Is.LessThan(plainSummary.Records));
    }

    [Test]
    public void A_round_trip_through_L1_has_the_seven_transitions_of_kvm_in_their_order()
    {
        (NestedChecker woven, _) = Weave($"{Small} every=99 l1-exits=1 exits=10:l1", Program(100));
        Assert.That(
            woven.Events.Where(e => e.Kind is RecordKind.VmEnter or RecordKind.VmExit).Select(e => e.ToString()),
            Is.EqualTo(new[]
            {
                "VmEnter level=0 kind=L0ToL1 vcpu=0 vmcs=0x0 vpid=0 eptp=0x0 controls=0x0",
                "VmExit level=1 kind=L1ToL0 vcpu=0 reason=0x14 qualification=0x0",
                "VmEnter level=1 kind=L1ToL2 vcpu=0 vmcs=0x1f000000 vpid=1 eptp=0x2000005e controls=0x3",
                "VmEnter level=0 kind=L0ToL2 vcpu=0 vmcs=0x0 vpid=0 eptp=0x0 controls=0x0",
                "VmExit level=2 kind=L2ToL0 vcpu=0 reason=0xa qualification=0x0",
                "VmExit level=2 kind=L2ToL1 vcpu=0 reason=0xa qualification=0x0",
                "VmEnter level=0 kind=L0ToL1 vcpu=0 vmcs=0x0 vpid=0 eptp=0x0 controls=0x0",
                "VmExit level=1 kind=L1ToL0 vcpu=0 reason=0x1f qualification=0x0",
                "VmEnter level=0 kind=L0ToL1 vcpu=0 vmcs=0x0 vpid=0 eptp=0x0 controls=0x0",
                "VmExit level=1 kind=L1ToL0 vcpu=0 reason=0x18 qualification=0x0",
                "VmEnter level=1 kind=L1ToL2 vcpu=0 vmcs=0x1f000000 vpid=1 eptp=0x2000005e controls=0x3",
                "VmEnter level=0 kind=L0ToL2 vcpu=0 vmcs=0x0 vpid=0 eptp=0x0 controls=0x0",
            }));
    }

    [TestCase(100, 10, 9)]
    [TestCase(101, 10, 10)]
    [TestCase(100, 99, 1)]
    [TestCase(100, 100, 0)]
    public void A_fixed_schedule_exits_after_every_n_accesses_and_before_the_next(int accesses, int every, int exits)
    {
        (NestedChecker woven, WeaveSummary summary) = Weave($"{Small} every={every} exits=1:l0", Program(accesses));
        Assert.That(summary.L2Exits, Is.EqualTo((ulong)exits));
        int l2 = 0;
        List<int> places = [];
        foreach (string line in woven.Lines)
        {
            l2 += line.Contains(" L2 ", StringComparison.Ordinal) ? 1 : 0;
            if (line.Contains("L2ToL0", StringComparison.Ordinal))
            {
                places.Add(l2);
            }
        }

        Assert.That(places, Is.EqualTo(Enumerable.Range(1, exits).Select(n => n * every)));
    }

    [Test]
    public void L0_and_L1_touch_exactly_the_pages_of_their_footprints()
    {
        (NestedChecker woven, _) = Weave("reuse=3 l0-exit=4+3@70 l0-entry=0+0@0 l1=6+5@110 l1-exits=0 warm-up=0 fold=off every=99 exits=10:l1", Program(100));
        Assert.That(Pages(0, code: true), Is.EqualTo(4));
        Assert.That(Pages(0, code: false), Is.EqualTo(3));
        Assert.That(Pages(1, code: true), Is.EqualTo(6));
        Assert.That(Pages(1, code: false), Is.EqualTo(5));
        Assert.That(woven.Accesses, Is.EqualTo(new ulong[] { 21, 33, 100 }));

        int Pages(int level, bool code) =>
            woven.Records.Where(r => r.Level == level && AccessFlags.Type(r.Flags) == AccessType.Execute == code).Select(r => r.Address >> 12).Distinct().Count();
    }

    [Test]
    public void Handlers_take_the_cycles_of_their_footprints()
    {
        (NestedChecker woven, _) = Weave("reuse=3 l0-exit=4+3@71 l0-entry=2+1@1000 l0-l1-exit=1+1@7 l1=6+5@113 l1-exits=2 warm-up=0 every=99 exits=10:l1", Program(100));
        ulong exit = woven.Events.Single(e => e.Kind == RecordKind.VmExit && e.Transition == TransitionKind.L2ToL0).Time;
        ulong entry = woven.Events.Last(e => e.Kind == RecordKind.VmEnter && e.Transition == TransitionKind.L0ToL2).Time;
        Assert.That(entry - exit, Is.EqualTo(71 + 1000 + 113 + (2 * 7)));
    }

    [TestCase("vpid12=off", "0 0 0 0 0")]
    [TestCase("vpid12=same", "1 1 1 1 1")]
    [TestCase("vpid12=new", "1 2 3 4 5")]
    [TestCase("vpid12=alternate:2", "1 2 1 2 1")]
    [TestCase("vpid12=alternate:3", "1 2 3 1 2")]
    [TestCase("vpid12=zero", "0 0 0 0 0")]
    public void Nested_entries_follow_the_vpid12_pattern(string pattern, string expected)
    {
        (NestedChecker woven, _) = Weave($"{Small} every=20 exits=10:l1 l2-vms=2 {pattern}", Program(100));
        TraceEvent[] entries = woven.Events.Where(e => e.Kind == RecordKind.VmEnter && e.Transition == TransitionKind.L1ToL2).ToArray();
        Assert.That(string.Join(' ', entries.Select(e => e.D)), Is.EqualTo(expected));
        Assert.That(entries.Select(e => e.C), Is.EqualTo(new[] { 0x1F000000, 0x1F001000, 0x1F000000, 0x1F001000, 0x1F000000 }));
        Assert.That(entries.Select(e => e.E), Is.EqualTo(new[] { 0x2000005E, 0x2000105E, 0x2000005E, 0x2000105E, 0x2000005E }));
        Assert.That(entries.All(e => ((VmControls)e.F).HasFlag(VmControls.EnableVpid)), Is.EqualTo(pattern != "vpid12=off"));
    }

    [Test]
    public void A_new_vpid12_wraps_from_65535_to_1()
    {
        Vpid12Pattern pattern = new(Vpid12Kind.New);
        Assert.That((pattern.At(65_534), pattern.At(65_535)), Is.EqualTo((65_535u, 1u)));
    }

    [Test]
    public void Without_ept12_the_control_and_the_eptp_are_absent()
    {
        (NestedChecker woven, _) = Weave($"{Small} ept12=off", Program(10));
        TraceEvent entry = woven.Events.Single(e => e.Kind == RecordKind.VmEnter && e.Transition == TransitionKind.L1ToL2);
        Assert.That((entry.E, entry.F), Is.EqualTo((0UL, (ulong)VmControls.EnableVpid)));
    }

    [Test]
    public void L1_invalidates_the_vpid12_that_it_enters_next_before_every_nth_entry()
    {
        (NestedChecker woven, _) = Weave($"{Small} every=10 exits=10:l1 vpid12=alternate:3 invvpid-every=2 invept-every=4", Program(100));
        List<string> order = [];
        foreach (TraceEvent e in woven.Events)
        {
            if (e.Kind == RecordKind.Invvpid)
            {
                order.Add($"invvpid {e.A}:{e.B}");
            }
            else if (e.Kind == RecordKind.Invept)
            {
                order.Add($"invept {e.A}:{e.B:x}");
            }
            else if (e.Kind == RecordKind.VmEnter && e.Transition == TransitionKind.L1ToL2)
            {
                order.Add($"{e.D}");
            }
        }

        Assert.That(
            string.Join(", ", order),
            Is.EqualTo("1, 2, invvpid 1:3, 3, 1, invvpid 1:2, invept 1:2000005e, 2, 3, invvpid 1:1, 1, 2, invvpid 1:3, invept 1:2000005e, 3, 1"));
    }

    [Test]
    public void Svm_exits_with_vmrun_and_invalidates_with_invlpga()
    {
        (NestedChecker woven, _) = Weave($"{Small} arch=svm every=50 exits=0x72:l1 invvpid-every=1 l1-exits=0", Program(100));
        Assert.That(
            woven.Events.Where(e => e.Kind == RecordKind.VmExit && e.Transition == TransitionKind.L1ToL0).Select(e => e.C),
            Is.EqualTo(new ulong[] { 0x80, 0x7A, 0x80 }));
        Assert.That(woven.Events.Single(e => e.Kind == RecordKind.Invlpga).A, Is.EqualTo(1));
        Assert.That(woven.Events.Last(e => e.Kind == RecordKind.VmEnter && e.Transition == TransitionKind.L1ToL2).E, Is.EqualTo(0x20000000));
    }

    [Test]
    public void L2_moves_between_its_roots_with_pcids_and_without_flush_or_without_pcids()
    {
        Assert.That(Moves("l2-pcid=on"), Is.EqualTo("70000/1/0 71000/2/1 72000/3/1 70000/1/1"));
        Assert.That(Moves("l2-pcid=off"), Is.EqualTo("70000/0/0 71000/0/0 72000/0/0 70000/0/0"));

        static string Moves(string pcid)
        {
            (NestedChecker woven, _) = Weave($"{Small} every=1000 l2-cr3-every=30 l2-processes=3 {pcid}", Program(100));
            return string.Join(' ', woven.Events.Where(e => e.Kind == RecordKind.SetCr3 && e.Level == 2).Select(e => $"{e.A:x}/{e.B}/{e.C}"));
        }
    }

    [TestCase("l2-accesses=50 warm-up=20%", 10)]
    [TestCase("l2-accesses=59 warm-up=20%", 11)]
    [TestCase("warm-up=33", 33)]
    public void The_end_of_warm_up_is_marked_after_its_share_of_L2s_accesses(string options, int expected)
    {
        (NestedChecker woven, _) = Weave($"{Small} every=7".Replace("warm-up=0", options, StringComparison.Ordinal), Program(100));
        int mark = woven.Lines.FindIndex(line => line.EndsWith(Weaver.WarmUpEnds, StringComparison.Ordinal));
        Assert.That(woven.Lines.Take(mark).Count(line => line.Contains(" L2 ", StringComparison.Ordinal)), Is.EqualTo(expected));
    }

    [Test]
    public void A_limit_cuts_inside_a_folded_run()
    {
        MemoryTrace program = new();
        TraceAppender appender = new(program, 1);
        appender.Access(0, 0, 0x1000, AccessType.Read, repeat: 10);
        appender.Access(0, 1, 0x2000, AccessType.Read, repeat: 10);
        appender.Complete();
        (NestedChecker woven, _) = Weave($"{Small} l2-accesses=14", program);
        Assert.That(woven.Records.Select(r => r.Repeat), Is.EqualTo(new uint[] { 10, 4 }));
    }

    [Test]
    public void A_folded_program_fetches_its_instruction_again_after_an_exit()
    {
        MemoryTrace folded = new(TraceHeader.Default with { Folded = true });
        TraceAppender appender = new(folded, 1);
        appender.Access(0, 0, 0x1000, AccessType.Execute, cpl: 3, repeat: 20);
        appender.Access(0, 1, 0x2000, AccessType.Read, cpl: 3);
        appender.Complete();
        (NestedChecker woven, _) = Weave($"{Small} every=20 exits=1:l0", folded);
        Assert.That(woven.Records.Where(r => r.Level == 2).Select(r => (r.Address, r.Repeat)), Is.EqualTo(new[] { (0x1000UL, 20u), (0x1000UL, 1u), (0x2000UL, 1u) }));
    }

    [Test]
    public void The_same_seed_gives_the_same_trace_and_another_seed_another()
    {
        List<string> Lines(int seed) => Weave($"{Small} schedule=poisson every=20 seed={seed}", Program(1000)).Woven.Lines;
        Assert.That(Lines(5), Is.EqualTo(Lines(5)));
        Assert.That(Lines(6), Is.Not.EqualTo(Lines(5)));
    }

    [Test]
    public void A_schedule_taken_from_a_woven_trace_weaves_the_same_trace_again()
    {
        string options = $"{Small} unit=cycles every=20 exits=10:l1:2,1:l0";
        MemoryTrace first = new();
        WeaveSpec spec = Parse(options);
        Weaver.Weave(spec, Program(1000), null, first);
        RecordedExits recorded = RecordedExits.FromTrace(first, "first");
        MemoryTrace second = new();
        Weaver.Weave(spec with { Schedule = WeaveSchedule.Recorded, Recorded = recorded }, Program(1000), null, second);
        Assert.That(recorded.Exits, Has.Count.GreaterThan(20));
        Assert.That(NestedChecker.Check(second).Lines, Is.EqualTo(NestedChecker.Check(first).Lines));
    }

    [Test]
    public void A_recorded_schedule_exits_at_its_places_and_then_no_more()
    {
        RecordedExits recorded = RecordedExits.ReadCsv(new StringReader("# three\naccesses,reason,handled_by\n5,10,l1\n5,0x30,l0\n90,1,L0\n"), "x.csv");
        (NestedChecker woven, WeaveSummary summary) = Weave(Parse(Small) with { Schedule = WeaveSchedule.Recorded, Recorded = recorded }, Program(100));
        Assert.That(woven.Events.Where(e => e.Kind == RecordKind.VmExit && e.Transition == TransitionKind.L2ToL0).Select(e => e.C), Is.EqualTo(new ulong[] { 10, 48, 1 }));
        Assert.That(summary.NestedEntries, Is.EqualTo(2));
    }

    [TestCase("", "line 0")]
    [TestCase("position,reason,handled_by\n", "line 1")]
    [TestCase("cycles,reason,handled_by\n5,10\n", "line 2")]
    [TestCase("cycles,reason,handled_by\n5,10,l2\n", "line 2")]
    [TestCase("cycles,reason,handled_by\n5,-1,l1\n", "line 2")]
    [TestCase("cycles,reason,handled_by\n5,4294967296,l1\n", "line 2")]
    [TestCase("cycles,reason,handled_by\n5,10,l1\n\n4,10,l1\n", "line 4")]
    public void A_malformed_exits_file_is_an_error_that_names_the_line(string csv, string where) =>
        Assert.That(() => RecordedExits.ReadCsv(new StringReader(csv), "x.csv"), Throws.TypeOf<TraceFormatException>().With.Message.Contains($"x.csv: {where}: expected "));

    [Test]
    public void Exponential_distances_are_those_of_an_independent_implementation()
    {
        // Python, from von Neumann's description: r=R(42); [expo(r,1000) for _ in range(8)]
        Rng rng = new(42);
        Assert.That(Enumerable.Range(0, 8).Select(_ => ExitSchedule.Exponential(ref rng, 1000)), Is.EqualTo(ExpectedExponential));
    }

    [Test]
    public void Exponential_distances_have_their_mean_and_their_tails()
    {
        // 200 000 draws: standard error of the mean is 0.22 %, of the tails 0.11 and 0.08 points; bounds are four of them.
        Rng rng = new(7);
        const int Draws = 200_000;
        const ulong Mean = 1_000_000;
        ulong sum = 0;
        int aboveOne = 0;
        int aboveTwo = 0;
        for (int i = 0; i < Draws; i++)
        {
            ulong x = ExitSchedule.Exponential(ref rng, Mean);
            sum += x;
            aboveOne += x > Mean ? 1 : 0;
            aboveTwo += x > 2 * Mean ? 1 : 0;
        }

        Assert.That(sum / (double)Draws / Mean, Is.EqualTo(1).Within(0.009));
        Assert.That(aboveOne / (double)Draws, Is.EqualTo(Math.Exp(-1)).Within(0.0044));
        Assert.That(aboveTwo / (double)Draws, Is.EqualTo(Math.Exp(-2)).Within(0.0031));
    }

    [Test]
    public void Handlers_of_a_nested_trace_are_played_whole_with_the_weaves_own_vpid12()
    {
        MemoryTrace handlers = new();
        Weaver.Weave(Parse($"{Small} every=10 exits=10:l1,1:l0 l1-exits=2 vpid12=same invvpid-every=1"), Program(100), null, handlers);
        NestedChecker recording = NestedChecker.Check(handlers);
        (NestedChecker woven, WeaveSummary summary) = Weave($"{Small} every=100 exits=10:l1,1:l0 l1-exits=0 vpid12=new", Program(1000), handlers);

        // Same seed, hence the same order of handlers: every episode is played once, in order.
        Assert.That(summary.L2Exits, Is.EqualTo(9));
        Assert.That(woven.Accesses[0], Is.EqualTo(recording.Accesses[0]));
        Assert.That(woven.Accesses[1], Is.EqualTo(recording.Accesses[1]));
        Assert.That(woven.Records.Where(r => r.Level < 2).Select(r => r.Address), Is.EqualTo(recording.Records.Where(r => r.Level < 2).Select(r => r.Address)));
        Assert.That(woven.Events.Where(e => e.Kind == RecordKind.Invvpid).Select(e => e.B), Is.EqualTo(Enumerable.Range(2, (int)summary.NestedEntries - 1)));
    }

    [Test]
    public void A_reason_without_recorded_episode_takes_one_of_its_handler_and_keeps_the_scheduled_reason()
    {
        MemoryTrace handlers = new();
        Weaver.Weave(Parse($"{Small} every=10 exits=10:l1,1:l0"), Program(100), null, handlers);
        (NestedChecker woven, _) = Weave($"{Small} every=50 exits=30:l1", Program(100), handlers);
        Assert.That(woven.Events.Where(e => e.Kind == RecordKind.VmExit && e.Level == 2).Select(e => (e.Transition, e.C)), Is.EqualTo(new[] { (TransitionKind.L2ToL0, 30UL), (TransitionKind.L2ToL1, 30UL) }));
    }

    [Test]
    public void A_nested_trace_without_the_handler_that_the_mix_needs_is_a_configuration_error()
    {
        MemoryTrace handlers = new();
        Weaver.Weave(Parse($"{Small} every=10 exits=1:l0"), Program(100), null, handlers);
        Assert.That(() => Weave($"{Small} exits=10:l1", Program(100), handlers), Throws.TypeOf<ConfigurationException>().With.Message.Contains("L1 handles"));
    }

    [Test]
    public void A_bare_L1_trace_is_played_in_order_at_kernel_addresses_round_and_round()
    {
        MemoryTrace l1 = new();
        TraceAppender appender = new(l1, 1);
        appender.Access(0, 0, 0x04025310, AccessType.Execute, cpl: 3, size: 4);
        appender.Access(0, 3, 0x1FFEFFF4A8, AccessType.Write, cpl: 3, repeat: 3);
        appender.Access(0, 5, 0xFFFFFFFF81000000, AccessType.Execute);
        appender.Complete();
        (NestedChecker woven, _) = Weave($"{Small} every=40 exits=10:l1 l1-exits=1 l1-accesses=4", Program(100), l1);
        Assert.That(
            woven.Records.Where(r => r.Level == 1).Select(r => $"{r.Address:x} {AccessFlags.Type(r.Flags)} {AccessFlags.Cpl(r.Flags)} x{r.Repeat}"),
            Is.EqualTo(new[]
            {
                // Four accesses for each of the two handlings, two before and two after L1's own exit.
                "ffffffff84025310 Execute 0 x1", "ffff889ffefff4a8 Write 0 x1", "ffff889ffefff4a8 Write 0 x2",
                "ffffffff81000000 Execute 0 x1", "ffffffff84025310 Execute 0 x1", "ffff889ffefff4a8 Write 0 x2",
            }));
    }

    [Test]
    public void A_program_with_transitions_of_its_own_cannot_be_L2()
    {
        MemoryTrace nested = new();
        Weaver.Weave(Parse(Small), Program(10), null, nested);
        Assert.That(() => Weave(Small, nested), Throws.TypeOf<ConfigurationException>().With.Message.Contains("bare program"));
    }

    [TestCase("evry=5", "Did you mean every")]
    [TestCase("every", "key=value")]
    [TestCase("every=0", "from 1")]
    [TestCase("every=-1", "from 1")]
    [TestCase("every=1 every=2", "twice")]
    [TestCase("l2-vms=4097", "4096")]
    [TestCase("vpid12=alternate:0", "from 1")]
    [TestCase("vpid12=alternate:65536", "65535")]
    [TestCase("vpid12=sme", "Did you mean same")]
    [TestCase("schedule=poison", "Did you mean poisson")]
    [TestCase("exits=10", "reason:l0|l1")]
    [TestCase("exits=10:l2", "l0 or l1")]
    [TestCase("exits=10:l1:0", "from 1")]
    [TestCase("l1=5+5", "CODE+DATA@CYCLES")]
    [TestCase("l1=5@5+5", "CODE+DATA@CYCLES")]
    [TestCase("ept12=yes", "on or off")]
    [TestCase("warm-up=100%", "99")]
    [TestCase("warm-up=10%", "l2-accesses")]
    [TestCase("schedule=recorded warm-up=0", "exits-file")]
    [TestCase("exits-file=/nonexistent.csv", "cannot be read")]
    [TestCase("vpid12=off invvpid-every=1 warm-up=0", "invvpid-every")]
    [TestCase("ept12=off invept-every=1 warm-up=0", "ept12=on")]
    [TestCase("arch=svm invept-every=1 warm-up=0", "SVM")]
    public void A_bad_option_is_answered_with_what_would_be_right(string options, string hint) =>
        Assert.That(() => Parse(options), Throws.TypeOf<ConfigurationException>().With.Message.Contains(hint));

    [TestCaseSource(nameof(Specs))]
    public void A_spec_written_as_text_reads_back(string options)
    {
        WeaveSpec spec = Merge($"{Small} {options}");
        string text = spec.ToString();
        Assert.That(Parse(text).ToString(), Is.EqualTo(text));
        Assert.That(Parse(text).EffectiveExits, Is.EqualTo(spec.EffectiveExits));
    }

    private static ulong[] ExpectedExponential => [2218, 339, 204, 513, 665, 93, 2741, 2637];

    private static ulong Count(NestedChecker woven, TransitionKind kind) =>
        (ulong)woven.Events.Count(e => e.Kind is RecordKind.VmEnter or RecordKind.VmExit && e.Transition == kind);

    private static WeaveSpec Parse(string options) => WeaveSpec.Parse(options.Split(' ', StringSplitOptions.RemoveEmptyEntries));

    /// <summary>Parses; an option given again replaces the one in <see cref="Small"/>.</summary>
    private static WeaveSpec Merge(string options)
    {
        SortedDictionary<string, string> last = new(StringComparer.Ordinal);
        foreach (string word in options.Split(' ', StringSplitOptions.RemoveEmptyEntries))
        {
            last[word.Split('=')[0]] = word;
        }

        return WeaveSpec.Parse(last.Values);
    }

    private static (NestedChecker Woven, WeaveSummary Summary) Weave(string options, MemoryTrace l2, MemoryTrace? handlers = null) =>
        Weave(Merge(options), l2, handlers);

    private static (NestedChecker Woven, WeaveSummary Summary) Weave(WeaveSpec spec, MemoryTrace l2, MemoryTrace? handlers = null)
    {
        MemoryTrace woven = new();
        l2.Rewind();
        handlers?.Rewind();
        WeaveSummary summary = Weaver.Weave(spec, l2, handlers, woven);
        return (NestedChecker.Check(woven), summary);
    }

    /// <summary>A program of that many accesses: one instruction a cycle, each second with a data access on one of eight pages.</summary>
    private static MemoryTrace Program(int accesses)
    {
        MemoryTrace program = new();
        TraceAppender appender = new(program, 1);
        Rng rng = new(99);
        ulong time = 0;
        for (int i = 0; i < accesses; i++)
        {
            if (i % 3 < 2)
            {
                appender.Access(0, time++, 0x400000 + (rng.Below(8) * 4), AccessType.Execute, cpl: 3, size: 4);
            }
            else
            {
                appender.Access(0, time - 1, 0x7F0000000000 + (rng.Below(8) << 12), rng.Below(2) == 0 ? AccessType.Read : AccessType.Write, cpl: 3);
            }
        }

        appender.Complete();
        return program;
    }
}
