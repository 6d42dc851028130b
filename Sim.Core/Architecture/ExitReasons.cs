using System.Globalization;
using Sim.Core.Profiles;

namespace Sim.Core.Architecture;

/// <summary>
/// Names and numbers of VM-exit reasons: the basic exit reasons of SDM vol. 3 appendix C under the names of arch/x86/include/uapi/asm/vmx.h, and the exit codes of
/// APM vol. 2 appendix C under those of arch/x86/include/uapi/asm/svm.h (kernels 5.10 to 7.1). The names that libtraceevent's kvm plugin prints are understood as well.
/// </summary>
public static class ExitReasons
{
    private const string Exception = " excp";

    /// <summary>Of either vendor: an exit whose reason is not known. VMX basic reasons have 16 bits and end long before, SVM exit codes leave out this one.</summary>
    public const uint Unknown = 0xFFFF;

    private static readonly (VmxExit Number, string Name)[] Vmx =
    [
        (VmxExit.ExceptionOrNmi, "EXCEPTION_NMI"), (VmxExit.ExternalInterrupt, "EXTERNAL_INTERRUPT"), (VmxExit.TripleFault, "TRIPLE_FAULT"), (VmxExit.Init, "INIT_SIGNAL"),
        (VmxExit.Sipi, "SIPI_SIGNAL"), (VmxExit.InterruptWindow, "INTERRUPT_WINDOW"), (VmxExit.NmiWindow, "NMI_WINDOW"), (VmxExit.TaskSwitch, "TASK_SWITCH"),
        (VmxExit.Cpuid, "CPUID"), (VmxExit.Hlt, "HLT"), (VmxExit.Invd, "INVD"), (VmxExit.Invlpg, "INVLPG"), (VmxExit.Rdpmc, "RDPMC"), (VmxExit.Rdtsc, "RDTSC"),
        (VmxExit.Vmcall, "VMCALL"), (VmxExit.Vmclear, "VMCLEAR"), (VmxExit.Vmlaunch, "VMLAUNCH"), (VmxExit.Vmptrld, "VMPTRLD"), (VmxExit.Vmptrst, "VMPTRST"),
        (VmxExit.Vmread, "VMREAD"), (VmxExit.Vmresume, "VMRESUME"), (VmxExit.Vmwrite, "VMWRITE"), (VmxExit.Vmxoff, "VMOFF"), (VmxExit.Vmxon, "VMON"),
        (VmxExit.CrAccess, "CR_ACCESS"), (VmxExit.DrAccess, "DR_ACCESS"), (VmxExit.Io, "IO_INSTRUCTION"), (VmxExit.MsrRead, "MSR_READ"), (VmxExit.MsrWrite, "MSR_WRITE"),
        (VmxExit.InvalidState, "INVALID_STATE"), (VmxExit.MsrLoadFail, "MSR_LOAD_FAIL"), (VmxExit.Mwait, "MWAIT_INSTRUCTION"), (VmxExit.MonitorTrapFlag, "MONITOR_TRAP_FLAG"),
        (VmxExit.Monitor, "MONITOR_INSTRUCTION"), (VmxExit.Pause, "PAUSE_INSTRUCTION"), (VmxExit.MachineCheckDuringEntry, "MCE_DURING_VMENTRY"),
        (VmxExit.TprBelowThreshold, "TPR_BELOW_THRESHOLD"), (VmxExit.ApicAccess, "APIC_ACCESS"), (VmxExit.EoiInduced, "EOI_INDUCED"), (VmxExit.GdtrIdtr, "GDTR_IDTR"),
        (VmxExit.LdtrTr, "LDTR_TR"), (VmxExit.EptViolation, "EPT_VIOLATION"), (VmxExit.EptMisconfig, "EPT_MISCONFIG"), (VmxExit.Invept, "INVEPT"), (VmxExit.Rdtscp, "RDTSCP"),
        (VmxExit.PreemptionTimer, "PREEMPTION_TIMER"), (VmxExit.Invvpid, "INVVPID"), (VmxExit.Wbinvd, "WBINVD"), (VmxExit.Xsetbv, "XSETBV"), (VmxExit.ApicWrite, "APIC_WRITE"),
        (VmxExit.Rdrand, "RDRAND"), (VmxExit.Invpcid, "INVPCID"), (VmxExit.Vmfunc, "VMFUNC"), (VmxExit.Encls, "ENCLS"), (VmxExit.Rdseed, "RDSEED"), (VmxExit.PmlFull, "PML_FULL"),
        (VmxExit.Xsaves, "XSAVES"), (VmxExit.Xrstors, "XRSTORS"), (VmxExit.Umwait, "UMWAIT"), (VmxExit.Tpause, "TPAUSE"), (VmxExit.BusLock, "BUS_LOCK"),
        (VmxExit.Notify, "NOTIFY"), (VmxExit.Tdcall, "TDCALL"), (VmxExit.MsrReadImmediate, "MSR_READ_IMM"), (VmxExit.MsrWriteImmediate, "MSR_WRITE_IMM"),
    ];

    private static readonly (SvmExit Number, string Name)[] Svm =
    [
        (SvmExit.DivideError, "DE excp"), (SvmExit.Debug, "DB excp"), (SvmExit.Breakpoint, "BP excp"), (SvmExit.Overflow, "OF excp"), (SvmExit.BoundRange, "BR excp"),
        (SvmExit.InvalidOpcode, "UD excp"), (SvmExit.DeviceNotAvailable, "NM excp"), (SvmExit.DoubleFault, "DF excp"), (SvmExit.InvalidTss, "TS excp"),
        (SvmExit.SegmentNotPresent, "NP excp"), (SvmExit.StackFault, "SS excp"), (SvmExit.GeneralProtection, "GP excp"), (SvmExit.PageFault, "PF excp"),
        (SvmExit.FloatingPoint, "MF excp"), (SvmExit.AlignmentCheck, "AC excp"), (SvmExit.MachineCheck, "MC excp"), (SvmExit.SimdFloatingPoint, "XF excp"),
        (SvmExit.Interrupt, "interrupt"), (SvmExit.Nmi, "nmi"), (SvmExit.Smi, "smi"), (SvmExit.Init, "init"), (SvmExit.VirtualInterrupt, "vintr"),
        (SvmExit.SelectiveCr0Write, "cr0_sel_write"), (SvmExit.ReadIdtr, "read_idtr"), (SvmExit.ReadGdtr, "read_gdtr"), (SvmExit.ReadLdtr, "read_ldtr"),
        (SvmExit.ReadTr, "read_rt"), (SvmExit.WriteIdtr, "write_idtr"), (SvmExit.WriteGdtr, "write_gdtr"), (SvmExit.WriteLdtr, "write_ldtr"), (SvmExit.WriteTr, "write_rt"),
        (SvmExit.Rdtsc, "rdtsc"), (SvmExit.Rdpmc, "rdpmc"), (SvmExit.Pushf, "pushf"), (SvmExit.Popf, "popf"), (SvmExit.Cpuid, "cpuid"), (SvmExit.Rsm, "rsm"),
        (SvmExit.Iret, "iret"), (SvmExit.SoftwareInterrupt, "swint"), (SvmExit.Invd, "invd"), (SvmExit.Pause, "pause"), (SvmExit.Hlt, "hlt"), (SvmExit.Invlpg, "invlpg"),
        (SvmExit.Invlpga, "invlpga"), (SvmExit.Io, "io"), (SvmExit.Msr, "msr"), (SvmExit.TaskSwitch, "task_switch"), (SvmExit.FerrFreeze, "ferr_freeze"),
        (SvmExit.Shutdown, "shutdown"), (SvmExit.Vmrun, "vmrun"), (SvmExit.Vmmcall, "hypercall"), (SvmExit.Vmload, "vmload"), (SvmExit.Vmsave, "vmsave"), (SvmExit.Stgi, "stgi"),
        (SvmExit.Clgi, "clgi"), (SvmExit.Skinit, "skinit"), (SvmExit.Rdtscp, "rdtscp"), (SvmExit.Icebp, "icebp"), (SvmExit.Wbinvd, "wbinvd"), (SvmExit.Monitor, "monitor"),
        (SvmExit.Mwait, "mwait"), (SvmExit.MwaitConditional, "mwait_cond"), (SvmExit.Xsetbv, "xsetbv"), (SvmExit.Rdpru, "rdpru"), (SvmExit.EferWriteTrap, "efer_write_trap"),
        (SvmExit.WriteCr0Trap, "write_cr0_trap"), (SvmExit.WriteCr4Trap, "write_cr4_trap"), (SvmExit.WriteCr8Trap, "write_cr8_trap"), (SvmExit.Invpcid, "invpcid"),
        (SvmExit.BusLock, "buslock"), (SvmExit.IdleHlt, "idle-halt"), (SvmExit.NestedPageFault, "npf"), (SvmExit.AvicIncompleteIpi, "avic_incomplete_ipi"),
        (SvmExit.AvicUnacceleratedAccess, "avic_unaccelerated_access"), (SvmExit.Vmgexit, "vmgexit"), (SvmExit.Invalid, "invalid_guest_state"), (SvmExit.ReadCr0, "read_cr0"),
        (SvmExit.ReadCr2, "read_cr2"), (SvmExit.ReadCr3, "read_cr3"), (SvmExit.ReadCr4, "read_cr4"), (SvmExit.ReadCr8, "read_cr8"), (SvmExit.WriteCr0, "write_cr0"),
        (SvmExit.WriteCr2, "write_cr2"), (SvmExit.WriteCr3, "write_cr3"), (SvmExit.WriteCr4, "write_cr4"), (SvmExit.WriteCr8, "write_cr8"), (SvmExit.ReadDr0, "read_dr0"),
        (SvmExit.ReadDr1, "read_dr1"), (SvmExit.ReadDr2, "read_dr2"), (SvmExit.ReadDr3, "read_dr3"), (SvmExit.ReadDr4, "read_dr4"), (SvmExit.ReadDr5, "read_dr5"),
        (SvmExit.ReadDr6, "read_dr6"), (SvmExit.ReadDr7, "read_dr7"), (SvmExit.WriteDr0, "write_dr0"), (SvmExit.WriteDr1, "write_dr1"), (SvmExit.WriteDr2, "write_dr2"),
        (SvmExit.WriteDr3, "write_dr3"), (SvmExit.WriteDr4, "write_dr4"), (SvmExit.WriteDr5, "write_dr5"), (SvmExit.WriteDr6, "write_dr6"), (SvmExit.WriteDr7, "write_dr7"),
    ];

    // Where the plugin's EXIT_ name is not the kernel's name in capitals. Exceptions, below, are EXCP_ and the kernel's name; older plugins know EXCP_BASE only.
    private static readonly (SvmExit Number, string Name)[] SvmPlugin =
    [
        (SvmExit.DivideError, "EXCP_BASE"), (SvmExit.Interrupt, "INTR"), (SvmExit.ReadIdtr, "IDTR_READ"), (SvmExit.ReadGdtr, "GDTR_READ"), (SvmExit.ReadLdtr, "LDTR_READ"),
        (SvmExit.ReadTr, "TR_READ"), (SvmExit.WriteIdtr, "IDTR_WRITE"), (SvmExit.WriteGdtr, "GDTR_WRITE"), (SvmExit.WriteLdtr, "LDTR_WRITE"), (SvmExit.WriteTr, "TR_WRITE"),
        (SvmExit.Io, "IOIO"), (SvmExit.Vmmcall, "VMMCALL"), (SvmExit.Invalid, "ERR"),
    ];

    private static readonly Dictionary<uint, string> VmxNames = Vmx.ToDictionary(r => (uint)r.Number, r => r.Name);

    private static readonly Dictionary<uint, string> SvmNames = Svm.ToDictionary(r => (uint)r.Number, r => r.Name);

    private static readonly AsciiNames<(Vendor Vendor, uint Number)> ByName = new(
    [
        .. Vmx.Select(r => (r.Name, (Vendor.Intel, (uint)r.Number))),
        ("PENDING_INTERRUPT", (Vendor.Intel, (uint)VmxExit.InterruptWindow)),
        .. Svm.Select(r => (r.Name, (Vendor.Amd, (uint)r.Number))),
        .. SvmPlugin.Select(r => ("EXIT_" + r.Name, (Vendor.Amd, (uint)r.Number))),
        .. Svm.Where(r => r.Name.EndsWith(Exception, StringComparison.Ordinal)).Select(r => ("EXIT_EXCP_" + r.Name[..^Exception.Length], (Vendor.Amd, (uint)r.Number))),
        .. Svm.Where(r => !r.Name.Contains(' ') && SvmPlugin.All(p => p.Number != r.Number)).Select(r => ("EXIT_" + r.Name.ToUpperInvariant(), (Vendor.Amd, (uint)r.Number))),
    ]);

    /// <summary>The kernel's name of an exit reason (VMX: the basic reason, bits 15:0), or its number: decimal on Intel, hexadecimal on AMD.</summary>
    public static string Name(Vendor vendor, uint reason) => reason == Unknown ? "unknown" : vendor == Vendor.Intel
        ? VmxNames.GetValueOrDefault(reason) ?? reason.ToString(CultureInfo.InvariantCulture)
        : SvmNames.GetValueOrDefault(reason) ?? "0x" + reason.ToString("x", CultureInfo.InvariantCulture);

    /// <summary>The exit reason of a name that a kernel or trace-cmd prints, and whose it is.</summary>
    public static bool TryParse(ReadOnlySpan<byte> name, out Vendor vendor, out uint reason)
    {
        bool found = ByName.TryGet(name, out (Vendor Vendor, uint Number) entry);
        (vendor, reason) = entry;
        return found;
    }
}
