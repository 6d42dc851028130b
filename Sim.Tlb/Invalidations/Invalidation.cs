using System.Text;
using Sim.Core.Profiles;

namespace Sim.Tlb;

/// <summary>
/// Something the CPU does that drops cached mappings (SDM vol. 3, "Invalidation of TLBs and Paging-Structure Caches" and "Operations that invalidate cached mappings"; for AMD, APM
/// vol. 2, "TLB Control"). Each is what the manual says must go, no more.
/// </summary>
/// <remarks>
/// An invalidation is a predicate over tags, and the addresses it is limited to. An entry goes if its tag is reached and its page has an address of the range. The page of a
/// translation is the one that the guest's tables map, so all pieces of a splintered page go together. Paging-structure-cache entries have a tag that is never global.
/// </remarks>
public abstract record Invalidation
{
    /// <summary>Snake-case name, for instance invvpid_single.</summary>
    public abstract string Name { get; }

    /// <summary>
    /// Reference cycles that executing it takes. 0 if it is a part of something that has a price of its own; null, as if nobody had said, fails its contract and stops a run.
    /// </summary>
    public virtual int? Cycles(OperationCosts costs) => null;

    /// <summary>Linear addresses whose linear and combined translations go; null for all.</summary>
    public virtual AddressRange? Translations => null;

    /// <summary>Linear addresses whose linear and combined paging-structure-cache entries go; null for all.</summary>
    public virtual AddressRange? PagingStructures => null;

    /// <summary>Guest-physical addresses whose guest-physical translations and paging-structure-cache entries go; null for all.</summary>
    public virtual AddressRange? GuestPhysical => null;

    /// <summary>
    /// What a CPU does that drops more than it must: an operation on addresses drops them for every address, one on a PCID the whole current VPID with globals, one on a VPID (ASID) all
    /// VPIDs (ASIDs) that INVVPID all-context (TLB_CONTROL 1) would, one on an EP4TA all EP4TAs.
    /// </summary>
    public virtual Invalidation Coarsened => this;

    /// <summary>True if translations with this tag go, as far as the range says.</summary>
    public abstract bool ReachesTranslations(in Tag tag, in CurrentTag current);

    /// <summary>True if paging-structure-cache entries with this tag go, as far as the range says.</summary>
    public virtual bool ReachesPagingStructures(in Tag tag, in CurrentTag current) => ReachesTranslations(tag, current);

    /// <summary>True if an entry with this tag that is for the addresses from <paramref name="first"/> to <paramref name="last"/> goes.</summary>
    public bool Kills(in Tag tag, bool isPagingStructure, ulong first, ulong last, in CurrentTag current)
    {
        AddressRange? range = tag.Kind == MappingKind.GuestPhysical ? GuestPhysical : isPagingStructure ? PagingStructures : Translations;
        bool reached = isPagingStructure ? ReachesPagingStructures(tag, current) : ReachesTranslations(tag, current);
        return reached && (range is null || range.Value.Overlaps(first, last));
    }

    /// <summary>Only the operands of the derived types are printed: <see cref="Coarsened"/> may be as long as its own coarsened form, without end.</summary>
    protected virtual bool PrintMembers(StringBuilder builder) => false;

    /// <summary>True for linear and combined mappings of a VPID or ASID.</summary>
    private protected static bool IsOf(in Tag tag, ushort vpid) => tag.Kind != MappingKind.GuestPhysical && tag.Vpid == vpid;

    /// <summary>True for linear and combined non-global mappings of a PCID under a VPID or ASID.</summary>
    private protected static bool IsOf(in Tag tag, ushort vpid, ushort pcid) => IsOf(tag, vpid) && !tag.Global && tag.Pcid == pcid;
}
