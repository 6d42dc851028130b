namespace Sim.Kvm.Interrupts;

/// <summary>What L0 or the processor does on an interrupt's way: what a recording shows and a <see cref="RecordedSchedule"/> predicts.</summary>
public enum InterruptEventKind
{
    /// <summary>L0 sends a physical interrupt to a CPU: POSTED_INTR, POSTED_INTR_NESTED, a kick.</summary>
    NotificationSent,

    /// <summary>Posted-interrupt processing in non-root operation, without an exit.</summary>
    NotificationProcessed,

    /// <summary>EXTERNAL_INTERRUPT exit by a vector that the current VMCS does not notify on.</summary>
    NotificationExit,

    /// <summary>The host took it: no guest ran on that CPU any more.</summary>
    NotificationHandledByHost,

    /// <summary>RVI of a VM-entry: the highest vector that waits.</summary>
    RequestedAtEntry,

    /// <summary>Virtual-interrupt delivery.</summary>
    Delivered,

    /// <summary>Nested VM-exit for an external interrupt; its vector if it is acknowledged in L1's APIC (vmcs12's "acknowledge interrupt on exit").</summary>
    NestedExit,

    /// <summary>Event injection by a VM-entry.</summary>
    Injected,

    /// <summary>Interrupt-window exit.</summary>
    WindowExit,

    /// <summary>EOI virtualization.</summary>
    VirtualEoi,

    /// <summary>EOI exit: not virtualized, or the vector is in the EOI-exit bitmap.</summary>
    EoiExit,

    /// <summary>EOI, however L0 came to know of it (a paravirtual EOI does not exit).</summary>
    Eoi,

    /// <summary>A halted vCPU runs again.</summary>
    WokenFromHalt,
}

/// <summary>One event on an interrupt's way.</summary>
/// <param name="Kind">What.</param>
/// <param name="Lane">Physical CPU: for a notification sent, the sender's.</param>
/// <param name="Vcpu">The vCPU that runs there, or -1.</param>
/// <param name="Level">Level of the guest it concerns: that of the VMCS in use; 0 in the host.</param>
/// <param name="Vector">Vector; -1 if the event has none.</param>
public readonly record struct InterruptEvent(InterruptEventKind Kind, int Lane, int Vcpu, int Level, int Vector);

/// <summary>What the guest did that made it exit, as far as interrupts go.</summary>
public enum RecordedExit
{
    /// <summary>Something that L0 handles, or that it reflects to L1 in a <see cref="RecordedSchedule.ReflectExit"/>.</summary>
    Other,

    /// <summary>HLT.</summary>
    Halt,
}

/// <summary>The guest interrupt status with which a VMCS is entered.</summary>
/// <param name="Level">1 or 2.</param>
/// <param name="Rvi">Requesting virtual interrupt, 0 if none.</param>
/// <param name="Svi">Servicing virtual interrupt, 0 if none.</param>
public readonly record struct EnteredStatus(int Level, byte Rvi, byte Svi);
