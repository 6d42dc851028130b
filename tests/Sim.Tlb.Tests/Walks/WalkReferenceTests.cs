using Sim.Core.Profiles;
using Sim.Tlb.Tests.Levels;

namespace Sim.Tlb.Tests.Walks;

/// <summary>How many references walks make, and what they cost, by hand.</summary>
public sealed class WalkReferenceTests
{
    private const ulong Address = 0x0000_1234_5678_9000;
    private const ulong NestedRoot = 0x7000;

    [TestCase(4, PageSize.Size4K, 4, PageSize.Size4K, 24)]
    [TestCase(4, PageSize.Size2M, 4, PageSize.Size2M, 15)]
    [TestCase(4, PageSize.Size4K, 4, PageSize.Size2M, 19)]
    [TestCase(4, PageSize.Size2M, 4, PageSize.Size4K, 19)]
    [TestCase(4, PageSize.Size1G, 4, PageSize.Size1G, 8)]
    [TestCase(5, PageSize.Size4K, 5, PageSize.Size4K, 35)]
    [TestCase(4, PageSize.Size4K, 5, PageSize.Size4K, 29)]
    [TestCase(5, PageSize.Size4K, 4, PageSize.Size4K, 29)]
    public void A_2D_walk_without_caches_makes_g_plus_1_times_h_plus_1_minus_1_references(int guestLevels, PageSize guest, int hostLevels, PageSize host, int references)
    {
        OneLane lane = new(LaneProfile.FullyAssociative(4, 4), new MmuOptions(PagingStructureCaches: false));
        ulong stall = lane.Access(OneLane.Guest(1, 0, NestedRoot, guest, host, guestLevels, hostLevels), Address);

        int guestReferences = guestLevels - (int)guest;
        Assert.That(lane["walk_references"], Is.EqualTo(references));
        Assert.That(GuestReferences(lane), Is.EqualTo(guestReferences));
        Assert.That(stall, Is.EqualTo((ulong)(LaneProfile.WalkCycles + (references * LaneProfile.MemoryCycles))));

        // One walk of the host's tables for each guest reference and one for the data; each reads every host level once.
        for (int level = 1; level <= 5; level++)
        {
            int perWalk = level > (int)host && level <= hostLevels ? 1 : 0;
            Assert.That(lane[$"walk_references{{stage=host,level={level}}}"], Is.EqualTo(perWalk * (guestReferences + 1)), $"host level {level}");
        }

        // Nothing was cached: a page beside costs the same.
        Assert.That(lane.Access(Address + (1UL << 30)), Is.EqualTo(stall));
        Assert.That(lane["walk_references"], Is.EqualTo(2 * references));
        lane.Mmu.CheckConservation();
    }

    [TestCase(4, PageSize.Size4K, 4)]
    [TestCase(4, PageSize.Size2M, 3)]
    [TestCase(4, PageSize.Size1G, 2)]
    [TestCase(5, PageSize.Size4K, 5)]
    public void A_1D_walk_without_caches_reads_one_entry_per_level(int levels, PageSize leaf, int references)
    {
        TranslationContext context = new(0, 0, false, new PageTable(1, levels, leaf, new FrameAllocator()), null, 0);
        OneLane lane = new(LaneProfile.FullyAssociative(4, 4), new MmuOptions(PagingStructureCaches: false));
        Assert.That(lane.Access(context, Address), Is.EqualTo((ulong)(LaneProfile.WalkCycles + (references * LaneProfile.MemoryCycles))));
        Assert.That(lane["walk_references"], Is.EqualTo(references));
        Assert.That(GuestReferences(lane), Is.EqualTo(references), "a 1-D walk has no host stage");
    }

    [Test]
    public void With_caches_the_first_2D_walk_makes_14_references_and_one_for_the_page_beside_makes_2()
    {
        OneLane lane = new(LaneProfile.FullyAssociative(4, 4));
        lane.SwitchTo(OneLane.Guest(1, 0, NestedRoot));

        // The four guest table pages are neighbours: the first takes a whole host walk (4), the others find the host's PDE (1 each). The data page lies in
        // another GiB: only the host's PML4E is known (3).
        lane.Access(Address);
        Assert.That(GuestReferences(lane), Is.EqualTo(4));
        Assert.That(HostReferencesByLevel(lane), Is.EqualTo(new long[] { 5, 2, 2, 1, 0 }));
        Assert.That(lane["guest_physical.misses"], Is.EqualTo(5));
        Assert.That(lane["guest_physical.hits"], Is.EqualTo(0));

        // The combined PDE says where the guest's page table lies in host memory: 1 guest reference; the data page beside finds the host's PDE: 1 host reference.
        lane.Access(Address + 0x1000);
        Assert.That(GuestReferences(lane), Is.EqualTo(4 + 1));
        Assert.That(HostReferencesByLevel(lane), Is.EqualTo(new long[] { 6, 2, 2, 1, 0 }));
        Assert.That(lane["psc.pde.hits"], Is.EqualTo(1));
        Assert.That(lane["guest_physical.misses"], Is.EqualTo(6));
    }

    [Test]
    public void The_page_beside_finds_only_what_the_caches_that_are_there_hold()
    {
        CpuProfile all = LaneProfile.FullyAssociative(4, 4);

        // No combined PSC: 4 guest references, whose pages the guest-physical cache knows, and the data page through the host's PDE.
        Assert.That(SecondWalk(all with { Psc = LaneProfile.NoPsc }), Is.EqualTo(4 + 1));

        // No guest-physical cache, but both PSCs.
        Assert.That(SecondWalk(all with { GuestPhysicalEntries = 0 }), Is.EqualTo(1 + 1));

        // No guest-physical cache and no combined PSC: each of five nested walks reads the host's PTE.
        Assert.That(SecondWalk(all with { GuestPhysicalEntries = 0, Psc = LaneProfile.NoPsc }), Is.EqualTo(4 + 5));

        // No guest-physical PSC: a whole host walk for the data page.
        Assert.That(SecondWalk(all with { GuestPhysicalPsc = LaneProfile.NoPsc }), Is.EqualTo(1 + 4));

        // PDPTEs only: the guest walk starts at its PDE (2), whose page is reached without translation; the PTE's page is in the guest-physical cache. The host walk starts at its PDE.
        Assert.That(SecondWalk(all with { Psc = new PscGeometry(0, 0, 16, 0), GuestPhysicalPsc = new PscGeometry(0, 0, 16, 0) }), Is.EqualTo(2 + 2));

        // PML4Es only.
        Assert.That(SecondWalk(all with { Psc = new PscGeometry(0, 16, 0, 0), GuestPhysicalPsc = new PscGeometry(0, 16, 0, 0) }), Is.EqualTo(3 + 3));
    }

    [TestCase(PageSize.Size4K, 0x1000UL, 1)]
    [TestCase(PageSize.Size2M, 0x20_0000UL, 1)]
    [TestCase(PageSize.Size1G, 0x4000_0000UL, 1)]
    [TestCase(PageSize.Size4K, 0x20_0000UL, 2)]
    [TestCase(PageSize.Size4K, 0x4000_0000UL, 3)]
    [TestCase(PageSize.Size4K, 0x80_0000_0000UL, 4)]
    public void A_1D_walk_starts_below_the_lowest_cached_entry_that_covers_the_address(PageSize leaf, ulong away, int references)
    {
        OneLane lane = new(LaneProfile.FullyAssociative(4, 4));
        lane.Access(OneLane.Process(0, leaf), Address);
        long first = lane["walk_references"];
        lane.Access(Address ^ away);
        Assert.That(lane["walk_references"] - first, Is.EqualTo(references));
    }

    [Test]
    public void A_reference_costs_what_the_nearest_cache_with_its_line_costs()
    {
        CpuProfile profile = LaneProfile.FullyAssociative(4, 4) with { PteLineCaches = [new PteLineCache("l1d", 64, 4)] };
        OneLane lane = new(profile);
        lane.SwitchTo(OneLane.Guest(1, 0, NestedRoot));

        // Of the 14 references, those to the host's PTEs of the second, third and fourth guest table share the line of the first's, and the host's PDPTE of the data page lies
        // in the line of the one of the tables: 4 lines were read before, 10 were not.
        Assert.That(lane.Access(Address), Is.EqualTo((ulong)(LaneProfile.WalkCycles + (10 * 100) + (4 * 4))));

        // Both PTEs lie beside those of the first page.
        Assert.That(lane.Access(Address + 0x1000), Is.EqualTo((ulong)(LaneProfile.WalkCycles + (2 * 4))));

        // Eight pages on: the guest's PTE is in the next line. The data page is the third one, beside the others in guest-physical memory.
        Assert.That(lane.Access(Address + 0x8000), Is.EqualTo((ulong)(LaneProfile.WalkCycles + 100 + 4)));
    }

    [Test]
    public void A_line_that_left_the_nearest_cache_is_found_in_the_next_one()
    {
        // One line near, many far; a 1-D walk reads four lines, the last of which stays near.
        CpuProfile profile = LaneProfile.FullyAssociative(4, 4) with { Psc = LaneProfile.NoPsc, PteLineCaches = [new PteLineCache("l1d", 1, 4), new PteLineCache("l2", 64, 14)] };
        OneLane lane = new(profile);
        Assert.That(lane.Access(OneLane.Process(0), Address), Is.EqualTo((ulong)(LaneProfile.WalkCycles + (4 * 100))));
        Assert.That(lane.Access(Address + 0x1000), Is.EqualTo((ulong)(LaneProfile.WalkCycles + (4 * 14))));

        // With the PSC only the PTE is read, and it is the line read last.
        lane = new OneLane(profile with { Psc = new PscGeometry(0, 0, 0, 16) });
        lane.Access(OneLane.Process(0), Address);
        Assert.That(lane.Access(Address + 0x1000), Is.EqualTo((ulong)(LaneProfile.WalkCycles + 4)));
    }

    [TestCase(PageSize.Size4K, PageSize.Size2M)]
    [TestCase(PageSize.Size2M, PageSize.Size4K)]
    public void An_entry_is_as_small_as_the_smaller_of_both_pages(PageSize guest, PageSize host)
    {
        OneLane lane = new(LaneProfile.FullyAssociative(4, 4));
        lane.Access(OneLane.Guest(1, 0, NestedRoot, guest, host), Address);
        Assert.That(lane.Access(Address + 0xFFF), Is.Zero, "the same 4 KiB");
        Assert.That(lane.Access(Address + 0x1000), Is.Not.Zero, "the next 4 KiB");
    }

    [Test]
    public void A_2M_page_on_2M_pages_is_one_entry_for_all_of_it()
    {
        OneLane lane = new(LaneProfile.FullyAssociative(4, 4));
        ulong start = Address & ~0x1F_FFFFUL;
        lane.Access(OneLane.Guest(1, 0, NestedRoot, PageSize.Size2M, PageSize.Size2M), start);
        Assert.That(lane.Access(start + 0x1F_FFFF), Is.Zero);
        Assert.That(lane.Access(start + 0x20_0000), Is.Not.Zero);
        Assert.That(lane.Access(start - 1), Is.Not.Zero);
    }

    private static long SecondWalk(CpuProfile profile)
    {
        OneLane lane = new(profile);
        lane.Access(OneLane.Guest(1, 0, NestedRoot), Address);
        long first = lane["walk_references"];
        lane.Access(Address + 0x1000);
        return lane["walk_references"] - first;
    }

    private static long GuestReferences(OneLane lane) => Enumerable.Range(1, 5).Sum(level => lane[$"walk_references{{stage=guest,level={level}}}"]);

    private static long[] HostReferencesByLevel(OneLane lane) => Enumerable.Range(1, 5).Select(level => lane[$"walk_references{{stage=host,level={level}}}"]).ToArray();
}
