using Sim.Core.Profiles;

namespace Sim.Tlb.Tests.Walk;

internal sealed class FrameAllocatorTests
{
    private const ulong Region = 1UL << 30;

    [Test]
    public void Pages_of_one_size_follow_each_other_from_1_GiB_on()
    {
        FrameAllocator frames = new();
        Assert.That(Enumerable.Range(0, 3).Select(_ => frames.AllocatePage(PageSize.Size2M)), Is.EqualTo(new[] { Region, Region + 0x20_0000, Region + 0x40_0000 }));
    }

    [Test]
    public void Each_size_and_the_tables_take_a_region_of_their_own_in_order_of_need()
    {
        FrameAllocator frames = new();
        Assert.That(frames.AllocateTable(), Is.EqualTo(Region));
        Assert.That(frames.AllocatePage(PageSize.Size1G), Is.EqualTo(2 * Region));
        Assert.That(frames.AllocatePage(PageSize.Size4K), Is.EqualTo(3 * Region));
        Assert.That(frames.AllocatePage(PageSize.Size2M), Is.EqualTo(4 * Region));
        Assert.That(frames.AllocateTable(), Is.EqualTo(Region + 0x1000));
        Assert.That(frames.AllocatePage(PageSize.Size1G), Is.EqualTo(5 * Region));
        Assert.That(frames.AllocatePage(PageSize.Size4K), Is.EqualTo((3 * Region) + 0x1000));
    }

    [Test]
    public void Pages_that_are_mapped_by_pages_of_a_told_size_take_regions_of_their_own_and_all_others_are_mapped_as_most_of_them()
    {
        FrameAllocator frames = new();
        Assert.That(frames.AllocatePage(PageSize.Size4K), Is.EqualTo(Region));
        Assert.That(frames.MappedBy(Region), Is.Null);
        Assert.That(frames.AllocatePage(PageSize.Size4K, PageSize.Size2M), Is.EqualTo(2 * Region));
        Assert.That(frames.AllocatePage(PageSize.Size2M, PageSize.Size4K), Is.EqualTo(3 * Region));
        Assert.That(frames.AllocatePage(PageSize.Size4K, PageSize.Size2M), Is.EqualTo((2 * Region) + 0x1000));
        Assert.That(
            new[] { Region, 2 * Region, (3 * Region) - 1, 3 * Region, 4 * Region }.Select(address => frames.MappedBy(address)),
            Is.EqualTo(new PageSize?[] { PageSize.Size2M, PageSize.Size2M, PageSize.Size2M, PageSize.Size4K, PageSize.Size2M }));
        Assert.That(frames.AllocatePage(PageSize.Size2M, PageSize.Size4K), Is.EqualTo((3 * Region) + 0x20_0000));
        Assert.That(frames.MappedBy(Region), Is.EqualTo(PageSize.Size4K), "of equals the smaller");
    }

    [TestCase(PageSize.Size4K, 1 << 18)]
    [TestCase(PageSize.Size2M, 512)]
    public void A_full_region_is_followed_by_the_next_free_one(PageSize size, int pages)
    {
        FrameAllocator frames = new();
        ulong last = Enumerable.Range(0, pages).Select(_ => frames.AllocatePage(size)).ToArray()[^1];
        ulong table = frames.AllocateTable();
        Assert.That(last, Is.EqualTo((2 * Region) - (Region / (ulong)pages)));
        Assert.That(table, Is.EqualTo(2 * Region));
        Assert.That(frames.AllocatePage(size), Is.EqualTo(3 * Region));
    }

    [Test]
    public void No_two_pages_overlap_and_each_is_aligned_to_its_size()
    {
        FrameAllocator frames = new();
        List<(ulong First, ulong Bytes)> pages = [];
        for (int i = 0; i < 3000; i++)
        {
            PageSize size = (PageSize)(i % 3);
            pages.Add(i % 7 == 0 ? (frames.AllocateTable(), 4096) : (frames.AllocatePage(size), 4096UL << (9 * (int)size)));
        }

        pages.Sort();
        Assert.That(pages, Has.All.Matches<(ulong First, ulong Bytes)>(page => page.First != 0 && page.First % page.Bytes == 0));
        Assert.That(pages.Zip(pages.Skip(1)), Has.All.Matches<((ulong First, ulong Bytes) A, (ulong First, ulong Bytes) B)>(pair => pair.A.First + pair.A.Bytes <= pair.B.First));
    }
}
