using System.Globalization;
using Sim.Core.Profiles;

namespace Sim.Core.Architecture;

/// <summary>
/// Names and numbers of VM-exit reasons: the basic exit reasons of SDM vol. 3 appendix C under the names of arch/x86/include/uapi/asm/vmx.h, and the exit codes of
/// APM vol. 2 appendix C under those of arch/x86/include/uapi/asm/svm.h (kernels 5.10 to 7.1). The names that libtraceevent's kvm plugin prints are understood as well.
/// </summary>
public static class ExitReasons
{
    /// <summary>SVM: the exit code of a failed VMRUN (VMEXIT_INVALID, -1).</summary>
    public const uint SvmInvalid = uint.MaxValue;

    private const string Exception = " excp";

    /// <summary>Of either vendor: an exit whose reason is not known. VMX basic reasons have 16 bits and end long before, SVM exit codes leave out this one.</summary>
    public const uint Unknown = 0xFFFF;

    private static readonly (uint Number, string Name)[] Vmx =
    [
        (0, "EXCEPTION_NMI"), (1, "EXTERNAL_INTERRUPT"), (2, "TRIPLE_FAULT"), (3, "INIT_SIGNAL"), (4, "SIPI_SIGNAL"), (7, "INTERRUPT_WINDOW"), (8, "NMI_WINDOW"),
        (9, "TASK_SWITCH"), (10, "CPUID"), (12, "HLT"), (13, "INVD"), (14, "INVLPG"), (15, "RDPMC"), (16, "RDTSC"), (18, "VMCALL"), (19, "VMCLEAR"), (20, "VMLAUNCH"),
        (21, "VMPTRLD"), (22, "VMPTRST"), (23, "VMREAD"), (24, "VMRESUME"), (25, "VMWRITE"), (26, "VMOFF"), (27, "VMON"), (28, "CR_ACCESS"), (29, "DR_ACCESS"),
        (30, "IO_INSTRUCTION"), (31, "MSR_READ"), (32, "MSR_WRITE"), (33, "INVALID_STATE"), (34, "MSR_LOAD_FAIL"), (36, "MWAIT_INSTRUCTION"), (37, "MONITOR_TRAP_FLAG"),
        (39, "MONITOR_INSTRUCTION"), (40, "PAUSE_INSTRUCTION"), (41, "MCE_DURING_VMENTRY"), (43, "TPR_BELOW_THRESHOLD"), (44, "APIC_ACCESS"), (45, "EOI_INDUCED"),
        (46, "GDTR_IDTR"), (47, "LDTR_TR"), (48, "EPT_VIOLATION"), (49, "EPT_MISCONFIG"), (50, "INVEPT"), (51, "RDTSCP"), (52, "PREEMPTION_TIMER"), (53, "INVVPID"),
        (54, "WBINVD"), (55, "XSETBV"), (56, "APIC_WRITE"), (57, "RDRAND"), (58, "INVPCID"), (59, "VMFUNC"), (60, "ENCLS"), (61, "RDSEED"), (62, "PML_FULL"), (63, "XSAVES"),
        (64, "XRSTORS"), (67, "UMWAIT"), (68, "TPAUSE"), (74, "BUS_LOCK"), (75, "NOTIFY"), (77, "TDCALL"), (84, "MSR_READ_IMM"), (85, "MSR_WRITE_IMM"),
    ];

    private static readonly (uint Number, string Name)[] Svm =
    [
        (0x40, "DE excp"), (0x41, "DB excp"), (0x43, "BP excp"), (0x44, "OF excp"), (0x45, "BR excp"), (0x46, "UD excp"), (0x47, "NM excp"), (0x48, "DF excp"),
        (0x4A, "TS excp"), (0x4B, "NP excp"), (0x4C, "SS excp"), (0x4D, "GP excp"), (0x4E, "PF excp"), (0x50, "MF excp"), (0x51, "AC excp"), (0x52, "MC excp"),
        (0x53, "XF excp"), (0x60, "interrupt"), (0x61, "nmi"), (0x62, "smi"), (0x63, "init"), (0x64, "vintr"), (0x65, "cr0_sel_write"), (0x66, "read_idtr"),
        (0x67, "read_gdtr"), (0x68, "read_ldtr"), (0x69, "read_rt"), (0x6A, "write_idtr"), (0x6B, "write_gdtr"), (0x6C, "write_ldtr"), (0x6D, "write_rt"), (0x6E, "rdtsc"),
        (0x6F, "rdpmc"), (0x70, "pushf"), (0x71, "popf"), (0x72, "cpuid"), (0x73, "rsm"), (0x74, "iret"), (0x75, "swint"), (0x76, "invd"), (0x77, "pause"), (0x78, "hlt"),
        (0x79, "invlpg"), (0x7A, "invlpga"), (0x7B, "io"), (0x7C, "msr"), (0x7D, "task_switch"), (0x7E, "ferr_freeze"), (0x7F, "shutdown"), (0x80, "vmrun"),
        (0x81, "hypercall"), (0x82, "vmload"), (0x83, "vmsave"), (0x84, "stgi"), (0x85, "clgi"), (0x86, "skinit"), (0x87, "rdtscp"), (0x88, "icebp"), (0x89, "wbinvd"),
        (0x8A, "monitor"), (0x8B, "mwait"), (0x8C, "mwait_cond"), (0x8D, "xsetbv"), (0x8E, "rdpru"), (0x8F, "efer_write_trap"), (0x90, "write_cr0_trap"),
        (0x94, "write_cr4_trap"), (0x98, "write_cr8_trap"), (0xA2, "invpcid"), (0xA5, "buslock"), (0xA6, "idle-halt"), (0x400, "npf"), (0x401, "avic_incomplete_ipi"),
        (0x402, "avic_unaccelerated_access"), (0x403, "vmgexit"), (SvmInvalid, "invalid_guest_state"),
        .. Registers("read_cr", 0x00, 0, 2, 3, 4, 8), .. Registers("write_cr", 0x10, 0, 2, 3, 4, 8),
        .. Registers("read_dr", 0x20, 0, 1, 2, 3, 4, 5, 6, 7), .. Registers("write_dr", 0x30, 0, 1, 2, 3, 4, 5, 6, 7),
    ];

    // Where the plugin's EXIT_ name is not the kernel's name in capitals. Exceptions, below, are EXCP_ and the kernel's name; older plugins know EXCP_BASE only.
    private static readonly (uint Number, string Name)[] SvmPlugin =
    [
        (0x40, "EXCP_BASE"), (0x60, "INTR"), (0x66, "IDTR_READ"), (0x67, "GDTR_READ"), (0x68, "LDTR_READ"), (0x69, "TR_READ"), (0x6A, "IDTR_WRITE"), (0x6B, "GDTR_WRITE"),
        (0x6C, "LDTR_WRITE"), (0x6D, "TR_WRITE"), (0x7B, "IOIO"), (0x81, "VMMCALL"), (SvmInvalid, "ERR"),
    ];

    private static readonly Dictionary<uint, string> VmxNames = Vmx.ToDictionary(r => r.Number, r => r.Name);

    private static readonly Dictionary<uint, string> SvmNames = Svm.ToDictionary(r => r.Number, r => r.Name);

    private static readonly AsciiNames<(Vendor Vendor, uint Number)> ByName = new(
    [
        .. Vmx.Select(r => (r.Name, (Vendor.Intel, r.Number))),
        ("PENDING_INTERRUPT", (Vendor.Intel, 7)),
        .. Svm.Select(r => (r.Name, (Vendor.Amd, r.Number))),
        .. SvmPlugin.Select(r => ("EXIT_" + r.Name, (Vendor.Amd, r.Number))),
        .. Svm.Where(r => r.Name.EndsWith(Exception, StringComparison.Ordinal)).Select(r => ("EXIT_EXCP_" + r.Name[..^Exception.Length], (Vendor.Amd, r.Number))),
        .. Svm.Where(r => !r.Name.Contains(' ') && SvmPlugin.All(p => p.Number != r.Number)).Select(r => ("EXIT_" + r.Name.ToUpperInvariant(), (Vendor.Amd, r.Number))),
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

    private static IEnumerable<(uint Number, string Name)> Registers(string prefix, uint first, params uint[] registers) =>
        registers.Select(r => (first + r, prefix + r.ToString(CultureInfo.InvariantCulture)));
}
