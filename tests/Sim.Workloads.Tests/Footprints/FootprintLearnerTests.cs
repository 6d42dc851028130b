using Sim.Core.Traces;
using Sim.Workloads.Footprints;
using static Sim.Workloads.Tests.Footprints.NestedScript;

namespace Sim.Workloads.Tests.Footprints;

/// <summary>What is learned from traces small enough to count by hand.</summary>
[TestFixture]
internal sealed class FootprintLearnerTests
{
    private static readonly StayKey Reflect = new(0, 2, Cpuid, NestedStep.Exit, 1, null, false);
    private static readonly StayKey Handle = new(1, 2, Cpuid, NestedStep.None, Vmresume, Cpuid, false);
    private static readonly StayKey Resume = new(0, 1, Vmresume, NestedStep.Entry, 2, null, false);

    [Test]
    public void Stays_are_told_apart_by_the_exit_before_the_nested_transition_in_them_and_what_ends_them()
    {
        NestedScript script = new NestedScript().Start();
        for (int i = 0; i < 2; i++)
        {
            script.RoundTrip(Cpuid, [1], [2], [3]);
            script.Exit(TransitionKind.L2ToL0, EptViolation).Touch(1).Enter(TransitionKind.L0ToL2);
            script.Exit(TransitionKind.L2ToL0, Cpuid).Touch(1).Exit(TransitionKind.L2ToL1, Cpuid).Enter(TransitionKind.L0ToL1)
                .Touch(2).Exit(TransitionKind.L1ToL0, MsrRead).Touch(4).Enter(TransitionKind.L0ToL1)
                .Touch(2).Exit(TransitionKind.L1ToL0, Vmresume).Touch(3).Enter(TransitionKind.L1ToL2).Enter(TransitionKind.L0ToL2);
        }

        FootprintModel model = Learn(script);
        Assert.That(
            model.Stays.Select(stay => (stay.Key, stay.Seen)),
            Is.EquivalentTo(new[]
            {
                (Reflect, 4L),
                (Handle, 2L),
                (Resume, 4L),
                (new StayKey(0, 2, EptViolation, NestedStep.None, 2, null, false), 2L),
                (new StayKey(1, 2, Cpuid, NestedStep.None, MsrRead, Cpuid, false), 2L),
                (new StayKey(0, 1, MsrRead, NestedStep.None, 1, null, false), 2L),
                (new StayKey(1, 1, MsrRead, NestedStep.None, Vmresume, Cpuid, false), 2L),
            }));
    }

    [TestCase(1, 1, TestName = "An_interrupt_that_L1_takes_makes_its_stay_another_kind")]
    [TestCase(0, 1, TestName = "An_interrupt_that_L0_injects_makes_the_next_stay_of_L1_another_kind")]
    public void Interrupts_of_L1(int level, int target)
    {
        NestedScript script = new NestedScript().Start();
        for (int i = 0; i < 2; i++)
        {
            TraceEvent interrupt = new() { Kind = RecordKind.Interrupt, Level = (byte)level, B = 0xEC, D = (ulong)target };
            script.Exit(TransitionKind.L2ToL0, Cpuid).Touch(1).Exit(TransitionKind.L2ToL1, Cpuid);
            script = level == 0 ? script.Event(interrupt).Enter(TransitionKind.L0ToL1) : script.Enter(TransitionKind.L0ToL1).Event(interrupt);
            script.Touch(2).Exit(TransitionKind.L1ToL0, Vmresume).Enter(TransitionKind.L1ToL2).Touch(3).Enter(TransitionKind.L0ToL2);
        }

        FootprintModel model = Learn(script);
        Assert.That(model.Stays.Select(stay => stay.Key), Does.Contain(Handle with { Interrupted = true }).And.Contain(Reflect).And.Not.Contain(Handle));
    }

    [Test]
    public void Pages_keep_how_many_stays_touch_them_the_order_of_first_touches_and_the_use_of_most()
    {
        // Page 7 comes in all 40 stays, 5 in every fourth and then first, 9 is fetched in all, 8 is written in 30 of 40.
        NestedScript script = new NestedScript().Start();
        for (int i = 0; i < 40; i++)
        {
            script.Exit(TransitionKind.L2ToL0, EptViolation);
            script = i % 4 == 0 ? script.Touch(5) : script;
            script.Touch(7, -9, 7);
            script = i % 4 == 0 ? script.Touch(8) : script.Write(8);
            script.Enter(TransitionKind.L0ToL2);
        }

        FootprintModel model = Learn(script);
        StayFootprint stay = model.Stays.Single();
        Assert.That(model.L0.Known, Is.EqualTo(new ulong[] { 5, 7, 8, 9 }));
        Assert.That(
            stay.Pages,
            Is.EqualTo(new[]
            {
                new PageTouch(0, AccessType.Read, 10), new PageTouch(1, AccessType.Read, 40), new PageTouch(3, AccessType.Execute, 40), new PageTouch(2, AccessType.Write, 40),
            }));
        Assert.That((stay.Seen, stay.Code.Total, stay.Data.Total), Is.EqualTo((40, 0, 0)));
    }

    [TestCase(2, true)]
    [TestCase(1, false)]
    public void A_page_is_known_if_two_stays_and_one_in_twenty_touch_it(int touches, bool isKnown)
    {
        NestedScript script = new NestedScript().Start();
        for (int i = 0; i < 40; i++)
        {
            script.Exit(TransitionKind.L2ToL0, EptViolation).Touch(7);
            script = i < touches ? script.Touch(5) : script;
            script.Enter(TransitionKind.L0ToL2);
        }

        FootprintModel model = Learn(script);
        Assert.That(model.L0.Known.Contains(5UL), Is.EqualTo(isKnown));
        Assert.That(model.L0.FreshData, Is.EqualTo(isKnown ? [] : new ulong[] { 5 }));
    }

    [Test]
    public void A_page_that_one_kind_of_stay_touches_often_keeps_its_identity_where_it_is_rare()
    {
        NestedScript script = new NestedScript().Start();
        for (int i = 0; i < 100; i++)
        {
            script.Exit(TransitionKind.L2ToL0, EptViolation).Touch(7);
            script = i == 50 ? script.Touch(5) : script;
            script.Enter(TransitionKind.L0ToL2).Exit(TransitionKind.L2ToL0, Cpuid).Touch(5).Enter(TransitionKind.L0ToL2);
        }

        FootprintModel model = Learn(script);
        StayFootprint rare = model.Stays.Single(stay => stay.Key.Reason == EptViolation);
        Assert.That(rare.Pages, Is.EqualTo(new[] { new PageTouch(1, AccessType.Read, 100), new PageTouch(0, AccessType.Read, 1) }));
        Assert.That(rare.Data.Total, Is.Zero);
    }

    [Test]
    public void What_varies_is_kept_by_how_many_other_varying_pages_came_since()
    {
        // Sixty stays touch page 1; a new page comes in stays 0 to 4 (100..104), then 104 again (none since), 102 (103 and 104 since), 100 (three since: 101 is not the same as 102 moved up).
        int[] varying = [100, 101, 102, 103, 104, 104, 102, 100];
        NestedScript script = new NestedScript().Start();
        for (int i = 0; i < 60; i++)
        {
            script.Exit(TransitionKind.L2ToL0, EptViolation).Touch(1);
            script = i < varying.Length ? script.Touch(varying[i]) : script;
            script.Enter(TransitionKind.L0ToL2);
        }

        VaryingTouches data = Learn(script).Stays.Single().Data;

        // 104 at depth 0; 102 at depth 2 (103, 104); 100 at depth 4 (101, 103, 104, 102).
        Assert.That(data.Depths, Is.EqualTo(new long[] { 5, 1, 0, 1, 1 }));
        Assert.That(data.Writes, Is.Zero);
    }

    [Test]
    public void The_share_of_touches_before_the_nested_transition_is_kept()
    {
        NestedScript script = new NestedScript().Start();
        for (int i = 0; i < 2; i++)
        {
            script.Exit(TransitionKind.L2ToL0, Cpuid).Touch(1, 2, 3).Exit(TransitionKind.L2ToL1, Cpuid).Touch(4).Enter(TransitionKind.L0ToL1)
                .Touch(5).Exit(TransitionKind.L1ToL0, Vmresume).Enter(TransitionKind.L1ToL2).Touch(6).Enter(TransitionKind.L0ToL2);
        }

        FootprintModel model = Learn(script);
        Assert.That(model.Stays.Single(stay => stay.Key == Reflect).NestedAt, Is.EqualTo(750));
        Assert.That(model.Stays.Single(stay => stay.Key == Resume).NestedAt, Is.Zero);
    }

    [Test]
    public void Recordings_of_one_boot_share_their_pages_and_a_stay_seen_once_is_no_kind()
    {
        NestedScript first = new NestedScript().Start().RoundTrip(Cpuid, [1], [2], [3]);
        NestedScript second = new NestedScript().Start().RoundTrip(Cpuid, [1], [2], [3]).Exit(TransitionKind.L2ToL0, EptViolation).Touch(9).Enter(TransitionKind.L0ToL2);
        FootprintModel model = Learn(first, second);
        Assert.That(model.L0.Known, Is.EqualTo(new ulong[] { 1, 3 }));
        Assert.That(model.Stays.Select(stay => (stay.Key, stay.Seen)), Is.EquivalentTo(new[] { (Reflect, 2L), (Handle, 2L), (Resume, 2L) }));
    }
}
