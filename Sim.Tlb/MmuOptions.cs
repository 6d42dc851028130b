namespace Sim.Tlb;

/// <summary>How a lane's translation hardware is simulated, beyond its CPU profile.</summary>
/// <param name="Attribution">Misses get causes; off is faster and leaves those counters 0.</param>
/// <param name="Seed">Seed of random replacement.</param>
/// <param name="PagingStructureCaches">False switches off paging-structure caches, guest-physical caches and PTE-line caches: every walk makes all its references, to memory.</param>
/// <param name="RefillCurve">Counts misses by the accesses since a context's last flush, as series.</param>
/// <param name="WalkBreakdown">Counts walks and their cycles by page size, page and code site.</param>
/// <param name="Witness">Sees translations being used that may be old; null if nobody does.</param>
public sealed record MmuOptions(
    bool Attribution = true, ulong Seed = 1, bool PagingStructureCaches = true, bool RefillCurve = false, bool WalkBreakdown = false, ITranslationWitness? Witness = null);
