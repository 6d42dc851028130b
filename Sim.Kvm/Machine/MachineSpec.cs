using Sim.Core.Profiles;

namespace Sim.Kvm;

/// <summary>What happens to the invalidations in a trace.</summary>
public enum ReplayKind
{
    /// <summary>L0's own flushes are dropped and decided anew by the policy under test; guests' stay.</summary>
    ByPolicy,

    /// <summary>Every recorded invalidation is applied as it was, none is added.</summary>
    AsRecorded,
}

/// <summary>What decides how large pages are.</summary>
public enum PageSizeSource
{
    /// <summary>What the trace tells, where it does; elsewhere the sizes of the <see cref="MachineSpec"/>. A change of a smaller page splits a larger one.</summary>
    Recorded,

    /// <summary>The sizes of the <see cref="MachineSpec"/>, whatever the trace tells. A change is one of the page that is there and splits none.</summary>
    Assumed,
}

/// <summary>The simulated machine, whatever the policy.</summary>
public sealed record MachineSpec
{
    /// <summary>Translation hardware of every lane.</summary>
    public required CpuProfile Profile { get; init; }

    /// <summary>L0 uses EPT (or NPT); false is shadow paging.</summary>
    public bool L0Ept { get; init; } = true;

    /// <summary>L0 uses VPID. Always true on AMD.</summary>
    public bool L0Vpid { get; init; } = true;

    /// <summary>Whether the trace's page sizes count.</summary>
    public PageSizeSource PageSizes { get; init; }

    /// <summary>Page size in L0's own tables. Null: 2 MiB in the upper half of the address space, where Linux maps its memory and its text, 4 KiB in the lower, where programs are.</summary>
    public PageSize? L0Pages { get; init; }

    /// <summary>Page size in L1's tables.</summary>
    public PageSize L1Pages { get; init; } = PageSize.Size4K;

    /// <summary>Page size in L2's tables.</summary>
    public PageSize L2Pages { get; init; } = PageSize.Size4K;

    /// <summary>Page size in EPT01 (or NPT01).</summary>
    public PageSize Ept01Pages { get; init; } = PageSize.Size2M;

    /// <summary>Page size in EPT12 (or NPT12). EPT02's is the smaller of this and <see cref="Ept01Pages"/>.</summary>
    public PageSize Ept12Pages { get; init; } = PageSize.Size4K;

    /// <summary>Levels of guest and host page tables: 4, or 5 with LA57.</summary>
    public int PagingLevels { get; init; } = 4;

    /// <summary>Addresses in the upper half are mapped by global entries when CR4.PGE=1, as Linux does without page-table isolation.</summary>
    public bool GlobalKernelPages { get; init; } = true;

    /// <summary>The trace tells L0's remote flushes itself (<see cref="Core.Traces.TraceHeader.RecordsRemoteFlushes"/>), so a changed EPT01 (NPT01) implies none.</summary>
    public bool RemoteFlushesRecorded { get; init; }

    /// <summary>
    /// A nested VM-entry with a control that this L0 does not offer (EPT without EPT in L0, VPID without VPID) fails. False: L1 is taken to have left the control off, so that a
    /// trace may be replayed on another L0 than its own.
    /// </summary>
    public bool RefusesControlsNotOffered { get; init; }

    /// <summary>
    /// A nested VM-entry with an EPTP12 of five levels fails if the CPU has four (nested_vmx_check_eptp). False: it is taken for one of four, so that a trace may be replayed on another CPU
    /// than its own.
    /// </summary>
    public bool RefusesLevelsNotOffered { get; init; }

    /// <summary>Real VPIDs a <c>vpid02-per-vpid12</c> policy may use for L2.</summary>
    public int Vpid02Pool { get; init; } = 8;

    /// <summary>Misses get causes (cold, capacity, conflict, flushed). Off: faster, and all such counters stay 0.</summary>
    public bool Attribution { get; init; } = true;

    /// <summary>The safety oracle watches (by-policy replay only). It changes no statistic.</summary>
    public bool Safety { get; init; } = true;

    /// <summary>Misses are counted by the accesses since their context's last flush, as series. Costs time.</summary>
    public bool RefillCurve { get; init; }

    /// <summary>Walks and their cycles are counted by page size, page and code site. Costs time, and one statistic for each page.</summary>
    public bool WalkBreakdown { get; init; }

    /// <summary>Seed of everything random in the model (random replacement).</summary>
    public ulong Seed { get; init; } = 1;
}
