namespace Sim.Core.Traces;

/// <summary>What one trace record says (docs/trace-format.md). The numbers are stored in trace files: append, never renumber.</summary>
public enum RecordKind : byte
{
    /// <summary>One memory reference, or a folded run of references to one page, by whoever runs now.</summary>
    Access = 0,

    /// <summary>Cycles that touch no memory.</summary>
    Work = 1,

    /// <summary>MOV to CR3 by whoever runs now.</summary>
    SetCr3 = 2,

    /// <summary>MOV to CR4 by whoever runs now.</summary>
    SetCr4 = 3,

    /// <summary>INVLPG by whoever runs now.</summary>
    Invlpg = 4,

    /// <summary>INVPCID by whoever runs now.</summary>
    Invpcid = 5,

    /// <summary>INVVPID: L1's is emulated by L0, L0's is recorded hardware truth.</summary>
    Invvpid = 6,

    /// <summary>INVEPT: L1's is emulated by L0, L0's is recorded hardware truth.</summary>
    Invept = 7,

    /// <summary>AMD INVLPGA: L1's is emulated by L0, L0's is recorded hardware truth.</summary>
    Invlpga = 8,

    /// <summary>A paging-structure entry was made, changed, removed, or had its permissions cut or widened.</summary>
    MapChange = 9,

    /// <summary>A VM-entry: real (L0 to L1, L0 to L2) or nested (L1 to L2 as L1 sees it).</summary>
    VmEnter = 10,

    /// <summary>A VM-exit: real (L1 to L0, L2 to L0) or nested (L2 to L1 as L1 sees it).</summary>
    VmExit = 11,

    /// <summary>An interrupt wants to be delivered.</summary>
    Interrupt = 12,

    /// <summary>End of interrupt, by whoever runs now.</summary>
    Eoi = 13,

    /// <summary>HLT by whoever runs now.</summary>
    Halt = 14,

    /// <summary>The running vCPU changes the mode of its local APIC.</summary>
    ApicMode = 15,

    /// <summary>An APICv/AVIC inhibit reason is set or cleared.</summary>
    ApicvInhibit = 16,

    /// <summary>A vCPU leaves this lane.</summary>
    SchedOut = 17,

    /// <summary>A vCPU comes to this lane.</summary>
    SchedIn = 18,

    /// <summary>A vCPU's thread moves to another lane.</summary>
    Migrate = 19,

    /// <summary>A named moment: warm-up ends, a phase begins.</summary>
    Mark = 20,

    /// <summary>
    /// L0 walked L1's EPT12 (or NPT12) for a fault of L2 and made the missing entry of EPT02 (NPT02): which page of L1's memory holds the table of each level, as far as known.
    /// </summary>
    Tdp12Walk = 21,

    /// <summary>L0 creates a vCPU, or resets it because of an INIT (kvm_vcpu_reset).</summary>
    Reset = 22,

    /// <summary>
    /// L0 raised a flush request for a reason of its own, or for one that no other record tells: kvm_flush_remote_tlbs (memory taken from the VM, a page table of L1's
    /// write-protected), a paravirtual flush of a vCPU that was preempted.
    /// </summary>
    FlushRequest = 23,

    /// <summary>VMXON of L1, emulated by L0: its L2 has nothing yet, and gets a VPID (enter_vmx_operation). A vCPU that has none of these records is in VMX operation from the start.</summary>
    Vmxon = 24,

    /// <summary>VMXOFF of L1, emulated by L0: what L0 kept for its L2 goes, and the VPID is free for others (free_nested).</summary>
    Vmxoff = 25,

    /// <summary>
    /// How large the pages are that map a linear address: in the tables of this level that a root names, and the smallest one inside in the second-level tables that translate
    /// for this level (EPT01, NPT01, EPT02, NPT02; 0 if it is not known, or there are none). It tells what is, and changes nothing.
    /// </summary>
    PageSizes = 26,

    /// <summary>The physical CPU of this lane comes online again: what it had cached is gone, and L0 sets up virtualization on it (kvm_arch_enable_virtualization_cpu).</summary>
    CpuOnline = 27,
}

/// <summary>How an access uses memory.</summary>
public enum AccessType : byte
{
    /// <summary>Data read.</summary>
    Read = 0,

    /// <summary>Data write, or a read-modify-write.</summary>
    Write = 1,

    /// <summary>Instruction fetch.</summary>
    Execute = 2,
}

/// <summary>Who enters or leaves whom. L1ToL2 and L2ToL1 are nested: what L1 sees, carried out by L0.</summary>
public enum TransitionKind : byte
{
    /// <summary>Real VM-entry into L1.</summary>
    L0ToL1 = 0,

    /// <summary>Real VM-entry into L2.</summary>
    L0ToL2 = 1,

    /// <summary>Nested VM-entry: L1's VMLAUNCH, VMRESUME or VMRUN takes effect.</summary>
    L1ToL2 = 2,

    /// <summary>Real VM-exit from L1.</summary>
    L1ToL0 = 3,

    /// <summary>Real VM-exit from L2.</summary>
    L2ToL0 = 4,

    /// <summary>Nested VM-exit: L0 reflects an exit to L1.</summary>
    L2ToL1 = 5,
}

/// <summary>Whose paging-structure entry a <see cref="RecordKind.MapChange"/> speaks of.</summary>
public enum MapTable : byte
{
    /// <summary>Page tables of L0 itself.</summary>
    L0 = 0,

    /// <summary>Page tables of L1.</summary>
    L1 = 1,

    /// <summary>Page tables of L2.</summary>
    L2 = 2,

    /// <summary>L0's second-level table for L1: EPT01 or NPT01.</summary>
    Tdp01 = 3,

    /// <summary>L1's second-level table for L2: EPT12 or NPT12.</summary>
    Tdp12 = 4,
}

/// <summary>What happened to a paging-structure entry.</summary>
public enum MapChangeKind : byte
{
    /// <summary>Not present before, present now.</summary>
    Made = 0,

    /// <summary>Another frame, or another page size.</summary>
    Changed = 1,

    /// <summary>Not present any more.</summary>
    Removed = 2,

    /// <summary>Fewer rights than before.</summary>
    Restricted = 3,

    /// <summary>More rights than before.</summary>
    Widened = 4,
}

/// <summary>What a <see cref="RecordKind.FlushRequest"/> asks for, as KVM_REQ_TLB_FLUSH*.</summary>
public enum RequestedFlush : byte
{
    /// <summary>KVM_REQ_TLB_FLUSH: all contexts.</summary>
    All = 0,

    /// <summary>KVM_REQ_TLB_FLUSH_CURRENT: the active root or tag.</summary>
    Current = 1,

    /// <summary>KVM_REQ_TLB_FLUSH_GUEST: as if the guest had flushed its TLB.</summary>
    Guest = 2,

    /// <summary>None: userspace set the registers of the vCPU so that its MMU was reset (KVM_SET_SREGS). Whether that asks for a flush depends on the kernel.</summary>
    Registers = 3,

    /// <summary>None: the MMU root in use went (its shadow page was zapped), so that L0 must load it again, which flushes (KVM_REQ_MMU_RELOAD, KVM_REQ_MMU_FREE_OBSOLETE_ROOTS).</summary>
    Roots = 4,

    /// <summary>None: the guest wrote to a page table that L0 shadows, L0 emulated the write and zapped nothing for it. Whether that asks for a flush depends on the kernel.</summary>
    ShadowedWrite = 5,
}

/// <summary>
/// VM-execution controls a <see cref="RecordKind.VmEnter"/> names, as bits; on AMD vmcb12.TLB_CONTROL too, in <see cref="TlbControlMask"/>.
/// The numbers are stored in trace files: append, never renumber. Undefined bits are 0.
/// </summary>
[Flags]
public enum VmControls : ulong
{
    /// <summary>None.</summary>
    None = 0,

    /// <summary>Enable VPID (SDM vol. 3, secondary processor-based control bit 5).</summary>
    EnableVpid = 1 << 0,

    /// <summary>Enable EPT (secondary control bit 1), or vmcb12 nested paging.</summary>
    EnableEpt = 1 << 1,

    /// <summary>Use TPR shadow (primary processor-based control bit 21).</summary>
    TprShadow = 1 << 2,

    /// <summary>Virtual-interrupt delivery (secondary control bit 9).</summary>
    VirtualInterruptDelivery = 1 << 3,

    /// <summary>Process posted interrupts (pin-based control bit 7).</summary>
    PostedInterrupts = 1 << 4,

    /// <summary>External-interrupt exiting (pin-based control bit 0).</summary>
    ExternalInterruptExiting = 1 << 5,

    /// <summary>Acknowledge interrupt on exit (VM-exit control bit 15).</summary>
    AckInterruptOnExit = 1 << 6,

    /// <summary>APIC-register virtualization (secondary control bit 8).</summary>
    ApicRegisterVirtualization = 1 << 7,

    /// <summary>Virtualize x2APIC mode (secondary control bit 4).</summary>
    VirtualizeX2ApicMode = 1 << 8,

    /// <summary>Virtualize APIC accesses (secondary control bit 0).</summary>
    VirtualizeApicAccesses = 1 << 9,

    /// <summary>No control, and in real VM-entries only: this one fails. The VM-exit behind it tells the reason.</summary>
    EntryFails = 1 << 10,

    /// <summary>Where vmcb12.TLB_CONTROL lies: read it with <see cref="TlbControls.TlbControl"/>.</summary>
    TlbControlMask = 7 << 16,

    /// <summary>Every bit that means something in vmcs12 (vmcb12).</summary>
    Defined = ((1 << 10) - 1) | TlbControlMask,
}

/// <summary>VMCB.TLB_CONTROL as the APM encodes it (vol. 2, "TLB control"; docs/rules.md#amd-tags). Other values are reserved.</summary>
public enum TlbControl : byte
{
    /// <summary>Flush nothing.</summary>
    None = 0,

    /// <summary>Flush the whole TLB: all ASIDs, globals too.</summary>
    FlushAll = 1,

    /// <summary>Flush this VMCB's ASID.</summary>
    FlushAsid = 3,

    /// <summary>Flush this VMCB's ASID but for its global entries.</summary>
    FlushAsidNonGlobal = 7,
}

/// <summary>vmcb12.TLB_CONTROL inside <see cref="VmControls"/>.</summary>
public static class TlbControls
{
    private const int Shift = 16;

    /// <summary>TLB_CONTROL of these controls; a reserved value comes back as it is.</summary>
    public static TlbControl TlbControl(this VmControls controls) => (TlbControl)((ulong)(controls & VmControls.TlbControlMask) >> Shift);

    /// <summary>These controls with another TLB_CONTROL.</summary>
    public static VmControls With(this VmControls controls, TlbControl control) => (controls & ~VmControls.TlbControlMask) | (VmControls)((ulong)control << Shift);
}

/// <summary>CR4 bits that matter to translation caches, at their place in CR4.</summary>
[Flags]
public enum Cr4Bits : ulong
{
    /// <summary>None.</summary>
    None = 0,

    /// <summary>Page-size extension.</summary>
    Pse = 1UL << 4,

    /// <summary>Physical-address extension.</summary>
    Pae = 1UL << 5,

    /// <summary>Global pages.</summary>
    Pge = 1UL << 7,

    /// <summary>Five-level paging.</summary>
    La57 = 1UL << 12,

    /// <summary>Process-context identifiers.</summary>
    Pcide = 1UL << 17,

    /// <summary>Supervisor-mode execution prevention.</summary>
    Smep = 1UL << 20,

    /// <summary>Supervisor-mode access prevention.</summary>
    Smap = 1UL << 21,

    /// <summary>Protection keys of user pages.</summary>
    Pke = 1UL << 22,
}
