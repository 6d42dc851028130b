using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text;

namespace Sim.Captures.HwLog;

/// <summary>What a line of a hardware capture says (traces/captures/README.md).</summary>
public enum HwType : byte
{
    /// <summary>Guest state is loaded: a real VM-entry.</summary>
    Vmentry,

    /// <summary>A real VM-exit; the record's mode is still non-root.</summary>
    Vmexit,

    /// <summary>VMPTRLD of <see cref="HwOperand.Vmcs"/>: KVM switches between vmcs01, vmcs02 and the shadow VMCS, or between vCPUs.</summary>
    Vmptrld,

    /// <summary>INVEPT executed.</summary>
    Invept,

    /// <summary>INVVPID executed.</summary>
    Invvpid,

    /// <summary>INVPCID executed.</summary>
    Invpcid,

    /// <summary>INVEPT attempted by L1, which exits.</summary>
    GuestInvept,

    /// <summary>INVVPID attempted by L1, which exits.</summary>
    GuestInvvpid,

    /// <summary>INVLPG of <see cref="HwOperand.Linear"/>.</summary>
    Invlpg,

    /// <summary>MOV to CR3 without exit; bit 63 is no-flush, the low 12 bits are the PCID.</summary>
    MovCr3,

    /// <summary>MOV to CR0 without exit.</summary>
    MovCr0,

    /// <summary>MOV to CR4 without exit.</summary>
    MovCr4,

    /// <summary>WRMSR executed, or virtualised without exit.</summary>
    Wrmsr,

    /// <summary>Exception delivered without exit.</summary>
    Exception,

    /// <summary>Vector delivered through the IDT: a physical interrupt in root mode, a virtual one in non-root mode.</summary>
    Interrupt,

    /// <summary>HLT without exit.</summary>
    Hlt,

    /// <summary>MWAIT without exit.</summary>
    Mwait,

    /// <summary>Write of the physical local APIC's ICR.</summary>
    IpiSend,

    /// <summary>Posted-interrupt processing in non-root mode: PIR merged into VIRR, no exit.</summary>
    PiProcess,

    /// <summary>Virtual-interrupt delivery.</summary>
    VirtualInterruptDeliver,

    /// <summary>EOI virtualisation.</summary>
    VirtualEoi,

    /// <summary>Self-IPI virtualisation.</summary>
    VirtualSelfIpi,

    /// <summary>A mark written by the workload: <see cref="HwOperand.Command"/> 1 window on, 2 window off, 3 and 4 memory window starts, 7 end.</summary>
    Mark,

    /// <summary>A memory window starts here: <see cref="HwOperand.WindowMode"/> 1 full, 2 pages.</summary>
    MemwindowStart,

    /// <summary>The context of the accesses that follow: CPU, mode, privilege level, VPID, EPTP, CR3, VMCS (0 in root mode).</summary>
    Context,

    /// <summary>Data read.</summary>
    Read,

    /// <summary>Data write.</summary>
    Write,

    /// <summary>Data read and write in one.</summary>
    Modify,

    /// <summary>First instruction fetch from another code page. See the README: the physical address is wrong if the instruction straddles two pages.</summary>
    Fetch,

    /// <summary>A page walk, once per context, page and kind.</summary>
    Walk,

    /// <summary>The trailer of a memory window.</summary>
    MemwindowEnd,
}

/// <summary>A named number of a <see cref="HwRecord"/>.</summary>
public enum HwOperand : byte
{
    /// <summary>Physical address of a VMCS.</summary>
    Vmcs,

    /// <summary>VPID of the guest; of INVVPID: the operand's.</summary>
    Vpid,

    /// <summary>EPT pointer of the guest; of INVEPT: the operand's.</summary>
    Eptp,

    /// <summary>CR3.</summary>
    Cr3,

    /// <summary>RIP.</summary>
    Rip,

    /// <summary>Pin-based controls.</summary>
    PinControls,

    /// <summary>Primary processor-based controls.</summary>
    CpuControls,

    /// <summary>Secondary processor-based controls.</summary>
    CpuControls2,

    /// <summary>Interruption information: of a VM-entry the event injected, of a VM-exit that of reasons 0 and 1.</summary>
    IntrInfo,

    /// <summary>Requesting virtual interrupt.</summary>
    Rvi,

    /// <summary>Servicing virtual interrupt.</summary>
    Svi,

    /// <summary>Posted-interrupt notification vector.</summary>
    NotificationVector,

    /// <summary>Physical address of the posted-interrupt descriptor.</summary>
    PiDescriptor,

    /// <summary>Basic exit reason.</summary>
    Reason,

    /// <summary>Exit qualification.</summary>
    Qualification,

    /// <summary>Guest-physical address of reasons 48 and 49.</summary>
    GuestPhysical,

    /// <summary>Guest-linear address, or the address of an access, INVLPG, INVVPID or INVPCID. A page number is shifted to an address.</summary>
    Linear,

    /// <summary>RAX or EAX.</summary>
    Rax,

    /// <summary>ECX.</summary>
    Rcx,

    /// <summary>EDX.</summary>
    Rdx,

    /// <summary>IDT-vectoring information.</summary>
    IdtVectoring,

    /// <summary>Type of INVEPT, INVVPID or INVPCID.</summary>
    InvalidationType,

    /// <summary>Low quadword of the invalidation descriptor as written.</summary>
    DescriptorLow,

    /// <summary>High quadword of the invalidation descriptor as written.</summary>
    DescriptorHigh,

    /// <summary>Value written to a control register or MSR.</summary>
    Value,

    /// <summary>MSR number.</summary>
    Msr,

    /// <summary>Interrupt or exception vector.</summary>
    Vector,

    /// <summary>Error code of an exception.</summary>
    ErrorCode,

    /// <summary>CR2.</summary>
    Cr2,

    /// <summary>APIC destination.</summary>
    Destination,

    /// <summary>ICR bits 31:0.</summary>
    IcrLow,

    /// <summary>PIR bits 255:192.</summary>
    Pir3,

    /// <summary>PIR bits 191:128.</summary>
    Pir2,

    /// <summary>PIR bits 127:64.</summary>
    Pir1,

    /// <summary>PIR bits 63:0.</summary>
    Pir0,

    /// <summary>Command of a mark.</summary>
    Command,

    /// <summary>Argument of a mark: the window id for commands 1 and 2.</summary>
    Argument,

    /// <summary>Privilege level.</summary>
    Cpl,

    /// <summary>VM-exits counted by the emulator so far.</summary>
    VmexitCount,

    /// <summary>Lines written by the emulator so far.</summary>
    EventCount,

    /// <summary>1 full, 2 pages.</summary>
    WindowMode,

    /// <summary>Accesses asked for, or seen.</summary>
    Accesses,

    /// <summary>Records the emulator wrote.</summary>
    Records,

    /// <summary>Host-physical address; a frame number is shifted to an address.</summary>
    Physical,

    /// <summary>Size in bytes of an access, or of the guest's page in a walk.</summary>
    Size,

    /// <summary>1 for a user access.</summary>
    User,

    /// <summary>0 read, 1 write, 2 execute: what a walk was for.</summary>
    AccessType,

    /// <summary>1 for a global page.</summary>
    Global,
}

/// <summary>One line of a hardware capture. Access records carry the time of the last event line and the CPU and mode of the last context line.</summary>
public struct HwRecord
{
    private ulong _present;
    private Values _values;

    /// <summary>Emulator time: equal to the TSC of L0.</summary>
    public ulong Ticks;

    /// <summary>Instructions retired by that CPU.</summary>
    public ulong Icount;

    /// <summary>Physical CPU.</summary>
    public int Cpu;

    /// <summary>True in VMX non-root mode.</summary>
    public bool NonRoot;

    /// <summary>What happened.</summary>
    public HwType Type;

    /// <summary>An operand's value, or 0 if the line does not have it.</summary>
    public readonly ulong this[HwOperand operand] => Has(operand) ? _values[(int)operand] : 0;

    /// <summary>True if the line has this operand.</summary>
    public readonly bool Has(HwOperand operand) => (_present >> (int)operand & 1) != 0;

    /// <summary>Type and operands: <c>Vmexit Vmcs=0xb1e9000 ...</c> in the order of <see cref="HwOperand"/>.</summary>
    public override readonly string ToString()
    {
        StringBuilder text = new(Type.ToString());
        foreach (HwOperand operand in Enum.GetValues<HwOperand>())
        {
            if (Has(operand))
            {
                text.Append(CultureInfo.InvariantCulture, $" {operand}=0x{this[operand]:x}");
            }
        }

        return text.ToString();
    }

    internal void Set(HwOperand operand, ulong value)
    {
        _values[(int)operand] = value;
        _present |= 1UL << (int)operand;
    }

    internal void Clear() => _present = 0;

    [InlineArray(48)]
    private struct Values
    {
        private ulong _first;
    }
}
