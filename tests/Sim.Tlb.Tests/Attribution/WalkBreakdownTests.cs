using Sim.Core.Profiles;
using Sim.Core.Stats;
using Sim.Core.Traces;
using Sim.Tlb.Tests.Levels;

namespace Sim.Tlb.Tests.Attribution;

/// <summary>Walks by page size, page and code site, by sequences made by hand.</summary>
public sealed class WalkBreakdownTests
{
    private const ulong A = 0x12_3000;
    private const ulong B = 0x45_6000;
    private const ulong Code = 0x40_1000;
    private const ulong OtherCode = 0x40_2000;

    [Test]
    public void A_walk_belongs_to_the_code_page_fetched_last_and_a_fetch_to_its_own()
    {
        OneLane lane = Lane();
        lane.SwitchTo(OneLane.Process(5));
        lane.Access(A);
        lane.Access(Code + 8, AccessType.Execute);
        lane.Access(B);
        lane.Access(OtherCode, AccessType.Execute);
        lane.Access(Code, AccessType.Execute);
        lane.Access(B + 0x1000);

        Assert.That(lane["walks_by_site{level=0,site=unknown}"], Is.EqualTo(1), "nothing was fetched before A");
        Assert.That(lane["walks_by_site{level=0,root=0x1005,site=0x401000}"], Is.EqualTo(3), "the fetch itself, B, and the page behind B: the fetch between them hit");
        Assert.That(lane["walks_by_site{level=0,root=0x1005,site=0x402000}"], Is.EqualTo(1));
        Assert.That(lane["walks_by_page{level=0,root=0x1005,page=0x456000,size=4K}"], Is.EqualTo(1));
    }

    [Test]
    public void Fetches_inside_one_stretch_are_seen_in_their_order()
    {
        OneLane lane = Lane();
        lane.SwitchTo(OneLane.Process(5));
        TraceBlock block = new();
        foreach ((ulong address, AccessType type) in new[] { (OtherCode, AccessType.Execute), (Code, AccessType.Execute), (A, AccessType.Read), (OtherCode, AccessType.Execute), (B, AccessType.Write), (Code, AccessType.Execute) })
        {
            block.AddAccess(0, address, AccessFlags.Pack(type));
        }

        lane.Mmu.Translate(block, 1, block.AccessCount);
        lane.Access(B + 0x1000);

        Assert.That(lane["walks_by_site{level=0,root=0x1005,site=0x401000}"], Is.EqualTo(3), "itself, A, and what the next stretch begins with");
        Assert.That(lane["walks_by_site{level=0,root=0x1005,site=0x402000}"], Is.EqualTo(2), "itself and B");
    }

    [Test]
    public void Each_level_remembers_its_own_code()
    {
        OneLane lane = Lane();
        TranslationContext host = OneLane.Process(0);
        TranslationContext guest = OneLane.Guest(1, 3, 0x9000);
        lane.Access(host, Code, AccessType.Execute);
        lane.Access(guest, OtherCode, AccessType.Execute);
        lane.Access(host, A);
        lane.Access(guest, A);

        Assert.That(lane["walks_by_site{level=0,root=0x1000,site=0x401000}"], Is.EqualTo(2));
        Assert.That(lane["walks_by_site{level=1,root=0x1003,site=0x402000}"], Is.EqualTo(2));
    }

    [Test]
    public void The_size_is_that_of_the_translation_and_each_dimension_has_every_cycle_once()
    {
        OneLane lane = Lane();
        lane.Access(OneLane.Process(5, PageSize.Size2M), A);
        lane.Access(OneLane.Guest(1, 3, 0x9000, PageSize.Size2M), B);
        lane.Access(OneLane.Guest(1, 3, 0xA000, PageSize.Size2M, PageSize.Size1G), ulong.MaxValue - 0xFFFF);

        Assert.That(lane["walks_by_size{level=0,size=2M}"], Is.EqualTo(1));
        Assert.That(lane["walks_by_size{level=1,size=4K}"], Is.EqualTo(1), "a 2M page under 4K EPT entries");
        Assert.That(lane["walks_by_size{level=1,size=2M}"], Is.EqualTo(1));
        Assert.That(lane["walks_by_page{level=0,root=0x1005,page=0x0,size=2M}"], Is.EqualTo(1));
        Assert.That(lane["walks_by_page{level=1,root=0x1003,page=0xffffffffffe00000,size=2M}"], Is.EqualTo(1));
        foreach (string dimension in new[] { "size", "page", "site" })
        {
            Assert.That(lane[$"walk_cycles_by_{dimension}"], Is.EqualTo(lane["walk_cycles"]).And.GreaterThan(0), dimension);
            Assert.That(lane[$"walks_by_{dimension}"], Is.EqualTo(3), dimension);
        }

        lane.Mmu.CheckConservation();
    }

    [Test]
    public void Occupancy_says_whose_entries_fill_each_array()
    {
        OneLane lane = Lane();
        TranslationContext host = OneLane.Process(0);
        TranslationContext guest = OneLane.Guest(1, 3, 0x9000);
        lane.Access(host, A);
        lane.Access(guest, A);
        lane.Access(guest, B);
        lane.Access(guest, ulong.MaxValue - 0xFFFF);
        StatSheet sheet = new();

        lane.Mmu.CollectOccupancy(sheet);

        Assert.That(sheet.Stats.Select(stat => $"{stat.Key} = {stat.Value}"), Is.EqualTo(new[]
        {
            "lane[0].l1.occupancy{level=1,vpid=1,global=true,ep4ta=0x9000} = 1",
            "lane[0].l1.occupancy{level=1,vpid=1,pcid=3,ep4ta=0x9000} = 1",
            "lane[0].stlb.occupancy{level=0,vpid=0,pcid=0} = 1",
            "lane[0].stlb.occupancy{level=1,vpid=1,global=true,ep4ta=0x9000} = 1",
            "lane[0].stlb.occupancy{level=1,vpid=1,pcid=3,ep4ta=0x9000} = 2",
        }));
    }

    [Test]
    public void Two_levels_that_share_a_tag_are_named_together()
    {
        OneLane lane = Lane();
        TranslationContext first = OneLane.Guest(1, 3, 0x9000);
        lane.Access(first, A);
        lane.Access(first with { Level = 2 }, B);
        StatSheet sheet = new();

        lane.Mmu.CollectOccupancy(sheet);

        Assert.That(sheet["lane[0].stlb.occupancy{level=1+2,vpid=1,pcid=3,ep4ta=0x9000}"], Is.EqualTo(2));
    }

    private static OneLane Lane() => new(LaneProfile.FullyAssociative(2, 16), new MmuOptions(WalkBreakdown: true));
}
