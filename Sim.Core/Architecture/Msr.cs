namespace Sim.Core.Architecture;

/// <summary>Model-specific registers that the simulator knows (SDM vol. 4; x2APIC registers: vol. 3, "x2APIC Register Address Space").</summary>
public enum Msr : uint
{
    /// <summary>IA32_APIC_BASE: whether the local APIC is enabled, and in which mode.</summary>
    ApicBase = 0x1B,

    /// <summary>IA32_TSC_DEADLINE.</summary>
    TscDeadline = 0x6E0,

    /// <summary>End of interrupt.</summary>
    X2ApicEoi = 0x80B,

    /// <summary>Interrupt command register.</summary>
    X2ApicIcr = 0x830,

    /// <summary>LVT entry of the timer.</summary>
    X2ApicLvtTimer = 0x832,

    /// <summary>Initial count of the timer.</summary>
    X2ApicInitialCount = 0x838,

    /// <summary>Divide configuration of the timer.</summary>
    X2ApicDivide = 0x83E,
}
