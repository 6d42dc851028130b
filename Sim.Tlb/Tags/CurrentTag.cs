namespace Sim.Tlb;

/// <summary>The tag values that are current when an invalidation executes.</summary>
/// <param name="Vpid">Current VPID (0 in VMX root), or ASID.</param>
/// <param name="Pcid">Current PCID; 0 if CR4.PCIDE=0.</param>
/// <param name="Ep4ta">Bits 51:12 of the current EPTP, as an address; 0 if EPT is not in use, and on AMD.</param>
public readonly record struct CurrentTag(ushort Vpid, ushort Pcid, ulong Ep4ta);
