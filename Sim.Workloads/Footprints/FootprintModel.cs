using Sim.Core.Profiles;
using Sim.Core.Traces;

namespace Sim.Workloads.Footprints;

/// <summary>Where a model was learned.</summary>
/// <param name="File">File name of a recording.</param>
/// <param name="Sha256">Of the file as it is, lower-case hexadecimal.</param>
/// <param name="NestedTransitions">Nested entries and exits in it.</param>
/// <param name="Stays">Stays of L0 and L1 in it, whole ones.</param>
public sealed record FootprintSource(string File, string Sha256, long NestedTransitions, long Stays);

/// <summary>A page that some kind of stay touches again and again.</summary>
/// <param name="Page">Index into <see cref="LevelPages.Known"/>.</param>
/// <param name="Use">How: write if most of its stays write it.</param>
/// <param name="Stays">How many of the recorded stays of this kind touched it.</param>
public readonly record struct PageTouch(int Page, AccessType Use, long Stays);

/// <summary>
/// Touches of pages that vary from stay to stay, all recorded stays of a kind together. <see cref="Depths"/>[0] counts pages never touched before;
/// [1] those touched last in the stay before; [k] those with 2^(k-2) to 2^(k-1)-1 other varying pages of that level and side touched more recently (k = 1: none).
/// </summary>
/// <param name="Depths">Counts, at most <see cref="MaxDepths"/>.</param>
/// <param name="Writes">How many of them were writes.</param>
public sealed record VaryingTouches(IReadOnlyList<long> Depths, long Writes)
{
    /// <summary>Most buckets: reuse farther than 2^22 pages apart counts as new.</summary>
    public const int MaxDepths = 24;

    /// <summary>All touches.</summary>
    public long Total { get; } = Depths.Sum();

    /// <summary>The bucket of a number of more recent pages.</summary>
    public static int BucketOf(int depth) => Math.Min(depth == 0 ? 1 : System.Numerics.BitOperations.Log2((uint)depth) + 2, MaxDepths - 1);
}

/// <summary>What one kind of stay touches.</summary>
/// <param name="Key">The kind.</param>
/// <param name="Seen">How many were recorded.</param>
/// <param name="NestedAt">How many thousandths of its first touches come before its nested transition.</param>
/// <param name="Pages">Pages with an identity, in order of their mean place in the stay. One that every stay touches has <see cref="PageTouch.Stays"/> = <see cref="Seen"/>.</param>
/// <param name="Code">Code pages that vary.</param>
/// <param name="Data">Data pages that vary.</param>
public sealed record StayFootprint(StayKey Key, long Seen, int NestedAt, IReadOnlyList<PageTouch> Pages, VaryingTouches Code, VaryingTouches Data);

/// <summary>The pages of one level.</summary>
/// <param name="Known">Page numbers (linear address / 4096) that have an identity in all kinds of stay of this level.</param>
/// <param name="FreshCode">Varying code pages in the order in which they were touched first: where new ones lie.</param>
/// <param name="FreshData">Varying data pages likewise.</param>
public sealed record LevelPages(IReadOnlyList<ulong> Known, IReadOnlyList<ulong> FreshCode, IReadOnlyList<ulong> FreshData);

/// <summary>
/// What a hypervisor at L0 and one at L1 touch in each kind of stay: learned from recordings that have memory accesses (<see cref="FootprintLearner"/>), used where only
/// transitions were recorded (<see cref="FootprintWeaver"/>). All numbers are counts of a recording.
/// </summary>
/// <param name="Name">Short name, for instance kvm-6.12-vmx.</param>
/// <param name="Summary">One sentence.</param>
/// <param name="Vendor">Whose virtualization; exit reasons are this vendor's.</param>
/// <param name="Kernel">Version of the recorded kernels.</param>
/// <param name="Sources">Recordings.</param>
/// <param name="L0">Pages of L0.</param>
/// <param name="L1">Pages of L1.</param>
/// <param name="Stays">Kinds of stay, in order of their keys.</param>
public sealed record FootprintModel(
    string Name,
    string Summary,
    Vendor Vendor,
    string Kernel,
    IReadOnlyList<FootprintSource> Sources,
    LevelPages L0,
    LevelPages L1,
    IReadOnlyList<StayFootprint> Stays)
{
    /// <summary>Pages of level 0 or 1.</summary>
    public LevelPages Pages(int level) => level == 0 ? L0 : L1;
}
