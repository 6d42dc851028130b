namespace Sim.Tlb;

/// <summary>Bits 5:0 of INVLPGB's rAX (APM vol. 3).</summary>
[Flags]
public enum InvlpgbOptions
{
    /// <summary>None: every ASID, every address, non-global translations.</summary>
    None = 0,

    /// <summary>The address limits what goes.</summary>
    AddressValid = 1,

    /// <summary>The PCID limits what goes.</summary>
    PcidValid = 2,

    /// <summary>The ASID limits what goes.</summary>
    AsidValid = 4,

    /// <summary>Global translations go too, under any PCID.</summary>
    IncludeGlobal = 8,

    /// <summary>Only final translations go, no paging-structure-cache entries.</summary>
    FinalTranslationOnly = 16,

    /// <summary>Nested (guest-physical) translations go too.</summary>
    IncludeNested = 32,
}
