using Sim.Apic;
using Sim.Core.Traces;

namespace Sim.Kvm;

/// <summary>One VMCS (or VMCB), as far as this model knows its fields and what KVM keeps beside it.</summary>
internal sealed class Vmcs
{
    private GuestInterruptStatus _status;

    public Vmcs(ApicPage page) => Page = page;

    /// <summary>CPU on which it was loaded (a VMCS, loaded_vmcs->cpu) or ran (a VMCB, kvm_vmcb_info.cpu) last; -1 if on none.</summary>
    public int LoadedOn { get; set; } = -1;

    /// <summary>Generation in which its ASID was given out (<see cref="AsidGenerations"/>); 0 if it has none.</summary>
    public long AsidGeneration { get; set; }

    /// <summary>Controls now in force. On AMD only <see cref="Avic"/> is used.</summary>
    public VmControls Controls { get; set; }

    /// <summary>AVIC enable bit of a VMCB.</summary>
    public bool Avic { get; set; }

    /// <summary>Posted-interrupt notification vector.</summary>
    public HostVectors NotificationVector { get; set; }

    /// <summary>Posted-interrupt descriptor; null if posted interrupts are off.</summary>
    public PostedInterruptDescriptor? Descriptor { get; set; }

    /// <summary>Virtual-APIC page, or backing page.</summary>
    public ApicPage Page { get; }

    /// <summary>RVI and SVI.</summary>
    public ref GuestInterruptStatus Status => ref _status;

    /// <summary>Vector to inject at the next VM-entry; -1 if none.</summary>
    public int Injection { get; set; } = -1;

    /// <summary>Level of the APIC that accepted it.</summary>
    public int InjectionApic { get; set; }

    /// <summary>Interrupt-window exiting (VINTR intercept on AMD).</summary>
    public bool WindowExiting { get; set; }

    public bool Has(VmControls controls) => (Controls & controls) == controls;
}
