using Sim.Core.Traces;
using static Sim.Core.Traces.VmControls;

namespace Sim.Kvm.Tests.Hypervisor;

/// <summary>Both sides of each consistency check (docs/rules.md#intel-invalidations, #kvm-unit-tests; SDM vol. 3, checks on VMX controls).</summary>
[TestFixture]
public sealed class VmEntryChecksTests
{
    /// <summary>What a hypervisor with all of APICv enables.</summary>
    private const VmControls FullApicv =
        TprShadow | ApicRegisterVirtualization | VirtualInterruptDelivery | VirtualizeX2ApicMode | PostedInterrupts | ExternalInterruptExiting | AckInterruptOnExit;

    [TestCase(None)]
    [TestCase(TprShadow)]
    [TestCase(VirtualizeApicAccesses)]
    [TestCase(AckInterruptOnExit)]
    [TestCase(ExternalInterruptExiting)]
    [TestCase(TprShadow | VirtualizeX2ApicMode)]
    [TestCase(TprShadow | ApicRegisterVirtualization)]
    [TestCase(TprShadow | VirtualizeApicAccesses)]
    [TestCase(TprShadow | VirtualInterruptDelivery | ExternalInterruptExiting)]
    [TestCase(FullApicv)]
    [TestCase((FullApicv & ~VirtualizeX2ApicMode) | VirtualizeApicAccesses)]
    public void Controls_that_fit_together_pass(VmControls controls) => Assert.That(VmEntryChecks.Apic(controls), Is.Null);

    [TestCase(VirtualizeX2ApicMode, "virtualize x2APIC mode is 1 without TPR shadow")]
    [TestCase(ApicRegisterVirtualization, "APIC-register virtualization is 1 without TPR shadow")]
    [TestCase(VirtualInterruptDelivery | ExternalInterruptExiting, "virtual-interrupt delivery is 1 without TPR shadow")]
    [TestCase(FullApicv & ~TprShadow, "virtualize x2APIC mode is 1 without TPR shadow")]
    [TestCase(FullApicv | VirtualizeApicAccesses, "virtualize x2APIC mode and virtualize APIC accesses are both 1")]
    [TestCase(FullApicv & ~ExternalInterruptExiting, "virtual-interrupt delivery is 1 without external-interrupt exiting")]
    [TestCase(FullApicv & ~VirtualInterruptDelivery, "process posted interrupts is 1 without virtual-interrupt delivery")]
    [TestCase(FullApicv & ~AckInterruptOnExit, "process posted interrupts is 1 without acknowledge interrupt on exit")]
    [TestCase(PostedInterrupts, "process posted interrupts is 1 without virtual-interrupt delivery")]
    public void Controls_that_do_not_fit_together_fail_and_say_which(VmControls controls, string check)
    {
        Assert.That(VmEntryChecks.Apic(controls), Is.EqualTo(check));
        Assert.That(VmEntryChecks.Vmx(controls, 1, 0), Is.EqualTo(check), "the whole check has the same answer");
    }

    // kvm-unit-tests test_vpid: only "enabled and 0" fails.
    [TestCase(EnableVpid, 0u, false)]
    [TestCase(EnableVpid, 1u, true)]
    [TestCase(EnableVpid, 0xFFFFu, true)]
    [TestCase(None, 0u, true)]
    [TestCase(None, 1u, true)]
    public void Only_an_enabled_VPID_of_zero_fails(VmControls controls, uint vpid, bool passes) =>
        Assert.That(VmEntryChecks.Vmx(controls, vpid, 0), passes ? Is.Null : Is.EqualTo("VPID is enabled and the VPID is 0"));

    [TestCase(EnableEpt | EnableVpid, EnableEpt | EnableVpid, null)]
    [TestCase(TprShadow, EnableEpt | EnableVpid, null)]
    [TestCase(None, None, null)]
    [TestCase(EnableEpt | EnableVpid, EnableVpid, "EPT is enabled and L0 does not offer it")]
    [TestCase(EnableEpt | EnableVpid, EnableEpt, "VPID is enabled and L0 does not offer it")]
    [TestCase(EnableEpt, None, "EPT is enabled and L0 does not offer it")]
    public void A_control_that_L0_does_not_offer_fails(VmControls controls, VmControls offered, string? check) => Assert.That(VmEntryChecks.Offered(controls, offered), Is.EqualTo(check));

    // Memory type (bits 2:0), walk length minus one (5:3), accessed/dirty (6), reserved (11:7), address (51:12).
    [TestCase(0x1Eul, null)]
    [TestCase(0x5Eul, null)]
    [TestCase(0x18ul, null)]
    [TestCase(0x26ul, null)]
    [TestCase(0xF_FFFF_FFFF_F01Eul, null)]
    [TestCase(0x7_0000ul, null)]
    [TestCase(0ul, null)]
    [TestCase(0x19ul, "memory type 1")]
    [TestCase(0x1Dul, "memory type 5")]
    [TestCase(0x1Ful, "memory type 7")]
    [TestCase(0x16ul, "page-walk length of 3")]
    [TestCase(0x2Eul, "page-walk length of 6")]
    [TestCase(0x06ul, "page-walk length of 1")]
    [TestCase(0x9Eul, "bit of 11:7")]
    [TestCase(0x81Eul, "bit of 11:7")]
    [TestCase(0x10_0000_0000_001Eul, "above the physical address")]
    [TestCase(0x8000_0000_0007_0000ul, "above the physical address")]
    public void An_EPTP_is_checked_bit_by_bit_where_EPT_is_enabled(ulong eptp, string? fault)
    {
        string? found = VmEntryChecks.Vmx(EnableEpt, 0, eptp);
        Assert.That(found, fault is null ? Is.Null : Does.Contain(fault));
        Assert.That(VmEntryChecks.Vmx(None, 0, eptp), Is.Null, "without EPT nobody looks");
    }

    [TestCase(0u, false)]
    [TestCase(1u, true)]
    public void VMRUN_with_ASID_zero_fails(uint asid, bool passes) => Assert.That(VmEntryChecks.Svm(asid), passes ? Is.Null : Is.EqualTo("the ASID is 0"));

    // kvm-unit-tests invvpid_test: every type, VPIDs at the edges, canonical and non-canonical addresses.
    [TestCase(0ul, 1ul, 0x1000ul, true)]
    [TestCase(1ul, 1ul, 0x1000ul, true)]
    [TestCase(2ul, 1ul, 0x1000ul, true)]
    [TestCase(3ul, 1ul, 0x1000ul, true)]
    [TestCase(4ul, 1ul, 0x1000ul, false)]
    [TestCase(127ul, 1ul, 0x1000ul, false)]
    [TestCase(ulong.MaxValue, 1ul, 0x1000ul, false)]
    [TestCase(0ul, 0ul, 0x1000ul, false)]
    [TestCase(1ul, 0ul, 0x1000ul, false)]
    [TestCase(2ul, 0ul, 0x1000ul, true)]
    [TestCase(3ul, 0ul, 0x1000ul, false)]
    [TestCase(1ul, 0xFFFFul, 0x1000ul, true)]
    [TestCase(1ul, 0x10000ul, 0x1000ul, false)]
    [TestCase(2ul, 0x10000ul, 0x1000ul, false)]
    [TestCase(0ul, 1ul, 0x7FFF_FFFF_F000ul, true)]
    [TestCase(0ul, 1ul, 0x8000_0000_0000ul, false)]
    [TestCase(0ul, 1ul, 0xFFFF_8000_0000_0000ul, true)]
    [TestCase(0ul, 1ul, 0xFFFF_7FFF_FFFF_F000ul, false)]
    [TestCase(1ul, 1ul, 0x8000_0000_0000ul, true)]
    [TestCase(2ul, 1ul, 0x8000_0000_0000ul, true)]
    [TestCase(3ul, 1ul, 0x8000_0000_0000ul, true)]
    public void INVVPID_fails_for_these_operands_and_no_others(ulong type, ulong vpid, ulong address, bool passes) =>
        Assert.That(InvalidationOperands.Invvpid(type, vpid, address, 48), passes ? Is.Null : Is.Not.Null);

    [TestCase(0x80_0000_0000_0000ul, true)]
    [TestCase(0x0100_0000_0000_0000ul, false)]
    public void With_LA57_an_address_has_57_bits(ulong address, bool passes)
    {
        Assert.That(InvalidationOperands.Invvpid(0, 1, address, 48), Is.Not.Null);
        Assert.That(InvalidationOperands.Invvpid(0, 1, address, 57), passes ? Is.Null : Is.Not.Null);
    }

    [TestCase(0ul, 0x1Eul, false)]
    [TestCase(1ul, 0x1Eul, true)]
    [TestCase(2ul, 0x1Eul, true)]
    [TestCase(3ul, 0x1Eul, false)]
    [TestCase(1ul, 0x1Ful, false)]
    [TestCase(2ul, 0x1Ful, true)]
    public void INVEPT_fails_for_an_unknown_type_and_for_a_single_context_of_a_bad_EPTP(ulong type, ulong eptp, bool passes) =>
        Assert.That(InvalidationOperands.Invept(type, eptp), passes ? Is.Null : Is.Not.Null);
}
