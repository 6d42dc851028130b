using Sim.Core;
using Sim.Core.Profiles;
using Sim.Core.Stats;
using Sim.Core.Traces;

namespace Sim.Tlb.Tests.Levels;

/// <summary>What a replay may not depend on.</summary>
public sealed class ReplayTests
{
    [Test]
    public void Splitting_translate_calls_anywhere_changes_no_counter_and_no_stall([Values("lru", "random", "bit-plru")] string rule, [Values(1, 2, 7, 1000)] int longest)
    {
        const int Accesses = 6_000;
        TraceBlock block = RandomRun.Block(1, Accesses, maxRepeat: 3);
        RandomRun whole = new(RandomRun.SmallProfile(rule), 1);
        RandomRun split = new(RandomRun.SmallProfile(rule), 1);
        Rng rng = new(2);
        for (int context = 0; context < 6; context++)
        {
            whole.SwitchTo(context);
            split.SwitchTo(context);
            ulong stall = whole.Mmu.Translate(block, 0, Accesses);
            ulong pieces = 0;
            for (int from = 0; from < Accesses;)
            {
                int to = Math.Min(from + 1 + (int)rng.Below((ulong)longest), Accesses);
                pieces += split.Mmu.Translate(block, from, to);
                from = to;
            }

            Assert.That(pieces, Is.EqualTo(stall));
        }

        Assert.That(split.Lines(), Is.EqualTo(whole.Lines()));
    }

    [Test]
    public void An_empty_range_does_nothing([Values(0, 5, 10)] int at)
    {
        TraceBlock block = RandomRun.Block(1, 10);
        RandomRun run = new(RandomRun.SmallProfile(), 1);
        run.SwitchTo(2);
        string[] before = run.Lines();
        Assert.That(run.Mmu.Translate(block, at, at), Is.Zero);
        Assert.That(run.Lines(), Is.EqualTo(before));
    }

    [Test]
    public void Repeat_n_equals_n_accesses([Values("lru", "fifo", "srrip", "tree-plru", "bit-plru", "random")] string rule)
    {
        TraceBlock folded = RandomRun.Block(3, 5_000, maxRepeat: 5);
        TraceBlock unfolded = new();
        for (int i = 0; i < folded.AccessCount; i++)
        {
            for (uint n = 0; n < folded.Repeat[i]; n++)
            {
                unfolded.AddAccess(folded.Time[i], folded.Address[i], folded.Flags[i]);
            }
        }

        Assert.That(unfolded.AccessCount, Is.GreaterThan(2 * folded.AccessCount));
        CpuProfile profile = LaneProfile.Of([LaneProfile.Structure("l1", 4, 4, rule)], [LaneProfile.Structure("stlb", 8, 4, rule)]);
        RandomRun a = new(profile, 1);
        RandomRun b = new(profile, 1);
        for (int context = 0; context < 6; context++)
        {
            a.SwitchTo(context);
            b.SwitchTo(context);
            Assert.That(b.Mmu.Translate(unfolded, 0, unfolded.AccessCount), Is.EqualTo(a.Mmu.Translate(folded, 0, folded.AccessCount)));
        }

        Assert.That(b.Lines(), Is.EqualTo(a.Lines()));
    }

    [Test]
    public void Switching_to_the_current_context_changes_nothing()
    {
        TraceBlock block = RandomRun.Block(4, 2_000);
        RandomRun once = new(RandomRun.SmallProfile(), 1);
        RandomRun often = new(RandomRun.SmallProfile(), 1);
        once.SwitchTo(3);
        for (int from = 0; from < 2_000; from += 100)
        {
            once.Mmu.Translate(block, from, from + 100);
            often.SwitchTo(3);
            often.Mmu.Translate(block, from, from + 100);
        }

        Assert.That(often.Lines(), Is.EqualTo(once.Lines()));
    }

    /// <summary>Hits, second-level hits, walks, evictions, attribution: nothing allocates once it has its size. Switches are not accesses.</summary>
    [Test]
    public void An_access_allocates_nothing_after_warm_up([Values] bool attribution, [Values] bool caches)
    {
        TraceBlock block = RandomRun.Block(5, 20_000);
        RandomRun run = new(RandomRun.SmallProfile(), 1, new MmuOptions(attribution, 1, caches));
        Play();
        Play();
        long stlbHits = Count("stlb.hits");
        long walks = Count("stlb.misses");
        Assert.That(Play(), Is.Zero);
        Assert.That(Count("stlb.hits"), Is.GreaterThan(stlbHits + 1000));
        Assert.That(Count("stlb.misses"), Is.GreaterThan(walks + 1000));

        long Play()
        {
            long allocated = 0;
            for (int context = 0; context < 6; context++)
            {
                run.SwitchTo(context);
                long before = GC.GetAllocatedBytesForCurrentThread();
                run.Mmu.Translate(block, 0, block.AccessCount);
                allocated += GC.GetAllocatedBytesForCurrentThread() - before;
            }

            return allocated;
        }

        long Count(string metric)
        {
            StatSheet sheet = new();
            run.Mmu.Collect(sheet);
            return sheet.Sum($"lane[0].{metric}");
        }
    }
}
