using Sim.Core;
using Sim.Core.Profiles;
using Sim.Core.Stats;
using Sim.Core.Traces;

namespace Sim.Tlb.Tests.Levels;

/// <summary>What the hot loop skips must not show: the last entry of a set, hits of a folded run, arrays that it cannot look into by itself.</summary>
[TestFixture]
public sealed class ShortcutTests
{
    private const ulong Page = 4096;

    [TestCase("lru")]
    [TestCase("fifo")]
    [TestCase("random")]
    [TestCase("tree-plru")]
    [TestCase("bit-plru")]
    [TestCase("srrip")]
    public void A_folded_run_leaves_the_array_as_the_single_accesses_do(string rule)
    {
        CpuProfile profile = Profile([Array("l1", 1, 4, rule)]);
        Random random = new(5);
        (ulong Page, uint Repeat)[] runs = Enumerable.Range(0, 5000).Select(_ => ((ulong)random.Next(7), (uint)random.Next(1, 4))).ToArray();
        StatSheet folded = Replay(profile, runs.Select(run => (run.Page * Page, run.Repeat)));
        StatSheet single = Replay(profile, runs.SelectMany(run => Enumerable.Repeat((run.Page * Page, 1U), (int)run.Repeat)));
        Assert.That(folded.Stats, Is.EqualTo(single.Stats));
    }

    [TestCase(1U)]
    [TestCase(2U)]
    public void Under_srrip_the_first_hit_after_a_fill_protects_the_entry(uint repeat)
    {
        // Intervals after the fills of A to D: A 0 by its hit, the others 2. E ages them to A 1 and B, C, D 3: B goes, A stays.
        List<(ulong, uint)> accesses = [(0xA000, repeat)];
        if (repeat == 1)
        {
            accesses.Add((0xA000, 1));
        }

        accesses.AddRange([(0xB000, 1), (0xC000, 1), (0xD000, 1), (0xE000, 1), (0xA000, 1)]);
        StatSheet sheet = Replay(Profile([Array("l1", 1, 4, "srrip")]), accesses);
        Assert.That(sheet["lane[0].l1.misses{level=0}"], Is.EqualTo(5));
        Assert.That(sheet["lane[0].l1.hits{level=0}"], Is.EqualTo(2));
    }

    [Test]
    public void A_first_level_with_a_number_of_sets_that_is_no_power_of_two_is_refused()
    {
        ConfigurationException error = Assert.Throws<ConfigurationException>(() => Replay(Profile([Array("l1", 3, 2, "lru")]), [(0, 1)]))!;
        Assert.That(error.Message, Does.Contain("l1 has 3 sets"));
        StatSheet sheet = Replay(Profile([Array("l1", 1, 3, "lru")]), [(0, 1), (0, 1), (8, 1)]);
        Assert.That((sheet["lane[0].l1.misses{level=0}"], sheet["lane[0].l1.hits{level=0}"]), Is.EqualTo((1L, 2L)), "any number of ways will do");
    }

    [TestCase(0)]
    [TestCase(1)]
    public void Where_every_structure_keeps_the_current_PCID_alone_a_change_and_back_drops_the_first_ones_entries(int kept)
    {
        CpuProfile profile = Profile([Array("l1", 1, 4, "lru") with { KeptPcids = kept, KeptVpids = kept }]);
        Mmu mmu = Mmu.Create(profile, Causes(), new MmuOptions(), "lane[0]");
        TranslationContext first = new(0, 1, true, new PageTable(1, 4, PageSize.Size4K, new FrameAllocator()), null, 0);
        TranslationContext second = first with { Pcid = 2 };
        TranslationContext third = first with { Vpid = 3 };
        TraceBlock block = new();
        block.AddAccess(0, Page, AccessFlags.Pack(default));
        foreach (TranslationContext context in new[] { first, second, first, third, first })
        {
            mmu.SwitchTo(context, 0);
            mmu.Translate(block, 0, 1);
        }

        StatSheet sheet = Sheet(mmu);
        Assert.That(sheet["lane[0].l1.misses{level=0}"], Is.EqualTo(5));
        Assert.That(sheet["lane[0].l1.invalidated{invalidation=retention,transition=test,rule=kept}"], Is.EqualTo(4));
        Assert.That(sheet["lane[0].l1.live"], Is.EqualTo(1));
    }

    private static FlushCauses Causes()
    {
        FlushCauses causes = new();
        causes.Intern(new FlushCause("retention", "test", "kept"));
        return causes;
    }

    private static StatSheet Replay(CpuProfile profile, IEnumerable<(ulong Address, uint Repeat)> accesses)
    {
        Mmu mmu = Mmu.Create(profile, Causes(), new MmuOptions(), "lane[0]");
        mmu.SwitchTo(new TranslationContext(0, 0, true, new PageTable(1, 4, PageSize.Size4K, new FrameAllocator()), null, 0), 0);
        TraceBlock block = new();
        foreach ((ulong address, uint repeat) in accesses)
        {
            block.AddAccess(0, address, AccessFlags.Pack(default), repeat);
        }

        mmu.Translate(block, 0, block.AccessCount);
        return Sheet(mmu);
    }

    private static StatSheet Sheet(Mmu mmu)
    {
        mmu.CheckConservation();
        StatSheet sheet = new();
        mmu.Collect(sheet);
        return sheet;
    }

    private static TlbStructure Array(string name, int sets, int ways, string rule) => new(
        name, AccessSides.Load | AccessSides.Store | AccessSides.Fetch, [PageSize.Size4K, PageSize.Size2M, PageSize.Size1G], sets, ways, IndexHash.Linear, rule, null, null);

    private static CpuProfile Profile(IReadOnlyList<TlbStructure> first) => new()
    {
        Name = "by-hand",
        Summary = "One level.",
        Vendor = Vendor.Intel,
        ReferenceKilohertz = 1,
        FirstLevel = first,
        SecondLevel = [],
        SecondLevelIsInclusive = false,
        SecondLevelHitCycles = 0,
        WalkStartCycles = 1,
        Psc = new PscGeometry(0, 0, 0, 0),
        GuestPhysicalPsc = new PscGeometry(0, 0, 0, 0),
        GuestPhysicalEntries = 0,
        PteLineCaches = [],
        MemoryCycles = 1,
        Precision = InvalidationPrecision.Exact,
        AddressSpaceIds = 65536,
        FlushByAsid = false,
        Costs = new OperationCosts
        {
            VmEntry = 0, VmExit = 0, KvmExitHandling = 0, KvmNestedEntry = 0, KvmNestedExit = 0, Vmptrld = 0, MovToCr3 = 0, MovToCr3NoFlush = 0, MovToCr4 = 0,
            Invlpg = 0, InvpcidSingle = 0, InvpcidAll = 0, InvvpidAddress = 0, InvvpidSingle = 0, InvvpidAll = 0, InveptSingle = 0, InveptGlobal = 0,
            TlbControlAsid = 0, TlbControlAll = 0, KvmRootLookup = 0, KvmSyncPage = 0,
        },
        Sources = new Dictionary<string, string>(),
    };
}
