using Sim.Core.Profiles;

namespace Sim.Tlb.Tests.Structures;

/// <summary>What an entry is found by and what it says, bit by bit.</summary>
public sealed class EntryKeyTests
{
    [Test]
    public void Context_size_and_page_number_keep_out_of_each_others_bits()
    {
        ulong key = EntryKey.Pack(EntryKey.MaxContext, PageSize.Size1G, ulong.MaxValue);
        Assert.That(EntryKey.Context(key), Is.EqualTo(65535));
        Assert.That(EntryKey.Context(key | EntryKey.Watched), Is.EqualTo(65535), "a watched entry is of the same context");
        Assert.That(EntryKey.Size(key), Is.EqualTo(PageSize.Size1G));
        Assert.That(EntryKey.Page(key), Is.EqualTo((1UL << 27) - 1), "57 bits of address, less 30");
        key = EntryKey.Pack(1, PageSize.Size4K, 0);
        Assert.That((EntryKey.Context(key), EntryKey.Size(key), EntryKey.Page(key)), Is.EqualTo((1, PageSize.Size4K, 0UL)));
        Assert.That(key, Is.Not.Zero, "page 0 of the first context is not an empty slot");
    }

    [TestCase(PageSize.Size4K, 0x1_2345_6789_0000UL | 0x1000)]
    [TestCase(PageSize.Size2M, 0x1_2345_6780_0000UL)]
    [TestCase(PageSize.Size1G, 0x1_2345_4000_0000UL)]
    public void The_address_of_a_key_is_the_first_of_its_page(PageSize size, ulong first)
    {
        ulong last = first + (4096UL << (9 * (int)size)) - 1;
        ulong key = EntryKey.Pack(3, size, first);
        Assert.That(EntryKey.Address(key), Is.EqualTo(first));
        Assert.That(EntryKey.Pack(3, size, last), Is.EqualTo(key));
        Assert.That(EntryKey.Pack(3, size, last + 1), Is.Not.EqualTo(key));
        Assert.That(EntryKey.Pack(3, size, first - 1), Is.Not.EqualTo(key));
    }

    /// <summary>An access to 2M page 0x4000_0000 held in 4K pieces: the piece at offset 0x3000 is the third frame after the page's.</summary>
    [Test]
    public void A_piece_of_a_page_lies_at_its_offset_in_the_pages_frame()
    {
        ulong payload = EntryPayload.Pack(0x8_0020_0000 + 0x1F_F123, 77, PageSize.Size2M);
        ulong piece = EntryPayload.Narrow(payload, PageSize.Size2M, PageSize.Size4K, 0x4000_3456);
        Assert.That(EntryPayload.PhysicalAddress(piece), Is.EqualTo(0x8_0020_3000UL));
        Assert.That(EntryPayload.Space(piece), Is.EqualTo(77));
        Assert.That(EntryPayload.LinearSize(piece), Is.EqualTo(PageSize.Size2M));

        ulong whole = EntryPayload.Narrow(payload, PageSize.Size2M, PageSize.Size2M, 0x4000_3456);
        Assert.That(EntryPayload.PhysicalAddress(whole), Is.EqualTo(0x8_0020_0000UL));
    }

    [Test]
    public void The_largest_frame_space_and_size_fit_a_payload()
    {
        const ulong Frame = (1UL << 52) - 4096;
        ulong payload = EntryPayload.Pack(Frame + 4095, EntryPayload.MaxSpace, PageSize.Size1G);
        Assert.That((EntryPayload.PhysicalAddress(payload), EntryPayload.Space(payload), EntryPayload.LinearSize(payload)), Is.EqualTo((Frame, 131071, PageSize.Size1G)));
    }
}
