using Sim.Core.Profiles;

namespace Sim.Kvm.Interrupts;

/// <summary>
/// A way to deliver interrupts to L1: which hardware is used, and the programs of sender, entry and scheduler around it. One file each, found by its
/// <see cref="Core.ComponentAttribute"/>; stateless.
/// </summary>
/// <remarks>Programs are made of the steps in <c>Steps/</c>. What a program does when APICv or AVIC is inhibited on the target is its own first step.</remarks>
public interface IInterruptPath
{
    /// <summary>Whether hardware of this vendor has what it takes.</summary>
    bool Supports(Vendor vendor);

    /// <summary>APICv: vmcs01 has virtual-interrupt delivery and posted interrupts unless inhibited.</summary>
    bool UsesApicv { get; }

    /// <summary>AVIC: VMCB01 has it unless inhibited.</summary>
    bool UsesAvic { get; }

    /// <summary>The module parameter enable_ipiv: the processor may find the target of a guest's IPI running, and deliver it by itself.</summary>
    bool EnableIpiv { get; }

    /// <summary>The processor's part of a guest's ICR write; null if it exits.</summary>
    Program? HardwareIpi { get; }

    /// <summary>The IOMMU's part of a device's interrupt; null if it goes to the host, which posts it in software.</summary>
    Program? HardwareDevice { get; }

    /// <summary>Posting by L0's software.</summary>
    Program Post { get; }

    /// <summary>From the requests to the VM-entry (vcpu_enter_guest).</summary>
    Program Entry { get; }

    /// <summary>kvm_vcpu_halt: poll, sleep, wake, look whether there is something to run for.</summary>
    Program Halt { get; }

    /// <summary>vcpu_load.</summary>
    Program Load { get; }

    /// <summary>What vcpu_put does for a preempted vCPU.</summary>
    Program Preempt { get; }
}
