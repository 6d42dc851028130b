using Sim.Core.Profiles;

namespace Sim.Workloads.Footprints;

/// <summary>
/// Which exits a hypervisor handles in much the same way, VMX and SVM side by side: first by what the exit is (its family), then by what the hypervisor does about it. If a model has not
/// seen an exit, it takes another one that is near.
/// </summary>
internal static class ExitKinship
{
    private const uint FirstSvmOnly = 0x60;

    private static readonly Family[] Families =
    [
        new(Work.Events, [1, 3, 4, 5, 6], [0x60, 0x61, 0x62, 0x63]), // interrupts, NMI, INIT, SMI
        new(Work.Events, [7, 8], [0x64, 0x74]), // interrupt windows
        new(Work.Events, [52, 12, 36, 39, 40, 67, 68], [0x78, 0xA6, 0x77, 0x8A, 0x8B, 0x8C]), // timers and waiting
        new(Work.Registers, [10, 18, 54, 55, 51, 16, 15, 13, 57, 61], [0x72, 0x81, 0x89, 0x8D, 0x87, 0x6E, 0x6F, 0x76, 0x8E]), // CPUID, hypercalls and other small emulations
        new(Work.Registers, [31, 32, 84, 85], [0x7C]), // MSRs
        new(Work.Registers, [46, 47], [0x66, 0x67, 0x68, 0x69, 0x6A, 0x6B, 0x6C, 0x6D]), // descriptor tables
        new(Work.Registers, [50, 53, 58, 14, 28, 29], [0x79, 0x7A, 0xA2, 0x65, 0x8F, .. Range(0x00, 0x3F), .. Range(0x90, 0x9F)]), // invalidations, control and debug registers
        new(Work.Registers, [0], [.. Range(0x40, 0x4D), .. Range(0x4F, 0x5F)]), // exceptions; #PF of SVM is a matter of tables
        new(Work.Devices, [30], [0x7B]), // port I/O
        new(Work.Devices, [43, 44, 45, 56], [0x401, 0x402]), // APIC
        new(Work.Tables, [48, 49], [0x400, 0x4E]), // second-level translation, and page faults that shadow paging takes
        new(Work.Nesting, [20, 24], [0x80]), // nested entries
        new(Work.Nesting, [25, 23, 19, 21, 22, 26, 27], [0x82, 0x83, 0x84, 0x85, 0x86]), // VMCS and VMCB instructions
    ];

    /// <summary>What a hypervisor does about an exit.</summary>
    private enum Work
    {
        /// <summary>Reads or writes some registers of the guest and goes on behind the instruction.</summary>
        Registers,

        /// <summary>Lets something happen that is not the guest's doing, or waits for it.</summary>
        Events,

        /// <summary>Asks a model of a device, in the kernel or in user space.</summary>
        Devices,

        /// <summary>Walks and fills page tables.</summary>
        Tables,

        /// <summary>Acts as the CPU of another hypervisor.</summary>
        Nesting,
    }

    /// <summary>Largest distance that is still one of a family.</summary>
    public const int Kin = 1;

    /// <summary>Whose exit a reason is, as far as the number tells: VMX's basic reasons end at 0x5F, SVM's exit codes up to there are control registers and exceptions.</summary>
    public static Vendor VendorOf(uint reason) => reason < FirstSvmOnly ? Vendor.Intel : Vendor.Amd;

    /// <summary>
    /// 0 for the same reason, 1 for kin, 2 for another family with which the hypervisor does the same, 3 for a stranger that is a small emulation, which is what most exits are, and 4 for other
    /// strangers.
    /// </summary>
    public static int Distance(Vendor vendorA, uint a, Vendor vendorB, uint b)
    {
        if (vendorA == vendorB && a == b)
        {
            return 0;
        }

        Family? familyB = Of(vendorB, b);
        return Of(vendorA, a) is { } familyA && familyB is not null && (ReferenceEquals(familyA, familyB) || familyA.Work == familyB.Work)
            ? ReferenceEquals(familyA, familyB) ? Kin : 2
            : familyB?.Work == Work.Registers ? 3 : 4;
    }

    private static Family? Of(Vendor vendor, uint reason) => Array.Find(Families, family => (vendor == Vendor.Amd ? family.Svm : family.Vmx).Contains(reason));

    private static uint[] Range(uint first, uint last) => [.. Enumerable.Range((int)first, (int)(last - first + 1)).Select(code => (uint)code)];

    private sealed record Family(Work Work, uint[] Vmx, uint[] Svm);
}
