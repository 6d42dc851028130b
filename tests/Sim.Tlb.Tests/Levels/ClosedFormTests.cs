using Sim.Core.Profiles;

namespace Sim.Tlb.Tests.Levels;

/// <summary>Miss counts that a formula gives.</summary>
public sealed class ClosedFormTests
{
    [TestCase(1, 8, 8)]
    [TestCase(4, 4, 16)]
    [TestCase(3, 4, 12)]
    public void N_pages_round_robin_in_N_entries_of_lru_are_N_cold_misses(int sets, int ways, int pages)
    {
        OneLane lane = RoundRobin(sets, ways, pages, rounds: 10);
        Assert.That(lane["stlb.misses"], Is.EqualTo(pages));
        Assert.That(lane["walks.cold"], Is.EqualTo(pages));
        Assert.That(lane["l1.hits"], Is.Zero, "the first level holds one page, never the next");
        Assert.That(lane["stlb.hits"], Is.EqualTo(9 * pages));
    }

    [TestCase(8)]
    [TestCase(12)]
    public void N_plus_1_pages_round_robin_in_a_set_of_N_under_lru_always_miss(int ways)
    {
        OneLane lane = RoundRobin(1, ways, ways + 1, rounds: 10);
        Assert.That(lane["stlb.hits"], Is.Zero);
        Assert.That(lane["stlb.misses"], Is.EqualTo(10 * (ways + 1)));
        Assert.That(lane["walks.cold"], Is.EqualTo(ways + 1));
        Assert.That(lane["walks.capacity"], Is.EqualTo(9 * (ways + 1)));
    }

    /// <summary>Only the set that has a page too many misses: 17 pages over 4 sets of 4 put 5 into set 0.</summary>
    [Test]
    public void One_page_too_many_costs_one_set_only()
    {
        OneLane lane = RoundRobin(4, 4, 17, rounds: 10);
        Assert.That(lane["stlb.misses"], Is.EqualTo(12 + (10 * 5)));
        Assert.That(lane["walks.cold"], Is.EqualTo(17));
    }

    [TestCase(1, 7)]
    [TestCase(8, 8)]
    [TestCase(8, 40)]
    [TestCase(5, 100)]
    public void A_flush_every_k_accesses_of_a_loop_over_p_pages_costs_p_misses_per_flush(int pages, int period)
    {
        const int Flushes = 20;
        OneLane lane = new(LaneProfile.FullyAssociative(16, 64));
        lane.SwitchTo(OneLane.Process(0));
        for (int i = 0; i < (Flushes + 1) * period; i++)
        {
            if (i != 0 && i % period == 0)
            {
                lane.Apply(new MovToCr3(0, NoFlush: false));
            }

            lane.Access((ulong)(i % pages) << 12);
        }

        Assert.That(lane["walks.cold"], Is.EqualTo(pages));
        Assert.That(lane["walks.flushed"], Is.EqualTo(Flushes * pages));
        Assert.That(lane["stlb.misses"], Is.EqualTo((Flushes + 1) * pages));
        Assert.That(lane["invalidations"], Is.EqualTo(Flushes));
        Assert.That(lane["l1.invalidated"], Is.EqualTo(Flushes * pages));
        lane.Mmu.CheckConservation();
    }

    [TestCase(4)]
    [TestCase(1)]
    [TestCase(7)]
    public void A_structure_that_keeps_k_pcids_keeps_exactly_the_k_most_recent(int kept)
    {
        OneLane lane = Retaining(kept, null);
        TranslationContext[] processes = Enumerable.Range(1, 9).Select(pcid => OneLane.Process((ushort)pcid)).ToArray();
        foreach (TranslationContext process in processes)
        {
            lane.Access(process, 0x1000);
        }

        // The most recent first, so that looking disturbs none of those that are looked at later.
        for (int age = 0; age < kept; age++)
        {
            Assert.That(lane.Access(processes[8 - age], 0x1000), Is.LessThanOrEqualTo((ulong)LaneProfile.SecondLevelHitCycles), $"{age} switches ago");
        }

        for (int age = kept; age < 9; age++)
        {
            Assert.That(lane.Access(processes[8 - age], 0x1000), Is.GreaterThan((ulong)LaneProfile.SecondLevelHitCycles), $"{age} switches ago");
        }
    }

    [Test]
    public void A_structure_that_keeps_no_pcid_keeps_none_but_the_current_one_and_globals()
    {
        const ulong Upper = 0xFFFF_8000_0000_0000;
        FrameAllocator frames = new();
        PageTable kernel = new(1, 4, PageSize.Size4K, frames, null, globalUpperHalf: true);
        TranslationContext one = new(0, 1, true, new PageTable(2, 4, PageSize.Size4K, frames, kernel), null, 0);
        TranslationContext two = new(0, 2, true, new PageTable(3, 4, PageSize.Size4K, frames, kernel), null, 0);
        OneLane lane = Retaining(0, null);
        lane.Access(one, 0x1000);
        lane.Access(one, Upper);
        Assert.That(lane["stlb.live"], Is.EqualTo(2));
        lane.SwitchTo(two);
        Assert.That(lane["stlb.live"], Is.EqualTo(1), "the global entry");
        Assert.That(lane.Access(Upper), Is.LessThanOrEqualTo((ulong)LaneProfile.SecondLevelHitCycles));
        lane.SwitchTo(one);
        Assert.That(lane.Access(0x1000), Is.GreaterThan((ulong)LaneProfile.SecondLevelHitCycles));
        Assert.That(lane["stlb.invalidated"], Is.EqualTo(1));
    }

    [Test]
    public void A_structure_that_keeps_k_vpids_drops_globals_of_the_others_too()
    {
        OneLane lane = Retaining(null, 2);
        TranslationContext[] guests = Enumerable.Range(1, 3).Select(vpid => OneLane.Process(0, vpid: (ushort)vpid)).ToArray();
        foreach (TranslationContext guest in guests)
        {
            lane.Access(guest, 0x1000);
            lane.Access(guest, 0xFFFF_8000_0000_0000);
        }

        Assert.That(lane["stlb.live"], Is.EqualTo(4), "VPIDs 2 and 3");
        Assert.That(lane["stlb.invalidated"], Is.EqualTo(2));
        lane.SwitchTo(guests[1]);
        lane.SwitchTo(guests[2]);
        Assert.That(lane["stlb.live"], Is.EqualTo(4), "going to and fro among those kept drops nothing");
        lane.SwitchTo(guests[0]);
        Assert.That(lane["stlb.live"], Is.EqualTo(2), "VPID 3; VPID 1 has nothing yet");
    }

    [Test]
    public void Pcids_are_counted_for_each_vpid_on_its_own()
    {
        OneLane lane = Retaining(1, null);
        TranslationContext a = OneLane.Process(5, vpid: 1);
        TranslationContext b = OneLane.Process(6, vpid: 2);
        lane.Access(a, 0x1000);
        lane.Access(b, 0x1000);
        Assert.That(lane["stlb.live"], Is.EqualTo(2));
        lane.SwitchTo(a);
        Assert.That(lane["stlb.live"], Is.EqualTo(2));
    }

    private static OneLane Retaining(int? pcids, int? vpids)
    {
        TlbStructure first = LaneProfile.Structure("l1", 1, 1) with { KeptPcids = pcids, KeptVpids = vpids };
        return new OneLane(LaneProfile.Of([first], [LaneProfile.Structure("stlb", 1, 64) with { KeptPcids = pcids, KeptVpids = vpids }]));
    }

    private static OneLane RoundRobin(int sets, int ways, int pages, int rounds)
    {
        OneLane lane = new(LaneProfile.Of([LaneProfile.Structure("l1", 1, 1)], [LaneProfile.Structure("stlb", sets, ways)]));
        lane.SwitchTo(OneLane.Process(0));
        for (int i = 0; i < rounds * pages; i++)
        {
            lane.Access((ulong)(i % pages) << 12);
        }

        lane.Mmu.CheckConservation();
        return lane;
    }
}
