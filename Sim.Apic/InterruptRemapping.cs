namespace Sim.Apic;

/// <summary>An interrupt-remapping table entry of VT-d in posted mode (specification 9.10). In remapped mode a device's interrupt is the host's, and KVM posts it in software.</summary>
/// <param name="Descriptor">The descriptor to post into.</param>
/// <param name="Vector">The virtual vector.</param>
public readonly record struct InterruptRemappingEntry(PostedInterruptDescriptor Descriptor, byte Vector);
