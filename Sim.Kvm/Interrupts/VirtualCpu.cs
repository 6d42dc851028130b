using Sim.Apic;
using Sim.Core.Architecture;

namespace Sim.Kvm.Interrupts;

/// <summary>vcpu->mode.</summary>
internal enum VcpuMode
{
    OutsideGuestMode,
    InGuestMode,
    ExitingGuestMode,
}

/// <summary>What the host's scheduler thinks of a vCPU's thread.</summary>
internal enum VcpuThreadState
{
    /// <summary>Has, or waits for, a CPU.</summary>
    Runnable,

    /// <summary>Is about to sleep (set_current_state(TASK_INTERRUPTIBLE)): a wake-up now keeps it from sleeping.</summary>
    Interruptible,

    /// <summary>Off the run queue.</summary>
    Asleep,
}

/// <summary>Requests in vcpu->requests that interrupt delivery uses.</summary>
[Flags]
internal enum VcpuRequests
{
    None = 0,
    Event = 1,
    ApicvUpdate = 2,
    TlbFlush = 4,
}

/// <summary>One vCPU of L1 with its thread, its APIC, L0's state about it, and the L2 that it may run.</summary>
internal sealed class VirtualCpu
{
    private readonly GuestContext[] _guests = [new(), new(), new()];
    private AvicIrte _irte;

    public VirtualCpu(InterruptSystem system, int id, PhysicalCpu cpu)
    {
        Id = id;
        Cpu = cpu;
        Thread = new Activity(system, this, null);
        Vmcs01 = new VmcsState(Apic);
        Vmcs02 = new VmcsState(L2Apic);
    }

    /// <summary>Index, and guest APIC ID.</summary>
    public int Id { get; }

    public Activity Thread { get; }

    /// <summary>vcpu->cpu: where it was loaded last.</summary>
    public PhysicalCpu Cpu { get; set; }

    public VcpuMode Mode { get; set; }

    public VcpuThreadState State { get; set; }

    /// <summary>vcpu_load was done and vcpu_put was not.</summary>
    public bool IsLoaded { get; set; }

    /// <summary>Halted: in kvm_vcpu_halt until something deliverable comes.</summary>
    public bool IsHalted { get; set; }

    /// <summary>When halt-polling ends.</summary>
    public long PollUntil { get; set; }

    /// <summary>Woken since it last looked whether it may run.</summary>
    public bool WasWoken { get; set; }

    public VcpuRequests Requests { get; set; }

    /// <summary>L1's APIC.</summary>
    public ApicPage Apic { get; } = new();

    /// <summary>Mode of L1's APIC.</summary>
    public ApicMode ApicMode { get; set; }

    public PostedInterruptDescriptor Pid { get; } = new();

    /// <summary>The IOMMU's entry of a device assigned to it (AMD).</summary>
    public ref AvicIrte Irte => ref _irte;

    /// <summary>vcpu->arch.apic->apicv_active: what software believes.</summary>
    public bool ApicvActive { get; set; }

    /// <summary>vmx->nested.update_vmcs01_apicv_status.</summary>
    public bool UpdateVmcs01ApicvStatus { get; set; }

    public VmcsState Vmcs01 { get; }

    public VmcsState Vmcs02 { get; }

    /// <summary>is_guest_mode: L2 is active.</summary>
    public bool GuestMode { get; set; }

    public VmcsState Active => GuestMode ? Vmcs02 : Vmcs01;

    public int Level => GuestMode ? 2 : 1;

    /// <summary>A nested VM-entry was emulated and has not happened yet: no nested VM-exit may come before it.</summary>
    public bool NestedRunPending { get; set; }

    /// <summary>Leave the guest right behind the next VM-entry (req_immediate_exit).</summary>
    public bool ImmediateExit { get; set; }

    /// <summary>vmx->nested.pi_pending.</summary>
    public bool PiPending { get; set; }

    /// <summary>The APIC page of L2's virtual APIC: L1's memory.</summary>
    public ApicPage L2Apic { get; } = new();

    /// <summary>L1's own posted-interrupt descriptor for L2.</summary>
    public PostedInterruptDescriptor Pid12 { get; } = new();

    /// <summary>What L1's own KVM believes: its vcpu->mode of L2's vCPU is IN_GUEST_MODE.</summary>
    public bool InL2PerL1 { get; set; }

    /// <summary>Why L1 would get a nested VM-exit now: the reason of the real one, or an interrupt for L1.</summary>
    public ExitCause NestedExitCause { get; set; }

    /// <summary>L2 executed HLT, which L1 intercepts.</summary>
    public bool L2Halted { get; set; }

    /// <summary>L1 gave L2 up: its VM-entry failed.</summary>
    public bool L2Failed { get; set; }

    /// <summary>The IPI that L2 asked L1 to emulate.</summary>
    public Delivery L2Icr { get; set; }

    /// <summary>What L1 must emulate for L2 before it enters it again.</summary>
    public L1Task L1Task { get; set; }

    /// <summary>AVIC: there was something to deliver when the processor last looked at IRR (VMRUN, doorbell, EOI, delivery). It does not look by itself.</summary>
    public bool FoundInIrr { get; set; }

    /// <summary>The guest's own state at a level, 1 or 2.</summary>
    public GuestContext Guest(int level) => _guests[level];

    /// <summary>AVIC: the processor looks at the IRR of the VMCB that runs.</summary>
    public void LookAtIrr() => FoundInIrr = Active.Avic && Active.Page.Deliverable >= 0;

    public bool Take(VcpuRequests request)
    {
        bool pending = (Requests & request) != 0;
        Requests &= ~request;
        return pending;
    }
}

/// <summary>What L1 has to do for L2 behind a nested VM-exit.</summary>
internal enum L1Task
{
    None,
    EmulateEoi,
    EmulateIcr,
}

/// <summary>What a guest at one level is doing.</summary>
internal sealed class GuestContext
{
    /// <summary>RFLAGS.IF.</summary>
    public bool InterruptsEnabled { get; set; } = true;

    /// <summary>Vector whose handler runs; -1 if none does.</summary>
    public int Handler { get; set; } = -1;

    /// <summary>Level of the APIC that accepted it.</summary>
    public int HandlerApic { get; set; }

    /// <summary>Work that the handler interrupted.</summary>
    public long Interrupted { get; set; }

    /// <summary>The handler wrote EOI and has only its return left.</summary>
    public bool EoiWritten { get; set; }

    /// <summary>Cycles until its next step, if nothing interrupts it.</summary>
    public long Work { get; set; }

    /// <summary>It waits in a loop for something to change.</summary>
    public bool Spins { get; set; }
}
