using Sim.Core.Profiles;
using Sim.Core.Stats;
using Sim.Core.Traces;
using Sim.Tlb.Tests.Levels;

namespace Sim.Tlb.Tests.Structures;

/// <summary>Two contexts that use the same virtual page never alias in any structure, and each invalidation that can tell them apart drops one of them alone.</summary>
public sealed class IsolationTests
{
    private const ulong Address = 0x0000_1234_5678_9000;
    private const ulong Root = 0xA_B000_0000;
    private const ulong OtherRoot = 0xC_D000_0000;
    private static readonly string[] FirstLevel = ["load_4k", "load_2m", "load_1g", "store_4k", "store_2m", "store_1g", "fetch_4k", "fetch_2m", "fetch_1g"];
    private static readonly string[] Linear = [.. FirstLevel, "stlb_4k_2m", "stlb_1g", "psc.pde", "psc.pdpte", "psc.pml4e"];
    private static readonly string[] GuestPhysical = ["guest_physical", "guest_physical_psc.pde", "guest_physical_psc.pdpte", "guest_physical_psc.pml4e"];

    /// <summary>Two contexts and an invalidation that, executed in the first, drops all of the first and nothing of the second.</summary>
    public sealed record Pair(Vendor Vendor, Invalidation Invalidation, TranslationContext First, TranslationContext Second, bool ReachesGuestPhysical)
    {
        public override string ToString() => $"{Vendor} {Invalidation}: ({First.Vpid}, {First.Pcid}, {First.Nested?.Root ?? 0:x}) and ({Second.Vpid}, {Second.Pcid}, {Second.Nested?.Root ?? 0:x})";
    }

    [Test]
    public void Every_invalidation_that_spares_something_has_a_pair() =>
        Assert.That(
            Pairs(PageSize.Size4K).Select(pair => pair.Invalidation.GetType()).Distinct(),
            Is.EquivalentTo(typeof(Invalidation).Assembly.GetTypes().Where(type =>
                type.IsSubclassOf(typeof(Invalidation)) && !type.IsAbstract && !type.IsNested && type != typeof(Reset) && type != typeof(TlbControlAll))));

    [Test]
    public void Neither_context_hits_on_what_the_other_filled([Values] PageSize size)
    {
        foreach (Pair pair in Pairs(size))
        {
            OneLane lane = new(Profile(pair.Vendor, ways: 16));
            AccessAll(lane, pair.First);
            Assert.That(lane["stlb.misses"], Is.EqualTo(1), $"{pair}: the other sides hit the second level");
            long references = Guest(lane);
            AccessAll(lane, pair.Second);
            Assert.That(lane["stlb.misses"], Is.EqualTo(2), $"{pair}: the second must walk");
            Assert.That(Guest(lane), Is.EqualTo(2 * references), $"{pair}: and from the root");
            Assert.That(references, Is.EqualTo(4 - (int)size));
            if (pair.First.Nested is not null && !ReferenceEquals(pair.First.Nested, pair.Second.Nested))
            {
                Assert.That(pair.Second.Nested is null ? Host(lane) * 2 : Host(lane), Is.EqualTo(2 * HostAlone(pair)), $"{pair}: and through all of its own nested tables");
            }

            // Both are held side by side.
            Assert.That(StallOfAll(lane, pair.First), Is.Zero, pair.ToString());
            Assert.That(StallOfAll(lane, pair.Second), Is.Zero, pair.ToString());
        }
    }

    [Test]
    public void Each_can_be_invalidated_alone_in_every_structure([Values] PageSize size)
    {
        foreach (Pair pair in Pairs(size))
        {
            OneLane lane = new(Profile(pair.Vendor, ways: 16));
            AccessAll(lane, pair.Second);
            StatSheet second = lane.Sheet();
            AccessAll(lane, pair.First);
            StatSheet both = lane.Sheet();
            lane.Apply(pair.Invalidation);
            StatSheet after = lane.Sheet();
            foreach (string structure in Linear)
            {
                Assert.That(Live(after, structure), Is.EqualTo(Live(second, structure)), $"{pair}: {structure} keeps the second's entries only");
            }

            foreach (string structure in GuestPhysical)
            {
                Assert.That(Live(after, structure), Is.EqualTo(Live(pair.ReachesGuestPhysical ? second : both, structure)), $"{pair}: {structure}");
            }

            long walks = lane["stlb.misses"];
            Assert.That(StallOfAll(lane, pair.Second), Is.Zero, $"{pair}: the second is untouched");
            long guest = Guest(lane);
            lane.Access(Address + (1UL << (12 + (9 * (int)size))));
            Assert.That(Guest(lane) - guest, Is.EqualTo(1), $"{pair}: the second's paging-structure caches are untouched");
            guest = Guest(lane);
            AccessAll(lane, pair.First);
            Assert.That(lane["stlb.misses"] - walks, Is.EqualTo(2), $"{pair}: the page beside and the first's walk");
            Assert.That(Guest(lane) - guest, Is.EqualTo(4 - (int)size), $"{pair}: the first walks from its root");
            lane.Mmu.CheckConservation();
        }
    }

    /// <summary>The same with a first level of one entry, so that what is seen is the second.</summary>
    [Test]
    public void In_the_second_level_too([Values] PageSize size)
    {
        foreach (Pair pair in Pairs(size))
        {
            OneLane lane = new(Profile(pair.Vendor, ways: 1));
            lane.Access(pair.Second, Address);
            lane.Access(pair.First, Address);
            lane.Apply(pair.Invalidation);
            Assert.That(lane.Access(pair.Second, Address), Is.EqualTo((ulong)LaneProfile.SecondLevelHitCycles), pair.ToString());
            Assert.That(lane.Access(pair.First, Address), Is.GreaterThan((ulong)LaneProfile.SecondLevelHitCycles), pair.ToString());
        }
    }

    /// <summary>A global page is one entry for all PCIDs of its VPID, and none of another VPID.</summary>
    [Test]
    public void A_global_page_is_shared_by_the_pcids_of_a_vpid_only()
    {
        const ulong Upper = 0xFFFF_8000_0000_0000;
        FrameAllocator frames = new();
        PageTable kernel = new(1, 4, PageSize.Size4K, frames, null, globalUpperHalf: true);
        OneLane lane = new(LaneProfile.FullyAssociative(16, 16));
        lane.Access(new TranslationContext(1, 5, true, new PageTable(2, 4, PageSize.Size4K, frames, kernel), null, 1), Upper);
        Assert.That(lane.Access(new TranslationContext(1, 7, true, new PageTable(3, 4, PageSize.Size4K, frames, kernel), null, 1), Upper), Is.Zero);
        Assert.That(lane.Access(new TranslationContext(2, 5, true, new PageTable(4, 4, PageSize.Size4K, frames, kernel), null, 1), Upper), Is.Not.Zero);

        // With CR4.PGE = 0 the G bit means nothing, and global entries are not used.
        Assert.That(lane.Access(new TranslationContext(1, 9, false, new PageTable(5, 4, PageSize.Size4K, frames, kernel), null, 1), Upper), Is.Not.Zero);
        Assert.That(lane["stlb.live"], Is.EqualTo(3));
    }

    private static IEnumerable<Pair> Pairs(PageSize size)
    {
        foreach (ulong root in new ulong[] { 0, Root })
        {
            foreach (Vendor vendor in new[] { Vendor.Intel, Vendor.Amd })
            {
                foreach (Invalidation each in new Invalidation[] { new InvpcidAddress(5, Address), new InvpcidContext(5), new MovToCr3(5, NoFlush: false), new Invlpg(Address), new MovToCr4Context() })
                {
                    yield return Make(vendor, each, (1, 5, root), (1, 7, root));
                }

                foreach (Invalidation each in new Invalidation[] { new InvpcidAll(), new InvpcidAllNonGlobal(), new MovToCr4Pge(), new Invlpg(Address), new MovToCr3(5, NoFlush: false) })
                {
                    yield return Make(vendor, each, (1, 5, root), (2, 5, root));
                }
            }

            foreach (Invalidation each in new Invalidation[] { new InvvpidAddress(1, Address), new InvvpidSingle(1), new InvvpidSingleRetainGlobals(1) })
            {
                yield return Make(Vendor.Intel, each, (1, 5, root), (2, 5, root));
            }

            yield return Make(Vendor.Intel, new InvvpidAll(), (1, 5, root), (0, 5, root));
            yield return Make(Vendor.Intel, new VmTransitionWithoutVpid(), (0, 5, root), (1, 5, root));

            yield return Make(Vendor.Amd, new Invlpga(1, Address), (1, 5, root), (2, 5, root));
            yield return Make(Vendor.Amd, new TlbControlAsid(1), (1, 5, root), (2, 5, root), reachesGuestPhysical: true);
            yield return Make(Vendor.Amd, new TlbControlAsidNonGlobal(1), (1, 5, root), (2, 5, root), reachesGuestPhysical: true);
            yield return Make(Vendor.Amd, new Invlpgb(InvlpgbOptions.AsidValid, 1, 0), (1, 5, root), (2, 5, root));
            yield return Make(Vendor.Amd, new Invlpgb(InvlpgbOptions.AsidValid | InvlpgbOptions.IncludeNested, 1, 0), (1, 5, root), (2, 5, root), reachesGuestPhysical: true);
            yield return Make(Vendor.Amd, new Invlpgb(InvlpgbOptions.AsidValid | InvlpgbOptions.PcidValid | InvlpgbOptions.AddressValid, 1, 5, Address), (1, 5, root), (1, 7, root));
        }

        yield return Make(Vendor.Intel, new InveptSingle(Root), (1, 5, Root), (1, 5, OtherRoot), reachesGuestPhysical: true);
        yield return Make(Vendor.Intel, new InveptGlobal(), (1, 5, Root), (1, 5, 0), reachesGuestPhysical: true);

        Pair Make(Vendor vendor, Invalidation invalidation, (int Vpid, int Pcid, ulong Root) first, (int Vpid, int Pcid, ulong Root) second, bool reachesGuestPhysical = false)
        {
            // The processes of one guest share its guest-physical memory; an EPTP names one tree, and on AMD each ASID has its own.
            FrameAllocator guestFrames = new();
            PageTable? firstNested = Nested(first.Root);
            bool shared = first.Root == second.Root && (vendor == Vendor.Intel || first.Vpid == second.Vpid);
            PageTable? secondNested = shared ? firstNested : Nested(second.Root);
            return new Pair(vendor, invalidation, Context(first.Vpid, first.Pcid, firstNested), Context(second.Vpid, second.Pcid, secondNested), reachesGuestPhysical);

            TranslationContext Context(int vpid, int pcid, PageTable? nested) =>
                new((ushort)vpid, (ushort)pcid, true, new PageTable(1, 4, size, guestFrames), nested, 1);
        }

        PageTable? Nested(ulong root) => root == 0 ? null : new PageTable(root, 4, size, new FrameAllocator());
    }

    private static CpuProfile Profile(Vendor vendor, int ways)
    {
        TlbStructure[] first = FirstLevel.Select((name, i) =>
            LaneProfile.Structure(name, 1, ways) with { Sides = (AccessSides)(1 << (i / 3)), Sizes = [(PageSize)(i % 3)] }).ToArray();
        TlbStructure small = LaneProfile.Structure("stlb_4k_2m", 2, 16) with { Sizes = [PageSize.Size4K, PageSize.Size2M] };
        TlbStructure large = LaneProfile.Structure("stlb_1g", 1, 16) with { Sizes = [PageSize.Size1G] };
        return LaneProfile.Of(first, [small, large]) with { Vendor = vendor };
    }

    private static void AccessAll(OneLane lane, TranslationContext context) => StallOfAll(lane, context);

    private static ulong StallOfAll(OneLane lane, TranslationContext context) =>
        lane.Access(context, Address) + lane.Access(context, Address, AccessType.Write) + lane.Access(context, Address, AccessType.Execute);

    private static long Live(StatSheet sheet, string structure) => sheet[$"lane[0].{structure}.live"];

    private static long Guest(OneLane lane) => Enumerable.Range(1, 5).Sum(level => lane[$"walk_references{{stage=guest,level={level}}}"]);

    private static long Host(OneLane lane) => Enumerable.Range(1, 5).Sum(level => lane[$"walk_references{{stage=host,level={level}}}"]);

    /// <summary>Host references of the first context's walk in an empty lane.</summary>
    private static long HostAlone(Pair pair)
    {
        OneLane lane = new(Profile(pair.Vendor, ways: 16));
        AccessAll(lane, pair.First);
        return Host(lane);
    }
}
