using Sim.Core.Stats;
using Sim.Reports.Explain;
using Sim.Reports.Results;
using Sim.Reports.Views;

namespace Sim.Reports.Tests.Explain;

public sealed class DecompositionTests
{
    [Test]
    public void Every_dimension_has_the_signed_parts_of_the_difference_by_hand()
    {
        Decomposition decomposition = new(Run("a", cold: (2, 100), flushed: (3, 60), entry: (3, 60)), Run("b", cold: (2, 90), flushed: (8, 150), entry: (1, 40)));

        // a: 5 walks, 160 walk cycles, 10 in the second level. b: 10 walks, 240, 10.
        Assert.That(decomposition.Total, Is.EqualTo(new Contribution("total", new WalkCount(5, 170), new WalkCount(10, 250))));
        Assert.That(Parts("transition"), Is.EqualTo(new[] { "flushed at nested_exit: 0/0 -> 7/110", "flushed at nested_entry: 3/60 -> 1/40", "cold: 2/100 -> 2/90", "second-level hits: 0/10 -> 0/10" }));
        Assert.That(Parts("rule"), Is.EqualTo(new[] { "flushed because of new_vpid12: 3/60 -> 8/150", "cold: 2/100 -> 2/90", "second-level hits: 0/10 -> 0/10" }));
        Assert.That(Parts("invalidation"), Is.EqualTo(new[] { "flushed by invvpid_single: 3/60 -> 8/150", "cold: 2/100 -> 2/90", "second-level hits: 0/10 -> 0/10" }));
        Assert.That(Parts("level"), Is.EqualTo(new[] { "L2: 5/170 -> 10/250" }));
        Assert.That(Parts("page"), Is.EqualTo(new[] { "L2 0x7000, root 0x1000, 4K: 5/160 -> 10/240", "second-level hits: 0/10 -> 0/10" }));
        Assert.That(decomposition.Missing, Is.EqualTo(new[] { "site", "size" }), "nobody counted them");
        Assert.That(decomposition.Activities.Select(part => (part.Name, part.Difference.Cycles)), Is.EqualTo(new[] { ("hypervisor", 0L), ("translation", 80L) }));

        string[] Parts(string name) =>
            [.. decomposition.Dimensions.Single(dimension => dimension.Name == name).Parts.Select(part => $"{part.Name}: {part.Before.Walks}/{part.Before.Cycles} -> {part.After.Walks}/{part.After.Cycles}")];
    }

    [Test]
    public void A_dimension_that_one_run_did_not_count_in_full_is_left_out_and_named()
    {
        RunResult without = new("b", "b", new StatSheet(), []);
        without.Statistics.Counter("lane[0].stlb.misses", "walks", "H.", 4, "level=1");
        without.Statistics.Counter("lane[0].stall_cycles", "cycles", "H.", 50, "level=1");
        without.Statistics.Counter("lane[0].walk_cycles", "cycles", "H.", 50, "level=1");

        Decomposition decomposition = new(Run("a", (2, 100), (3, 60), (3, 60)), without);

        Assert.That(decomposition.Dimensions.Select(dimension => dimension.Name), Is.EqualTo(new[] { "level" }));
        Assert.That(decomposition.Missing, Is.EqualTo(new[] { "invalidation", "page", "rule", "site", "size", "transition" }));
    }

    [Test]
    public void Rows_beyond_the_top_are_one_row_and_the_columns_still_sum_to_the_total()
    {
        Decomposition decomposition = new(Run("a", (2, 100), (3, 60), (3, 60)), Run("b", (2, 90), (8, 150), (1, 40)));

        Table table = ExplainView.Tables(decomposition, top: 1).Single(each => each.Headers[0] == "transition");

        Assert.That(table.Rows.Select(row => string.Join(' ', row)), Is.EqualTo(new[] { "flushed at nested_exit 0 7 +7 0 110 +110 137.50", "3 others 5 3 -2 170 140 -30 -37.50", "total 5 10 +5 170 250 +80 100.00" }));
    }

    [Test]
    public void A_part_that_did_not_change_has_no_share_of_a_fall_either()
    {
        Decomposition decomposition = new(Run("a", (2, 100), (3, 60), (3, 60)), Run("b", (2, 100), (1, 20), (1, 20)));

        Assert.That(ExplainView.Tables(decomposition, top: 9)[0].Rows.Select(row => row[^1]), Is.EqualTo(new[] { "0.000", "100.00", "100.00" }));
    }

    [Test]
    public void The_verdict_names_the_dearer_policy_and_tells_the_first_story_of_each_kind()
    {
        RunResult safe = Run("a", (2, 100), (3, 60), (3, 60)) with { Safety = new SafetyVerdict([], 7) };
        RunResult stale = Run("b", (2, 90), (1, 20), (1, 20)) with { Safety = new SafetyVerdict([new SafetyFinding("stale_use", 4, ["L1 unmaps 0x1000", "L2 reads it"]), new SafetyFinding("interrupt_lost", 1, ["never told"])], 0) };

        Assert.That(ExplainView.Verdict(new Decomposition(safe, stale)), Is.EqualTo(new[]
        {
            "b spends 50 translation cycles fewer than a (-29.4%), with 2 fewer walks.",
            "a: safe on this trace (uses of old translations: 7, all permitted).",
            "b: UNSAFE: stale_use 4 times, interrupt_lost 1 time.",
            "  The first stale_use:",
            "    L1 unmaps 0x1000",
            "    L2 reads it",
            "  The first interrupt_lost:",
            "    never told",
        }));
        Assert.That(ExplainView.Verdict(new Decomposition(safe with { Safety = null }, safe with { Safety = null })), Is.EqualTo(new[] { "a and a spend the same number of translation cycles: 170.", "Nobody judged their safety." }));
    }

    [Test]
    public void The_csv_has_every_part_exactly_and_hostile_names_inert()
    {
        Decomposition decomposition = new(Run("a", (2, 100), (3, 60), (3, 60)), Run("b", (2, 90), (8, 150), (1, 40), rule: "=cmd|\"a\nb\""));

        string csv = ExplainView.ToCsv(decomposition);

        Assert.That(csv, Does.StartWith("dimension,part,walks_before,walks_after,walks_difference,cycles_before,cycles_after,cycles_difference\nactivity,hypervisor,0,0,0,5,5,0\nactivity,translation,0,0,0,170,250,80\ntotal,total,5,10,5,170,250,80\n"));
        Assert.That(csv, Does.Contain("transition,flushed at nested_entry,3,1,-2,60,40,-20\n"));
        Assert.That(csv, Does.Contain("rule,\"flushed because of =cmd|\"\"a\nb\"\"\",0,8,8,0,150,150\n"));
    }

    /// <summary>A run of L2 on one page: 10 cycles of second-level hits, cold walks, flushed ones of which some at nested entries and the others at exits.</summary>
    private static RunResult Run(string name, (long Walks, long Cycles) cold, (long Walks, long Cycles) flushed, (long Walks, long Cycles) entry, string rule = "new_vpid12")
    {
        StatSheet sheet = new();
        long walks = cold.Walks + flushed.Walks;
        long cycles = cold.Cycles + flushed.Cycles;
        sheet.Counter("lane[1].stlb.misses", "walks", "H.", walks, "level=2");
        sheet.Counter("lane[1].stall_cycles", "cycles", "H.", cycles + 10, "level=2");
        sheet.Counter("lane[1].walk_cycles", "cycles", "H.", cycles, "level=2");
        sheet.Counter("lane[1].walks.cold", "walks", "H.", cold.Walks);
        sheet.Counter("lane[1].walk_cycles.cold", "cycles", "H.", cold.Cycles);
        Flushed("nested_entry", entry.Walks, entry.Cycles);
        Flushed("nested_exit", flushed.Walks - entry.Walks, flushed.Cycles - entry.Cycles);
        sheet.Counter("lane[1].walks_by_page", "walks", "H.", walks, "level=2,root=0x1000,page=0x7000,size=4K");
        sheet.Counter("lane[1].walk_cycles_by_page", "cycles", "H.", cycles, "level=2,root=0x1000,page=0x7000,size=4K");
        sheet.Counter("cycles.translation", "cycles", "H.", cycles + 10);
        sheet.Counter("cycles.hypervisor", "cycles", "H.", 5);
        return new RunResult(name, name, sheet, []);

        void Flushed(string transition, long walksOf, long cyclesOf)
        {
            string label = $"invalidation=invvpid_single,transition={transition},rule={rule}";
            sheet.Counter("lane[1].walks.flushed", "walks", "H.", walksOf, label);
            sheet.Counter("lane[1].walk_cycles.flushed", "cycles", "H.", cyclesOf, label);
        }
    }
}
