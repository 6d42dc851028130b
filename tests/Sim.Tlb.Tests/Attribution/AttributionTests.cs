using Sim.Core.Profiles;
using Sim.Tlb.Tests.Levels;

namespace Sim.Tlb.Tests.Attribution;

/// <summary>Why each walk was needed, by sequences made by hand. First level of one entry, so that the second level decides.</summary>
public sealed class AttributionTests
{
    private const ulong A = 0x1000;
    private const ulong B = 0x2000;
    private const ulong C = 0x3000;

    [Test]
    public void The_first_touch_of_a_page_is_cold_and_a_hit_is_no_walk()
    {
        OneLane lane = Lane(1, 2);
        lane.Access(A);
        lane.Access(B);
        lane.Access(A);
        Expect(lane, cold: 2, capacity: 0, conflict: 0, flushed: 0);
    }

    [Test]
    public void A_page_that_a_full_associative_array_dropped_misses_by_capacity()
    {
        OneLane lane = Lane(1, 2);
        lane.Access(A);
        lane.Access(B);
        lane.Access(C);
        lane.Access(A);
        Expect(lane, cold: 3, capacity: 1, conflict: 0, flushed: 0);
    }

    [Test]
    public void A_page_that_left_a_crowded_set_while_others_were_empty_misses_by_conflict()
    {
        // Two sets of one way: pages 1 and 3 share the odd set. A fully associative array of two holds both.
        OneLane lane = Lane(2, 1);
        lane.Access(A);
        lane.Access(C);
        lane.Access(A);
        Expect(lane, cold: 2, capacity: 0, conflict: 1, flushed: 0);

        // C left when A came back and A was more recent: C is still in the shadow of two. Conflict again.
        lane.Access(C);
        Expect(lane, cold: 2, capacity: 0, conflict: 2, flushed: 0);
    }

    [Test]
    public void Whether_it_is_capacity_or_conflict_is_decided_when_the_entry_leaves()
    {
        // A leaves the odd set for C while the shadow of two holds B and C: B came between.
        OneLane lane = Lane(2, 1);
        lane.Access(A);
        lane.Access(B);
        lane.Access(C);
        lane.Access(A);
        Expect(lane, cold: 3, capacity: 1, conflict: 0, flushed: 0);
    }

    [Test]
    public void A_page_that_an_invalidation_dropped_misses_by_its_cause_once()
    {
        OneLane lane = Lane(1, 2);
        lane.Access(A);
        lane.Access(B);
        lane.Apply(new Invlpg(A), "rule_1");
        lane.Access(B);
        Expect(lane, cold: 2, capacity: 0, conflict: 0, flushed: 0);
        lane.Access(A);
        Expect(lane, cold: 2, capacity: 0, conflict: 0, flushed: 1);
        Assert.That(lane["walks.flushed{invalidation=invlpg,transition=test,rule=rule_1}"], Is.EqualTo(1));

        // Held again, evicted for room: the last event counts.
        lane.Access(C);
        lane.Access(B);
        lane.Access(A);
        Expect(lane, cold: 3, capacity: 2, conflict: 0, flushed: 1);
    }

    [Test]
    public void Each_cause_has_its_own_count_and_cycles()
    {
        OneLane lane = Lane(1, 4);
        lane.Access(A);
        lane.Access(B);
        lane.Apply(new Invlpg(A), "rule_1");
        lane.Apply(new MovToCr3(0, NoFlush: false), "rule_2");
        long before = lane["walk_cycles"];
        ulong a = lane.Access(A);
        ulong b = lane.Access(B);
        Assert.That(lane["walks.flushed{invalidation=invlpg,transition=test,rule=rule_1}"], Is.EqualTo(1));
        Assert.That(lane["walks.flushed{invalidation=mov_to_cr3,transition=test,rule=rule_2}"], Is.EqualTo(1));
        Assert.That(lane["walk_cycles.flushed{invalidation=invlpg,transition=test,rule=rule_1}"], Is.EqualTo((long)a));
        Assert.That(lane["walk_cycles.flushed{invalidation=mov_to_cr3,transition=test,rule=rule_2}"], Is.EqualTo((long)b));
        Assert.That(lane["walk_cycles"] - before, Is.EqualTo((long)(a + b)));
        Assert.That(lane["walk_cycles.cold"], Is.EqualTo(before));
    }

    /// <summary>A flush that finds an entry in no TLB caused no miss.</summary>
    [Test]
    public void A_flush_after_an_eviction_does_not_take_the_blame()
    {
        OneLane lane = Lane(1, 2);
        lane.Access(A);
        lane.Access(B);
        lane.Access(C);
        lane.Apply(new InvpcidAll());
        lane.Access(A);
        Expect(lane, cold: 3, capacity: 1, conflict: 0, flushed: 0);
        lane.Access(C);
        Expect(lane, cold: 3, capacity: 1, conflict: 0, flushed: 1);
    }

    /// <summary>Two sets of two: pages 2, 4 and 6 crowd the even set. With page 1 flushed, a fully associative array of four holds 2, 4, 3 and 6.</summary>
    [Test]
    public void A_flushed_page_takes_no_room_in_the_associative_array_compared_with()
    {
        OneLane lane = Lane(2, 2);
        lane.Access(0x2000);
        lane.Access(0x4000);
        lane.Access(0x1000);
        lane.Apply(new Invlpg(0x1000));
        lane.Access(0x3000);
        lane.Access(0x6000);
        lane.Access(0x2000);
        Expect(lane, cold: 5, capacity: 0, conflict: 1, flushed: 0);
    }

    [Test]
    public void A_process_that_is_given_the_pcid_of_another_starts_cold()
    {
        OneLane lane = Lane(1, 4);
        TranslationContext first = OneLane.Process(0);
        TranslationContext second = OneLane.Process(0);
        lane.Access(first, A);
        lane.SwitchTo(second);
        lane.Apply(new MovToCr3(0, NoFlush: false), "mov_to_cr3");
        lane.Access(A);
        Expect(lane, cold: 2, capacity: 0, conflict: 0, flushed: 0);

        // Back to the first: that one was flushed, by the switch away from it.
        lane.SwitchTo(first);
        lane.Apply(new MovToCr3(0, NoFlush: false), "mov_to_cr3_back");
        lane.Access(A);
        Expect(lane, cold: 2, capacity: 0, conflict: 0, flushed: 1);
        Assert.That(lane["walks.flushed{invalidation=mov_to_cr3,transition=test,rule=mov_to_cr3}"], Is.EqualTo(1));
    }

    [Test]
    public void The_same_tables_under_another_tag_are_not_cold()
    {
        // A new VPID for the same tables: the entry under the old one was flushed.
        OneLane lane = Lane(1, 4);
        PageTable tables = new(1, 4, PageSize.Size4K, new FrameAllocator());
        lane.Access(new TranslationContext(1, 0, true, tables, null, 1), A);
        lane.Apply(new InvvpidSingle(1));
        lane.Access(new TranslationContext(2, 0, true, tables, null, 1), A);
        Expect(lane, cold: 1, capacity: 0, conflict: 0, flushed: 1);
    }

    [Test]
    public void Tags_that_hardware_keeps_no_longer_are_flushed_by_the_cause_of_the_switch()
    {
        TlbStructure stlb = LaneProfile.Structure("stlb", 1, 16) with { KeptPcids = 1 };
        OneLane lane = new(LaneProfile.Of([LaneProfile.Structure("l1", 1, 1)], [stlb]));
        TranslationContext one = OneLane.Process(1);
        lane.SwitchTo(one, "to_1");
        lane.Access(A);
        lane.Access(B);
        lane.SwitchTo(OneLane.Process(2), "to_2");
        lane.SwitchTo(one, "to_1_again");
        lane.Access(A);
        Expect(lane, cold: 2, capacity: 0, conflict: 0, flushed: 1);
        Assert.That(lane["walks.flushed{invalidation=none,transition=test,rule=to_2}"], Is.EqualTo(1));
        Assert.That(lane["stlb.invalidated{invalidation=none,transition=test,rule=to_2}"], Is.EqualTo(2));
    }

    [Test]
    public void Without_a_second_level_leaving_the_first_for_room_is_capacity()
    {
        OneLane lane = new(LaneProfile.Of([LaneProfile.Structure("l1", 2, 1)], []));
        lane.SwitchTo(OneLane.Process(0));
        lane.Access(A);
        lane.Access(C);
        lane.Access(A);
        Expect(lane, cold: 2, capacity: 1, conflict: 0, flushed: 0);
    }

    [Test]
    public void Switched_off_it_counts_nothing_and_changes_nothing_else()
    {
        string[] on = Run(new MmuOptions(Attribution: true)).Where(line => !IsAttribution(line)).ToArray();
        string[] off = Run(new MmuOptions(Attribution: false));
        Assert.That(off.Any(IsAttribution), Is.False);
        Assert.That(off, Is.EqualTo(on));

        static bool IsAttribution(string line) => line.StartsWith("lane[0].walks.", StringComparison.Ordinal) || line.StartsWith("lane[0].walk_cycles.", StringComparison.Ordinal);

        static string[] Run(MmuOptions options)
        {
            OneLane lane = new(LaneProfile.FullyAssociative(1, 2), options);
            lane.SwitchTo(OneLane.Process(0));
            foreach (ulong page in new[] { A, B, C, A, B })
            {
                lane.Access(page);
            }

            lane.Apply(new Invlpg(A));
            lane.Access(A);
            return lane.Lines();
        }
    }

    private static OneLane Lane(int sets, int ways)
    {
        OneLane lane = new(LaneProfile.Of([LaneProfile.Structure("l1", 1, 1)], [LaneProfile.Structure("stlb", sets, ways)]));
        lane.SwitchTo(OneLane.Process(0));
        return lane;
    }

    private static void Expect(OneLane lane, long cold, long capacity, long conflict, long flushed)
    {
        Assert.That(
            (lane["walks.cold"], lane["walks.capacity"], lane["walks.conflict"], lane["walks.flushed"]), Is.EqualTo((cold, capacity, conflict, flushed)), "(cold, capacity, conflict, flushed)");
        lane.Mmu.CheckConservation();
    }
}
