using Sim.Core;
using Sim.Core.Profiles;

namespace Sim.Tlb.Tests.Walk;

/// <summary>Expected addresses follow from FrameAllocator's order: a tree's root takes the first region (1 GiB), the first page the second.</summary>
internal sealed class PageTableTests
{
    private const ulong Tables = 1UL << 30;
    private const ulong Pages = 2UL << 30;
    private const ulong Kernel = 0xFFFF_8000_0000_0000;

    [Test]
    public void First_use_maps_pages_in_order_of_first_touch_and_later_uses_find_them()
    {
        PageTable tree = new(0x1000, 4, PageSize.Size4K, new FrameAllocator());
        Assert.That(tree.Map(0x7000), Is.EqualTo(new Mapping(Pages, PageSize.Size4K, false)));
        Assert.That(tree.Map(0x3FFF), Is.EqualTo(new Mapping(Pages + 0x1000, PageSize.Size4K, false)));
        Assert.That(tree.Map(0x7FFF), Is.EqualTo(new Mapping(Pages, PageSize.Size4K, false)));
        Assert.That(tree.Map(0x8000), Is.EqualTo(new Mapping(Pages + 0x2000, PageSize.Size4K, false)));
    }

    [Test]
    public void A_told_page_is_mapped_in_its_size_whatever_the_size_of_others()
    {
        PageTable tree = new(0x1000, 4, PageSize.Size4K, new FrameAllocator());
        tree.Tell(0x20_3000, PageSize.Size2M, null);
        tree.Tell(0x40_3000, PageSize.Size4K, null);

        Assert.That((tree.Map(0x20_0000).Size, tree.Map(0x3F_FFFF).Size, tree.Map(0x40_3000).Size, tree.Map(0x1000).Size), Is.EqualTo((PageSize.Size2M, PageSize.Size2M, PageSize.Size4K, PageSize.Size4K)));
    }

    [Test]
    public void To_unmap_a_small_page_where_nothing_is_mapped_leaves_room_for_a_large_one()
    {
        PageTable tree = new(0x1000, 4, PageSize.Size2M, new FrameAllocator());
        tree.Remove(0x20_3000, PageSize.Size4K);

        Assert.That(tree.Map(0x20_3000).Size, Is.EqualTo(PageSize.Size2M));
    }

    [Test]
    public void What_is_told_of_a_page_that_is_mapped_larger_splits_it_on_the_same_memory()
    {
        PageTable tree = new(0x1000, 4, PageSize.Size2M, new FrameAllocator());
        ulong physical = tree.Map(0x20_3000).At(0x20_3000);
        tree.Tell(0x20_3000, PageSize.Size4K, null);

        Assert.That(tree.Map(0x20_3000), Is.EqualTo(new Mapping(physical, PageSize.Size4K, false)));
        Assert.That(tree.Map(0x20_4000).Size, Is.EqualTo(PageSize.Size4K));
    }

    [Test]
    public void A_page_told_to_be_large_stays_small_beside_small_ones_that_are_mapped()
    {
        PageTable tree = new(0x1000, 4, PageSize.Size4K, new FrameAllocator());
        Mapping before = tree.Map(0x20_3000);
        tree.Tell(0x20_4000, PageSize.Size2M, null);
        tree.Tell(0x4000_0000, PageSize.Size1G, null);

        Assert.That((tree.Map(0x20_3000), tree.Map(0x20_4000).Size, tree.Map(0x4000_0000).Size), Is.EqualTo((before, PageSize.Size4K, PageSize.Size1G)));
    }

    [Test]
    public void Leaves_take_the_size_that_is_told_for_their_address()
    {
        FrameAllocator guest = new();
        ulong small = guest.AllocatePage(PageSize.Size2M, PageSize.Size4K);
        ulong large = guest.AllocatePage(PageSize.Size4K, PageSize.Size2M);
        ulong unknown = guest.AllocatePage(PageSize.Size4K);
        PageTable tree = new(0x1000, 4, PageSize.Size1G, new FrameAllocator(), told: guest.MappedBy);
        PageTable untold = new(0x1000, 4, PageSize.Size1G, new FrameAllocator(), told: new FrameAllocator().MappedBy);

        Assert.That((tree.Map(small).Size, tree.Map(large).Size, tree.Map(unknown).Size), Is.EqualTo((PageSize.Size4K, PageSize.Size2M, PageSize.Size4K)));
        Assert.That(untold.Map(unknown).Size, Is.EqualTo(PageSize.Size1G));
    }

    [TestCase(PageSize.Size4K, 0x1000UL)]
    [TestCase(PageSize.Size2M, 0x20_0000UL)]
    [TestCase(PageSize.Size1G, 0x4000_0000UL)]
    public void A_leaf_maps_exactly_its_size(PageSize leaf, ulong bytes)
    {
        PageTable tree = new(0x1000, 4, leaf, new FrameAllocator());
        Mapping mapping = tree.Map(5 * bytes);
        Assert.That(mapping.Size, Is.EqualTo(leaf));
        Assert.That(mapping.Frame % bytes, Is.Zero);
        Assert.That(tree.Map((6 * bytes) - 1), Is.EqualTo(mapping));
        Assert.That(tree.Map((5 * bytes) - 1).Frame, Is.Not.EqualTo(mapping.Frame));
        Assert.That(tree.Map(6 * bytes).Frame, Is.Not.EqualTo(mapping.Frame));
    }

    [Test]
    public void An_entry_lies_in_its_table_at_8_times_the_index_of_its_level()
    {
        // Indices 1, 2, 3, 4 from PML4 to page table; tables are made on the way down, so they follow the root in that order.
        const ulong Address = (1UL << 39) | (2UL << 30) | (3UL << 21) | (4UL << 12) | 0x567;
        PageTable tree = new(0x1000, 4, PageSize.Size4K, new FrameAllocator());
        ulong[] entries = Enumerable.Range(1, 4).Select(level => tree.EntryAddress(Address, level)).ToArray();
        Assert.That(entries, Is.EqualTo(new[] { Tables + 0x3000 + 32, Tables + 0x2000 + 24, Tables + 0x1000 + 16, Tables + 8 }));
    }

    [Test]
    public void Five_levels_tell_apart_addresses_that_differ_in_bit_56_only()
    {
        PageTable tree = new(0x1000, 5, PageSize.Size4K, new FrameAllocator());
        const ulong Bit56 = 1UL << 56;
        Assert.That(tree.Map(Bit56).Frame, Is.Not.EqualTo(tree.Map(0).Frame));
        Assert.That(tree.EntryAddress(Bit56, 5), Is.EqualTo(Tables + (256 * 8)));
        Assert.That(tree.EntryAddress(0, 5), Is.EqualTo(Tables));
    }

    [TestCase(PageSize.Size4K, 1, true)]
    [TestCase(PageSize.Size2M, 1, false)]
    [TestCase(PageSize.Size2M, 2, true)]
    [TestCase(PageSize.Size1G, 2, false)]
    [TestCase(PageSize.Size1G, 3, true)]
    [TestCase(PageSize.Size4K, 4, true)]
    [TestCase(PageSize.Size4K, 5, false)]
    public void Entries_exist_from_the_leaf_to_the_root_only(PageSize leaf, int level, bool exists)
    {
        PageTable tree = new(0x1000, 4, leaf, new FrameAllocator());
        Assert.That(() => tree.EntryAddress(0, level), exists ? Throws.Nothing : Throws.TypeOf<ArgumentOutOfRangeException>());
    }

    [Test]
    public void Processes_share_the_upper_half_below_their_own_roots()
    {
        FrameAllocator frames = new();
        PageTable kernel = new(0x1000, 4, PageSize.Size4K, frames, globalUpperHalf: true);
        PageTable a = new(0x2000, 4, PageSize.Size4K, frames, kernel);
        PageTable b = new(0x3000, 4, PageSize.Size4K, frames, kernel);
        Assert.That(a.Map(Kernel), Is.EqualTo(b.Map(Kernel)));
        Assert.That(a.Map(Kernel).Global, Is.True);
        Assert.That(a.Map(0x1000).Frame, Is.Not.EqualTo(b.Map(0x1000).Frame));
        Assert.That(a.Map(0x1000).Global, Is.False);
        Assert.That(new[] { 1, 2, 3 }.Select(level => a.EntryAddress(Kernel, level)), Is.EqualTo(new[] { 1, 2, 3 }.Select(level => b.EntryAddress(Kernel, level))));
        Assert.That(a.EntryAddress(Kernel, 4), Is.EqualTo(Tables + 0x1000 + (256 * 8)));
        Assert.That(b.EntryAddress(Kernel, 4), Is.EqualTo(Tables + 0x2000 + (256 * 8)));
    }

    [Test]
    public void A_change_in_the_shared_half_is_seen_by_every_process()
    {
        FrameAllocator frames = new();
        PageTable kernel = new(0x1000, 4, PageSize.Size4K, frames);
        PageTable a = new(0x2000, 4, PageSize.Size4K, frames, kernel);
        PageTable b = new(0x3000, 4, PageSize.Size4K, frames, kernel);
        Mapping before = a.Map(Kernel);
        b.Set(Kernel, PageSize.Size4K);
        Assert.That(a.Map(Kernel), Is.Not.EqualTo(before).And.EqualTo(b.Map(Kernel)).And.EqualTo(kernel.Map(Kernel)));
    }

    [Test]
    public void Set_gives_a_new_frame_of_the_size_asked_for_and_leaves_the_neighbours()
    {
        PageTable tree = new(0x1000, 4, PageSize.Size4K, new FrameAllocator());
        Mapping before = tree.Map(0x20_0000);
        Mapping neighbour = tree.Map(0x1F_F000);
        tree.Set(0x20_0000, PageSize.Size4K);
        Assert.That(tree.Map(0x20_0000).Frame, Is.Not.EqualTo(before.Frame));
        tree.Set(0x20_0000, PageSize.Size2M);
        Assert.That(tree.Map(0x3F_FFFF), Is.EqualTo(tree.Map(0x20_0000)));
        Assert.That(tree.Map(0x20_0000).Size, Is.EqualTo(PageSize.Size2M));
        Assert.That(tree.Map(0x1F_F000), Is.EqualTo(neighbour));
        Assert.That(tree.Map(0x40_0000).Size, Is.EqualTo(PageSize.Size4K));
    }

    [Test]
    public void Setting_a_small_page_inside_a_huge_one_leaves_the_rest_on_the_same_memory()
    {
        PageTable tree = new(0x1000, 4, PageSize.Size1G, new FrameAllocator());
        Mapping huge = tree.Map(0);
        tree.Set(0x20_1000, PageSize.Size4K);
        Assert.That(tree.Map(0), Is.EqualTo(new Mapping(huge.Frame, PageSize.Size2M, false)));
        Assert.That(tree.Map(0x20_0000), Is.EqualTo(new Mapping(huge.Frame + 0x20_0000, PageSize.Size4K, false)));
        Assert.That(tree.Map(0x20_2000), Is.EqualTo(new Mapping(huge.Frame + 0x20_2000, PageSize.Size4K, false)));
        Assert.That(tree.Map(0x3FE0_0000), Is.EqualTo(new Mapping(huge.Frame + 0x3FE0_0000, PageSize.Size2M, false)));
        Mapping own = tree.Map(0x20_1000);
        Assert.That(own.Size, Is.EqualTo(PageSize.Size4K));
        Assert.That(own.Frame, Is.Not.InRange(huge.Frame, huge.Frame + 0x3FFF_FFFF));
    }

    [Test]
    public void A_removed_page_is_mapped_anew_at_its_next_use()
    {
        PageTable tree = new(0x1000, 4, PageSize.Size4K, new FrameAllocator());
        Mapping[] before = [tree.Map(0x1000), tree.Map(0x2000)];
        tree.Remove(0x1000, PageSize.Size4K);
        Assert.That(tree.Map(0x2000), Is.EqualTo(before[1]));
        Assert.That(tree.Map(0x1000), Is.EqualTo(new Mapping(Pages + 0x2000, PageSize.Size4K, false)));
    }

    [Test]
    public void Removing_a_large_page_unmaps_the_small_ones_inside_and_their_table()
    {
        PageTable tree = new(0x1000, 4, PageSize.Size4K, new FrameAllocator());
        ulong[] before = [tree.Map(0).Frame, tree.Map(0x1F_F000).Frame, tree.Map(0x20_0000).Frame];
        ulong table = tree.EntryAddress(0, 1);
        tree.Remove(0x1234, PageSize.Size2M);
        Assert.That(tree.Map(0).Frame, Is.Not.EqualTo(before[0]));
        Assert.That(tree.Map(0x1F_F000).Frame, Is.Not.EqualTo(before[1]));
        Assert.That(tree.Map(0x20_0000).Frame, Is.EqualTo(before[2]));
        Assert.That(tree.EntryAddress(0, 1), Is.Not.EqualTo(table));
    }

    [Test]
    public void Removing_a_small_page_of_a_large_one_leaves_the_rest_on_the_same_memory()
    {
        PageTable tree = new(0x1000, 4, PageSize.Size2M, new FrameAllocator());
        Mapping large = tree.Map(0);
        tree.Remove(0x5000, PageSize.Size4K);
        Assert.That(tree.Map(0x4000), Is.EqualTo(new Mapping(large.Frame + 0x4000, PageSize.Size4K, false)));
        Assert.That(tree.Map(0x6000), Is.EqualTo(new Mapping(large.Frame + 0x6000, PageSize.Size4K, false)));
        Assert.That(tree.Map(0x5000).Frame, Is.Not.InRange(large.Frame, large.Frame + 0x1F_FFFF));
    }

    [Test]
    public void A_split_page_keeps_its_memory_and_global_bit_in_512_pieces()
    {
        PageTable tree = new(0x1000, 4, PageSize.Size1G, new FrameAllocator(), globalUpperHalf: true);
        Mapping huge = tree.Map(Kernel);
        tree.Split(Kernel + 0x2345_6789);
        Assert.That(tree.Map(Kernel + 0x2345_6789), Is.EqualTo(new Mapping(huge.Frame + 0x2340_0000, PageSize.Size2M, true)));
        tree.Split(Kernel + 0x2345_6789);
        Assert.That(tree.Map(Kernel + 0x2345_6789), Is.EqualTo(new Mapping(huge.Frame + 0x2345_6000, PageSize.Size4K, true)));
        Assert.That(tree.Map(Kernel + 0x3FFF_FFFF), Is.EqualTo(new Mapping(huge.Frame + 0x3FE0_0000, PageSize.Size2M, true)));
        Assert.That(Enumerable.Range(0, 512).Select(i => tree.Map(Kernel + 0x2340_0000 + (4096UL * (ulong)i)).Frame), Is.EqualTo(Enumerable.Range(0, 512).Select(i => huge.Frame + 0x2340_0000 + (4096UL * (ulong)i))));
    }

    [Test]
    public void Splitting_a_4K_page_or_nothing_changes_nothing()
    {
        FrameAllocator frames = new();
        PageTable tree = new(0x1000, 4, PageSize.Size4K, frames);
        Mapping mapping = tree.Map(0x1000);
        tree.Split(0x1000);
        tree.Split(0x40_0000_0000);
        Assert.That(tree.Map(0x1000), Is.EqualTo(mapping));
        Assert.That(frames.AllocateTable(), Is.EqualTo(Tables + 0x4000), "the root and three tables below it, no more");
    }

    [Test]
    public void Levels_other_than_4_and_5_or_other_than_the_shared_halfs_are_refused()
    {
        FrameAllocator frames = new();
        Assert.That(() => new PageTable(0x1000, 3, PageSize.Size4K, frames), Throws.TypeOf<ConfigurationException>());
        Assert.That(() => new PageTable(0x1000, 6, PageSize.Size4K, frames), Throws.TypeOf<ConfigurationException>());
        PageTable kernel = new(0x1000, 5, PageSize.Size4K, frames);
        Assert.That(() => new PageTable(0x2000, 4, PageSize.Size4K, frames, kernel), Throws.TypeOf<ConfigurationException>());
    }
}
