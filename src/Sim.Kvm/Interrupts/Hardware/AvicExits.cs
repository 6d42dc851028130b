namespace Sim.Kvm.Interrupts;

/// <summary>Why AVIC could not finish a guest's ICR write: the id in EXITINFO2[63:32] of AVIC_INCOMPLETE_IPI (kvm-semantics.md 5.2).</summary>
public enum IncompleteIpi
{
    /// <summary>Delivery mode or trigger that AVIC does not do; nothing was sent.</summary>
    InvalidType = 0,

    /// <summary>IRR is set in all valid targets, and at least one does not run.</summary>
    TargetNotRunning = 1,

    /// <summary>A destination has no valid entry.</summary>
    InvalidTarget = 2,

    /// <summary>A backing-page pointer is invalid.</summary>
    InvalidBackingPage = 3,

    /// <summary>The vector is below 16.</summary>
    InvalidVector = 4,
}

/// <summary>How an access to an APIC register leaves a guest that uses AVIC.</summary>
public enum AvicAccess
{
    /// <summary>Not at all.</summary>
    Accelerated,

    /// <summary>AVIC_UNACCELERATED_ACCESS behind the access: KVM finishes what the written value asks for.</summary>
    Trap,

    /// <summary>AVIC_UNACCELERATED_ACCESS in front of it: KVM emulates the instruction.</summary>
    Fault,
}

/// <summary>What AVIC hardware does with accesses to the APIC (APM vol. 2, 15.29; kvm-semantics.md 5.2).</summary>
public static class AvicExits
{
    private const int FirstValidVector = 16;

    /// <summary>
    /// The check of an ICR write that comes before anything is sent; null if it may be sent. <see cref="IncompleteIpi.TargetNotRunning"/> is found later, target
    /// by target.
    /// </summary>
    public static IncompleteIpi? Check(in IcrWrite icr, AvicPhysicalIdTable table)
    {
        if (icr.DeliveryMode is not (0 or 1) || icr.Level)
        {
            return IncompleteIpi.InvalidType;
        }

        if (icr.Vector < FirstValidVector)
        {
            return IncompleteIpi.InvalidVector;
        }

        if (icr.Logical || icr.Shorthand != 0)
        {
            return null;
        }

        if (icr.Destination >= table.Size || !table[(int)icr.Destination].IsValid)
        {
            return IncompleteIpi.InvalidTarget;
        }

        return table[(int)icr.Destination].BackingPage == 0 ? IncompleteIpi.InvalidBackingPage : null;
    }

    /// <summary>How a write to the register at an offset of the APIC page is treated. <paramref name="levelTriggered"/> matters for EOI only.</summary>
    public static AvicAccess Write(int offset, bool levelTriggered = false) => offset switch
    {
        0x80 or 0x310 => AvicAccess.Accelerated,
        0x300 => AvicAccess.Accelerated,
        0xB0 => levelTriggered ? AvicAccess.Trap : AvicAccess.Accelerated,
        0x20 or 0xC0 or 0xD0 or 0xE0 or 0xF0 or 0x280 or 0x380 or 0x3E0 => AvicAccess.Trap,
        >= 0x320 and <= 0x370 => AvicAccess.Trap,
        _ => AvicAccess.Fault,
    };
}

/// <summary>The IOMMU's remapping entry of a device interrupt in guest mode (AMD IOMMU specification 2.2.5.2).</summary>
public struct AvicIrte
{
    /// <summary>Guest mode: the IOMMU delivers by itself. Else the interrupt is the host's.</summary>
    public bool GuestMode { get; set; }

    /// <summary>A doorbell to <see cref="Destination"/> reaches the vCPU.</summary>
    public bool IsRun { get; set; }

    /// <summary>Write a log entry, and interrupt the host, if the vCPU does not run.</summary>
    public bool GaLogInterrupt { get; set; }

    /// <summary>Physical CPU for the doorbell.</summary>
    public uint Destination { get; set; }
}
