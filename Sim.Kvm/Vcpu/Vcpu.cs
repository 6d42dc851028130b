using Sim.Apic;
using Sim.Core.Architecture;
using Sim.Kvm.Interrupts;

namespace Sim.Kvm;

/// <summary>
/// One vCPU of L1: what L0 keeps of it (struct kvm_vcpu) for translation and for interrupts, its APIC, the L2 that it may run, and its thread if it has one. Whoever drives the steps of L0, by trace, by time or in every
/// order, drives them on this.
/// </summary>
internal sealed class Vcpu
{
    private readonly Dictionary<ulong, ControlRegisters> _l2 = [];
    private readonly Reason[] _reasons = new Reason[Enum.GetValues<FlushRequest>().Length];
    private readonly GuestContext[] _guests = [new(), new(), new()];
    private AvicIrte _irte;
    private Activity? _thread;
    private PhysicalCpu? _cpu;

    /// <summary>A vCPU without VPID or ASID: <see cref="Create"/> gives it those.</summary>
    public Vcpu(int id)
    {
        Id = id;
        Vmcs01 = new Vmcs(Apic);
        Vmcs02 = new Vmcs(L2Apic);
    }

    /// <summary>Index, and guest APIC ID.</summary>
    public int Id { get; }

    /// <summary>Its number in the trace.</summary>
    public ushort Number { get; set; }

    /// <summary>Real VPID (ASID) of L1; 0 if L0 uses no VPID, or had none left for it. Under <see cref="TagAllocation.PerCpu"/> it changes, and is L2's too.</summary>
    public ushort Vpid01 { get; set; }

    /// <summary>Real VPIDs (ASIDs) of L2.</summary>
    public L2Tags Tags { get; private set; } = new();

    /// <summary>See <see cref="KernelRules.HasOneVmcb"/>.</summary>
    public bool HasOneVmcb { get; private set; }

    /// <summary>vmcs01, or vmcb01.</summary>
    public Vmcs Vmcs01 { get; }

    /// <summary>vmcs02, or vmcb02.</summary>
    public Vmcs Vmcs02 { get; }

    /// <summary>is_guest_mode: L2 is active.</summary>
    public bool GuestMode { get; set; }

    /// <summary>Level that is active: 1 or 2.</summary>
    public int Level => GuestMode ? 2 : 1;

    /// <summary>The VMCS of the level that is active.</summary>
    public Vmcs ActiveVmcs => GuestMode ? Vmcs02 : Vmcs01;

    /// <summary>0 for vmcb01, 1 for vmcb02: the VMCB that keeps the ASID of the level that is active.</summary>
    public int AsidVmcbIndex => GuestMode && !HasOneVmcb ? 1 : 0;

    /// <summary>The VMCB with that index.</summary>
    public Vmcs AsidVmcb => AsidVmcbIndex == 0 ? Vmcs01 : Vmcs02;

    /// <summary>TLB_CONTROL of the VMRUNs to come, by VMCB or ASID (<see cref="FlushFunctions"/>): those that flush, with the reason of the first who asked.</summary>
    public SortedDictionary<int, Reason> TlbControl { get; } = [];

    /// <summary>The vmcs12 of the L2 that is, or was last, active.</summary>
    public Vmcs12 Vmcs12 { get; set; }

    /// <summary>Level of its last real VM-exit; 0 before the first.</summary>
    public int ExitLevel { get; set; }

    /// <summary>Lane on which a nested VM-entry was carried out whose real one is still to come; -1 if there is none.</summary>
    public int AwaitsEntryOn { get; set; } = -1;

    /// <summary>A nested VM-entry was emulated and has not happened yet: no nested VM-exit may come before it.</summary>
    public bool NestedRunPending { get; set; }

    /// <summary>vcpu->requests.</summary>
    public VcpuRequests Requests { get; set; }

    /// <summary>L1's control registers.</summary>
    public ControlRegisters L1 { get; } = new();

    /// <summary>Control registers of the level that is active.</summary>
    public ControlRegisters Active => GuestMode ? L2(Vmcs12.Address) : L1;

    /// <summary>root_mmu: roots of L1, and of an L2 without nested EPT.</summary>
    public RootCache RootMmu { get; } = new();

    /// <summary>guest_mmu: roots of nested EPT.</summary>
    public RootCache GuestMmu { get; } = new();

    /// <summary>The root whose EPTP (or CR3) the VMCS that runs has; null before the first load.</summary>
    public RootKey? LoadedRoot { get; set; }

    /// <summary>Why the current root was switched last.</summary>
    public Reason RootReason { get; set; } = new("vm_entry", "root_load");

    /// <summary>The guest flush that left no root (<see cref="ShadowGuestFlush.Unload"/>): the flush of the next root load is its.</summary>
    public Reason? UnloadedFor { get; set; }

    /// <summary>L1's APIC.</summary>
    public ApicPage Apic { get; } = new();

    /// <summary>Mode of L1's APIC.</summary>
    public ApicMode ApicMode { get; set; }

    /// <summary>L0's posted-interrupt descriptor for L1.</summary>
    public PostedInterruptDescriptor Pid { get; } = new();

    /// <summary>The IOMMU's entry of a device assigned to it (AMD).</summary>
    public ref AvicIrte Irte => ref _irte;

    /// <summary>vcpu->arch.apic->apicv_active: what software believes.</summary>
    public bool ApicvActive { get; set; }

    /// <summary>vmx->nested.update_vmcs01_apicv_status.</summary>
    public bool UpdateVmcs01ApicvStatus { get; set; }

    /// <summary>vmx->nested.pi_pending.</summary>
    public bool PiPending { get; set; }

    /// <summary>Leave the guest right behind the next VM-entry (req_immediate_exit).</summary>
    public bool ImmediateExit { get; set; }

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

    /// <summary>Its thread. There is none where nothing can come between two steps.</summary>
    /// <exception cref="InvalidOperationException">It has none.</exception>
    public Activity Thread => _thread ?? throw new InvalidOperationException($"vCPU {Id} has no thread.");

    /// <summary>vcpu->cpu: where its thread was loaded last.</summary>
    /// <exception cref="InvalidOperationException">It has no thread.</exception>
    public PhysicalCpu Cpu
    {
        get => _cpu ?? throw new InvalidOperationException($"vCPU {Id} has no thread.");
        set => _cpu = value;
    }

    /// <summary>vcpu->mode.</summary>
    public VcpuMode Mode { get; set; }

    /// <summary>What the scheduler thinks of the thread.</summary>
    public VcpuThreadState State { get; set; }

    /// <summary>vcpu_load was done and vcpu_put was not.</summary>
    public bool IsLoaded { get; set; }

    /// <summary>Halted: in kvm_vcpu_halt until something deliverable comes.</summary>
    public bool IsHalted { get; set; }

    /// <summary>When halt-polling ends.</summary>
    public long PollUntil { get; set; }

    /// <summary>Woken since it last looked whether it may run.</summary>
    public bool WasWoken { get; set; }

    /// <summary>KVM_CREATE_VCPU: the kernel gives it its VPIDs or ASIDs.</summary>
    public void Create(ushort number, ushort vpid01, L2Tags tags, bool hasOneVmcb)
    {
        Number = number;
        Vpid01 = vpid01;
        Tags = tags;
        HasOneVmcb = hasOneVmcb;
    }

    /// <summary>Its thread exists from now on, and waits for a CPU.</summary>
    public void Start(InterruptSystem system, PhysicalCpu cpu)
    {
        _thread = new Activity(system, this, null);
        _cpu = cpu;
    }

    /// <summary>Control registers of the L2 of a vmcs12.</summary>
    public ControlRegisters L2(ulong vmcs12)
    {
        if (!_l2.TryGetValue(vmcs12, out ControlRegisters? registers))
        {
            registers = new ControlRegisters();
            _l2.Add(vmcs12, registers);
        }

        return registers;
    }

    /// <summary>The MMU in use: vcpu->arch.mmu.</summary>
    public RootCache ActiveMmu(bool l0Ept) => GuestMode && l0Ept && Vmcs12.UsesEpt ? GuestMmu : RootMmu;

    /// <summary>Key of the root that the active level needs; see <see cref="KernelRules.L2HasOwnDirectRoot"/>.</summary>
    public RootKey NeededRoot(bool l0Ept, bool l2HasOwnDirectRoot) => l0Ept
        ? RootOf(GuestMode, l2HasOwnDirectRoot)
        : new RootKey(GuestMode ? Vmcs12.Vm : 0, Active.Root | Active.EffectivePcid, GuestMode, false);

    /// <summary>Key of the second-level root of L2 (in guest mode) or L1.</summary>
    public RootKey RootOf(bool guestMode, bool l2HasOwnDirectRoot) =>
        guestMode && Vmcs12.UsesEpt ? new RootKey(0, Vmcs12.Eptp, true, true) : new RootKey(0, 0, guestMode && l2HasOwnDirectRoot, false);

    /// <summary>The guest's own state at a level, 1 or 2.</summary>
    public GuestContext Guest(int level) => _guests[level];

    /// <summary>AVIC: the processor looks at the IRR of the VMCB that runs.</summary>
    public void LookAtIrr() => FoundInIrr = ActiveVmcs.Avic && ActiveVmcs.Page.Deliverable >= 0;

    /// <summary>Makes a request to flush. One that is pending keeps its reason.</summary>
    public void Raise(FlushRequest request, Reason reason)
    {
        VcpuRequests bit = (VcpuRequests)(1 << (int)request);
        if ((Requests & bit) == 0)
        {
            Requests |= bit;
            _reasons[(int)request] = reason;
        }
    }

    /// <summary>A request to flush is pending.</summary>
    public bool IsAnyFlushPending => (Requests & VcpuRequests.Flushes) != 0;

    /// <summary>kvm_check_request: clears a request to flush, and says whether and why it was pending.</summary>
    public bool Take(FlushRequest request, out Reason reason)
    {
        reason = _reasons[(int)request];
        return Take((VcpuRequests)(1 << (int)request));
    }

    /// <summary>kvm_check_request: clears a request, and says whether it was pending.</summary>
    public bool Take(VcpuRequests request)
    {
        bool pending = (Requests & request) != 0;
        Requests &= ~request;
        return pending;
    }
}
