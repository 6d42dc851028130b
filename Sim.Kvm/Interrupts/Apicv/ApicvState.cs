namespace Sim.Kvm.Interrupts;

/// <summary>
/// Reasons for which L0 inhibits APICv or AVIC of L1, numbered as in 7.1 (docs/rules.md#apicv-inhibition); the numbers appear in trace events.
/// </summary>
public enum ApicvInhibit
{
    /// <summary>Module parameter.</summary>
    Disabled = 0,

    /// <summary>SynIC AutoEOI.</summary>
    HyperV = 1,

    /// <summary>No in-kernel APIC.</summary>
    Absent = 2,

    /// <summary>KVM_GUESTDBG_BLOCKIRQ.</summary>
    BlockIrq = 3,

    /// <summary>Two vCPUs with one physical APIC ID.</summary>
    PhysicalIdAliased = 4,

    /// <summary>The guest changed an APIC ID in xAPIC mode.</summary>
    ApicIdModified = 5,

    /// <summary>The guest moved an APIC's base.</summary>
    ApicBaseModified = 6,

    /// <summary>SVM: the vCPU runs L2. Per vCPU.</summary>
    Nested = 7,

    /// <summary>SVM: an ExtINT window is wanted.</summary>
    IrqWindow = 8,

    /// <summary>SVM: the PIT is in re-injection mode.</summary>
    PitReinject = 9,

    /// <summary>SVM: a protected guest.</summary>
    Sev = 10,

    /// <summary>SVM: logical IDs collide.</summary>
    LogicalIdAliased = 11,

    /// <summary>SVM: a physical ID that the table does not hold.</summary>
    PhysicalIdTooBig = 12,
}

/// <summary>The VM's part of APICv inhibition: kvm->arch.apicv_inhibit_reasons under apicv_update_lock.</summary>
internal sealed class ApicvState
{
    public ApicvState(ulong reasons) => Reasons = reasons;

    /// <summary>Reasons that are set, as bits.</summary>
    public ulong Reasons { get; set; }

    public bool IsInhibited => Reasons != 0;

    /// <summary>Who holds the lock for writing.</summary>
    public Activity? Writer { get; set; }

    /// <summary>The mask that the writer is about to store.</summary>
    public ulong NewReasons { get; set; }

    /// <summary>Whether "any reason" flips with it.</summary>
    public bool Flips => (NewReasons != 0) != IsInhibited;
}
