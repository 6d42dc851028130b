namespace Sim.Core.Architecture;

/// <summary>Exit codes of SVM (APM vol. 2, appendix C). What a kernel or trace-cmd calls them: <see cref="ExitReasons"/>.</summary>
public enum SvmExit : uint
{
    /// <summary>Read of CR0.</summary>
    ReadCr0 = 0x00,

    /// <summary>Read of CR2.</summary>
    ReadCr2 = 0x02,

    /// <summary>Read of CR3.</summary>
    ReadCr3 = 0x03,

    /// <summary>Read of CR4.</summary>
    ReadCr4 = 0x04,

    /// <summary>Read of CR8.</summary>
    ReadCr8 = 0x08,

    /// <summary>Write of CR0.</summary>
    WriteCr0 = 0x10,

    /// <summary>Write of CR2.</summary>
    WriteCr2 = 0x12,

    /// <summary>Write of CR3.</summary>
    WriteCr3 = 0x13,

    /// <summary>Write of CR4.</summary>
    WriteCr4 = 0x14,

    /// <summary>Write of CR8.</summary>
    WriteCr8 = 0x18,

    /// <summary>Read of DR0.</summary>
    ReadDr0 = 0x20,

    /// <summary>Read of DR1.</summary>
    ReadDr1 = 0x21,

    /// <summary>Read of DR2.</summary>
    ReadDr2 = 0x22,

    /// <summary>Read of DR3.</summary>
    ReadDr3 = 0x23,

    /// <summary>Read of DR4.</summary>
    ReadDr4 = 0x24,

    /// <summary>Read of DR5.</summary>
    ReadDr5 = 0x25,

    /// <summary>Read of DR6.</summary>
    ReadDr6 = 0x26,

    /// <summary>Read of DR7.</summary>
    ReadDr7 = 0x27,

    /// <summary>Write of DR0.</summary>
    WriteDr0 = 0x30,

    /// <summary>Write of DR1.</summary>
    WriteDr1 = 0x31,

    /// <summary>Write of DR2.</summary>
    WriteDr2 = 0x32,

    /// <summary>Write of DR3.</summary>
    WriteDr3 = 0x33,

    /// <summary>Write of DR4.</summary>
    WriteDr4 = 0x34,

    /// <summary>Write of DR5.</summary>
    WriteDr5 = 0x35,

    /// <summary>Write of DR6.</summary>
    WriteDr6 = 0x36,

    /// <summary>Write of DR7.</summary>
    WriteDr7 = 0x37,

    /// <summary>#DE: divide error.</summary>
    DivideError = 0x40,

    /// <summary>#DB: debug exception.</summary>
    Debug = 0x41,

    /// <summary>#BP: breakpoint.</summary>
    Breakpoint = 0x43,

    /// <summary>#OF: overflow.</summary>
    Overflow = 0x44,

    /// <summary>#BR: bound range.</summary>
    BoundRange = 0x45,

    /// <summary>#UD: invalid opcode.</summary>
    InvalidOpcode = 0x46,

    /// <summary>#NM: device not available.</summary>
    DeviceNotAvailable = 0x47,

    /// <summary>#DF: double fault.</summary>
    DoubleFault = 0x48,

    /// <summary>#TS: invalid tss.</summary>
    InvalidTss = 0x4A,

    /// <summary>#NP: segment not present.</summary>
    SegmentNotPresent = 0x4B,

    /// <summary>#SS: stack fault.</summary>
    StackFault = 0x4C,

    /// <summary>#GP: general protection.</summary>
    GeneralProtection = 0x4D,

    /// <summary>#PF: page fault.</summary>
    PageFault = 0x4E,

    /// <summary>#MF: x87 floating point.</summary>
    FloatingPoint = 0x50,

    /// <summary>#AC: alignment check.</summary>
    AlignmentCheck = 0x51,

    /// <summary>#MC: machine check.</summary>
    MachineCheck = 0x52,

    /// <summary>#XF: SIMD floating point.</summary>
    SimdFloatingPoint = 0x53,

    /// <summary>Physical interrupt (VMEXIT_INTR).</summary>
    Interrupt = 0x60,

    /// <summary>Physical NMI.</summary>
    Nmi = 0x61,

    /// <summary>Physical SMI.</summary>
    Smi = 0x62,

    /// <summary>Physical INIT.</summary>
    Init = 0x63,

    /// <summary>Virtual interrupt (VMEXIT_VINTR): the interrupt window of a guest without AVIC.</summary>
    VirtualInterrupt = 0x64,

    /// <summary>Write of CR0 that changes more than CR0.TS and CR0.MP.</summary>
    SelectiveCr0Write = 0x65,

    /// <summary>Read of IDTR.</summary>
    ReadIdtr = 0x66,

    /// <summary>Read of GDTR.</summary>
    ReadGdtr = 0x67,

    /// <summary>Read of LDTR.</summary>
    ReadLdtr = 0x68,

    /// <summary>Read of TR.</summary>
    ReadTr = 0x69,

    /// <summary>Write of IDTR.</summary>
    WriteIdtr = 0x6A,

    /// <summary>Write of GDTR.</summary>
    WriteGdtr = 0x6B,

    /// <summary>Write of LDTR.</summary>
    WriteLdtr = 0x6C,

    /// <summary>Write of TR.</summary>
    WriteTr = 0x6D,

    /// <summary>RDTSC.</summary>
    Rdtsc = 0x6E,

    /// <summary>RDPMC.</summary>
    Rdpmc = 0x6F,

    /// <summary>PUSHF.</summary>
    Pushf = 0x70,

    /// <summary>POPF.</summary>
    Popf = 0x71,

    /// <summary>CPUID.</summary>
    Cpuid = 0x72,

    /// <summary>RSM.</summary>
    Rsm = 0x73,

    /// <summary>IRET.</summary>
    Iret = 0x74,

    /// <summary>INTn.</summary>
    SoftwareInterrupt = 0x75,

    /// <summary>INVD.</summary>
    Invd = 0x76,

    /// <summary>PAUSE.</summary>
    Pause = 0x77,

    /// <summary>HLT.</summary>
    Hlt = 0x78,

    /// <summary>INVLPG.</summary>
    Invlpg = 0x79,

    /// <summary>INVLPGA.</summary>
    Invlpga = 0x7A,

    /// <summary>IN or OUT (VMEXIT_IOIO).</summary>
    Io = 0x7B,

    /// <summary>RDMSR or WRMSR.</summary>
    Msr = 0x7C,

    /// <summary>Task switch.</summary>
    TaskSwitch = 0x7D,

    /// <summary>FP error freeze.</summary>
    FerrFreeze = 0x7E,

    /// <summary>Shutdown.</summary>
    Shutdown = 0x7F,

    /// <summary>VMRUN.</summary>
    Vmrun = 0x80,

    /// <summary>VMMCALL.</summary>
    Vmmcall = 0x81,

    /// <summary>VMLOAD.</summary>
    Vmload = 0x82,

    /// <summary>VMSAVE.</summary>
    Vmsave = 0x83,

    /// <summary>STGI.</summary>
    Stgi = 0x84,

    /// <summary>CLGI.</summary>
    Clgi = 0x85,

    /// <summary>SKINIT.</summary>
    Skinit = 0x86,

    /// <summary>RDTSCP.</summary>
    Rdtscp = 0x87,

    /// <summary>INT1.</summary>
    Icebp = 0x88,

    /// <summary>WBINVD.</summary>
    Wbinvd = 0x89,

    /// <summary>MONITOR.</summary>
    Monitor = 0x8A,

    /// <summary>MWAIT.</summary>
    Mwait = 0x8B,

    /// <summary>MWAIT with the monitor hardware armed.</summary>
    MwaitConditional = 0x8C,

    /// <summary>XSETBV.</summary>
    Xsetbv = 0x8D,

    /// <summary>RDPRU.</summary>
    Rdpru = 0x8E,

    /// <summary>Write of EFER, behind it.</summary>
    EferWriteTrap = 0x8F,

    /// <summary>Write of CR0, behind it.</summary>
    WriteCr0Trap = 0x90,

    /// <summary>Write of CR4, behind it.</summary>
    WriteCr4Trap = 0x94,

    /// <summary>Write of CR8, behind it.</summary>
    WriteCr8Trap = 0x98,

    /// <summary>INVPCID.</summary>
    Invpcid = 0xA2,

    /// <summary>Bus lock.</summary>
    BusLock = 0xA5,

    /// <summary>HLT without a pending virtual interrupt.</summary>
    IdleHlt = 0xA6,

    /// <summary>Nested page fault (VMEXIT_NPF).</summary>
    NestedPageFault = 0x400,

    /// <summary>AVIC: an IPI that hardware could not deliver alone.</summary>
    AvicIncompleteIpi = 0x401,

    /// <summary>AVIC: an access to an APIC register that is not accelerated, EOI of a level-triggered interrupt among them.</summary>
    AvicUnacceleratedAccess = 0x402,

    /// <summary>VMGEXIT.</summary>
    Vmgexit = 0x403,

    /// <summary>VMRUN failed (VMEXIT_INVALID, -1).</summary>
    Invalid = uint.MaxValue,
}
