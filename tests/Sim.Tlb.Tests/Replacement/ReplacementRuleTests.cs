using Sim.Core;

namespace Sim.Tlb.Tests.Replacement;

/// <summary>What each rule does, by hand. Sets are full; ways are filled in order 0, 1, 2, ... unless said otherwise.</summary>
public sealed class ReplacementRuleTests
{
    /// <summary>Victims of a set whose misses always fill the victim's way, after the touches: the order in which everything leaves.</summary>
    [TestCase("lru", 4, new int[0], new[] { 0, 1, 2, 3 })]
    [TestCase("lru", 4, new[] { 0 }, new[] { 1, 2, 3, 0 })]
    [TestCase("lru", 4, new[] { 2, 0 }, new[] { 1, 3, 2, 0 })]
    [TestCase("lru", 3, new[] { 1 }, new[] { 0, 2, 1 })]
    [TestCase("fifo", 4, new[] { 0, 2, 0 }, new[] { 0, 1, 2, 3, 0 })]
    //// Filled in order, the tree points to way 0; a miss in 0 turns root and left node: 2, then 1, then 3.
    [TestCase("tree-plru", 4, new int[0], new[] { 0, 2, 1, 3 })]
    //// Touch 0: root right, left node to 1; the right node still points to 2.
    [TestCase("tree-plru", 4, new[] { 0 }, new[] { 2, 1, 3, 0 })]
    //// Touch 2 after the fills: root left, right node to 3; left node points to 0. True LRU would agree on 0 and then take 1, not 3.
    [TestCase("tree-plru", 4, new[] { 2 }, new[] { 0, 3, 1, 2 })]
    [TestCase("tree-plru", 8, new int[0], new[] { 0, 4, 2, 6, 1, 5, 3, 7 })]
    [TestCase("tree-plru", 1, new int[0], new[] { 0, 0 })]
    //// Filled in order, group 2 is the most recent: group 0 next, then 1, 2; inside each as tree-plru of four.
    [TestCase("plru4-mru3", 12, new int[0], new[] { 0, 4, 8, 2, 6, 10, 1, 5, 9, 3, 7, 11 })]
    //// A hit in group 0 makes group 1 next, and turns group 0's tree from way 0 to way 2.
    [TestCase("plru4-mru3", 12, new[] { 0 }, new[] { 4, 8, 2, 6, 10, 1 })]
    [TestCase("plru4-mru3", 12, new[] { 5 }, new[] { 8, 0, 6 })]
    //// The fill of way 3 set all bits: only its own stays. A miss in 0, 1, 2 then sets all again, and only way 2's stays.
    [TestCase("bit-plru", 4, new int[0], new[] { 0, 1, 2, 0, 1, 3, 0 })]
    [TestCase("bit-plru", 4, new[] { 0 }, new[] { 1, 2, 0, 1, 3 })]
    [TestCase("bit-plru", 2, new int[0], new[] { 0, 1, 0 })]
    //// All predict 2: age once, way 0 goes and predicts 2 while the others predict 3.
    [TestCase("srrip", 4, new int[0], new[] { 0, 1, 2, 3, 0 })]
    //// Way 0 was hit (0): the others go first, and it has aged to 1 by then; two more rounds of the others bring it to 3.
    [TestCase("srrip", 4, new[] { 0 }, new[] { 1, 2, 3, 1, 2, 3, 0 })]
    public void Victims_leave_in_the_order_worked_out_by_hand(string rule, int ways, int[] touches, int[] victims)
    {
        IReplacement replacement = Filled(rule, ways);
        foreach (int way in touches)
        {
            replacement.Touch(0, way);
        }

        int[] order = victims.Select(_ => Miss(replacement)).ToArray();
        Assert.That(order, Is.EqualTo(victims));
    }

    /// <summary>
    /// Permutation vectors: where each position of the replacement order moves when the one at position i is touched (Abel and Reineke, RTAS 2013). Position 0 leaves last.
    /// </summary>
    [TestCase(0, new[] { 0, 1, 2, 3 })]
    [TestCase(1, new[] { 1, 0, 2, 3 })]
    [TestCase(2, new[] { 2, 0, 1, 3 })]
    [TestCase(3, new[] { 3, 0, 1, 2 })]
    public void Lru_moves_the_touched_position_to_the_front_and_keeps_the_rest_in_order(int touched, int[] vector) =>
        Assert.That(PermutationVector("lru", touched), Is.EqualTo(vector));

    /// <summary>Orders of departure of a 4-way tree: position 0 and 2 share a pair, as do 1 and 3. Touching 1 makes the other pair's position 0 second; its sibling's turn stays.</summary>
    [TestCase(0, new[] { 0, 1, 2, 3 })]
    [TestCase(1, new[] { 1, 0, 3, 2 })]
    [TestCase(2, new[] { 2, 1, 0, 3 })]
    [TestCase(3, new[] { 3, 0, 1, 2 })]
    public void Tree_plru_moves_the_touched_position_to_the_front_and_permutes_the_rest_by_its_tree(int touched, int[] vector) =>
        Assert.That(PermutationVector("tree-plru", touched), Is.EqualTo(vector));

    [Test]
    public void Bit_plru_never_takes_a_way_that_was_used_since_all_were_used()
    {
        IReplacement replacement = Filled("bit-plru", 4);
        replacement.Touch(0, 1);
        replacement.Touch(0, 0);
        Assert.That(replacement.Victim(0), Is.EqualTo(2), "3 was filled last, 0 and 1 touched");
        replacement.Touch(0, 2);
        Assert.That(replacement.Victim(0), Is.EqualTo(0), "all are used: all but 2 start again");
    }

    [Test]
    public void Srrip_takes_the_entry_that_was_filled_and_never_hit_before_older_ones_that_were()
    {
        IReplacement replacement = Filled("srrip", 4);
        replacement.Touch(0, 0);
        replacement.Touch(0, 1);
        replacement.Touch(0, 2);
        Assert.That(replacement.Victim(0), Is.EqualTo(3), "filled last, but not hit");
    }

    [Test]
    public void Random_takes_every_way_about_equally_often_and_the_same_ways_for_the_same_seed()
    {
        int[] first = Draw(1, 8000);
        Assert.That(Draw(1, 8000), Is.EqualTo(first));
        Assert.That(Draw(2, 8000), Is.Not.EqualTo(first));

        // Binomial of 8000 draws with p = 1/8: mean 1000, standard deviation 29.6; five of them on either side.
        foreach (int count in Enumerable.Range(0, 8).Select(way => first.Count(drawn => drawn == way)))
        {
            Assert.That(count, Is.InRange(852, 1148));
        }

        static int[] Draw(ulong seed, int draws)
        {
            IReplacement random = ReplacementRules.Create("random", 1, 8, new Rng(seed));
            return Enumerable.Range(0, draws).Select(_ => random.Victim(0)).ToArray();
        }
    }

    [Test]
    public void Plru4_mru3_is_for_12_ways_only([Values(11, 13, 4)] int ways)
    {
        ConfigurationException error = Assert.Throws<ConfigurationException>(() => ReplacementRules.Create("plru4-mru3", 1, ways, new Rng(1)))!;
        Assert.That(error.Message, Does.Contain("12 ways").And.Contain($"found {ways}"));
    }

    [Test]
    public void Tree_plru_is_for_powers_of_two_up_to_64([Values(0, 3, 12, 128)] int ways)
    {
        ConfigurationException error = Assert.Throws<ConfigurationException>(() => ReplacementRules.Create("tree-plru", 1, ways, new Rng(1)))!;
        Assert.That(error.Message, Does.Contain("power of two").And.Contain($"found {ways}"));
    }

    [Test]
    public void An_unknown_rule_is_answered_with_the_nearest_name()
    {
        ConfigurationException error = Assert.Throws<ConfigurationException>(() => ReplacementRules.Create("tree-prlu", 1, 4, new Rng(1)))!;
        Assert.That(error.Message, Does.Contain("tree-prlu").And.Contain("tree-plru"));
    }

    private static int[] PermutationVector(string rule, int touched)
    {
        int[] before = PositionsFromFront(Filled(rule, 4));
        IReplacement replacement = Filled(rule, 4);
        replacement.Touch(0, before[touched]);
        int[] after = PositionsFromFront(replacement);
        return after.Select(way => Array.IndexOf(before, way)).ToArray();
    }

    /// <summary>Ways by the order in which misses take them, the last first.</summary>
    private static int[] PositionsFromFront(IReplacement replacement) => Enumerable.Range(0, 4).Select(_ => Miss(replacement)).Reverse().ToArray();

    private static IReplacement Filled(string rule, int ways)
    {
        IReplacement replacement = ReplacementRules.Create(rule, 1, ways, new Rng(1));
        for (int way = 0; way < ways; way++)
        {
            replacement.Fill(0, way);
        }

        return replacement;
    }

    private static int Miss(IReplacement replacement)
    {
        int victim = replacement.Victim(0);
        replacement.Fill(0, victim);
        return victim;
    }
}
