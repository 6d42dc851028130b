using Sim.Apic;
using Sim.Core.Traces;

namespace Sim.Kvm.Interrupts;

/// <summary>The fields of one VMCS (or VMCB) that interrupt delivery reads.</summary>
internal sealed class VmcsState
{
    private GuestInterruptStatus _status;

    public VmcsState(ApicPage page) => Page = page;

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
