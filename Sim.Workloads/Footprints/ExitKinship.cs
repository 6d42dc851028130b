using Sim.Core.Architecture;
using Sim.Core.Profiles;

namespace Sim.Workloads.Footprints;

/// <summary>
/// Which exits a hypervisor handles in much the same way, VMX and SVM side by side: first by what the exit is (its family), then by what the hypervisor does about it. If a model has not
/// seen an exit, it takes another one that is near.
/// </summary>
internal static class ExitKinship
{
    private const uint FirstSvmOnly = (uint)SvmExit.Interrupt;

    private static readonly Family[] Families =
    [
        // Interrupts, NMI, INIT, SMI.
        new(Work.Events, [VmxExit.ExternalInterrupt, VmxExit.Init, VmxExit.Sipi, VmxExit.IoSmi, VmxExit.OtherSmi], [SvmExit.Interrupt, SvmExit.Nmi, SvmExit.Smi, SvmExit.Init]),
        // Interrupt windows.
        new(Work.Events, [VmxExit.InterruptWindow, VmxExit.NmiWindow], [SvmExit.VirtualInterrupt, SvmExit.Iret]),
        // Timers and waiting.
        new(Work.Events, [VmxExit.PreemptionTimer, VmxExit.Hlt, VmxExit.Mwait, VmxExit.Monitor, VmxExit.Pause, VmxExit.Umwait, VmxExit.Tpause], [SvmExit.Hlt, SvmExit.IdleHlt, SvmExit.Pause, SvmExit.Monitor, SvmExit.Mwait, SvmExit.MwaitConditional]),
        // CPUID, hypercalls and other small emulations.
        new(Work.Registers, [VmxExit.Cpuid, VmxExit.Vmcall, VmxExit.Wbinvd, VmxExit.Xsetbv, VmxExit.Rdtscp, VmxExit.Rdtsc, VmxExit.Rdpmc, VmxExit.Invd, VmxExit.Rdrand, VmxExit.Rdseed], [SvmExit.Cpuid, SvmExit.Vmmcall, SvmExit.Wbinvd, SvmExit.Xsetbv, SvmExit.Rdtscp, SvmExit.Rdtsc, SvmExit.Rdpmc, SvmExit.Invd, SvmExit.Rdpru]),
        // MSRs.
        new(Work.Registers, [VmxExit.MsrRead, VmxExit.MsrWrite, VmxExit.MsrReadImmediate, VmxExit.MsrWriteImmediate], [SvmExit.Msr]),
        // Descriptor tables.
        new(Work.Registers, [VmxExit.GdtrIdtr, VmxExit.LdtrTr], [SvmExit.ReadIdtr, SvmExit.ReadGdtr, SvmExit.ReadLdtr, SvmExit.ReadTr, SvmExit.WriteIdtr, SvmExit.WriteGdtr, SvmExit.WriteLdtr, SvmExit.WriteTr]),
        // Invalidations, control and debug registers.
        new(Work.Registers, [VmxExit.Invept, VmxExit.Invvpid, VmxExit.Invpcid, VmxExit.Invlpg, VmxExit.CrAccess, VmxExit.DrAccess], [SvmExit.Invlpg, SvmExit.Invlpga, SvmExit.Invpcid, SvmExit.SelectiveCr0Write, SvmExit.EferWriteTrap, .. Range(SvmExit.ReadCr0, (SvmExit)0x3F), .. Range(SvmExit.WriteCr0Trap, (SvmExit)0x9F)]),
        // Exceptions; #PF of SVM is a matter of tables.
        new(Work.Registers, [VmxExit.ExceptionOrNmi], [.. Range(SvmExit.DivideError, SvmExit.GeneralProtection), .. Range((SvmExit)0x4F, (SvmExit)0x5F)]),
        // Port I/O.
        new(Work.Devices, [VmxExit.Io], [SvmExit.Io]),
        // APIC.
        new(Work.Devices, [VmxExit.TprBelowThreshold, VmxExit.ApicAccess, VmxExit.EoiInduced, VmxExit.ApicWrite], [SvmExit.AvicIncompleteIpi, SvmExit.AvicUnacceleratedAccess]),
        // Second-level translation, and page faults that shadow paging takes.
        new(Work.Tables, [VmxExit.EptViolation, VmxExit.EptMisconfig], [SvmExit.NestedPageFault, SvmExit.PageFault]),
        // Nested entries.
        new(Work.Nesting, [VmxExit.Vmlaunch, VmxExit.Vmresume], [SvmExit.Vmrun]),
        // VMCS and VMCB instructions.
        new(Work.Nesting, [VmxExit.Vmwrite, VmxExit.Vmread, VmxExit.Vmclear, VmxExit.Vmptrld, VmxExit.Vmptrst, VmxExit.Vmxoff, VmxExit.Vmxon], [SvmExit.Vmload, SvmExit.Vmsave, SvmExit.Stgi, SvmExit.Clgi, SvmExit.Skinit]),
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

    private static Family? Of(Vendor vendor, uint reason) => Array.Find(Families, family => vendor == Vendor.Amd ? family.Svm.Contains((SvmExit)reason) : family.Vmx.Contains((VmxExit)reason));

    private static SvmExit[] Range(SvmExit first, SvmExit last) => [.. Enumerable.Range((int)first, (int)(last - first + 1)).Select(code => (SvmExit)code)];

    private sealed record Family(Work Work, VmxExit[] Vmx, SvmExit[] Svm);
}
