using Sim.Core.Profiles;

namespace Sim.Workloads.Footprints;

/// <summary>
/// Exit reasons that a hypervisor handles in much the same way, VMX and SVM side by side: if a model has not seen one, it takes another of the same row. VMX's basic reasons
/// end at 0x5F; SVM's exit codes up to there (control registers, exceptions) are not told apart from them.
/// </summary>
internal static class ExitKinship
{
    private const uint FirstSvmOnly = 0x60;

    private static readonly uint[][] Rows =
    [
        [1, 0x60, 0x61, 0x62], // interrupts, NMI, SMI
        [7, 8, 0x64], // interrupt windows
        [52, 12, 0x78, 0xA6, 36, 39, 40, 67, 68, 0x77, 0x8A, 0x8B, 0x8C], // timers and waiting
        [10, 18, 54, 55, 51, 16, 0x72, 0x81, 0x89, 0x8D, 0x87, 0x6E], // CPUID, hypercalls and other small emulations
        [30, 0x7B], // port I/O
        [31, 32, 84, 85, 0x7C], // MSRs
        [46, 47, 0x66, 0x67, 0x68, 0x69, 0x6A, 0x6B, 0x6C, 0x6D], // descriptor tables
        [48, 49, 0x400], // second-level translation
        [43, 44, 45, 56, 0x401, 0x402], // APIC
        [20, 24, 0x80], // nested entries
        [25, 23, 19, 21, 22, 0x82, 0x83, 0x84, 0x85], // VMCS and VMCB instructions
        [50, 53, 58, 14, 28, 0x79, 0x7A, 0xA2], // invalidations and control registers
    ];

    /// <summary>Whose exit a reason is, as far as the number tells.</summary>
    public static Vendor VendorOf(uint reason) => reason < FirstSvmOnly ? Vendor.Intel : Vendor.Amd;

    /// <summary>0 for the same reason, 1 for kin, 2 for strangers.</summary>
    public static int Distance(uint a, uint b) => a == b ? 0 : Array.Exists(Rows, row => row.Contains(a) && row.Contains(b)) ? 1 : 2;
}
