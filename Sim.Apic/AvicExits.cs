namespace Sim.Apic;

/// <summary>Why AVIC could not finish a guest's ICR write: the id in EXITINFO2[63:32] of AVIC_INCOMPLETE_IPI (docs/rules.md#avic-icr).</summary>
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

/// <summary>What AVIC hardware does with a write to ICR (APM vol. 2, 15.29; docs/rules.md#avic-icr).</summary>
public static class AvicExits
{
    private const int FirstValidVector = 16;

    /// <summary>
    /// The check of an ICR write that comes before anything is sent; null if it may be sent. <see cref="IncompleteIpi.TargetNotRunning"/> is found later, target
    /// by target.
    /// </summary>
    /// <param name="icr">What is written.</param>
    /// <param name="table">The physical APIC ID table.</param>
    /// <param name="logical">The logical APIC ID table of xAVIC; null in x2AVIC, which derives physical from logical IDs.</param>
    public static IncompleteIpi? Check(in IcrWrite icr, AvicPhysicalIdTable table, AvicLogicalIdTable? logical)
    {
        if (icr.DeliveryMode is not (0 or 1) || icr.Level)
        {
            return IncompleteIpi.InvalidType;
        }

        if (icr.Vector < FirstValidVector)
        {
            return IncompleteIpi.InvalidVector;
        }

        if (icr.Shorthand != 0)
        {
            return null;
        }

        if (icr.Logical)
        {
            IReadOnlyList<int> targets = logical?.Targets((byte)icr.Destination) ?? LogicalApicId.X2ApicTargets(icr.Destination);
            return targets.Any(target => target < 0 || target >= table.Size || !table[target].IsValid) ? IncompleteIpi.InvalidTarget : null;
        }

        if (icr.Destination >= table.Size || !table[(int)icr.Destination].IsValid)
        {
            return IncompleteIpi.InvalidTarget;
        }

        return table[(int)icr.Destination].BackingPage == 0 ? IncompleteIpi.InvalidBackingPage : null;
    }
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
