namespace Sim.Tlb;

/// <summary>The three kinds of cached mapping (SDM vol. 3, "Information that may be cached"). AMD's guest entries are Combined under an ASID.</summary>
public enum MappingKind : byte
{
    /// <summary>Linear to physical, from one set of page tables.</summary>
    Linear,

    /// <summary>Linear to physical, through guest and nested page tables.</summary>
    Combined,

    /// <summary>Guest-physical to physical, from EPT or NPT only.</summary>
    GuestPhysical,
}

/// <summary>What a cached mapping is tagged with.</summary>
/// <param name="Kind">Linear, combined or guest-physical.</param>
/// <param name="Vpid">VPID, or ASID on AMD. 0 for an Intel guest-physical mapping, which has none.</param>
/// <param name="Pcid">PCID; 0 for a global or guest-physical mapping.</param>
/// <param name="Global">True for a leaf with G=1: it matches every PCID of its VPID.</param>
/// <param name="Ep4ta">Bits 51:12 of the EPTP, as an address; 0 for linear mappings and on AMD, where there is no such tag.</param>
public readonly record struct Tag(MappingKind Kind, ushort Vpid, ushort Pcid, bool Global, ulong Ep4ta);
