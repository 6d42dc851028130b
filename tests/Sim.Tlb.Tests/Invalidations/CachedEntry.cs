namespace Sim.Tlb.Tests.Invalidations;

/// <summary>A cached mapping as the manuals talk about it.</summary>
/// <param name="Tag">What it is tagged with.</param>
/// <param name="IsPagingStructure">An entry of a paging-structure cache, else a translation.</param>
/// <param name="First">First address it translates: linear, or guest-physical for that kind.</param>
/// <param name="Last">Last address it translates.</param>
public readonly record struct CachedEntry(Tag Tag, bool IsPagingStructure, ulong First, ulong Last)
{
    public bool IsGuestPhysical => Tag.Kind == MappingKind.GuestPhysical;

    public bool IsCombined => Tag.Kind == MappingKind.Combined;

    /// <summary>"L, C" of the tables.</summary>
    public bool IsLinearOrCombined => !IsGuestPhysical;

    public ushort Vpid => Tag.Vpid;

    public bool IsGlobal => Tag.Global;

    public bool Covers(ulong address) => First <= (address & LinearBits) && (address & LinearBits) <= Last;

    public bool IsOfPcid(ushort pcid) => !Tag.Global && Tag.Pcid == pcid;

    /// <summary>The widest linear addresses there are have 57 bits.</summary>
    public const ulong LinearBits = (1UL << 57) - 1;
}
