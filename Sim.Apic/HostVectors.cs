namespace Sim.Apic;

/// <summary>Interrupts that L0 itself receives on a physical CPU (Linux, arch/x86/include/asm/irq_vectors.h).</summary>
[Flags]
public enum HostVectors
{
    /// <summary>None.</summary>
    None = 0,

    /// <summary>POSTED_INTR_VECTOR, 0xf2: something was posted into the descriptor of the vCPU that runs.</summary>
    PostedInterrupt = 1,

    /// <summary>POSTED_INTR_WAKEUP_VECTOR, 0xf1: something was posted for a vCPU that blocks.</summary>
    Wakeup = 2,

    /// <summary>POSTED_INTR_NESTED_VECTOR, 0xf0: something was posted into L1's own descriptor for L2.</summary>
    NestedPostedInterrupt = 4,

    /// <summary>RESCHEDULE_VECTOR, 0xfd: kvm_vcpu_kick, or the scheduler.</summary>
    Reschedule = 8,

    /// <summary>The scheduler's tick.</summary>
    Tick = 16,

    /// <summary>A device's or timer's interrupt that KVM must pass on.</summary>
    Device = 32,

    /// <summary>The IOMMU's guest-virtual-APIC log has entries (AMD).</summary>
    GuestApicLog = 64,
}
