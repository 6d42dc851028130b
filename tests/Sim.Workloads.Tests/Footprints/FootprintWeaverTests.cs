using Sim.Core;
using Sim.Core.Architecture;
using Sim.Core.Traces;
using Sim.Workloads.Footprints;
using Sim.Workloads.Operations;
using static Sim.Workloads.Tests.Footprints.NestedScript;

namespace Sim.Workloads.Tests.Footprints;

/// <summary>What is woven from recorded transitions, footprints and a program.</summary>
[TestFixture]
internal sealed class FootprintWeaverTests
{
    [Test]
    public void Stays_that_are_always_the_same_are_woven_page_for_page_in_their_order_at_their_place()
    {
        NestedScript script = Regular(withAccesses: true, 20);
        List<string> woven = Records(Weave(Regular(withAccesses: false, 20), null, Learn(script)).Trace, withTimes: false);

        // The stay before the first VMRESUME of the learned trace touched nothing, so the model gives it what all others touch.
        List<string> recorded = Records(script.ToTrace(), withTimes: false);
        Assert.That(woven.Skip(woven.Count - 200), Is.EqualTo(recorded.Skip(recorded.Count - 200)));
        Assert.That(woven.Count(record => record.Contains(" 0x1000 ", StringComparison.Ordinal)), Is.EqualTo(20));
    }

    [Test]
    public void Events_stay_as_they_are_and_the_trace_verifies()
    {
        NestedScript events = Varied(withAccesses: false, 300, 5);
        MemoryTrace woven = Weave(events, null, Learn(Varied(withAccesses: true, 300, 6))).Trace;
        Assert.That(Records(woven, withTimes: true).Where(IsEvent), Is.EqualTo(Records(events.ToTrace(), withTimes: true).Where(IsEvent)));
        woven.Rewind();
        Assert.That(TraceVerifier.Run(woven).Findings, Is.Empty);
    }

    [Test]
    public void The_seed_decides_everything_that_is_drawn()
    {
        FootprintModel model = Learn(Varied(withAccesses: true, 300, 6));
        string[] woven = [.. new ulong[] { 1, 1, 2 }.Select(seed => string.Join('\n', Records(Weave(Varied(withAccesses: false, 300, 5), null, model, new() { Seed = seed, Fold = false }).Trace, withTimes: true)))];
        Assert.That(woven[1], Is.EqualTo(woven[0]));
        Assert.That(woven[2], Is.Not.EqualTo(woven[0]));
    }

    [Test]
    public void Pages_come_as_often_and_varying_ones_as_many_as_were_recorded()
    {
        // One stay in four touches page 5; each touches one page that no other does.
        NestedScript recorded = new NestedScript().Start();
        NestedScript events = new NestedScript(withAccesses: false).Start();
        for (int i = 0; i < 4000; i++)
        {
            recorded.Exit(TransitionKind.L2ToL0, EptViolation).Touch(1);
            recorded = i % 4 == 0 ? recorded.Touch(5) : recorded;
            recorded.Touch(1000 + i).Enter(TransitionKind.L0ToL2);
            events.Exit(TransitionKind.L2ToL0, EptViolation).Touch(1, 2).Enter(TransitionKind.L0ToL2);
        }

        List<string> woven = Records(Weave(events, null, Learn(recorded)).Trace, withTimes: false);
        int Count(string address) => woven.Count(record => record.Contains(address, StringComparison.Ordinal));

        // Once more for the VMRESUME at the start, of which no stay was recorded with accesses.
        Assert.That(Count(" 0x1000 "), Is.EqualTo(4001));

        // Binomial(4000, 1/4): mean 1000, standard deviation 27; the seed is fixed.
        Assert.That(Count(" 0x5000 "), Is.InRange(900, 1100));
        Assert.That(woven.Where(record => record.Contains("Access", StringComparison.Ordinal)).Distinct().Count(), Is.EqualTo(4000 + 2));
    }

    [Test]
    public void A_program_runs_while_L2_does_and_goes_on_where_it_stopped()
    {
        // L2 runs from 4 to 29, from 30 to 45 (nothing is entered between) and the program touches a page every 10 cycles.
        NestedScript events = new NestedScript(withAccesses: false).Start();
        events.Time = 29;
        events.Exit(TransitionKind.L2ToL0, EptViolation).Enter(TransitionKind.L0ToL2);
        events.Time = 46;
        events.Exit(TransitionKind.L2ToL0, EptViolation).Enter(TransitionKind.L0ToL2);
        (MemoryTrace trace, FootprintWeaveSummary summary) = Weave(events, Program(100), Learn(Regular(true, 4)));

        // Entered at 3: due at 0, 10, 20 of 26 cycles; entered at 30: due at 30 = 26 + 4, and at 40 = 26 + 14.
        Assert.That(AccessesOf(trace, 2), Is.EqualTo(new[] { (3UL, 0x100000UL), (13UL, 0x101000UL), (23UL, 0x102000UL), (34UL, 0x103000UL), (44UL, 0x104000UL) }));
        Assert.That((summary.ProgramRuns, summary.Accesses[2]), Is.EqualTo((1, 5)));
    }

    [Test]
    public void A_program_that_ends_begins_again()
    {
        NestedScript events = new NestedScript(withAccesses: false).Start();
        events.Time = 53;
        events.Exit(TransitionKind.L2ToL0, EptViolation).Enter(TransitionKind.L0ToL2);
        (MemoryTrace trace, FootprintWeaveSummary summary) = Weave(events, Program(3), Learn(Regular(true, 4)));
        Assert.That(AccessesOf(trace, 2).Select(access => access.Time), Is.EqualTo(new ulong[] { 3, 13, 23, 24, 34, 44, 45 }));
        Assert.That(summary.ProgramRuns, Is.EqualTo(3));
    }

    [Test]
    public void The_limit_holds_the_program_in_each_run_of_L2()
    {
        NestedScript events = new NestedScript(withAccesses: false).Start();
        events.Time = 53;
        events.Exit(TransitionKind.L2ToL0, EptViolation).Enter(TransitionKind.L0ToL2);
        events.Time = 100;
        events.Exit(TransitionKind.L2ToL0, EptViolation).Enter(TransitionKind.L0ToL2);
        (MemoryTrace trace, _) = Weave(events, Program(100), Learn(Regular(true, 4)), new() { L2Limit = 2, Fold = false });

        // Held at 10 the program's clock stands at 11: its third access is due 9 cycles after the second entry at 54.
        Assert.That(AccessesOf(trace, 2).Select(access => access.Time), Is.EqualTo(new ulong[] { 3, 13, 63, 73 }));
    }

    [Test]
    public void Ticks_become_cycles()
    {
        NestedScript events = new NestedScript(withAccesses: false).Start();
        events.Time = 13;
        events.Exit(TransitionKind.L2ToL0, EptViolation).Enter(TransitionKind.L0ToL2);
        (MemoryTrace trace, _) = Weave(events, Program(100), Learn(Regular(true, 4)), new() { Cycles = 5, Ticks = 2, Fold = false });

        // Entered at tick 3 = cycle 7, left at tick 13 = cycle 32.
        Assert.That(AccessesOf(trace, 2).Select(access => access.Time), Is.EqualTo(new ulong[] { 7, 17, 27 }));
        Assert.That(Records(trace, withTimes: true).Single(record => record.Contains("L2ToL0", StringComparison.Ordinal)), Does.StartWith("32 "));
    }

    [Test]
    public void A_reason_that_was_never_recorded_takes_one_of_its_family_or_a_stranger_and_both_are_counted()
    {
        const uint IoInstruction = (uint)VmxExit.Io;
        const uint Vmcall = (uint)VmxExit.Vmcall;
        NestedScript events = new NestedScript(withAccesses: false).Start();
        foreach (uint reason in new[] { Vmcall, Vmcall, IoInstruction })
        {
            events.Exit(TransitionKind.L2ToL0, reason).Touch(1).Exit(TransitionKind.L2ToL1, reason).Enter(TransitionKind.L0ToL1)
                .Touch(2).Exit(TransitionKind.L1ToL0, Vmresume).Enter(TransitionKind.L1ToL2).Touch(3).Enter(TransitionKind.L0ToL2);
        }

        NestedScript recorded = new NestedScript().Start();
        for (int i = 0; i < 3; i++)
        {
            recorded.RoundTrip(Cpuid, [1], [2], [3]).RoundTrip(EptViolation, [4], [5], [3]).RoundTrip(EptViolation, [4], [5], [3]);
        }

        (MemoryTrace trace, FootprintWeaveSummary summary) = Weave(events, null, Learn(recorded));

        // VMCALL is CPUID's kin; port I/O is nobody's, so a small emulation stands in and not the most frequent exit, which walks tables.
        Assert.That(
            summary.Substitutes.Where(substitute => substitute.Wanted.Level == 0).Select(substitute => (substitute.Wanted.Reason, substitute.Taken.Reason, substitute.IsStrange, substitute.Count)),
            Is.EqualTo(new[] { (Vmcall, Cpuid, false, 2L), (IoInstruction, Cpuid, true, 1L) }));
        Assert.That(AccessesOf(trace, 0).Select(access => access.Address), Is.EqualTo(new ulong[] { 0x3000, 0x1000, 0x3000, 0x1000, 0x3000, 0x1000, 0x3000 }));
        Assert.That(summary.IsBracketed);
    }

    [TestCase(StrangerRule.Nearest, new ulong[] { 0x1000 })]
    [TestCase(StrangerRule.Smallest, new ulong[] { 0x1000 })]
    [TestCase(StrangerRule.Largest, new ulong[] { 0x4000, 0x5000, 0x6000 })]
    public void A_stranger_is_stood_in_for_by_a_small_kind_or_by_a_large_one_for_the_ends_of_a_range(StrangerRule strangers, ulong[] pages)
    {
        const uint IoInstruction = (uint)VmxExit.Io;
        NestedScript recorded = new NestedScript().Start();
        for (int i = 0; i < 3; i++)
        {
            recorded.Exit(TransitionKind.L2ToL0, Cpuid).Touch(1).Enter(TransitionKind.L0ToL2).Exit(TransitionKind.L2ToL0, EptViolation).Touch(4, 5, 6).Enter(TransitionKind.L0ToL2);
        }

        NestedScript events = new NestedScript(withAccesses: false).Start();
        events.Exit(TransitionKind.L2ToL0, IoInstruction).Touch(1).Enter(TransitionKind.L0ToL2);
        MemoryTrace trace = Weave(events, null, Learn(recorded), new FootprintWeaveOptions { Fold = false, Strangers = strangers }).Trace;

        Assert.That(AccessesOf(trace, 0).Select(access => access.Address).TakeLast(pages.Length), Is.EqualTo(pages));
    }

    [TestCase(9, 1, false)]
    [TestCase(8, 1, true)]
    public void More_than_a_tenth_of_foreign_stays_makes_a_range_of_it(int known, int foreign, bool bracketed)
    {
        const uint IoInstruction = (uint)VmxExit.Io;
        NestedScript recorded = new NestedScript();
        NestedScript events = new NestedScript(withAccesses: false);
        foreach (NestedScript script in new[] { recorded, events })
        {
            script.Enter(TransitionKind.L0ToL2);
            for (int i = 0; i < known; i++)
            {
                script.Exit(TransitionKind.L2ToL0, Cpuid).Touch(1).Enter(TransitionKind.L0ToL2);
            }
        }

        for (int i = 0; i < foreign; i++)
        {
            events.Exit(TransitionKind.L2ToL0, IoInstruction).Touch(1).Enter(TransitionKind.L0ToL2);
        }

        FootprintModel model = Learn(recorded);
        FootprintWeaveSummary summary = Weave(events, null, model).Summary;
        Assert.That((summary.IsBracketed, summary.ForeignShare), Is.EqualTo((bracketed, (double)foreign / (known + foreign))));
        Assert.That(summary.Doubts.Any(doubt => doubt.Sentence.StartsWith("bracketed: ", StringComparison.Ordinal)), Is.EqualTo(bracketed));
    }

    [Test]
    public void Exits_of_the_other_vendor_find_their_kin_and_are_known_to_be_foreign()
    {
        const uint SvmCpuid = (uint)SvmExit.Cpuid;
        NestedScript events = new NestedScript(withAccesses: false).Start();
        events.Exit(TransitionKind.L2ToL0, SvmCpuid).Touch(1).Exit(TransitionKind.L2ToL1, SvmCpuid).Enter(TransitionKind.L0ToL1).Touch(1);
        FootprintSubstitute substitute = Weave(events, null, Learn(Regular(true, 4))).Summary.Substitutes.Single();
        Assert.That((substitute.Taken.Reason, substitute.IsStrange, substitute.IsForeign), Is.EqualTo((Cpuid, false, true)));
    }

    [Test]
    public void Events_without_transitions_and_programs_without_accesses_are_refused()
    {
        FootprintModel model = Learn(Regular(true, 4));
        NestedScript nothing = new NestedScript().Event(TraceEvent.Mark(0, 0, "nothing"));
        Assert.That(() => Weave(nothing, null, model), Throws.TypeOf<ConfigurationException>().With.Message.Contains("no VM-entry"));
        Assert.That(() => Weave(Regular(false, 4), new MemoryTrace(), model), Throws.TypeOf<ConfigurationException>().With.Message.Contains("no accesses"));
        MemoryTrace wide = new(TraceHeader.Default with { Lanes = 2 });
        Assert.That(() => Weave(Regular(false, 4), wide, model), Throws.TypeOf<ConfigurationException>().With.Message.Contains("2 lanes"));
    }

    private static bool IsEvent(string record) => !record.Contains(" Access ", StringComparison.Ordinal);

    private static (MemoryTrace Trace, FootprintWeaveSummary Summary) Weave(NestedScript events, MemoryTrace? program, FootprintModel model, FootprintWeaveOptions? options = null)
    {
        MemoryTrace source = events.ToTrace();
        MemoryTrace target = new();
        FootprintWeaveSummary summary = FootprintWeaver.Weave(() => Rewound(source), program is null ? null : () => Rewound(program), model, options ?? new() { Fold = false }, target);
        return (target, summary);
    }

    private static MemoryTrace Rewound(MemoryTrace trace)
    {
        trace.Rewind();
        return trace;
    }

    private static NestedScript Regular(bool withAccesses, int roundTrips)
    {
        NestedScript script = new NestedScript(withAccesses).Start();
        for (int i = 0; i < roundTrips; i++)
        {
            script.RoundTrip(Cpuid, [1, -2, 3], [10, -11], [4, -2]);
        }

        return script;
    }

    private static NestedScript Varied(bool withAccesses, int roundTrips, ulong seed)
    {
        Rng rng = new(seed);
        NestedScript script = new NestedScript(withAccesses).Start();
        for (int i = 0; i < roundTrips; i++)
        {
            int page = 100 + (int)rng.Below(400);
            script.RoundTrip(rng.Below(3) == 0 ? Cpuid : EptViolation, [1, -2, page], [10, -11, 2 * page], rng.Below(2) == 0 ? [4] : [4, 5]);
        }

        return script;
    }

    // One access every 10 cycles, each to the next page.
    private static MemoryTrace Program(int accesses)
    {
        MemoryTrace program = new();
        TraceAppender appender = new(program, 1);
        for (int i = 0; i < accesses; i++)
        {
            appender.Access(0, 500 + (ulong)(10 * i), 0x100000 + ((ulong)i << 12), AccessType.Read);
        }

        appender.Complete();
        return program;
    }

    private static List<string> Records(MemoryTrace trace, bool withTimes)
    {
        trace.Rewind();
        List<string> records = [];
        TraceBlock block = new();
        while (trace.Read(block))
        {
            int access = 0;
            for (int e = 0; e <= block.EventCount; e++)
            {
                int end = e < block.EventCount ? block.EventPosition[e] : block.AccessCount;
                for (; access < end; access++)
                {
                    records.Add($"{(withTimes ? block.Time[access] : 0)} Access 0x{block.Address[access]:x} {AccessFlags.Type(block.Flags[access])}");
                }

                if (e < block.EventCount)
                {
                    records.Add($"{(withTimes ? block.Events[e].Time : 0)} {block.Events[e]}");
                }
            }
        }

        return records;
    }

    private static List<(ulong Time, ulong Address)> AccessesOf(MemoryTrace trace, int level)
    {
        trace.Rewind();
        List<(ulong, ulong)> accesses = [];
        TraceBlock block = new();
        int runs = 0;
        while (trace.Read(block))
        {
            int access = 0;
            for (int e = 0; e <= block.EventCount; e++)
            {
                int end = e < block.EventCount ? block.EventPosition[e] : block.AccessCount;
                for (; access < end; access++)
                {
                    if (runs == level)
                    {
                        accesses.Add((block.Time[access], block.Address[access]));
                    }
                }

                if (e < block.EventCount && block.Events[e].Kind is RecordKind.VmEnter or RecordKind.VmExit)
                {
                    runs = block.Events[e].Transition switch { TransitionKind.L0ToL1 => 1, TransitionKind.L0ToL2 => 2, TransitionKind.L1ToL0 or TransitionKind.L2ToL0 => 0, _ => runs };
                }
            }
        }

        return accesses;
    }
}
