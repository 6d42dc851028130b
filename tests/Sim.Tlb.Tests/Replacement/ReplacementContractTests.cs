using Sim.Core;
using Sim.Core.Profiles;
using Sim.Tlb.Tests.Levels;

namespace Sim.Tlb.Tests.Replacement;

/// <summary>What every rule must do. Rules enrol by existing.</summary>
public sealed class ReplacementContractTests
{
    private const int Sets = 4;

    private static IEnumerable<string> Rules => ReplacementRules.Names;

    /// <summary>Fifo and random ignore hits: that is what they are.</summary>
    private static IEnumerable<string> RulesThatMindHits => Rules.Except(["fifo", "random"]);

    /// <summary>All sets of a random array draw from one stream.</summary>
    private static IEnumerable<string> RulesBySet => Rules.Except(["random"]);

    [Test]
    public void The_rules_are_these() =>
        Assert.That(Rules, Is.EqualTo(new[] { "bit-plru", "fifo", "lru", "plru4-mru3", "random", "srrip", "tree-plru" }));

    [TestCaseSource(nameof(RulesThatMindHits))]
    public void The_way_touched_last_is_never_the_victim(string rule)
    {
        int ways = Ways(rule);
        IReplacement replacement = Filled(rule, ways);
        Rng rng = new(3);
        for (int step = 0; step < 20_000; step++)
        {
            int set = (int)rng.Below(Sets);
            int way = (int)rng.Below((ulong)ways);
            replacement.Touch(set, way);
            int victim = replacement.Victim(set);
            Assert.That(victim, Is.Not.EqualTo(way), $"step {step}");
            if (rng.Below(3) == 0)
            {
                replacement.Fill(set, victim);
            }
        }
    }

    [TestCaseSource(nameof(Rules))]
    public void The_victim_is_a_way_of_the_set(string rule)
    {
        int ways = Ways(rule);
        IReplacement replacement = Filled(rule, ways);
        Rng rng = new(4);
        for (int step = 0; step < 20_000; step++)
        {
            int set = (int)rng.Below(Sets);
            replacement.Touch(set, (int)rng.Below((ulong)ways));
            int victim = replacement.Victim(set);
            Assert.That(victim, Is.InRange(0, ways - 1));
            replacement.Fill(set, victim);
        }
    }

    [TestCaseSource(nameof(Rules))]
    public void Touching_the_way_touched_last_again_changes_no_later_victim(string rule)
    {
        int ways = Ways(rule);
        IReplacement once = Filled(rule, ways);
        IReplacement twice = Filled(rule, ways);
        Rng rng = new(5);
        for (int step = 0; step < 20_000; step++)
        {
            int set = (int)rng.Below(Sets);
            int way = (int)rng.Below((ulong)ways);
            once.Touch(set, way);
            twice.Touch(set, way);
            twice.Touch(set, way);
            int victim = once.Victim(set);
            Assert.That(twice.Victim(set), Is.EqualTo(victim), $"step {step}");
            once.Fill(set, victim);
            twice.Fill(set, victim);
        }
    }

    [TestCaseSource(nameof(RulesBySet))]
    public void Sets_do_not_know_of_each_other(string rule)
    {
        int ways = Ways(rule);
        IReplacement alone = Filled(rule, ways);
        IReplacement among = Filled(rule, ways);
        Rng rng = new(6);
        for (int step = 0; step < 5_000; step++)
        {
            int way = (int)rng.Below((ulong)ways);
            alone.Touch(1, way);
            among.Touch(1, way);
            int other = rng.Below(2) == 0 ? 0 : 2;
            among.Touch(other, (int)rng.Below((ulong)ways));
            among.Fill(other, among.Victim(other));
            int victim = alone.Victim(1);
            Assert.That(among.Victim(1), Is.EqualTo(victim), $"step {step}");
            alone.Fill(1, victim);
            among.Fill(1, victim);
        }
    }

    [TestCaseSource(nameof(Rules))]
    public void Empty_ways_are_filled_before_anything_is_evicted(string rule)
    {
        int ways = Ways(rule);
        TlbArray array = TlbArray.Create(LaneProfile.Structure("array", 1, ways, rule), new Rng(1));
        ulong page = 0;
        for (int way = 0; way < ways; way++)
        {
            Assert.That(Fill(array, page++), Is.Zero);
        }

        Assert.That(Fill(array, page++), Is.Not.Zero, "full");
        Assert.That(array.Live, Is.EqualTo(ways));

        // A hole made by an invalidation is filled first, wherever it is.
        ulong gone = Enumerable.Range(0, ways).Select(i => (ulong)i).First(each => array.Lookup(Key(each), out _));
        Assert.That(array.Invalidate([false, true], AddressRange.At(gone << 12), 0, null), Is.EqualTo(1));
        Assert.That(Fill(array, page++), Is.Zero);
        Assert.That(Fill(array, page), Is.Not.Zero);
        Assert.That(array.Evictions, Is.EqualTo(2));
    }

    [TestCaseSource(nameof(Rules))]
    public void The_same_seed_gives_the_same_run(string rule)
    {
        Assert.That(Run(7), Is.EqualTo(Run(7)));
        Assert.That(Run(7).SequenceEqual(Run(8)), Is.EqualTo(rule != "random"), "only random uses the seed");

        string[] Run(ulong seed)
        {
            int ways = Ways(rule);
            CpuProfile profile = LaneProfile.Of([LaneProfile.Structure("l1", 2, ways, rule)], [LaneProfile.Structure("stlb", 4, ways, rule)]);
            OneLane lane = new(profile, new MmuOptions(Seed: seed));
            lane.SwitchTo(OneLane.Process(0));
            Rng rng = new(9);
            for (int step = 0; step < 3_000; step++)
            {
                lane.Access(rng.Below((ulong)(6 * ways)) << 12);
            }

            lane.Mmu.CheckConservation();
            return lane.Lines();
        }
    }

    /// <summary>A level whose arrays have different rules works as if each were alone.</summary>
    [Test]
    public void Arrays_of_one_level_may_follow_different_rules()
    {
        TlbStructure data = LaneProfile.Structure("data", 1, 2, "fifo") with { Sides = AccessSides.Load | AccessSides.Store };
        TlbStructure code = LaneProfile.Structure("code", 1, 2, "lru") with { Sides = AccessSides.Fetch };
        OneLane lane = new(LaneProfile.Of([data, code], [LaneProfile.Structure("stlb", 1, 16)]));
        lane.SwitchTo(OneLane.Process(0));
        foreach (Core.Traces.AccessType type in new[] { Core.Traces.AccessType.Read, Core.Traces.AccessType.Execute })
        {
            lane.Access(0x1000, type);
            lane.Access(0x2000, type);
            lane.Access(0x1000, type);
            lane.Access(0x3000, type);
        }

        // fifo dropped page 1 in spite of its hit, lru page 2.
        Assert.That(lane.Access(0x2000), Is.Zero);
        Assert.That(lane.Access(0x1000), Is.EqualTo((ulong)LaneProfile.SecondLevelHitCycles));
        Assert.That(lane.Access(0x1000, Core.Traces.AccessType.Execute), Is.Zero);
        Assert.That(lane.Access(0x2000, Core.Traces.AccessType.Execute), Is.EqualTo((ulong)LaneProfile.SecondLevelHitCycles));
    }

    private static int Ways(string rule) => rule == "plru4-mru3" ? 12 : 8;

    private static IReplacement Filled(string rule, int ways)
    {
        IReplacement replacement = ReplacementRules.Create(rule, Sets, ways, new Rng(1));
        for (int i = 0; i < Sets * ways; i++)
        {
            replacement.Fill(i / ways, i % ways);
        }

        return replacement;
    }

    private static ulong Key(ulong page) => EntryKey.Pack(1, PageSize.Size4K, page << 12);

    private static ulong Fill(TlbArray array, ulong page) => array.Fill(Key(page), EntryPayload.Pack(page << 12, 1, PageSize.Size4K), out _);
}
