using Sim.Core.Traces;

namespace Sim.Kvm;

/// <summary>
/// The consistency checks on control fields that a VM-entry or VMRUN makes before anything else, as far as a trace names the fields: pure functions of control
/// words, for vmcs12 (where L0 makes them for L1) and for vmcs02 (where hardware does). Each answers null, or the first check that fails with its values.
/// </summary>
public static class VmEntryChecks
{
    /// <summary>VM-instruction error that a VM-entry with invalid control fields ends with.</summary>
    public const int InvalidControlFields = 7;

    private const ulong MemoryTypeMask = 7;
    private const ulong Uncacheable = 0;
    private const ulong WriteBack = 6;
    private const ulong FourLevels = 3;
    private const ulong FiveLevels = 4;
    private const ulong ReservedLowBits = 0xF80;
    private const ulong FormatBits = 0xFFF;
    private const int PhysicalAddressBits = 52;

    /// <summary>
    /// VMLAUNCH or VMRESUME (SDM vol. 3, "Checks on VM-Execution Control Fields", "VM-Exit Control Fields"; kvm-unit-tests test_vpid, test_posted_intr, test_apic_virtual_ctls,
    /// test_virtual_intr_ctls). A failure is VMfail with <see cref="InvalidControlFields"/>.
    /// </summary>
    /// <param name="controls">Controls of the VMCS.</param>
    /// <param name="vpid">Its VPID field.</param>
    /// <param name="eptp">Its EPTP field, see <see cref="Eptp"/>.</param>
    /// <param name="offersFiveLevels">IA32_VMX_EPT_VPID_CAP bit 7 as L1 reads it: a page-walk length of 5 is supported.</param>
    public static string? Vmx(VmControls controls, uint vpid, ulong eptp, bool offersFiveLevels = true) =>
        Apic(controls)
        ?? (Has(controls, VmControls.EnableVpid) && vpid == 0 ? "VPID is enabled and the VPID is 0" : null)
        ?? (Has(controls, VmControls.EnableEpt) ? Eptp(eptp, offersFiveLevels) : null);

    /// <summary>The checks on interrupt delivery and the virtual APIC alone: what a hypervisor can break by updating APICv controls of the wrong VMCS.</summary>
    public static string? Apic(VmControls controls)
    {
        if (!Has(controls, VmControls.TprShadow))
        {
            if (Has(controls, VmControls.VirtualizeX2ApicMode))
            {
                return "virtualize x2APIC mode is 1 without TPR shadow";
            }

            if (Has(controls, VmControls.ApicRegisterVirtualization))
            {
                return "APIC-register virtualization is 1 without TPR shadow";
            }

            if (Has(controls, VmControls.VirtualInterruptDelivery))
            {
                return "virtual-interrupt delivery is 1 without TPR shadow";
            }
        }

        if (Has(controls, VmControls.VirtualizeX2ApicMode | VmControls.VirtualizeApicAccesses))
        {
            return "virtualize x2APIC mode and virtualize APIC accesses are both 1";
        }

        if (Has(controls, VmControls.VirtualInterruptDelivery) && !Has(controls, VmControls.ExternalInterruptExiting))
        {
            return "virtual-interrupt delivery is 1 without external-interrupt exiting";
        }

        if (Has(controls, VmControls.PostedInterrupts) && !Has(controls, VmControls.VirtualInterruptDelivery))
        {
            return "process posted interrupts is 1 without virtual-interrupt delivery";
        }

        if (Has(controls, VmControls.PostedInterrupts) && !Has(controls, VmControls.AckInterruptOnExit))
        {
            return "process posted interrupts is 1 without acknowledge interrupt on exit";
        }

        return null;
    }

    /// <summary>
    /// The controls that L0 offers by its capability MSRs (IA32_VMX_PROCBASED_CTLS2; SDM vol. 3, appendix "VMX Capability Reporting Facility"): KVM offers EPT and VPID only if it uses
    /// them itself.
    /// </summary>
    /// <param name="controls">Controls of vmcs12.</param>
    /// <param name="offered">Those of them that L0 offers.</param>
    public static string? Offered(VmControls controls, VmControls offered) =>
        Has(controls & ~offered, VmControls.EnableEpt) ? "EPT is enabled and L0 does not offer it"
        : Has(controls & ~offered, VmControls.EnableVpid) ? "VPID is enabled and L0 does not offer it"
        : null;

    /// <summary>
    /// The format of an EPTP (SDM vol. 3, "Extended-Page-Table Pointer"): memory type UC or WB, 4 or 5 levels, bits 11:7 and those above the widest physical address 0.
    /// Bits 11:0 all zero is no EPTP of any processor; a trace says so when it knows the table and not the format, and then only the address is checked.
    /// </summary>
    /// <param name="eptp">The EPTP.</param>
    /// <param name="offersFiveLevels">A page-walk length of 5 is supported.</param>
    public static string? Eptp(ulong eptp, bool offersFiveLevels = true)
    {
        if (eptp >> PhysicalAddressBits != 0)
        {
            return $"EPTP 0x{eptp:x} has bits above the physical address";
        }

        if ((eptp & FormatBits) == 0)
        {
            return null;
        }

        if ((eptp & MemoryTypeMask) is not (Uncacheable or WriteBack))
        {
            return $"EPTP 0x{eptp:x} has memory type {eptp & MemoryTypeMask}, neither 0 nor 6";
        }

        if (((eptp >> 3) & 7) is not (FourLevels or FiveLevels))
        {
            return $"EPTP 0x{eptp:x} has a page-walk length of {((eptp >> 3) & 7) + 1}, neither 4 nor 5";
        }

        if (LevelsOf(eptp) == 5 && !offersFiveLevels)
        {
            return $"EPTP 0x{eptp:x} has a page-walk length of 5, and L0 offers 4 (the profile's five_level_ept)";
        }

        return (eptp & ReservedLowBits) != 0 ? $"EPTP 0x{eptp:x} has a bit of 11:7" : null;
    }

    /// <summary>Levels of the tables that an EPTP names: 4 or 5; null if the trace does not know its format.</summary>
    public static int? LevelsOf(ulong eptp) => (eptp & FormatBits) == 0 ? null : ((eptp >> 3) & 7) == FiveLevels ? 5 : 4;

    /// <summary>VMRUN (APM vol. 2, "Canonicalization and Consistency Checks"). A failure is #VMEXIT with code -1, VMEXIT_INVALID.</summary>
    public static string? Svm(uint asid) => asid == 0 ? "the ASID is 0" : null;

    private static bool Has(VmControls controls, VmControls all) => (controls & all) == all;
}
