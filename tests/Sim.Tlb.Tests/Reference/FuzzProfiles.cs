using Sim.Core.Profiles;

namespace Sim.Tlb.Tests.Reference;

/// <summary>Small CPU models, so small that everything is evicted, forgotten and splintered often. Together they have every feature that a profile can ask of the hardware.</summary>
internal static class FuzzProfiles
{
    private const AccessSides Data = AccessSides.Load | AccessSides.Store;
    private const AccessSides Every = Data | AccessSides.Fetch;

    private static readonly PageSize[] Small = [PageSize.Size4K];
    private static readonly PageSize[] Large = [PageSize.Size2M];
    private static readonly PageSize[] Huge = [PageSize.Size1G];
    private static readonly PageSize[] SmallAndLarge = [PageSize.Size4K, PageSize.Size2M];
    private static readonly PageSize[] All = [PageSize.Size4K, PageSize.Size2M, PageSize.Size1G];

    private static readonly CpuProfile Base = new()
    {
        Name = "base",
        Summary = "One small array per level.",
        Vendor = Vendor.Intel,
        ReferenceKilohertz = 1_000_000,
        FirstLevel = [Array("l1", Every, All, 2, 2)],
        SecondLevel = [Array("l2", Every, All, 4, 3)],
        SecondLevelIsInclusive = false,
        SecondLevelHitCycles = 7,
        WalkStartCycles = 3,
        Psc = new PscGeometry(1, 1, 2, 3),
        GuestPhysicalPsc = new PscGeometry(1, 1, 2, 3),
        GuestPhysicalEntries = 4,
        PteLineCaches = [new("l1d", 4, 5), new("l2", 16, 14)],
        MemoryCycles = 200,
        Precision = InvalidationPrecision.Exact,
        AddressSpaceIds = 65_536,
        FlushByAsid = true,
        Costs = new OperationCosts
        {
            VmEntry = 1,
            VmExit = 1,
            KvmExitHandling = 1,
            KvmNestedEntry = 1,
            KvmNestedExit = 1,
            Vmptrld = 1,
            MovToCr3 = 1,
            MovToCr3NoFlush = 1,
            MovToCr4 = 1,
            Invlpg = 1,
            InvpcidSingle = 1,
            InvpcidAll = 1,
            InvvpidAddress = 1,
            InvvpidSingle = 1,
            InvvpidAll = 1,
            InveptSingle = 1,
            InveptGlobal = 1,
            TlbControlAsid = 1,
            TlbControlAll = 1,
            KvmRootLookup = 1, KvmSyncPage = 1,
        },
        Sources = new Dictionary<string, string>(),
    };

    /// <summary>Split by side and size, like a Core: 1G pages have an array of their own.</summary>
    private static readonly CpuProfile Split = Base with
    {
        Name = "split",
        FirstLevel =
        [
            Array("dtlb_4k", Data, Small, 4, 2), Array("dtlb_2m", Data, Large, 2, 2), Array("dtlb_1g", Data, Huge, 1, 2),
            Array("itlb_4k", AccessSides.Fetch, Small, 2, 3), Array("itlb_2m", AccessSides.Fetch, Large, 1, 3),
        ],
        SecondLevel = [Array("stlb", Every, SmallAndLarge, 8, 3) with { Index = IndexHash.Xor }, Array("stlb_1g", Every, Huge, 1, 3)],
    };

    /// <summary>Loads and stores apart, two second-level arrays by parity, an odd number of sets, rules that differ.</summary>
    private static readonly CpuProfile TwoBlocks = Base with
    {
        Name = "two-blocks",
        FirstLevel =
        [
            Array("load", AccessSides.Load, All, 1, 5), Array("store", AccessSides.Store, SmallAndLarge, 1, 4) with { Replacement = "fifo" }, Array("fetch", AccessSides.Fetch, Small, 2, 2),
        ],
        SecondLevel = [Array("even", Every, All, 3, 4), Array("odd", Every, All, 4, 2) with { Replacement = "fifo" }],
        GuestPhysicalEntries = 3,
    };

    /// <summary>The first level has larger pages than the second, which includes it.</summary>
    private static readonly CpuProfile Inclusive = Base with
    {
        Name = "inclusive",
        FirstLevel = [Array("l1d", Data, All, 1, 6), Array("l1i", AccessSides.Fetch, All, 2, 3)],
        SecondLevel = [Array("l2", Every, Small, 4, 3)],
        SecondLevelIsInclusive = true,
    };

    public static IReadOnlyList<CpuProfile> Profiles { get; } =
    [
        Base,
        Base with { Name = "fifo", FirstLevel = [Array("l1", Every, All, 2, 3) with { Replacement = "fifo" }], SecondLevel = [Array("l2", Every, All, 4, 4) with { Replacement = "fifo" }] },
        Base with { Name = "roomy", FirstLevel = [Array("l1", Every, All, 8, 4)], SecondLevel = [Array("l2", Every, All, 16, 8)], GuestPhysicalEntries = 64, Psc = new PscGeometry(4, 4, 8, 32), GuestPhysicalPsc = new PscGeometry(4, 4, 8, 32) },
        Base with { Name = "coarse", Precision = InvalidationPrecision.Coarse, FirstLevel = [Array("l1", Every, All, 4, 4)], SecondLevel = [Array("l2", Every, All, 8, 4)] },
        Base with { Name = "no-second-level", FirstLevel = [Array("l1d", Data, SmallAndLarge, 4, 2), Array("l1i", AccessSides.Fetch, SmallAndLarge, 4, 2)], SecondLevel = [] },
        Base with { Name = "no-caches-of-walks", Psc = new PscGeometry(0, 0, 0, 0), GuestPhysicalPsc = new PscGeometry(0, 0, 0, 0), GuestPhysicalEntries = 0, PteLineCaches = [] },
        Base with { Name = "pde-only", Psc = new PscGeometry(0, 0, 0, 4), GuestPhysicalPsc = new PscGeometry(0, 2, 0, 0), PteLineCaches = [new("l2", 8, 14)] },
        Base with { Name = "few-tags", FirstLevel = [Array("l1", Every, All, 4, 4)], SecondLevel = [Array("l2", Every, All, 8, 4) with { KeptPcids = 2, KeptVpids = 2 }] },
        Base with { Name = "no-tags", FirstLevel = [Array("l1", Every, All, 4, 4) with { KeptPcids = 0, KeptVpids = 0 }], SecondLevel = [Array("l2", Every, All, 8, 4) with { KeptPcids = 3, KeptVpids = 1 }] },
        Base with { Name = "no-tags-anywhere", FirstLevel = [Array("l1", Every, All, 2, 4) with { KeptPcids = 0, KeptVpids = 0 }], SecondLevel = [Array("l2", Every, All, 5, 4) with { KeptPcids = 0, KeptVpids = 0 }] },
        Split,
        Split with { Name = "split-few-tags", SecondLevel = [.. Split.SecondLevel.Select(array => array with { KeptPcids = 2 })] },
        TwoBlocks,
        TwoBlocks with { Name = "two-blocks-inclusive", SecondLevelIsInclusive = true },
        Inclusive,
        Inclusive with { Name = "inclusive-few-tags", SecondLevel = [Array("l2", Every, SmallAndLarge, 4, 3) with { KeptPcids = 2, KeptVpids = 2 }] },
        Inclusive with { Name = "inclusive-coarse", Precision = InvalidationPrecision.Coarse },
    ];

    private static TlbStructure Array(string name, AccessSides sides, PageSize[] sizes, int sets, int ways) => new(name, sides, sizes, sets, ways, IndexHash.Linear, "lru", null, null);
}
