using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text;

namespace Sim.Captures.Ftrace;

/// <summary>Which tracepoint a <see cref="KernelEvent"/> is. Names are the kernel's, without underscores (<c>kvm_nested_vmexit</c> is <see cref="KvmNestedVmexit"/>).</summary>
public enum KernelEventType : byte
{
    /// <summary>An event that this importer does not know; <see cref="KernelEvent.Name"/> has its name.</summary>
    Unknown,

    /// <summary>A line of the function tracer: <see cref="KernelEvent.Text"/> is the function, <see cref="KernelEvent.Caller"/> its caller if printed.</summary>
    Function,

    /// <summary>An event of KVM that nothing here uses; <see cref="KernelEvent.Text"/> is what it says.</summary>
    Other,

#pragma warning disable CS1591 // The kernel's own names: include/trace/events/{sched,tlb,kvm}.h, arch/x86/include/asm/trace/irq_vectors.h, arch/x86/kvm/trace.h, mmu/mmutrace.h.
    KvmEntry,
    KvmExit,
    KvmNestedVmexit,
    KvmNestedVmexitInject,
    KvmNestedVmrun,
    KvmNestedVmenter,
    KvmNestedVmenterFailed,
    KvmNestedIntercepts,
    KvmNestedIntrVmexit,
    KvmInjVirq,
    KvmInjException,
    KvmApicIpi,
    KvmApicAcceptIrq,
    KvmApicvAcceptIrq,
    KvmApic,
    KvmEoi,
    KvmPvEoi,
    KvmApicvUpdateRequest,
    KvmApicvInhibitChanged,
    KvmPiIrteUpdate,
    KvmMsiSetIrq,
    KvmSetIrq,
    KvmIoapicSetIrq,
    KvmPicSetIrq,
    KvmAckIrq,
    KvmAvicIncompleteIpi,
    KvmAvicUnacceleratedAccess,
    KvmAvicGaLog,
    KvmAvicKickVcpuSlowpath,
    KvmAvicDoorbell,
    KvmMsr,
    KvmCr,
    KvmInvlpga,
    KvmPvTlbFlush,
    KvmHvFlushTlb,
    KvmHvFlushTlbEx,
    KvmHvSendIpi,
    KvmHvSendIpiEx,
    KvmPageFault,
    FastPageFault,
    KvmMmuPagetableWalk,
    KvmMmuPagingElement,
    KvmMmuSetAccessedBit,
    KvmMmuSetDirtyBit,
    KvmMmuWalkerError,
    KvmMmuGetPage,
    KvmMmuSyncPage,
    KvmMmuUnsyncPage,
    KvmMmuPrepareZapPage,
    KvmMmuZapAllFast,
    KvmMmuSetSpte,
    KvmMmuSpteRequested,
    KvmTdpMmuSpteChanged,
    KvmMmuSplitHugePage,
    KvmUnmapHvaRange,
    KvmUnmapHva,
    KvmSetSpteHva,
    KvmAgeHva,
    KvmTestAgeHva,
    KvmAgePage,
    KvmPvclockUpdate,
    MarkMmioSpte,
    HandleMmioPageFault,
    CheckMmioSpte,
    KvmHaltPollNs,
    KvmVcpuWakeup,
    KvmUserspaceExit,
    KvmPio,
    KvmMmio,
    KvmCpuid,
    KvmHypercall,
    KvmEmulateInsn,
    KvmFpu,
    KvmHvTimerState,
    KvmWaitLapicExpire,
    KvmPleWindowUpdate,
    KvmWriteTscOffset,
    KvmUpdateMasterClock,
    KvmTrackTsc,
    SchedSwitch,
    SchedMigrateTask,
    TlbFlush,
    LocalTimerEntry,
    LocalTimerExit,
    RescheduleEntry,
    RescheduleExit,
    CallFunctionEntry,
    CallFunctionExit,
    CallFunctionSingleEntry,
    CallFunctionSingleExit,
    IrqWorkEntry,
    IrqWorkExit,
    SpuriousApicEntry,
    SpuriousApicExit,
#pragma warning restore CS1591
}

/// <summary>A named number of a <see cref="KernelEvent"/>. Flags are 0 or 1. An operand that a kernel version does not print is absent, not 0.</summary>
public enum KernelOperand : byte
{
    /// <summary>vCPU number (-1, as two's complement, if none).</summary>
    Vcpu,

    /// <summary>Guest RIP.</summary>
    Rip,

    /// <summary>Exit reason (VMX basic reason, SVM exit code), KVM_EXIT_* of kvm_userspace_exit, or reason of a host TLB flush.</summary>
    Reason,

    /// <summary>1 if the VM-entry failed (VMX exit reason bit 31).</summary>
    FailedVmentry,

    /// <summary>1 VMX, 2 SVM, as KVM_ISA_VMX and KVM_ISA_SVM.</summary>
    Isa,

    /// <summary>Exit qualification, or EXITINFO1.</summary>
    Info1,

    /// <summary>IDT-vectoring information, or EXITINFO2.</summary>
    Info2,

    /// <summary>VM-exit (or VM-entry) interruption information, or EXITINTINFO.</summary>
    IntrInfo,

    /// <summary>Error code that goes with <see cref="IntrInfo"/>, or of a page fault.</summary>
    ErrorCode,

    /// <summary>Pending KVM_REQ_* bits (6.14 and later).</summary>
    Requests,

    /// <summary>1 if KVM asked for an immediate exit.</summary>
    ImmediateExit,

    /// <summary>Guest-physical address of vmcs12 or vmcb12.</summary>
    Vmcs12,

    /// <summary>RIP of L2.</summary>
    NestedRip,

    /// <summary>vmcb12 int_ctl, or vmcs12 guest interrupt status.</summary>
    IntCtl,

    /// <summary>Event injection of the nested entry.</summary>
    EventInj,

    /// <summary>1 if L1 uses EPT or nested paging for L2.</summary>
    NestedTdp,

    /// <summary>EPTP12, or nCR3 of vmcb12.</summary>
    NestedRoot,

    /// <summary>Guest CR3 of a nested entry without EPT12 or NPT12.</summary>
    GuestCr3,

    /// <summary>Intercepted CR reads.</summary>
    CrReads,

    /// <summary>Intercepted CR writes.</summary>
    CrWrites,

    /// <summary>Intercepted exceptions.</summary>
    Exceptions,

    /// <summary>Intercept words of vmcb12.</summary>
    Intercepts1,

    /// <summary>Intercept words of vmcb12.</summary>
    Intercepts2,

    /// <summary>Intercept words of vmcb12.</summary>
    Intercepts3,

    /// <summary>Interrupt vector.</summary>
    Vector,

    /// <summary>1 for a software interrupt.</summary>
    Soft,

    /// <summary>1 if injected again after an exit during delivery.</summary>
    Reinjected,

    /// <summary>APIC destination.</summary>
    Destination,

    /// <summary>Delivery mode: 0 fixed ... 7 ExtINT.</summary>
    DeliveryMode,

    /// <summary>1 for logical destination mode.</summary>
    Logical,

    /// <summary>1 for assert.</summary>
    Asserted,

    /// <summary>1 for level triggered.</summary>
    LevelTriggered,

    /// <summary>Destination shorthand: 0 none, 1 self, 2 all, 3 all but self.</summary>
    Shorthand,

    /// <summary>1 if the MSI redirection hint is set.</summary>
    RedirectionHint,

    /// <summary>APIC id (of a virtual APIC, except in kvm_avic_doorbell: the host's).</summary>
    ApicId,

    /// <summary>1 set, activate or enabled; 0 cleared, deactivate or disabled.</summary>
    Set,

    /// <summary>Number of an APICv inhibit reason.</summary>
    InhibitReason,

    /// <summary>All APICv inhibit reasons in force, as bits.</summary>
    Inhibits,

    /// <summary>Host interrupt number of a posted IRTE.</summary>
    HostIrq,

    /// <summary>Global system interrupt.</summary>
    Gsi,

    /// <summary>Pin of an interrupt controller.</summary>
    Pin,

    /// <summary>Interrupt controller chip.</summary>
    Chip,

    /// <summary>1 if the pin is masked.</summary>
    Masked,

    /// <summary>Interrupt source id.</summary>
    Source,

    /// <summary>Physical address of the posted-interrupt descriptor.</summary>
    PiDescriptor,

    /// <summary>An address: what kind is the event's business.</summary>
    Address,

    /// <summary>End of an address range.</summary>
    End,

    /// <summary>Guest frame number.</summary>
    Gfn,

    /// <summary>Host frame number.</summary>
    Pfn,

    /// <summary>Level of a paging structure: 1 is a page table.</summary>
    PageLevel,

    /// <summary>Raw kvm_mmu_page_role.</summary>
    Role,

    /// <summary>Low bits of mmu_valid_gen.</summary>
    Generation,

    /// <summary>Size of a guest page-table entry in bytes.</summary>
    GpteBytes,

    /// <summary>Quadrant of a shadow page.</summary>
    Quadrant,

    /// <summary>1 for a direct shadow page.</summary>
    Direct,

    /// <summary>Access rights as in kvm_mmu_page_role: bit 0 execute, bit 1 write, bit 2 user.</summary>
    Access,

    /// <summary>1 for an invalid shadow page.</summary>
    Invalid,

    /// <summary>1 if the guest uses PAE-style entries.</summary>
    Pae,

    /// <summary>1 if EFER.NX counts.</summary>
    Nxe,

    /// <summary>1 if CR0.WP counts.</summary>
    WriteProtect,

    /// <summary>1 if accessed and dirty bits are used.</summary>
    AccessedDirty,

    /// <summary>References of a shadow page as a root.</summary>
    RootCount,

    /// <summary>1 if the shadow page is unsync.</summary>
    Unsync,

    /// <summary>1 new, 0 existing.</summary>
    Created,

    /// <summary>Shadow entry before.</summary>
    OldSpte,

    /// <summary>Shadow entry after.</summary>
    NewSpte,

    /// <summary>1 if a fault was spurious.</summary>
    Spurious,

    /// <summary>1 if a fault was fixed without the MMU lock.</summary>
    Fixed,

    /// <summary>Error number.</summary>
    Errno,

    /// <summary>ICR bits 63:32.</summary>
    IcrHigh,

    /// <summary>ICR bits 31:0.</summary>
    IcrLow,

    /// <summary>Identifier of an incomplete IPI.</summary>
    Id,

    /// <summary>Index into the AVIC physical or logical id table.</summary>
    Index,

    /// <summary>APIC register offset.</summary>
    Offset,

    /// <summary>1 write, 0 read.</summary>
    Write,

    /// <summary>1 trap, 0 fault.</summary>
    Trap,

    /// <summary>AVIC VM id.</summary>
    VmId,

    /// <summary>Mask of virtual processors (Hyper-V).</summary>
    ProcessorMask,

    /// <summary>Address space: CR3 of a Hyper-V flush, KVM address-space id of a memory slot.</summary>
    AddressSpace,

    /// <summary>Flags word.</summary>
    Flags,

    /// <summary>Format of a Hyper-V processor set.</summary>
    Format,

    /// <summary>1 if the hypercall came from L2.</summary>
    CallerIsL2,

    /// <summary>1 if a preempted vCPU was asked to flush.</summary>
    NeedFlush,

    /// <summary>ASID.</summary>
    Asid,

    /// <summary>Number of a register: CR number, MSR, APIC offset, CPUID or hypercall function.</summary>
    Register,

    /// <summary>A value read, written or reached.</summary>
    Value,

    /// <summary>The value before.</summary>
    OldValue,

    /// <summary>1 if #GP was raised.</summary>
    GeneralProtection,

    /// <summary>1 grew, 0 shrank.</summary>
    Grew,

    /// <summary>Nanoseconds.</summary>
    Nanoseconds,

    /// <summary>1 waited (blocked), 0 polled.</summary>
    Waited,

    /// <summary>1 valid or found.</summary>
    Valid,

    /// <summary>1 late.</summary>
    Late,

    /// <summary>Size in bytes.</summary>
    Size,

    /// <summary>Repetitions.</summary>
    Count,

    /// <summary>CPUID sub-leaf.</summary>
    Subleaf,

    /// <summary>RAX, or first argument.</summary>
    Rax,

    /// <summary>RBX, or second argument.</summary>
    Rbx,

    /// <summary>RCX, or third argument.</summary>
    Rcx,

    /// <summary>RDX, or fourth argument.</summary>
    Rdx,

    /// <summary>Pages of a host TLB flush; -1 for all.</summary>
    Pages,

    /// <summary>Task that leaves.</summary>
    PrevPid,

    /// <summary>1 if the task that leaves could still run (it was preempted).</summary>
    Preempted,

    /// <summary>Task that comes.</summary>
    NextPid,

    /// <summary>Priority of the task.</summary>
    Priority,

    /// <summary>CPU a task leaves.</summary>
    OrigCpu,

    /// <summary>CPU a task goes to.</summary>
    DestCpu,

    /// <summary>Code segment base.</summary>
    CodeSegmentBase,
}

/// <summary>One line of a kernel trace: when, where, who, and the event with its operands in the order of the text.</summary>
public struct KernelEvent
{
    /// <summary>Most operands an event can have.</summary>
    public const int MaxOperands = 24;

    private Keys _keys;
    private Values _values;
    private byte _count;

    /// <summary>The printed seconds times 10^9: nanoseconds, or TSC cycles where the trace clock is x86-tsc and trace-cmd printed nine digits. A bare integer counter as it is.</summary>
    public ulong Time;

    /// <summary>Physical CPU.</summary>
    public int Cpu;

    /// <summary>Thread id; -1 if the trace does not know it.</summary>
    public int Pid;

    /// <summary>Task name; "&lt;...&gt;" if the trace does not know it.</summary>
    public string Task;

    /// <summary>Which event.</summary>
    public KernelEventType Type;

    /// <summary>The event's name as printed, without its system.</summary>
    public string Name;

    /// <summary>What the event says in words: the function, the failed check, KVM_EXIT_*, names of bits; empty if nothing.</summary>
    public string Text;

    /// <summary>Caller of a function; empty if not printed.</summary>
    public string Caller;

    /// <summary>True if the text of the event matched no known format: then it has no operands.</summary>
    public bool IsUnparsed;

    /// <summary>Number of operands.</summary>
    public readonly int OperandCount => _count;

    /// <summary>An operand's value, or 0 if the line does not have it.</summary>
    public readonly ulong this[KernelOperand operand]
    {
        get
        {
            for (int i = 0; i < _count; i++)
            {
                if (_keys[i] == (byte)operand)
                {
                    return _values[i];
                }
            }

            return 0;
        }
    }

    /// <summary>True if the other one is the same event: the same words and numbers at the same time and place.</summary>
    public readonly bool IsSameAs(in KernelEvent other)
    {
        bool isSame = (Time, Cpu, Pid, _count) == (other.Time, other.Cpu, other.Pid, other._count) && Task == other.Task && Name == other.Name && Text == other.Text && Caller == other.Caller;
        for (int i = 0; isSame && i < _count; i++)
        {
            isSame = _keys[i] == other._keys[i] && _values[i] == other._values[i];
        }

        return isSame;
    }

    /// <summary>True if the line has this operand.</summary>
    public readonly bool Has(KernelOperand operand)
    {
        for (int i = 0; i < _count; i++)
        {
            if (_keys[i] == (byte)operand)
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>The operand at a position in the text.</summary>
    public readonly (KernelOperand Operand, ulong Value) Operand(int index) => ((KernelOperand)_keys[index], _values[index]);

    /// <summary>Name and operands: <c>kvm_entry Vcpu=0x0 Rip=0x401136</c>.</summary>
    public override readonly string ToString()
    {
        StringBuilder text = new(Name);
        for (int i = 0; i < _count; i++)
        {
            text.Append(CultureInfo.InvariantCulture, $" {(KernelOperand)_keys[i]}=0x{_values[i]:x}");
        }

        return text.Append(Text.Length > 0 ? $" \"{Text}\"" : "").ToString();
    }

    internal void Add(KernelOperand operand, ulong value)
    {
        if (_count < MaxOperands)
        {
            _keys[_count] = (byte)operand;
            _values[_count++] = value;
        }
    }

    internal void Clear(int operands = 0)
    {
        _count = (byte)operands;
        Text = "";
        Caller = "";
        IsUnparsed = false;
    }

    [InlineArray(MaxOperands)]
    private struct Keys
    {
        private byte _first;
    }

    [InlineArray(MaxOperands)]
    private struct Values
    {
        private ulong _first;
    }
}
