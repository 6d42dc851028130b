namespace Sim.Core.Architecture;

/// <summary>How a local APIC is accessed, by bits 11 (EN) and 10 (EXTD) of IA32_APIC_BASE (SDM vol. 3, "Local APIC State").</summary>
public enum ApicMode
{
    /// <summary>EN=0: it takes part in nothing.</summary>
    Disabled = 0,

    /// <summary>EN=1, EXTD=0: a page of registers, IDs of 8 bits.</summary>
    XApic = 1,

    /// <summary>EN=1, EXTD=1: MSRs, IDs of 32 bits.</summary>
    X2Apic = 2,
}
