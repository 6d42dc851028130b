using Sim.Core.Profiles;
using Sim.Core.Traces;
using Sim.Tlb.Tests.Reference;

namespace Sim.Tlb.Tests.Walk;

internal sealed class StaleNestedTableTests
{
    /// <summary>
    /// A reference costs 1 cycle if its line was referenced before, else 100. The guest maps 1 GiB pages, so a walk reads two guest entries (tables at guest-physical 1 GiB and the page
    /// after) and translates three guest-physical addresses: of the two tables and of the data (at 2 GiB). The nested tables map 4 KiB; their PDEs are cached.
    /// </summary>
    [Test]
    public void A_walk_reads_the_old_nested_table_until_an_invalidation_drops_the_entry_that_names_it()
    {
        CpuProfile profile = FuzzProfiles.Profiles[0] with
        {
            SecondLevel = [],
            SecondLevelHitCycles = 0,
            WalkStartCycles = 0,
            Psc = new PscGeometry(0, 0, 0, 0),
            GuestPhysicalPsc = new PscGeometry(0, 0, 0, 2),
            GuestPhysicalEntries = 0,
            PteLineCaches = [new("lines", 1000, 1)],
            MemoryCycles = 100,
        };
        PageTable nested = new(0x10_0000, 4, PageSize.Size4K, new FrameAllocator());
        PageTable guest = new(0x1000, 4, PageSize.Size1G, new FrameAllocator());
        Mmu mmu = Mmu.Create(profile, new FlushCauses(), new MmuOptions(), "lane[0]");
        mmu.SwitchTo(new TranslationContext(1, 0, true, guest, nested, 1), 0);

        // Guest entries: 2 new lines. Nested: root 4 new lines, second table 1 old line, data: PML4E and PDPTE in old lines, PDE and PTE in new ones.
        Assert.That(Access(mmu, 0x0000), Is.EqualTo((2 * 100) + (4 * 100) + 1 + (2 * 1) + (2 * 100)));

        nested.Remove(2UL << 30, PageSize.Size2M);
        Assert.That(Access(mmu, 0x1000), Is.EqualTo(2 + 1 + 1 + 1), "the cached PDE still names the old table, whose line is known");

        mmu.Apply(new InveptSingle(nested.Root), 0);
        Assert.That(Access(mmu, 0x2000), Is.EqualTo(2 + 4 + 1 + (3 + 100)), "the new table's line is new");
    }

    private static ulong Access(Mmu mmu, ulong address)
    {
        TraceBlock block = new();
        block.AddAccess(0, address, AccessFlags.Pack(AccessType.Read));
        return mmu.Translate(block, 0, 1);
    }
}
