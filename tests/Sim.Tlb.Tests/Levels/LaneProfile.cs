using Sim.Core.Profiles;

namespace Sim.Tlb.Tests.Levels;

/// <summary>Small CPU profiles with round costs, for tests by hand.</summary>
internal static class LaneProfile
{
    public const int SecondLevelHitCycles = 7;
    public const int WalkStartCycles = 9;
    public const int MemoryCycles = 100;

    /// <summary>What a walk costs beyond its references.</summary>
    public const int WalkCycles = SecondLevelHitCycles + WalkStartCycles;

    public const AccessSides EverySide = AccessSides.Load | AccessSides.Store | AccessSides.Fetch;
    public static readonly PageSize[] EverySize = [PageSize.Size4K, PageSize.Size2M, PageSize.Size1G];
    public static readonly PscGeometry NoPsc = new(0, 0, 0, 0);

    /// <summary>An array that serves every side and size unless said otherwise.</summary>
    public static TlbStructure Structure(string name, int sets, int ways, string replacement = "lru") =>
        new(name, EverySide, EverySize, sets, ways, IndexHash.Linear, replacement, null, null);

    /// <summary>A profile of these arrays; paging-structure and guest-physical caches of 16 entries each, no PTE-line caches.</summary>
    public static CpuProfile Of(IReadOnlyList<TlbStructure> first, IReadOnlyList<TlbStructure> second) => new()
    {
        Name = "by-hand",
        Summary = "A profile for tests by hand.",
        Vendor = Vendor.Intel,
        ReferenceKilohertz = 1_000_000,
        FirstLevel = first,
        SecondLevel = second,
        SecondLevelIsInclusive = false,
        SecondLevelHitCycles = SecondLevelHitCycles,
        WalkStartCycles = WalkStartCycles,
        Psc = new PscGeometry(16, 16, 16, 16),
        GuestPhysicalPsc = new PscGeometry(16, 16, 16, 16),
        GuestPhysicalEntries = 16,
        PteLineCaches = [],
        MemoryCycles = MemoryCycles,
        Precision = InvalidationPrecision.Exact,
        AddressSpaceIds = 65536,
        FlushByAsid = true,
        Costs = NoCosts(),
        Sources = new Dictionary<string, string>(),
    };

    /// <summary>One first-level and one second-level array, fully associative, LRU.</summary>
    public static CpuProfile FullyAssociative(int first, int second) => Of([Structure("l1", 1, first)], [Structure("stlb", 1, second)]);

    private static OperationCosts NoCosts() => new()
    {
        VmEntry = 0,
        VmExit = 0,
        KvmExitHandling = 0,
        KvmNestedEntry = 0,
        KvmNestedExit = 0,
        Vmptrld = 0,
        MovToCr3 = 0,
        MovToCr3NoFlush = 0,
        MovToCr4 = 0,
        Invlpg = 0,
        InvpcidSingle = 0,
        InvpcidAll = 0,
        InvvpidAddress = 0,
        InvvpidSingle = 0,
        InvvpidAll = 0,
        InveptSingle = 0,
        InveptGlobal = 0,
        TlbControlAsid = 0,
        TlbControlAll = 0,
        KvmRootLookup = 0, KvmSyncPage = 0,
    };
}
