using Sim.Core;
using Sim.Core.Profiles;
using Sim.Core.Traces;

namespace Sim.Tlb.Tests.Levels;

/// <summary>Contexts of all kinds and a seeded stream of blocks, switches and invalidations for runs too long to follow by hand.</summary>
internal sealed class RandomRun
{
    public const ulong UpperHalf = 0xFFFF_8000_0000_0000;
    private readonly FlushCauses _causes = new();
    private readonly Rng _seeded;
    private readonly TranslationContext[] _contexts;
    private readonly int _cause;

    public RandomRun(CpuProfile profile, ulong seed, MmuOptions? options = null)
    {
        _seeded = new Rng(seed);
        _cause = _causes.Intern(new FlushCause("any", "test", "random"));
        Mmu = Mmu.Create(profile, _causes, options ?? new MmuOptions(), "lane[0]");
        FrameAllocator host = new();
        FrameAllocator guest = new();
        PageTable kernel = new(1, 4, PageSize.Size4K, host, null, globalUpperHalf: true);
        PageTable guestKernel = new(2, 4, PageSize.Size2M, guest, null, globalUpperHalf: true);
        PageTable nested = new(0x10_0000, 4, PageSize.Size4K, host);
        PageTable otherNested = new(0x20_0000, 4, PageSize.Size2M, host);
        _contexts =
        [
            new(0, 0, true, new PageTable(3, 4, PageSize.Size4K, host, kernel), null, 0),
            new(0, 5, true, new PageTable(4, 4, PageSize.Size2M, host, kernel), null, 0),
            new(1, 5, true, new PageTable(5, 4, PageSize.Size4K, guest, guestKernel), nested, 1),
            new(1, 7, true, new PageTable(6, 4, PageSize.Size1G, guest, guestKernel), nested, 1),
            new(1, 5, false, new PageTable(7, 4, PageSize.Size4K, guest, guestKernel), otherNested, 1),
            new(2, 5, true, new PageTable(8, 4, PageSize.Size4K, guest, guestKernel), otherNested, 2),
        ];
    }

    public Mmu Mmu { get; }

    /// <summary>A profile with several arrays per level, odd geometries and small caches, so that everything evicts.</summary>
    public static CpuProfile SmallProfile(string replacement = "lru", bool inclusive = false)
    {
        TlbStructure code = LaneProfile.Structure("itlb", 2, 3, replacement) with { Sides = AccessSides.Fetch, Sizes = [PageSize.Size4K, PageSize.Size2M] };
        TlbStructure data = LaneProfile.Structure("dtlb", 4, 4, replacement) with { Sides = AccessSides.Load | AccessSides.Store, Sizes = [PageSize.Size4K, PageSize.Size2M] };
        TlbStructure large = LaneProfile.Structure("dtlb_1g", 1, 2, replacement) with { Sides = AccessSides.Load | AccessSides.Store, Sizes = [PageSize.Size1G] };
        TlbStructure even = LaneProfile.Structure("even", 6, 4, replacement) with { Sizes = [PageSize.Size4K, PageSize.Size2M], KeptPcids = 1 };
        TlbStructure odd = LaneProfile.Structure("odd", 4, 4, replacement) with { Sizes = [PageSize.Size4K, PageSize.Size2M] };
        return LaneProfile.Of([code, data, large], [even, odd]) with
        {
            SecondLevelIsInclusive = inclusive,
            Psc = new PscGeometry(1, 1, 2, 4),
            GuestPhysicalPsc = new PscGeometry(1, 1, 2, 4),
            GuestPhysicalEntries = 8,
            PteLineCaches = [new PteLineCache("l1d", 4, 4), new PteLineCache("l2", 32, 14)],
        };
    }

    /// <summary>A block of accesses to some hundred pages, most of them near.</summary>
    public static TraceBlock Block(ulong seed, int accesses, uint maxRepeat = 1)
    {
        Rng rng = new(seed);
        TraceBlock block = new();
        for (int i = 0; i < accesses; i++)
        {
            ulong page = rng.Below(4) == 0 ? rng.Below(400) : rng.Below(24);
            ulong address = (page << 12) + (rng.Below(8) << 21) + (rng.Below(16) == 0 ? rng.Below(3) << 30 : 0) + (rng.Below(4) == 0 ? UpperHalf : 0);
            block.AddAccess((ulong)i, address, AccessFlags.Pack((AccessType)rng.Below(3)), 1 + (uint)rng.Below(maxRepeat));
        }

        return block;
    }

    public void SwitchTo(int context) => Mmu.SwitchTo(_contexts[context], _cause);

    public int Apply(Invalidation invalidation) => Mmu.Apply(invalidation, _cause);

    /// <summary>Steps of up to 40 accesses, each followed by a switch or an invalidation.</summary>
    public void Play(TraceBlock block, int steps)
    {
        Rng rng = _seeded;
        Mmu.SwitchTo(_contexts[0], _cause);
        for (int step = 0; step < steps; step++)
        {
            int from = (int)rng.Below((ulong)block.AccessCount);
            Mmu.Translate(block, from, Math.Min(from + (int)rng.Below(40), block.AccessCount));
            if (rng.Below(3) == 0)
            {
                Mmu.Apply(Any(rng.Below(12), rng.Below(400) << 12), _cause);
            }
            else
            {
                Mmu.SwitchTo(_contexts[(int)rng.Below((ulong)_contexts.Length)], _cause);
            }
        }
    }

    public string[] Lines()
    {
        Core.Stats.StatSheet sheet = new();
        Mmu.Collect(sheet);
        return sheet.Stats.Select(stat => $"{stat.Key} = {stat.Value}").ToArray();
    }

    private static Invalidation Any(ulong kind, ulong address) => kind switch
    {
        0 => new InvvpidSingle(1),
        1 => new InvvpidAll(),
        2 => new InveptSingle(0x10_0000),
        3 => new InvpcidContext(5),
        4 => new MovToCr4Pge(),
        5 => new InveptGlobal(),
        6 => new InvpcidAddress(5, address),
        7 => new InvvpidAddress(1, address),
        8 => new MovToCr3(5, NoFlush: false),
        _ => new Invlpg(address),
    };
}
