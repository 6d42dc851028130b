using System.Numerics;

using Sim.Core;
using Sim.Core.Profiles;
using Sim.Core.Traces;

namespace Sim.Tlb.Tests.Levels;

/// <summary>Which array holds what.</summary>
public sealed class GeometryTests
{
    private const ulong Hit = 0;
    private const ulong SecondHit = LaneProfile.SecondLevelHitCycles;

    [TestCase(3)]
    [TestCase(6)]
    [TestCase(384)]
    public void A_number_of_sets_that_is_no_power_of_two_spreads_pages_by_remainder(int sets)
    {
        OneLane lane = new(LaneProfile.Of([LaneProfile.Structure("l1", 1, 1)], [LaneProfile.Structure("stlb", sets, 1)]));
        lane.SwitchTo(OneLane.Process(0));
        for (int page = 0; page < sets; page++)
        {
            lane.Access((ulong)page << 12);
        }

        Assert.That(lane["stlb.live"], Is.EqualTo(sets), "one page in each set");
        Assert.That(lane["stlb.evictions"], Is.Zero);

        // The page after the last shares the set of page 0 and no other.
        lane.Access((ulong)sets << 12);
        Assert.That(lane["stlb.evictions"], Is.EqualTo(1));
        Assert.That(lane.Access((ulong)(sets - 1) << 12), Is.EqualTo(SecondHit));
        Assert.That(lane.Access(0), Is.GreaterThan(SecondHit));
    }

    /// <summary>XOR of the two lowest slices of the page number: with 4 sets, page 4 (slices 1, 0) is in set 1, page 5 (1, 1) in set 0.</summary>
    [Test]
    public void The_xor_hash_folds_the_next_bits_of_the_page_number_into_the_set()
    {
        TlbStructure stlb = LaneProfile.Structure("stlb", 4, 1) with { Index = IndexHash.Xor };
        OneLane lane = new(LaneProfile.Of([LaneProfile.Structure("l1", 1, 1)], [stlb]));
        lane.SwitchTo(OneLane.Process(0));
        lane.Access(0);
        lane.Access(0x4000);
        Assert.That(lane.Access(0), Is.EqualTo(SecondHit), "4 is in another set than 0");
        lane.Access(0x5000);
        Assert.That(lane.Access(0), Is.GreaterThan(SecondHit), "5 is in the set of 0");

        // The third slice does not count: page 16 is in set 0.
        lane.Access(0x10000);
        Assert.That(lane.Access(0), Is.GreaterThan(SecondHit));
    }

    [Test]
    public void A_first_level_needs_a_power_of_two_of_sets([Values] IndexHash index)
    {
        TlbStructure l1 = LaneProfile.Structure("l1", 6, 1) with { Index = index };
        ConfigurationException error = Assert.Throws<ConfigurationException>(() => _ = new OneLane(LaneProfile.Of([l1], [])))!;
        Assert.That(error.Message, Does.Contain("l1").And.Contain("6 sets").And.Contain("power of two"));
    }

    [TestCase(6, 1, IndexHash.Xor, "power of two")]
    [TestCase(0, 1, IndexHash.Linear, "at least 1")]
    [TestCase(1, 0, IndexHash.Linear, "at least 1")]
    public void A_second_level_that_makes_no_sense_is_refused(int sets, int ways, IndexHash index, string reason)
    {
        CpuProfile profile = LaneProfile.Of([LaneProfile.Structure("l1", 1, 1)], [LaneProfile.Structure("stlb", sets, ways) with { Index = index }]);
        ConfigurationException error = Assert.Throws<ConfigurationException>(() => _ = new OneLane(profile))!;
        Assert.That(error.Message, Does.Contain("stlb").And.Contain(reason));
    }

    [Test]
    public void A_first_level_without_ways_is_refused()
    {
        ConfigurationException error = Assert.Throws<ConfigurationException>(() => _ = new OneLane(LaneProfile.Of([LaneProfile.Structure("l1", 1, 0)], [])))!;
        Assert.That(error.Message, Does.Contain("l1").And.Contain("at least 1"));
    }

    [Test]
    public void Of_two_second_level_arrays_a_page_has_one_home_by_the_parity_of_the_ones_in_its_number()
    {
        OneLane lane = new(LaneProfile.Of([LaneProfile.Structure("l1", 1, 1)], [LaneProfile.Structure("even", 1, 64), LaneProfile.Structure("odd", 1, 64)]));
        lane.SwitchTo(OneLane.Process(0));
        int odd = 0;
        for (uint page = 0; page < 100; page++)
        {
            lane.Access((ulong)page << 12);
            odd += BitOperations.PopCount(page) & 1;
        }

        Assert.That(lane["odd.live"], Is.EqualTo(odd));
        Assert.That(lane["even.live"], Is.EqualTo(100 - odd));
        for (uint page = 0; page < 100; page++)
        {
            Assert.That(lane.Access((ulong)page << 12), Is.EqualTo(SecondHit), $"page {page}");
        }

        Assert.That(lane["odd.fills"] + lane["even.fills"], Is.EqualTo(100));
        lane.Mmu.CheckConservation();
    }

    [Test]
    public void An_inclusive_second_level_takes_the_first_levels_copy_with_it()
    {
        CpuProfile profile = LaneProfile.FullyAssociative(4, 2);
        OneLane exclusive = new(profile);
        OneLane inclusive = new(profile with { SecondLevelIsInclusive = true });
        foreach (OneLane lane in new[] { exclusive, inclusive })
        {
            lane.SwitchTo(OneLane.Process(0));
            lane.Access(0x1000);
            lane.Access(0x2000);
            lane.Access(0x3000);
        }

        Assert.That(exclusive.Access(0x1000), Is.EqualTo(Hit), "the first level holds three");
        Assert.That(inclusive["l1.live"], Is.EqualTo(2));
        Assert.That(inclusive["l1.evictions"], Is.EqualTo(1));
        Assert.That(inclusive.Access(0x2000), Is.EqualTo(Hit));
        Assert.That(inclusive.Access(0x1000), Is.GreaterThan(SecondHit));
        inclusive.Mmu.CheckConservation();
    }

    [Test]
    public void An_inclusive_second_level_takes_all_pieces_of_a_large_page_with_it_and_no_other_contexts()
    {
        // 2M entries in the second level, 4K pieces in the first.
        TlbStructure first = LaneProfile.Structure("l1", 1, 8) with { Sizes = [PageSize.Size4K] };
        OneLane lane = new(LaneProfile.Of([first], [LaneProfile.Structure("stlb", 1, 2)]) with { SecondLevelIsInclusive = true });
        lane.Access(OneLane.Process(1, PageSize.Size2M), 0x20_0000);
        TranslationContext process = OneLane.Process(2, PageSize.Size2M);
        lane.Access(process, 0x20_0000);
        lane.Access(process, 0x20_1000);
        lane.Access(process, 0x3F_F000);
        Assert.That(lane["l1.live"], Is.EqualTo(4));
        Assert.That(lane["stlb.live"], Is.EqualTo(2));
        lane.Access(process, 0x40_0000);
        Assert.That(lane["l1.evictions"], Is.EqualTo(1), "PCID 1's entry was the least recent");
        lane.Access(process, 0x60_0000);
        Assert.That(lane["l1.evictions"], Is.EqualTo(4), "and then PCID 2's first page, with three pieces");
        Assert.That(lane["l1.live"], Is.EqualTo(2));
        lane.Mmu.CheckConservation();
    }

    [Test]
    public void A_page_larger_than_an_array_holds_is_held_in_pieces_that_go_together()
    {
        TlbStructure first = LaneProfile.Structure("l1", 1, 8) with { Sizes = [PageSize.Size4K] };
        TlbStructure second = LaneProfile.Structure("stlb", 1, 8) with { Sizes = [PageSize.Size4K, PageSize.Size2M] };
        OneLane lane = new(LaneProfile.Of([first], [second]));
        lane.SwitchTo(OneLane.Process(0, PageSize.Size1G));
        lane.Access(0x4000_0000);
        Assert.That(lane.Access(0x4000_1000), Is.EqualTo(SecondHit), "the second level holds 2M of it");
        lane.Access(0x4020_0000);
        lane.Access(0x8000_0000);
        Assert.That(lane["l1.live"], Is.EqualTo(4));
        Assert.That(lane["stlb.live"], Is.EqualTo(3));

        // INVLPG of one address of the 1G page drops its three 4K and its two 2M pieces, and every paging-structure-cache entry of the PCID (one PML4E).
        Assert.That(lane.Apply(new Invlpg(0x7FFF_FFFF)), Is.EqualTo(3 + 2 + 1));
        Assert.That(lane.Access(0x8000_0000), Is.EqualTo(Hit));
        Assert.That(lane.Access(0x4000_0000), Is.GreaterThan(SecondHit));
    }

    [Test]
    public void Sides_of_their_own_arrays_share_the_second_level()
    {
        TlbStructure data = LaneProfile.Structure("data", 1, 4) with { Sides = AccessSides.Load | AccessSides.Store };
        TlbStructure code = LaneProfile.Structure("code", 1, 4) with { Sides = AccessSides.Fetch };
        OneLane lane = new(LaneProfile.Of([data, code], [LaneProfile.Structure("stlb", 1, 4)]));
        lane.SwitchTo(OneLane.Process(0));
        lane.Access(0x1000, AccessType.Write);
        Assert.That(lane.Access(0x1000), Is.EqualTo(Hit), "loads and stores share an array");
        Assert.That(lane.Access(0x1000, AccessType.Execute), Is.EqualTo(SecondHit));
        Assert.That(lane.Access(0x1000, AccessType.Execute), Is.EqualTo(Hit));
        Assert.That(lane["accesses{level=0,side=store}"], Is.EqualTo(1));
        Assert.That(lane["accesses{level=0,side=load}"], Is.EqualTo(1));
        Assert.That(lane["accesses{level=0,side=fetch}"], Is.EqualTo(2));
    }

    [Test]
    public void A_first_level_hit_does_not_make_the_second_levels_entry_recent()
    {
        OneLane lane = new(LaneProfile.FullyAssociative(4, 2) with { Psc = LaneProfile.NoPsc });
        lane.SwitchTo(OneLane.Process(0));
        lane.Access(0x1000);
        lane.Access(0x2000);
        Assert.That(lane.Access(0x1000), Is.EqualTo(Hit));
        lane.Access(0x3000);

        // 1 left the second level although it was hit in the first: there is one copy of 1, and two of 2.
        Assert.That(lane.Apply(new InvpcidAddress(0, 0x1000)), Is.EqualTo(1));
        Assert.That(lane.Apply(new InvpcidAddress(0, 0x2000)), Is.EqualTo(2));
    }

    [Test]
    public void A_profile_in_which_a_side_has_no_4K_array_is_refused()
    {
        TlbStructure data = LaneProfile.Structure("data", 1, 4) with { Sides = AccessSides.Load | AccessSides.Store };
        ConfigurationException error = Assert.Throws<ConfigurationException>(() => _ = new OneLane(LaneProfile.Of([data], [])))!;
        Assert.That(error.Message, Does.Contain("by-hand").And.Contain("fetch"));
    }

    [Test]
    public void Two_first_level_arrays_for_one_side_and_size_are_refused()
    {
        ConfigurationException error = Assert.Throws<ConfigurationException>(() => _ = new OneLane(LaneProfile.Of([LaneProfile.Structure("a", 1, 4), LaneProfile.Structure("b", 1, 4)], [])))!;
        Assert.That(error.Message, Does.Contain("by-hand").And.Contain("2 first-level"));
    }
}
