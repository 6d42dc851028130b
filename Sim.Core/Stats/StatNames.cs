using System.Globalization;

namespace Sim.Core.Stats;

/// <summary>
/// The names of all statistics. Whoever counts and whoever reads refers to them; what each means, and its unit, is said where it is counted and by <c>nestsim list stats</c>.
/// A name that begins with <see cref="AnyLane"/> is a pattern: one statistic for each physical CPU.
/// </summary>
public static class StatNames
{
    /// <summary>Every physical CPU in a pattern.</summary>
    public const string AnyLane = "lane[*]";

    /// <summary>What cycles were spent on, one statistic under it for each activity.</summary>
    public const string CyclesPrefix = "cycles.";

    /// <summary>Interrupt delivery.</summary>
    public const string IrqPrefix = "irq.";

    /// <summary>Nested transitions of the run.</summary>
    public const string VmNestedPrefix = "vm.nested_";

    /// <summary>What an interval of a run added: a series for each main figure under it.</summary>
    public const string IntervalPrefix = "interval.";

    /// <summary>Lookups that found something, behind the path of a structure.</summary>
    public const string HitsSuffix = ".hits";

    /// <summary>Lookups that did not, behind the path of a structure.</summary>
    public const string MissesSuffix = ".misses";

    /// <summary>Entries put in, behind the path of a structure.</summary>
    public const string FillsSuffix = ".fills";

    /// <summary>Entries that made room for others, behind the path of a structure.</summary>
    public const string EvictionsSuffix = ".evictions";

    /// <summary>Entries held now, behind the path of a structure.</summary>
    public const string LiveSuffix = ".live";

    /// <summary>Entries dropped by invalidations, behind the path of a structure.</summary>
    public const string InvalidatedSuffix = ".invalidated";

    /// <summary>Entries held now, by tag, behind the path of a structure.</summary>
    public const string OccupancySuffix = ".occupancy";

    /// <summary>Memory references of the trace.</summary>
    public const string TraceAccesses = "trace.accesses";

    /// <summary>Nested transitions of the trace.</summary>
    public const string TraceNestedTransitions = "trace.nested_transitions";

    /// <summary>Records replayed, by kind.</summary>
    public const string TraceRecords = "trace.records";

    /// <summary>Records of an L2 whose VM-entry failed.</summary>
    public const string TraceSkipped = "trace.skipped";

    /// <summary>L0's own recorded invalidations that were dropped.</summary>
    public const string TraceL0FlushesDropped = "trace.l0_flushes_dropped";

    /// <summary>Recorded interrupts that were sent anew.</summary>
    public const string TraceIrqSent = "trace.irq_sent";

    /// <summary>Recorded exits that only delivery had caused.</summary>
    public const string TraceIrqExitsDropped = "trace.irq_exits_dropped";

    /// <summary>Flush requests carried out, by request, transition and rule.</summary>
    public const string FlushRequests = "flush.requests";

    /// <summary>Real VM-entries.</summary>
    public const string VmEntries = "vm.entries";

    /// <summary>Real VM-exits, by level and reason.</summary>
    public const string VmExits = "vm.exits";

    /// <summary>Exits that the recorded machine did not have.</summary>
    public const string VmImpliedExits = "vm.implied_exits";

    /// <summary>Nested VM-entries that succeeded.</summary>
    public const string VmNestedEntries = "vm.nested_entries";

    /// <summary>Nested VM-exits.</summary>
    public const string VmNestedExits = "vm.nested_exits";

    /// <summary>VM-entries that failed.</summary>
    public const string VmFailedEntries = "vm.failed_entries";

    /// <summary>INVVPID or INVEPT of L1 that failed.</summary>
    public const string Vmfails = "vm.vmfails";

    /// <summary>Synchronisations of shadow roots.</summary>
    public const string MmuSyncs = "mmu.syncs";

    /// <summary>Roots that were not cached.</summary>
    public const string MmuRootLoads = "mmu.root_loads";

    /// <summary>Cached roots that were selected.</summary>
    public const string MmuRootHits = "mmu.root_hits";

    /// <summary>Shadow pages of EPT12 tables made.</summary>
    public const string MmuShadowPages = "mmu.shadow_pages";

    /// <summary>Shadow pages of EPT12 tables zapped.</summary>
    public const string MmuZappedPages = "mmu.zapped_pages";

    /// <summary>Exits that made a shadow entry.</summary>
    public const string MmuShadowFaults = "mmu.shadow_faults";

    /// <summary>Guest writes to write-protected paging structures.</summary>
    public const string MmuWriteFaults = "mmu.write_faults";

    /// <summary>Shadow pages that became unsync.</summary>
    public const string MmuUnsyncPages = "mmu.unsync_pages";

    /// <summary>Unsync pages that were compared.</summary>
    public const string MmuSyncedPages = "mmu.synced_pages";

    /// <summary>Shadow entries that a sync changed.</summary>
    public const string MmuSyncedEntries = "mmu.synced_entries";

    /// <summary>Shadow entries zapped.</summary>
    public const string MmuZappedEntries = "mmu.zapped_entries";

    /// <summary>The trace's own.</summary>
    public const string CyclesTrace = "cycles.trace";

    /// <summary>Stall cycles of translation.</summary>
    public const string CyclesTranslation = "cycles.translation";

    /// <summary>Invalidation instructions.</summary>
    public const string CyclesInvalidation = "cycles.invalidation";

    /// <summary>Hardware of VM-entries and VM-exits.</summary>
    public const string CyclesTransition = "cycles.transition";

    /// <summary>L0's software.</summary>
    public const string CyclesHypervisor = "cycles.hypervisor";

    /// <summary>Interrupt delivery.</summary>
    public const string CyclesInterrupts = "cycles.interrupts";

    /// <summary>Interrupts sent, by level.</summary>
    public const string IrqSent = "irq.sent";

    /// <summary>Interrupts whose handler ran, by level.</summary>
    public const string IrqHandled = "irq.handled";

    /// <summary>Interrupts merged with an equal vector.</summary>
    public const string IrqCoalesced = "irq.coalesced";

    /// <summary>Interrupts on their way at the end.</summary>
    public const string IrqPending = "irq.pending";

    /// <summary>Interrupts that nothing will deliver.</summary>
    public const string IrqLost = "irq.lost";

    /// <summary>Interrupts that waited in an APIC when it was disabled.</summary>
    public const string IrqForgotten = "irq.forgotten";

    /// <summary>VM-exits on interrupts' way, by level and cause.</summary>
    public const string IrqExits = "irq.exits";

    /// <summary>Cycles in L0, by whom they are taken from and why.</summary>
    public const string IrqStolen = "irq.stolen";

    /// <summary>Notification IPIs.</summary>
    public const string IrqNotifications = "irq.notifications";

    /// <summary>Notifications spared because one was outstanding.</summary>
    public const string IrqCoalescedNotifications = "irq.coalesced_notifications";

    /// <summary>Notifications spared because the target did not run.</summary>
    public const string IrqSuppressedNotifications = "irq.suppressed_notifications";

    /// <summary>Reschedule IPIs.</summary>
    public const string IrqKicks = "irq.kicks";

    /// <summary>AVIC doorbells.</summary>
    public const string IrqDoorbells = "irq.doorbells";

    /// <summary>Sleeping vCPUs woken.</summary>
    public const string IrqWakeUps = "irq.wake_ups";

    /// <summary>Wake-ups that found nothing.</summary>
    public const string IrqSpuriousWakeUps = "irq.spurious_wake_ups";

    /// <summary>Time slices that ended with another vCPU waiting.</summary>
    public const string IrqPreemptions = "irq.preemptions";

    /// <summary>Nested VM-entries behind interrupts.</summary>
    public const string IrqNestedEntries = "irq.nested_entries";

    /// <summary>Nested VM-exits for interrupts.</summary>
    public const string IrqNestedExits = "irq.nested_exits";

    /// <summary>APICv controls rewritten.</summary>
    public const string IrqApicvUpdates = "irq.apicv_updates";

    /// <summary>VM-entries that failed.</summary>
    public const string IrqFailedVmEntries = "irq.failed_vm_entries";

    /// <summary>Simulated time.</summary>
    public const string IrqTime = "irq.time";

    /// <summary>Latency from source to handler: a histogram, and percentiles under it.</summary>
    public const string IrqLatency = "irq.latency";

    /// <summary>Memory references, by level and side.</summary>
    public const string LaneAccesses = "lane[*].accesses";

    /// <summary>References translated by the first level.</summary>
    public const string LaneL1Hits = "lane[*].l1.hits";

    /// <summary>References that the first level did not translate.</summary>
    public const string LaneL1Misses = "lane[*].l1.misses";

    /// <summary>First-level misses translated by the second level.</summary>
    public const string LaneStlbHits = "lane[*].stlb.hits";

    /// <summary>Walks: misses in every level.</summary>
    public const string LaneStlbMisses = "lane[*].stlb.misses";

    /// <summary>Translation cycles beyond a first-level hit.</summary>
    public const string LaneStallCycles = "lane[*].stall_cycles";

    /// <summary>The part of them that walks took.</summary>
    public const string LaneWalkCycles = "lane[*].walk_cycles";

    /// <summary>Paging-structure entries read by walks.</summary>
    public const string LaneWalkReferences = "lane[*].walk_references";

    /// <summary>Invalidations executed, by invalidation, transition and rule.</summary>
    public const string LaneInvalidations = "lane[*].invalidations";

    /// <summary>Walks by cause, one statistic under it for each.</summary>
    public const string LaneWalks = "lane[*].walks";

    /// <summary>Walks because an invalidation had dropped the entry, by invalidation, transition and rule.</summary>
    public const string LaneWalksFlushed = "lane[*].walks.flushed";

    /// <summary>Cycles of those.</summary>
    public const string LaneWalkCyclesFlushed = "lane[*].walk_cycles.flushed";

    /// <summary>Walks by page size, page or code site, one statistic for each.</summary>
    public const string LaneWalksBy = "lane[*].walks_by";

    /// <summary>Cycles of those.</summary>
    public const string LaneWalkCyclesBy = "lane[*].walk_cycles_by";

    /// <summary>Accesses and misses by the accesses since the last flush, histograms of each physical CPU: what stands between its name and what is counted.</summary>
    public const string RefillInfix = ".refill.";

    /// <summary>The name of a physical CPU.</summary>
    public static string Lane(int index) => string.Create(CultureInfo.InvariantCulture, $"lane[{index}]");

    /// <summary>The statistic of one physical CPU that a pattern names.</summary>
    /// <param name="lane">Its name.</param>
    /// <param name="pattern">A name that begins with <see cref="AnyLane"/>.</param>
    public static string On(string lane, string pattern) => lane + pattern[AnyLane.Length..];

    /// <summary>True if a path is that of some physical CPU's statistic.</summary>
    /// <param name="path">Path of a statistic.</param>
    /// <param name="pattern">A name that begins with <see cref="AnyLane"/>.</param>
    public static bool IsOnAnyLane(string path, string pattern) => path.EndsWith(pattern[(AnyLane.Length - 1)..], StringComparison.Ordinal);

    /// <summary>Walks by cause: cold, capacity, conflict, flushed.</summary>
    public static string WalksOf(string cause) => $"{LaneWalks}.{cause}";

    /// <summary>Cycles of walks by cause.</summary>
    public static string WalkCyclesOf(string cause) => $"{LaneWalkCycles}.{cause}";

    /// <summary>Walks by size, page or site.</summary>
    public static string WalksBy(string dimension) => $"{LaneWalksBy}_{dimension}";

    /// <summary>Cycles of walks by size, page or site.</summary>
    public static string WalkCyclesBy(string dimension) => $"{LaneWalkCyclesBy}_{dimension}";

    /// <summary>A percentile of the latency of interrupts: p50, p90, p99, p999.</summary>
    public static string IrqLatencyOf(string percentile) => $"{IrqLatency}.{percentile}";
}
