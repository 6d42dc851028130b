namespace Sim.Kvm;

/// <summary>What L1 has to do for L2 behind a nested VM-exit.</summary>
internal enum L1Task
{
    None,
    EmulateEoi,
    EmulateIcr,
}

/// <summary>What a guest at one level is doing.</summary>
internal sealed class GuestContext
{
    /// <summary>RFLAGS.IF.</summary>
    public bool InterruptsEnabled { get; set; } = true;

    /// <summary>Vector whose handler runs; -1 if none does.</summary>
    public int Handler { get; set; } = -1;

    /// <summary>Level of the APIC that accepted it.</summary>
    public int HandlerApic { get; set; }

    /// <summary>Work that the handler interrupted.</summary>
    public long Interrupted { get; set; }

    /// <summary>The handler wrote EOI and has only its return left.</summary>
    public bool EoiWritten { get; set; }

    /// <summary>Cycles until its next step, if nothing interrupts it.</summary>
    public long Work { get; set; }

    /// <summary>It waits in a loop for something to change.</summary>
    public bool Spins { get; set; }
}
