using Sim.Core.Profiles;
using Sim.Core.Traces;

namespace Sim.Tlb.Tests.Levels;

/// <summary>The conservation laws hold, and <see cref="Mmu.CheckConservation"/> sees when one does not.</summary>
public sealed class ConservationTests
{
    [Test]
    public void The_laws_hold_after_a_long_random_run(
        [Values("lru", "fifo", "random", "srrip", "bit-plru")] string rule, [Values] bool inclusive, [Values] InvalidationPrecision precision)
    {
        TraceBlock block = RandomRun.Block(7, 20_000, maxRepeat: 4);
        RandomRun run = new(RandomRun.SmallProfile(rule, inclusive) with { Precision = precision }, 8);
        for (int part = 0; part < 10; part++)
        {
            run.Play(block, 200);
            run.Mmu.CheckConservation();
        }

        // The run was not an easy one.
        Core.Stats.StatSheet sheet = new();
        run.Mmu.Collect(sheet);
        foreach (string counter in new[] { "l1.hits", "stlb.hits", "stlb.misses", "walks.cold", "walks.capacity", "walks.flushed", "even.evictions", "odd.invalidated", "itlb.evictions", "psc.pde.hits", "guest_physical.hits" })
        {
            Assert.That(sheet.Sum($"lane[0].{counter}"), Is.Positive, counter);
        }
    }

    [Test]
    public void An_access_that_is_neither_hit_nor_miss_is_noticed()
    {
        MiscountingMmu mmu = new();
        mmu.CheckConservation();
        mmu.CountAccesses(level: 1, 3);
        Assert.That(Message(mmu), Does.Contain("lane[0]: accesses of level 1 = 3").And.Contain("l1 hits + misses = 0"));
        mmu.CountHits(level: 1, 3);
        mmu.CheckConservation();
        mmu.CountHits(level: 1, 1);
        Assert.That(Message(mmu), Does.Contain("accesses of level 1 = 3").And.Contain("= 4"));
    }

    [Test]
    public void Levels_do_not_make_up_for_each_other()
    {
        MiscountingMmu mmu = new();
        mmu.CountAccesses(level: 0, 1);
        mmu.CountHits(level: 2, 1);
        Assert.That(Message(mmu), Does.Contain("accesses of level 0 = 1"));
    }

    [Test]
    public void An_entry_that_vanished_is_noticed()
    {
        MiscountingMmu mmu = new();
        mmu.Array.Fill(EntryKey.Pack(1, PageSize.Size4K, 0x1000), 0, out _);
        mmu.CheckConservation();
        mmu.Array.Vanish();
        Assert.That(Message(mmu), Does.Contain("lane[0].l1: fills = 1").And.Contain("evictions + invalidated + live = 0"));
    }

    [Test]
    public void An_invalidation_counted_twice_is_noticed()
    {
        MiscountingMmu mmu = new();
        mmu.Array.Fill(EntryKey.Pack(1, PageSize.Size4K, 0x1000), 0, out _);
        Assert.That(mmu.Array.Invalidate([false, true], null, 0, null), Is.EqualTo(1));
        mmu.CheckConservation();
        mmu.Array.Invalidated.Add(0, 1);
        Assert.That(Message(mmu), Does.Contain("lane[0].l1: fills = 1").And.Contain("= 2"));
    }

    private static string Message(Mmu mmu) => Assert.Throws<InvalidOperationException>(mmu.CheckConservation)!.Message;

    /// <summary>A hot loop that counts what it is told.</summary>
    private sealed class MiscountingMmu : Mmu
    {
        public MiscountingMmu()
            : this(new ForgetfulArray())
        {
        }

        private MiscountingMmu(ForgetfulArray array)
            : base(LaneProfile.Of([array.Structure], []), new FlushCauses(), new MmuOptions(), "lane[0]", [array]) => Array = array;

        public ForgetfulArray Array { get; }

        public void CountAccesses(int level, long count) => Accesses[4 * level] += count;

        public void CountHits(int level, long count) => FirstHits[level] += count;

        private protected override ulong Replay(TraceBlock block, int from, int to) => throw new NotSupportedException();

        private protected override void ContextChanged(ActiveContext context)
        {
        }
    }

    /// <summary>An array that loses its entries.</summary>
    private sealed class ForgetfulArray : TlbArray
    {
        public ForgetfulArray()
            : base(LaneProfile.Structure("l1", 1, 4))
        {
        }

        public void Vanish() => Array.Clear(Keys);

        public override bool Lookup(ulong key, out ulong payload) => throw new NotSupportedException();

        protected override int Victim(int set) => 0;

        protected override void Filled(int set, int way)
        {
        }
    }
}
