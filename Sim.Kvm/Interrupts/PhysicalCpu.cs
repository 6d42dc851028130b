using Sim.Apic;

namespace Sim.Kvm.Interrupts;

/// <summary>One physical CPU of the host.</summary>
internal sealed class PhysicalCpu
{
    public PhysicalCpu(InterruptSystem system, int index)
    {
        Index = index;
        Interrupts = new Activity(system, null, this);
    }

    /// <summary>Index, and APIC ID.</summary>
    public int Index { get; }

    /// <summary>The context of an interrupt that the host handles.</summary>
    public Activity Interrupts { get; }

    /// <summary>The vCPU whose thread has this CPU; null if it idles.</summary>
    public Vcpu? Current { get; set; }

    /// <summary>A guest runs: VMX non-root operation.</summary>
    public bool InGuest { get; set; }

    /// <summary>RFLAGS.IF of the host.</summary>
    public bool InterruptsEnabled { get; set; } = true;

    /// <summary>Physical interrupts that arrived and were not taken.</summary>
    public HostVectors Pending { get; set; }

    /// <summary>Device and timer interrupts behind <see cref="HostVectors.Device"/>, oldest first.</summary>
    public Queue<Delivery> Devices { get; } = [];

    /// <summary>Runnable threads that wait, oldest first.</summary>
    public Queue<Vcpu> RunQueue { get; } = [];

    /// <summary>vCPUs that blocked here and want <see cref="HostVectors.Wakeup"/> (per_cpu wakeup_vcpus_on_cpu).</summary>
    public List<Vcpu> WakeupList { get; } = [];

    /// <summary>The present thread's time slice is over.</summary>
    public bool NeedResched { get; set; }

    /// <summary>Entries of the IOMMU's log that this CPU is to read.</summary>
    public Queue<int> GuestApicLog { get; } = [];

    /// <summary>Reason of the VM-exit that is being handled, for the account of stolen cycles.</summary>
    public ExitCause LastExit { get; set; }

    /// <summary>Who pays for it.</summary>
    public StolenFrom LastVictim { get; set; }
}
