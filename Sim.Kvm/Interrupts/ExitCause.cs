namespace Sim.Kvm.Interrupts;

/// <summary>Why a guest was left on an interrupt's way.</summary>
public enum ExitCause
{
    /// <summary>A physical interrupt that is not processed without an exit (EXTERNAL_INTERRUPT, INTR).</summary>
    ExternalInterrupt,

    /// <summary>The guest became interruptible (INTERRUPT_WINDOW, VINTR).</summary>
    InterruptWindow,

    /// <summary>EOI without virtual-interrupt delivery: an MSR write or an APIC access.</summary>
    Eoi,

    /// <summary>Virtualized EOI of a vector in the EOI-exit bitmap (EOI_INDUCED).</summary>
    EoiInduced,

    /// <summary>ICR write (APIC_WRITE, MSR write, APIC access).</summary>
    IcrWrite,

    /// <summary>AVIC_INCOMPLETE_IPI.</summary>
    IncompleteIpi,

    /// <summary>AVIC_UNACCELERATED_ACCESS: the EOI of a level-triggered vector.</summary>
    UnacceleratedAccess,

    /// <summary>HLT.</summary>
    Hlt,

    /// <summary>VMLAUNCH, VMRESUME or VMRUN of L1.</summary>
    NestedEntry,

    /// <summary>Forced by L0 right behind a VM-entry (PREEMPTION_TIMER).</summary>
    ImmediateExit,

    /// <summary>Anything else the guest did, such as CPUID.</summary>
    Other,
}
