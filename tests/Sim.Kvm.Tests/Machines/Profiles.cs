using Sim.Core.Profiles;

namespace Sim.Kvm.Tests.Machines;

/// <summary>Small CPUs with round numbers, so that expectations can be worked out by hand.</summary>
internal static class Profiles
{
    public static CpuProfile Textbook { get; } = new()
    {
        Name = "textbook",
        Summary = "64/4 and 1536/12, true LRU, every tag kept.",
        Vendor = Vendor.Intel,
        ReferenceKilohertz = 1_000_000,
        FirstLevel =
        [
            new TlbStructure("itlb", AccessSides.Fetch, All, 16, 4, IndexHash.Linear, "lru", null, null),
            new TlbStructure("dtlb", AccessSides.Load | AccessSides.Store, All, 16, 4, IndexHash.Linear, "lru", null, null),
        ],
        SecondLevel = [new TlbStructure("stlb", AccessSides.Load | AccessSides.Store | AccessSides.Fetch, All, 128, 12, IndexHash.Linear, "lru", null, null)],
        SecondLevelIsInclusive = false,
        SecondLevelHitCycles = 7,
        WalkStartCycles = 0,
        Psc = new PscGeometry(2, 2, 4, 32),
        GuestPhysicalPsc = new PscGeometry(2, 2, 4, 32),
        GuestPhysicalEntries = 64,
        PteLineCaches = [new PteLineCache("l2", 4096, 10)],
        MemoryCycles = 100,
        Precision = InvalidationPrecision.Exact,
        AddressSpaceIds = 65536,
        FlushByAsid = false,
        Costs = new OperationCosts
        {
            VmEntry = 400, VmExit = 400, KvmExitHandling = 700, KvmNestedEntry = 2000, KvmNestedExit = 2000, Vmptrld = 300,
            MovToCr3 = 125, MovToCr3NoFlush = 100, MovToCr4 = 400, Invlpg = 230, InvpcidSingle = 500, InvpcidAll = 900,
            InvvpidAddress = 400, InvvpidSingle = 600, InvvpidAll = 700, InveptSingle = 800, InveptGlobal = 900,
            TlbControlAsid = 300, TlbControlAll = 500, KvmRootLookup = 200, KvmSyncPage = 1000,
        },
        InterruptCosts = new InterruptCosts
        {
            Ipi = 1000, Doorbell = 2000, IcrFence = 0, SharedLine = 10, PostedInterruptProcessing = 300, Delivery = 500, VirtualEoi = 50, KvmIcrWrite = 200, KvmApicMmio = 600,
            KvmHostIpi = 250, KvmIrqfd = 1500, KvmInjection = 150, KvmWakeUp = 2000, KvmContextSwitch = 1600, KvmApicvUpdate = 450, KvmIrteUpdate = 350, KvmGaLog = 1200,
        },
        Sources = new Dictionary<string, string>(),
    };

    public static CpuProfile TextbookAmd { get; } = Textbook with { Name = "textbook-amd", Vendor = Vendor.Amd, AddressSpaceIds = 32768, FlushByAsid = true, X2Avic = true };

    private static PageSize[] All => [PageSize.Size4K, PageSize.Size2M, PageSize.Size1G];
}
