namespace Sim.Core.Profiles;

/// <summary>Whose rules the CPU follows.</summary>
public enum Vendor
{
    /// <summary>VPID, PCID, EPT.</summary>
    Intel,

    /// <summary>ASID, PCID, nested paging.</summary>
    Amd,
}

/// <summary>Vendors as they write themselves.</summary>
public static class VendorNames
{
    /// <summary>Intel, AMD.</summary>
    public static string Name(this Vendor vendor) => vendor == Vendor.Amd ? "AMD" : "Intel";
}

/// <summary>Size of a page or of a cached translation.</summary>
public enum PageSize : byte
{
    /// <summary>4 KiB.</summary>
    Size4K = 0,

    /// <summary>2 MiB.</summary>
    Size2M = 1,

    /// <summary>1 GiB.</summary>
    Size1G = 2,
}

/// <summary>Which accesses a structure serves.</summary>
[Flags]
public enum AccessSides
{
    /// <summary>None.</summary>
    None = 0,

    /// <summary>Data reads.</summary>
    Load = 1,

    /// <summary>Data writes.</summary>
    Store = 2,

    /// <summary>Instruction fetches.</summary>
    Fetch = 4,
}

/// <summary>How a page number becomes a set number.</summary>
public enum IndexHash
{
    /// <summary>Page number modulo the number of sets.</summary>
    Linear,

    /// <summary>XOR of the two lowest log2(sets)-bit slices of the page number (TLB;DR, USENIX Security 2022: XOR-7).</summary>
    Xor,
}

/// <summary>Whether an invalidation drops only what it must.</summary>
public enum InvalidationPrecision
{
    /// <summary>Exactly the entries that the manual says must go.</summary>
    Exact,

    /// <summary>An operation on an address drops the whole context; one on a context drops every context it may.</summary>
    Coarse,
}

/// <summary>One array of a TLB level.</summary>
/// <param name="Name">For instance dtlb_4k.</param>
/// <param name="Sides">Accesses it serves.</param>
/// <param name="Sizes">Page sizes it can hold.</param>
/// <param name="Sets">Number of sets; 1 is fully associative.</param>
/// <param name="Ways">Entries of a set.</param>
/// <param name="Index">Set hash.</param>
/// <param name="Replacement">Name of a replacement rule.</param>
/// <param name="KeptPcids">Most PCIDs of one VPID whose non-global entries survive, the current one included; 0: none survives a change of PCID; null: no limit.</param>
/// <param name="KeptVpids">Most VPIDs (or ASIDs) whose entries survive, the current one included; 0: none survives a change; null: no limit.</param>
public sealed record TlbStructure(
    string Name, AccessSides Sides, IReadOnlyList<PageSize> Sizes, int Sets, int Ways, IndexHash Index, string Replacement, int? KeptPcids, int? KeptVpids)
{
    /// <summary>Sets times ways.</summary>
    public int Entries => Sets * Ways;
}

/// <summary>Entries of the paging-structure caches, by the level of the entry they hold; 0 switches one off. All are fully associative LRU.</summary>
/// <param name="Pml5e">Entries that hold a PML5E.</param>
/// <param name="Pml4e">Entries that hold a PML4E.</param>
/// <param name="Pdpte">Entries that hold a PDPTE.</param>
/// <param name="Pde">Entries that hold a PDE.</param>
public sealed record PscGeometry(int Pml5e, int Pml4e, int Pdpte, int Pde);

/// <summary>One cache in which page-table lines of 64 bytes can be found, nearest first. Lines: the share that page tables hold against data.</summary>
/// <param name="Name">l1d, l2, llc.</param>
/// <param name="Lines">Page-table lines it holds (LRU).</param>
/// <param name="Cycles">Cycles of one page-walk reference that hits there.</param>
public sealed record PteLineCache(string Name, int Lines, int Cycles);

/// <summary>Reference cycles of operations, hardware only unless the name says KVM.</summary>
public sealed record OperationCosts
{
    /// <summary>Hardware part of a VM-entry.</summary>
    public required int VmEntry { get; init; }

    /// <summary>Hardware part of a VM-exit.</summary>
    public required int VmExit { get; init; }

    /// <summary>L0's software for an exit that it handles itself.</summary>
    public required int KvmExitHandling { get; init; }

    /// <summary>L0's software for emulating a nested VM-entry, beyond <see cref="KvmExitHandling"/>.</summary>
    public required int KvmNestedEntry { get; init; }

    /// <summary>L0's software for emulating a nested VM-exit, beyond <see cref="KvmExitHandling"/>.</summary>
    public required int KvmNestedExit { get; init; }

    /// <summary>VMPTRLD (Intel); VMSAVE/VMLOAD pair (AMD).</summary>
    public required int Vmptrld { get; init; }

    /// <summary>MOV to CR3 that flushes.</summary>
    public required int MovToCr3 { get; init; }

    /// <summary>MOV to CR3 with bit 63.</summary>
    public required int MovToCr3NoFlush { get; init; }

    /// <summary>MOV to CR4 that flushes.</summary>
    public required int MovToCr4 { get; init; }

    /// <summary>INVLPG.</summary>
    public required int Invlpg { get; init; }

    /// <summary>INVPCID types 0 and 1.</summary>
    public required int InvpcidSingle { get; init; }

    /// <summary>INVPCID types 2 and 3.</summary>
    public required int InvpcidAll { get; init; }

    /// <summary>INVVPID type 0, or INVLPGA.</summary>
    public required int InvvpidAddress { get; init; }

    /// <summary>INVVPID types 1 and 3.</summary>
    public required int InvvpidSingle { get; init; }

    /// <summary>INVVPID type 2.</summary>
    public required int InvvpidAll { get; init; }

    /// <summary>INVEPT type 1.</summary>
    public required int InveptSingle { get; init; }

    /// <summary>INVEPT type 2.</summary>
    public required int InveptGlobal { get; init; }

    /// <summary>What TLB_CONTROL 3 or 7 adds to VMRUN.</summary>
    public required int TlbControlAsid { get; init; }

    /// <summary>What TLB_CONTROL 1 adds to VMRUN.</summary>
    public required int TlbControlAll { get; init; }

    /// <summary>KVM: finding a cached or hashed root and loading it.</summary>
    public required int KvmRootLookup { get; init; }

    /// <summary>KVM: comparing the 512 entries of one unsync shadow page with the guest's table.</summary>
    public required int KvmSyncPage { get; init; }
}

/// <summary>A CPU model: everything about translation hardware that differs between parts. Read from <c>profiles/NAME.json</c>.</summary>
public sealed record CpuProfile
{
    /// <summary>Kebab-case name, the file's name without .json.</summary>
    public required string Name { get; init; }

    /// <summary>One sentence.</summary>
    public required string Summary { get; init; }

    /// <summary>Whose rules.</summary>
    public required Vendor Vendor { get; init; }

    /// <summary>Frequency of the reference clock in kHz (views convert cycles to time with it).</summary>
    public required long ReferenceKilohertz { get; init; }

    /// <summary>Arrays of the first level; an access probes those that serve its side.</summary>
    public required IReadOnlyList<TlbStructure> FirstLevel { get; init; }

    /// <summary>Arrays of the second level. Two arrays may serve one size: a page then has one home, chosen by a parity of its number.</summary>
    public required IReadOnlyList<TlbStructure> SecondLevel { get; init; }

    /// <summary>True if an eviction from the second level also drops the entry from the first.</summary>
    public required bool SecondLevelIsInclusive { get; init; }

    /// <summary>The processor delivers IPIs between guests by itself (IPI virtualization).</summary>
    public bool IpiVirtualization { get; init; }

    /// <summary>Intel: EPT of five levels (IA32_VMX_EPT_VPID_CAP bit 7), which L0 then offers L1.</summary>
    public bool FiveLevelEpt { get; init; }

    /// <summary>AMD: x2AVIC, AVIC for a guest in x2APIC mode (CPUID Fn8000_000A EDX bit 18).</summary>
    public bool X2Avic { get; init; }

    /// <summary>Cycles of a first-level miss that hits the second level.</summary>
    public required int SecondLevelHitCycles { get; init; }

    /// <summary>Cycles a walk costs before its first reference, beyond <see cref="SecondLevelHitCycles"/>.</summary>
    public required int WalkStartCycles { get; init; }

    /// <summary>Paging-structure caches of linear (1-D) and combined (2-D) mappings.</summary>
    public required PscGeometry Psc { get; init; }

    /// <summary>Paging-structure caches of guest-physical mappings.</summary>
    public required PscGeometry GuestPhysicalPsc { get; init; }

    /// <summary>Entries of the cache of guest-physical translations that 2-D walks use ("nested TLB"); 0 switches it off.</summary>
    public required int GuestPhysicalEntries { get; init; }

    /// <summary>Caches where page-table lines are found, nearest first.</summary>
    public required IReadOnlyList<PteLineCache> PteLineCaches { get; init; }

    /// <summary>Cycles of a page-walk reference that finds its line in no cache.</summary>
    public required int MemoryCycles { get; init; }

    /// <summary>Whether invalidations drop more than they must.</summary>
    public required InvalidationPrecision Precision { get; init; }

    /// <summary>Address-space identifiers: 65,536 VPIDs on Intel, CPUID 8000_000A EBX on AMD.</summary>
    public required int AddressSpaceIds { get; init; }

    /// <summary>True if CPUID says FlushByAsid (AMD).</summary>
    public required bool FlushByAsid { get; init; }

    /// <summary>Operation costs.</summary>
    public required OperationCosts Costs { get; init; }

    /// <summary>Costs of interrupt delivery.</summary>
    public InterruptCosts InterruptCosts { get; init; } = new();

    /// <summary>Highest frequency of a core in kHz; null if nothing is known.</summary>
    public long? BoostKilohertz { get; init; }

    /// <summary>What a whole round trip of a guest takes, by the guest's level (1, 2); empty if nothing is known. Decides nothing in a run: prices are shares of it.</summary>
    public IReadOnlyDictionary<int, RoundTripCosts> RoundTrips { get; init; } = new Dictionary<int, RoundTripCosts>();

    /// <summary>Source of every number by its JSON path; "assumed ..." where there is none.</summary>
    public required IReadOnlyDictionary<string, string> Sources { get; init; }
}
