namespace Sim.Core.Profiles;

/// <summary>Reference cycles of the steps of interrupt delivery; 0 is free. Names that begin with Kvm are L0's software, the others hardware.</summary>
public sealed record InterruptCosts
{
    /// <summary>A physical IPI from the write of the ICR to its arrival at the other CPU.</summary>
    public int Ipi { get; init; }

    /// <summary>An AVIC doorbell from the sender's write to its arrival.</summary>
    public int Doorbell { get; init; }

    /// <summary>What orders an x2APIC write behind earlier stores (MFENCE; LFENCE on AMD).</summary>
    public int IcrFence { get; init; }

    /// <summary>One locked operation on, or barrier-ordered read of, a line that CPUs share: PIR, ON, IRR, vcpu->mode, an ID table.</summary>
    public int SharedLine { get; init; }

    /// <summary>A notification taken in non-root mode: acknowledge, clear ON, PIR into VIRR.</summary>
    public int PostedInterruptProcessing { get; init; }

    /// <summary>Delivery through the IDT, up to the first instruction of the handler.</summary>
    public int Delivery { get; init; }

    /// <summary>A virtualized EOI.</summary>
    public int VirtualEoi { get; init; }

    /// <summary>KVM's part of an x2APIC ICR write that exits, up to the post (the ICR fast path).</summary>
    public int KvmIcrWrite { get; init; }

    /// <summary>What an xAPIC access adds: decoding an instruction that writes to the APIC page.</summary>
    public int KvmApicMmio { get; init; }

    /// <summary>L0's handler of an IPI to itself.</summary>
    public int KvmHostIpi { get; init; }

    /// <summary>A device's interrupt in L0: handler, eventfd, look-up of the route, up to the post.</summary>
    public int KvmIrqfd { get; init; }

    /// <summary>Choosing a vector and writing the VM-entry injection field.</summary>
    public int KvmInjection { get; init; }

    /// <summary>Waking a sleeping thread until the scheduler has it on its CPU.</summary>
    public int KvmWakeUp { get; init; }

    /// <summary>Switching between two vCPU threads: half of it to leave one, half to load the other.</summary>
    public int KvmContextSwitch { get; init; }

    /// <summary>Re-deriving APICv state and rewriting the controls of one VMCS or VMCB.</summary>
    public int KvmApicvUpdate { get; init; }

    /// <summary>Writing one interrupt-remapping entry.</summary>
    public int KvmIrteUpdate { get; init; }

    /// <summary>Taking an entry off the IOMMU's guest-virtual-APIC log and finding its vCPU.</summary>
    public int KvmGaLog { get; init; }
}
