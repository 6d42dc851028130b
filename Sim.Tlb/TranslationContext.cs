namespace Sim.Tlb;

/// <summary>What a lane translates with from one world switch or CR3 change to the next.</summary>
/// <param name="Vpid">Current VPID (0 in VMX root) or ASID (0 for the host).</param>
/// <param name="Pcid">Current PCID; 0 if CR4.PCIDE=0.</param>
/// <param name="GlobalPages">CR4.PGE.</param>
/// <param name="Guest">Page tables that CR3 names: L0's own, the running guest's, or L0's shadow of them.</param>
/// <param name="Nested">EPT or NPT tables; null if not in use (VMX root, or EPT off).</param>
/// <param name="Level">0, 1 or 2: who runs. Only statistics use it.</param>
public sealed record TranslationContext(ushort Vpid, ushort Pcid, bool GlobalPages, PageTable Guest, PageTable? Nested, int Level);
