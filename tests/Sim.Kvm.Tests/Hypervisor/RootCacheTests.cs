namespace Sim.Kvm.Tests.Hypervisor;

[TestFixture]
public sealed class RootCacheTests
{
    [Test]
    public void Four_roots_are_kept_and_the_fifth_replaces_the_least_recently_used()
    {
        RootCache cache = new();
        for (ulong pgd = 1; pgd <= 4; pgd++)
        {
            Assert.That(cache.Select(Root(pgd)), Is.False);
            cache.Load(Root(pgd));
        }

        Assert.That(cache.Select(Root(1)), Is.True, "the fourth most recent is still there");
        cache.Load(Root(5));
        Assert.That(cache.Select(Root(2)), Is.False, "2 was the least recently used");
        Assert.That(cache.Select(Root(1)), Is.True);
        Assert.That(cache.Select(Root(3)), Is.True);
    }

    [Test]
    public void A_miss_leaves_no_current_root_until_one_is_loaded()
    {
        RootCache cache = new();
        cache.Load(Root(1));
        Assert.That(cache.Current, Is.EqualTo(Root(1)));
        cache.Select(Root(2));
        Assert.That(cache.Current, Is.Null);
    }

    [Test]
    public void Freeing_the_roots_of_L2_keeps_those_of_L1()
    {
        RootCache cache = new();
        RootKey l1 = new(0, 0x1000, false, false);
        RootKey l2 = new(0, 0x1000, true, false);
        cache.Load(l1);
        cache.Load(l2);
        cache.Free(root => root.GuestMode);
        Assert.That(cache.Current, Is.Null);
        Assert.That(cache.Select(l2), Is.False);
        Assert.That(cache.Select(l1), Is.True);
    }

    private static RootKey Root(ulong pgd) => new(0, pgd << 12, false, true);
}

[TestFixture]
public sealed class L2TagsTests
{
    [Test]
    public void One_real_VPID_stands_for_the_last_vpid12_only()
    {
        L2Tags tags = new(2);
        Assert.That(tags.Knows(1), Is.False);
        tags.Remember(1);
        Assert.That((tags.Knows(1), tags.TagOf(1)), Is.EqualTo((true, (ushort)2)));
        tags.Remember(7);
        Assert.That((tags.Knows(1), tags.Knows(7), tags.TagOf(7)), Is.EqualTo((false, true, (ushort)2)));
    }

    [Test]
    public void A_pool_of_two_gives_up_the_least_recently_used_vpid12()
    {
        L2Tags tags = new(2, 3);
        tags.Remember(10);
        tags.Remember(20);
        Assert.That((tags.TagOf(10), tags.TagOf(20)), Is.EqualTo(((ushort)2, (ushort)3)));
        tags.Remember(10);
        Assert.That(tags.TagOf(30), Is.EqualTo((ushort)3), "20 is the one to give up");
        tags.Remember(30);
        Assert.That((tags.Knows(10), tags.Knows(20), tags.Knows(30)), Is.EqualTo((true, false, true)));
    }
}
