namespace Sim.Kvm.Interrupts;

/// <summary>How an interrupt-remapping table entry of VT-d is to deliver a device's interrupt.</summary>
public enum IrteMode
{
    /// <summary>As an interrupt of the host's, which KVM then posts in software.</summary>
    Remapped,

    /// <summary>Into a posted-interrupt descriptor.</summary>
    Posted,
}

/// <summary>What KVM knows when it routes a device's interrupt (kvm_arch_update_irqfd_routing to vmx_pi_update_irte).</summary>
/// <param name="ApicvActive">APICv is in use in this VM.</param>
/// <param name="InKernelApic">The local APIC and IRQ bypass are in the kernel.</param>
/// <param name="IsMsi">The route is an MSI.</param>
/// <param name="FixedOrLowestPriority">Delivery mode.</param>
/// <param name="Destinations">vCPUs it goes to.</param>
public readonly record struct DeviceRoute(bool ApicvActive, bool InKernelApic, bool IsMsi, bool FixedOrLowestPriority, int Destinations);

/// <summary>An interrupt-remapping table entry of VT-d (specification 9.9 and 9.10).</summary>
/// <param name="Mode">Remapped or posted.</param>
/// <param name="Descriptor">Posted: the descriptor.</param>
/// <param name="Vector">Posted: the virtual vector. Remapped: the host's.</param>
/// <param name="Urgent">Posted: URG, a notification in spite of SN.</param>
public readonly record struct InterruptRemappingEntry(IrteMode Mode, PostedInterruptDescriptor? Descriptor, byte Vector, bool Urgent = false)
{
    /// <summary>The mode KVM chooses: posted only for a fixed or lowest-priority MSI to exactly one vCPU, with APICv and in-kernel IRQ bypass.</summary>
    public static IrteMode Choose(in DeviceRoute route) =>
        route is { ApicvActive: true, InKernelApic: true, IsMsi: true, FixedOrLowestPriority: true, Destinations: 1 } ? IrteMode.Posted : IrteMode.Remapped;
}
