using System.Text;
using Sim.Captures.Ftrace;
using Sim.Core;
using Sim.Core.Architecture;

namespace Sim.Captures.Tests.Ftrace;

[TestFixture]
internal sealed class TracepointReaderTests
{
    // Section 6.5 of the KVM reference: every example line and every alternative of the format tables; below them the texts of trace-cmd's plugins and raw fields.
    [TestCase("kvm_entry: vcpu 0, rip 0xffffffff81a3c5d2", "kvm_entry Vcpu=0x0 Rip=0xffffffff81a3c5d2")]
    [TestCase("kvm_entry: vcpu 0, rip 0xffffffff81a3c5d2[immediate exit]", "kvm_entry Vcpu=0x0 Rip=0xffffffff81a3c5d2 ImmediateExit=0x1")]
    [TestCase(
        "kvm_entry: vcpu 0, rip 0xffffffff81a3c5d2 intr_info 0x800000ec error_code 0x00000000",
        "kvm_entry Vcpu=0x0 Rip=0xffffffff81a3c5d2 IntrInfo=0x800000ec ErrorCode=0x0")]
    [TestCase(
        "kvm_entry: vcpu 0, rip 0xffffffff81a3c5d2 intr_info 0x800000ec error_code 0x00000000[immediate exit]",
        "kvm_entry Vcpu=0x0 Rip=0xffffffff81a3c5d2 IntrInfo=0x800000ec ErrorCode=0x0 ImmediateExit=0x1")]
    [TestCase("kvm_entry:             vcpu 1 rip 0xffffffff81c93f8f", "kvm_entry Vcpu=0x1 Rip=0xffffffff81c93f8f")]
    [TestCase(
        "kvm_exit: vcpu 1 reason EXTERNAL_INTERRUPT rip 0xffffffff81a3c5d2 info1 0x0000000000000000 info2 0x0000000000000000 intr_info 0x800000f2 error_code 0x00000000",
        "kvm_exit Vcpu=0x1 Reason=0x1 Isa=0x1 Rip=0xffffffff81a3c5d2 Info1=0x0 Info2=0x0 IntrInfo=0x800000f2 ErrorCode=0x0")]
    [TestCase(
        "kvm_exit: vcpu 1 reason VMRESUME rip 0xffffffffa0412345 info1 0x0000000000000000 info2 0x0000000000000000 intr_info 0x00000000 error_code 0x00000000 requests 0x0000000000004000",
        "kvm_exit Vcpu=0x1 Reason=0x18 Isa=0x1 Rip=0xffffffffa0412345 Info1=0x0 Info2=0x0 IntrInfo=0x0 ErrorCode=0x0 Requests=0x4000")]
    [TestCase(
        "kvm_exit: vcpu 0 reason INVALID_STATE FAILED_VMENTRY rip 0x401136 info1 0x0000000000000000 info2 0x0000000000000000 intr_info 0x00000000 error_code 0x00000000",
        "kvm_exit Vcpu=0x0 Reason=0x21 Isa=0x1 FailedVmentry=0x1 Rip=0x401136 Info1=0x0 Info2=0x0 IntrInfo=0x0 ErrorCode=0x0")]
    [TestCase(
        "kvm_exit: vcpu 0 reason PF excp rip 0x401136 info1 0x0000000000000002 info2 0x00007f0000001000 intr_info 0x00000000 error_code 0x00000000",
        "kvm_exit Vcpu=0x0 Reason=0x4e Isa=0x2 Rip=0x401136 Info1=0x2 Info2=0x7f0000001000 IntrInfo=0x0 ErrorCode=0x0")]
    [TestCase(
        "kvm_exit: vcpu 0 reason npf rip 0x200000 info1 0x0000000200000006 info2 0x0000000000070000 intr_info 0x00000000 error_code 0x00000000",
        "kvm_exit Vcpu=0x0 Reason=0x400 Isa=0x2 Rip=0x200000 Info1=0x200000006 Info2=0x70000 IntrInfo=0x0 ErrorCode=0x0")]
    [TestCase(
        "kvm_exit: vcpu 0 reason 0x4c rip 0x401136 info1 0x0000000000000000 info2 0x0000000000000000 intr_info 0x00000000 error_code 0x00000000",
        "kvm_exit Vcpu=0x0 Reason=0x4c Rip=0x401136 Info1=0x0 Info2=0x0 IntrInfo=0x0 ErrorCode=0x0")]
    [TestCase("kvm_entry: vcpu 3", "kvm_entry Vcpu=0x3")]
    [TestCase("kvm_entry:            vcpu 3<CANT FIND FIELD rip>", "kvm_entry Vcpu=0x3")]
    [TestCase("kvm_entry:            vcpu 3 rip 0x401000 main+0x1c", "kvm_entry Vcpu=0x3 Rip=0x401000")]
    [TestCase("kvm_exit:             reason EXIT_HLT rip 0x401000 default_idle+0x10 info 1 2", "kvm_exit Reason=0x78 Isa=0x2 Rip=0x401000 Info1=0x1 Info2=0x2")]
    [TestCase("kvm_exit: reason VMRESUME rip 0xffffffffa0412345 info 0 0", "kvm_exit Reason=0x18 Isa=0x1 Rip=0xffffffffa0412345 Info1=0x0 Info2=0x0")]
    [TestCase("kvm_nested_vmexit:    <CANT FIND FIELD rip>", "kvm_nested_vmexit Reason=0xffff")]
    [TestCase(
        "kvm_nested_vmexit: rip: 0x0000000000401136 reason: EPT_VIOLATION ext_inf1: 0x0000000000000181 ext_inf2: 0x0000000000000000 ext_int: 0x00000000 ext_int_err: 0x00000000",
        "kvm_nested_vmexit Rip=0x401136 Reason=0x30 Isa=0x1 Info1=0x181 Info2=0x0 IntrInfo=0x0 ErrorCode=0x0")]
    [TestCase("kvm_mmu_spte_requested: gfn 4a02 pfn 12002 level 1 access f", "kvm_mmu_spte_requested Gfn=0x4a02 Pfn=0x12002 PageLevel=0x1 Access=0xf")]
    [TestCase("mark_mmio_spte: sptep:00000000f3c1d2e4 gfn fee00 access 6 gen 7a", "mark_mmio_spte Value=0xf3c1d2e4 Gfn=0xfee00 Access=0x6 Generation=0x7a")]
    [TestCase("kvm_age_hva: mmu notifier age hva: 0x007f3c40000000 -- 0x007f3c40200000", "kvm_age_hva Address=0x7f3c40000000 End=0x7f3c40200000")]
    [TestCase(
        "kvm_pvclock_update: vcpu_id 0, pvclock { version 6, tsc_timestamp 0x1f, system_time 0x2e, tsc_to_system_mul 0x80000000, tsc_shift -1, flags 0x1 }",
        "kvm_pvclock_update Vcpu=0x0 \"{ version 6, tsc_timestamp 0x1f, system_time 0x2e, tsc_to_system_mul 0x80000000, tsc_shift -1, flags 0x1 }\"")]
    [TestCase("kvm_exit:             reason EXIT_NPF rip 0x200000 info 200000006 70000", "kvm_exit Reason=0x400 Isa=0x2 Rip=0x200000 Info1=0x200000006 Info2=0x70000")]
    [TestCase("kvm_exit:             reason PENDING_INTERRUPT rip 0x200000 info 0 0", "kvm_exit Reason=0x7 Isa=0x1 Rip=0x200000 Info1=0x0 Info2=0x0")]
    [TestCase("kvm_exit:             reason UNKNOWN (75) rip 0x200000 info 0 0", "kvm_exit Reason=0x4b Rip=0x200000 Info1=0x0 Info2=0x0")]
    [TestCase(
        "kvm_exit: exit_reason=2147483681 guest_rip=0x401136 isa=1 info1=16 info2=0 intr_info=0 error_code=0 vcpu_id=3",
        "kvm_exit Reason=0x21 Rip=0x401136 Isa=0x1 Info1=0x10 Info2=0x0 IntrInfo=0x0 ErrorCode=0x0 Vcpu=0x3 FailedVmentry=0x1")]
    [TestCase(
        "kvm_nested_vmexit: vcpu 1 reason EPT_VIOLATION rip 0x401136 info1 0x0000000000000181 info2 0x0000000000000000 intr_info 0x00000000 error_code 0x00000000",
        "kvm_nested_vmexit Vcpu=0x1 Reason=0x30 Isa=0x1 Rip=0x401136 Info1=0x181 Info2=0x0 IntrInfo=0x0 ErrorCode=0x0")]
    [TestCase(
        "kvm_nested_vmexit: vcpu 1 reason EPT_VIOLATION rip 0x401136 info1 0x0000000000000181 info2 0x0000000000000000 intr_info 0x00000000 error_code 0x00000000 requests 0x0000000000000000",
        "kvm_nested_vmexit Vcpu=0x1 Reason=0x30 Isa=0x1 Rip=0x401136 Info1=0x181 Info2=0x0 IntrInfo=0x0 ErrorCode=0x0 Requests=0x0")]
    [TestCase(
        "kvm_nested_vmexit:    <CANT FIND FIELD rip>vcpu 0 reason npf rip 0x200000 info1 0x0000000200000006 info2 0x0000000000070000 intr_info 0x00000000 error_code 0x00000000",
        "kvm_nested_vmexit Vcpu=0x0 Reason=0x400 Isa=0x2 Rip=0x200000 Info1=0x200000006 Info2=0x70000 IntrInfo=0x0 ErrorCode=0x0")]
    [TestCase(
        "kvm_nested_vmexit: rip 401136 reason EPT_VIOLATION info1 181 info2 0 int_info 0 int_info_err 0",
        "kvm_nested_vmexit Rip=0x401136 Reason=0x30 Isa=0x1 Info1=0x181 Info2=0x0 IntrInfo=0x0 ErrorCode=0x0")]
    [TestCase(
        "kvm_nested_vmrun: rip: 0xffffffffa0501a2b vmcb: 0x0000000010a3c000 nrip: 0xffffffff81a3c5d2 int_ctl: 0x01000000 event_inj: 0x00000000 npt: on",
        "kvm_nested_vmrun Rip=0xffffffffa0501a2b Vmcs12=0x10a3c000 NestedRip=0xffffffff81a3c5d2 IntCtl=0x1000000 EventInj=0x0 NestedTdp=0x1 Isa=0x2")]
    [TestCase(
        "kvm_nested_vmrun: rip: 0xffffffffa0501a2b vmcb: 0x0000000010a3c000 nrip: 0xffffffff81a3c5d2 int_ctl: 0x01000000 event_inj: 0x00000000 npt: off",
        "kvm_nested_vmrun Rip=0xffffffffa0501a2b Vmcs12=0x10a3c000 NestedRip=0xffffffff81a3c5d2 IntCtl=0x1000000 EventInj=0x0 NestedTdp=0x0 Isa=0x2")]
    [TestCase(
        "kvm_nested_vmenter: rip: 0xffffffffa0412345 vmcs: 0x000000001234f000 nested_rip: 0xffffffff81a3c5d2 int_ctl: 0x000000ec event_inj: 0x00000000 nested_ept=y nested_eptp: 0x0000000010a3c05e",
        "kvm_nested_vmenter Rip=0xffffffffa0412345 Vmcs12=0x1234f000 NestedRip=0xffffffff81a3c5d2 IntCtl=0xec EventInj=0x0 NestedTdp=0x1 NestedRoot=0x10a3c05e Isa=0x1")]
    [TestCase(
        "kvm_nested_vmenter: rip: 0xffffffffa0412345 vmcs: 0x000000001234f000 nested_rip: 0xffffffff81a3c5d2 int_ctl: 0x000000ec event_inj: 0x00000000 nested_ept=n guest_cr3: 0x0000000010a3c005",
        "kvm_nested_vmenter Rip=0xffffffffa0412345 Vmcs12=0x1234f000 NestedRip=0xffffffff81a3c5d2 IntCtl=0xec EventInj=0x0 NestedTdp=0x0 GuestCr3=0x10a3c005 Isa=0x1")]
    [TestCase(
        "kvm_nested_vmenter: rip: 0xffffffffa0501a2b vmcb: 0x0000000010a3c000 nested_rip: 0x0000000000401136 int_ctl: 0x01000000 event_inj: 0x00000000 nested_npt=n guest_cr3: 0x0000000002a1c000",
        "kvm_nested_vmenter Rip=0xffffffffa0501a2b Vmcs12=0x10a3c000 NestedRip=0x401136 IntCtl=0x1000000 EventInj=0x0 NestedTdp=0x0 GuestCr3=0x2a1c000 Isa=0x2")]
    [TestCase(
        "kvm_nested_vmenter: rip: 0xffffffffa0501a2b vmcb: 0x0000000010a3c000 nested_rip: 0x0000000000401136 int_ctl: 0x01000000 event_inj: 0x00000000 nested_npt=y nested_cr3: 0x0000000002a1c000",
        "kvm_nested_vmenter Rip=0xffffffffa0501a2b Vmcs12=0x10a3c000 NestedRip=0x401136 IntCtl=0x1000000 EventInj=0x0 NestedTdp=0x1 NestedRoot=0x2a1c000 Isa=0x2")]
    [TestCase(
        "kvm_nested_intercepts: cr_read: 0011 cr_write: 0011 excp: 00060042 intercepts: bd4c8027 00002e7f 00000008",
        "kvm_nested_intercepts CrReads=0x11 CrWrites=0x11 Exceptions=0x60042 Intercepts1=0xbd4c8027 Intercepts2=0x2e7f Intercepts3=0x8")]
    [TestCase(
        "kvm_nested_vmexit_inject: reason: EXTERNAL_INTERRUPT ext_inf1: 0x0000000000000000 ext_inf2: 0x0000000000000000 ext_int: 0x800000ec ext_int_err: 0x00000000",
        "kvm_nested_vmexit_inject Reason=0x1 Isa=0x1 Info1=0x0 Info2=0x0 IntrInfo=0x800000ec ErrorCode=0x0")]
    [TestCase(
        "kvm_nested_vmexit_inject: reason EXIT_NPF info1 200000006 info2 70000 int_info 0 int_info_err 0",
        "kvm_nested_vmexit_inject Reason=0x400 Isa=0x2 Info1=0x200000006 Info2=0x70000 IntrInfo=0x0 ErrorCode=0x0")]
    [TestCase("kvm_nested_intr_vmexit: rip: 0x0000000000401136", "kvm_nested_intr_vmexit Rip=0x401136")]
    [TestCase(
        "kvm_nested_vmenter_failed: hardware VM-instruction error: VMENTRY_INVALID_CONTROL_FIELD",
        "kvm_nested_vmenter_failed \"hardware VM-instruction error: VMENTRY_INVALID_CONTROL_FIELD\"")]
    [TestCase("kvm_inj_virq: irq 236", "kvm_inj_virq Vector=0xec")]
    [TestCase("kvm_inj_virq: IRQ 0xec [reinjected]", "kvm_inj_virq Soft=0x0 Vector=0xec Reinjected=0x1")]
    [TestCase("kvm_inj_virq: Soft/INTn 0x80", "kvm_inj_virq Soft=0x1 Vector=0x80")]
    [TestCase(
        "kvm_apic_ipi: dst 3 vec 251 (Fixed|physical|assert|edge|dst)",
        "kvm_apic_ipi Destination=0x3 Vector=0xfb DeliveryMode=0x0 Logical=0x0 Asserted=0x1 LevelTriggered=0x0 Shorthand=0x0")]
    [TestCase(
        "kvm_apic_ipi: dst ff vec 2 (NMI|logical|de-assert|level|all-but-self)",
        "kvm_apic_ipi Destination=0xff Vector=0x2 DeliveryMode=0x4 Logical=0x1 Asserted=0x0 LevelTriggered=0x1 Shorthand=0x3")]
    [TestCase(
        "kvm_apic_ipi: dst ff vec 2 (ExtINT|logical|assert|edge|all)",
        "kvm_apic_ipi Destination=0xff Vector=0x2 DeliveryMode=0x7 Logical=0x1 Asserted=0x1 LevelTriggered=0x0 Shorthand=0x2")]
    [TestCase("kvm_apic_accept_irq: apicid 1 vec 251 (Fixed|edge)", "kvm_apic_accept_irq ApicId=0x1 Vector=0xfb DeliveryMode=0x0 LevelTriggered=0x0")]
    [TestCase("kvm_apicv_accept_irq: apicid 1f vec 251 (LowPrio|level)", "kvm_apicv_accept_irq ApicId=0x1f Vector=0xfb DeliveryMode=0x1 LevelTriggered=0x1")]
    [TestCase("kvm_apicv_update_request: deactivate bit=3", "kvm_apicv_update_request Set=0x0 InhibitReason=0x3")]
    [TestCase("kvm_apicv_update_request: activate bit=3", "kvm_apicv_update_request Set=0x1 InhibitReason=0x3")]
    [TestCase("kvm_apicv_inhibit_changed: set reason=7, inhibits=0x80", "kvm_apicv_inhibit_changed Set=0x1 InhibitReason=0x7 Inhibits=0x80")]
    [TestCase("kvm_apicv_inhibit_changed: set reason=8, inhibits=0x100 IRQWIN", "kvm_apicv_inhibit_changed Set=0x1 InhibitReason=0x8 Inhibits=0x100 \"IRQWIN\"")]
    [TestCase("kvm_apicv_inhibit_changed: cleared reason=8, inhibits=0x0", "kvm_apicv_inhibit_changed Set=0x0 InhibitReason=0x8 Inhibits=0x0")]
    [TestCase(
        "kvm_pi_irte_update: VT-d PI is enabled and being updated for irq 142, vcpu 2, gsi: 0x18, gvec: 0x25, pi_desc_addr: 0x1153b8c40",
        "kvm_pi_irte_update Set=0x1 HostIrq=0x8e Vcpu=0x2 Gsi=0x18 Vector=0x25 PiDescriptor=0x1153b8c40")]
    [TestCase(
        "kvm_pi_irte_update: PI is enabled and being updated for irq 142, vcpu 2, gsi: 0x18, gvec: 0x25, pi_desc_addr: 0x1153b8c40",
        "kvm_pi_irte_update Set=0x1 HostIrq=0x8e Vcpu=0x2 Gsi=0x18 Vector=0x25 PiDescriptor=0x1153b8c40")]
    [TestCase(
        "kvm_pi_irte_update: PI is disabled for irq 142, vcpu -1, gsi: 0x18, gvec: 0x25",
        "kvm_pi_irte_update Set=0x0 HostIrq=0x8e Vcpu=0xffffffffffffffff Gsi=0x18 Vector=0x25")]
    [TestCase("kvm_msi_set_irq: dst 2 vec 37 (Fixed|physical|edge)", "kvm_msi_set_irq Destination=0x2 Vector=0x25 DeliveryMode=0x0 Logical=0x0 LevelTriggered=0x0")]
    [TestCase(
        "kvm_msi_set_irq: dst 2 vec 37 (LowPrio|logical|edge|rh)",
        "kvm_msi_set_irq Destination=0x2 Vector=0x25 DeliveryMode=0x1 Logical=0x1 LevelTriggered=0x0 RedirectionHint=0x1")]
    [TestCase("kvm_page_fault: address 7f3a1000 error_code 182", "kvm_page_fault Address=0x7f3a1000 ErrorCode=0x182")]
    [TestCase(
        "kvm_page_fault: vcpu 0 rip 0x401136 address 0x000000007f3a1000 error_code 0x182",
        "kvm_page_fault Vcpu=0x0 Rip=0x401136 Address=0x7f3a1000 ErrorCode=0x182")]
    [TestCase(
        "kvm_mmu_unsync_page: sp gen 0 gfn 2a1c0 l1 8-byte q0 wux nxe !ad root 0 sync\0",
        "kvm_mmu_unsync_page Generation=0x0 Gfn=0x2a1c0 PageLevel=0x1 GpteBytes=0x8 Quadrant=0x0 Access=0x7 Nxe=0x1 AccessedDirty=0x0 RootCount=0x0 Unsync=0x0")]
    [TestCase(
        "kvm_mmu_get_page: sp gen 1 gfn 2a1c0 l2 4-byte q3 direct w-x invalid !nxe ad root 2 unsync\0 new",
        "kvm_mmu_get_page Generation=0x1 Gfn=0x2a1c0 PageLevel=0x2 GpteBytes=0x4 Quadrant=0x3 Direct=0x1 Access=0x3 Invalid=0x1 Nxe=0x0 AccessedDirty=0x1 RootCount=0x2 Unsync=0x1 Created=0x1")]
    [TestCase(
        "kvm_mmu_sync_page:    1 q0 wux !pae nxe !wp smep smap root 0 unsync",
        "kvm_mmu_sync_page PageLevel=0x1 Quadrant=0x0 Access=0x7 Pae=0x0 Nxe=0x1 WriteProtect=0x0 RootCount=0x0 Unsync=0x1")]
    [TestCase(
        "kvm_mmu_get_page: [FAILED TO PARSE] mmu_valid_gen=0 gfn=512 role=14209 root_count=0 unsync=0 created=1",
        "kvm_mmu_get_page Generation=0x0 Gfn=0x200 Role=0x3781 RootCount=0x0 Unsync=0x0 Created=0x1")]
    [TestCase(
        "kvm_avic_incomplete_ipi: vcpu=0, icrh:icrl=0x03000000:000000fb, id=1, index=3",
        "kvm_avic_incomplete_ipi Vcpu=0x0 IcrHigh=0x3000000 IcrLow=0xfb Id=0x1 Index=0x3")]
    [TestCase(
        "kvm_avic_unaccelerated_access: vcpu=0, offset=0x380(APIC_TMICT), trap, write, vec=0x0",
        "kvm_avic_unaccelerated_access Vcpu=0x0 Offset=0x380 Trap=0x1 Write=0x1 Vector=0x0 \"APIC_TMICT\"")]
    [TestCase(
        "kvm_avic_unaccelerated_access: vcpu=2, offset=0x20(APIC_ID), fault, read, vec=0x21",
        "kvm_avic_unaccelerated_access Vcpu=0x2 Offset=0x20 Trap=0x0 Write=0x0 Vector=0x21 \"APIC_ID\"")]
    [TestCase("kvm_avic_ga_log: vmid=1, vcpuid=2", "kvm_avic_ga_log VmId=0x1 Vcpu=0x2")]
    [TestCase("kvm_avic_kick_vcpu_slowpath: icrh:icrl=0x3000000:000000fb, index=3", "kvm_avic_kick_vcpu_slowpath IcrHigh=0x3000000 IcrLow=0xfb Index=0x3")]
    [TestCase("kvm_avic_doorbell: vcpuid=1, apicid=18", "kvm_avic_doorbell Vcpu=0x1 ApicId=0x12")]
    [TestCase("kvm_hv_flush_tlb: processor_mask 0xf address_space 0x1aa000 flags 0x2", "kvm_hv_flush_tlb ProcessorMask=0xf AddressSpace=0x1aa000 Flags=0x2")]
    [TestCase(
        "kvm_hv_flush_tlb: processor_mask 0x3 address_space 0x0 flags 0x3 (L2)",
        "kvm_hv_flush_tlb ProcessorMask=0x3 AddressSpace=0x0 Flags=0x3 CallerIsL2=0x1")]
    [TestCase(
        "kvm_hv_flush_tlb_ex: valid_bank_mask 0x1 format 0x0 address_space 0x1aa000 flags 0x0",
        "kvm_hv_flush_tlb_ex ProcessorMask=0x1 Format=0x0 AddressSpace=0x1aa000 Flags=0x0")]
    [TestCase("kvm_hv_send_ipi: vector d1 processor_mask 0xe", "kvm_hv_send_ipi Vector=0xd1 ProcessorMask=0xe")]
    [TestCase("kvm_hv_send_ipi_ex: vector d1 format 0 valid_bank_mask 0xe", "kvm_hv_send_ipi_ex Vector=0xd1 Format=0x0 ProcessorMask=0xe")]
    [TestCase("kvm_pv_tlb_flush: vcpu 3 need_flush_tlb true", "kvm_pv_tlb_flush Vcpu=0x3 NeedFlush=0x1")]
    [TestCase("kvm_pv_tlb_flush: vcpu 3 need_flush_tlb false", "kvm_pv_tlb_flush Vcpu=0x3 NeedFlush=0x0")]
    [TestCase("kvm_invlpga: rip: 0xffffffffa0501c00 asid: 1 address: 0x000000007f3a1000", "kvm_invlpga Rip=0xffffffffa0501c00 Asid=0x1 Address=0x7f3a1000")]
    [TestCase("kvm_cr: cr_write 3 = 0x2a1c000", "kvm_cr Write=0x1 Register=0x3 Value=0x2a1c000")]
    [TestCase("kvm_cr: cr_read 8 = 0x0", "kvm_cr Write=0x0 Register=0x8 Value=0x0")]
    [TestCase("kvm_eoi: apicid 1 vector 236", "kvm_eoi ApicId=0x1 Vector=0xec")]
    [TestCase("kvm_pv_eoi: apicid 0 vector -1", "kvm_pv_eoi ApicId=0x0 Vector=0xffffffffffffffff")]
    [TestCase("kvm_apic: apic_write APIC_ICR = 0x300000fb", "kvm_apic Write=0x1 Register=0x300 Value=0x300000fb")]
    [TestCase("kvm_msr: msr_write 830 = 0x3000000fb", "kvm_msr Write=0x1 Register=0x830 Value=0x3000000fb")]
    [TestCase("kvm_msr: msr_read c0000102 = 0x0 (#GP)", "kvm_msr Write=0x0 Register=0xc0000102 Value=0x0 GeneralProtection=0x1")]
    [TestCase("kvm_halt_poll_ns: vcpu 0: halt_poll_ns 20000 (grow 10000)", "kvm_halt_poll_ns Vcpu=0x0 Value=0x4e20 Grew=0x1 OldValue=0x2710")]
    [TestCase("kvm_halt_poll_ns: vcpu 0: halt_poll_ns 0 (shrink 10000)", "kvm_halt_poll_ns Vcpu=0x0 Value=0x0 Grew=0x0 OldValue=0x2710")]
    [TestCase("kvm_vcpu_wakeup: wait time 73211 ns, polling valid", "kvm_vcpu_wakeup Waited=0x1 Nanoseconds=0x11dfb Valid=0x1")]
    [TestCase("kvm_vcpu_wakeup: poll time 73211 ns, polling invalid", "kvm_vcpu_wakeup Waited=0x0 Nanoseconds=0x11dfb Valid=0x0")]
    [TestCase("kvm_set_irq: gsi 10 level 1 source 0", "kvm_set_irq Gsi=0xa Value=0x1 Source=0x0")]
    [TestCase("kvm_userspace_exit: reason KVM_EXIT_IO (2)", "kvm_userspace_exit Reason=0x2 \"KVM_EXIT_IO\"")]
    [TestCase("kvm_userspace_exit: reason restart (4)", "kvm_userspace_exit Reason=0x4 \"restart\"")]
    [TestCase("tlb_flush: pages:-1 reason:flush on task switch (0)", "tlb_flush Pages=0xffffffffffffffff Reason=0x0 \"flush on task switch\"")]
    [TestCase("tlb_flush:            pages=1 reason= (4)", "tlb_flush Pages=0x1 Reason=0x4")]
    [TestCase("local_timer_entry:    vector=236", "local_timer_entry Vector=0xec")]
    [TestCase("sched_switch: nvmm:222 [120] S ==> swapper/1:0 [120]", "sched_switch PrevPid=0xde Preempted=0x0 NextPid=0x0 \"swapper/1\"")]
    [TestCase(
        "sched_switch: prev_comm=CPU 0/KVM prev_pid=222 prev_prio=120 prev_state=R+ ==> next_comm=kworker/0:1 next_pid=17 next_prio=120",
        "sched_switch PrevPid=0xde Preempted=0x1 NextPid=0x11 \"kworker/0:1\"")]
    [TestCase("sched_switch: kworker/0:1:17 [120] R ==> a [1] b:222 [120]", "sched_switch PrevPid=0x11 Preempted=0x1 NextPid=0xde \"a [1] b\"")]
    public void Text_of_an_event_parses_to_its_exact_fields_in_every_frame(string text, string expected)
    {
        string[] frames =
        [
            "           <...>-222   [001] ....     9.501248: ",
            "       CPU 0/KVM-222   [001] d..2.     9.501248: ",
            "        nvmm-x-y-222   [001]     9.501248000: ",
            "            nvmm-222   (    221) [001] ..... 9501248000: ",
        ];
        string perf = $"            nvmm   222 [001]     9.501248:          kvm:{text}";
        foreach (string line in frames.Select(frame => frame + text).Append(perf))
        {
            (List<KernelEvent> events, TracepointReader reader) = Parse(line);
            Assert.That(events, Has.Count.EqualTo(1), line);
            Assert.Multiple(() =>
            {
                Assert.That(events[0].ToString(), Is.EqualTo(expected), line);
                Assert.That(events[0].Time, Is.EqualTo(9_501_248_000), line);
                Assert.That(events[0].Cpu, Is.EqualTo(1), line);
                Assert.That(events[0].Pid, Is.EqualTo(222), line);
                Assert.That(events[0].Type, Is.Not.EqualTo(KernelEventType.Unknown), line);
                Assert.That(reader.Findings.All, Is.Empty, line);
            });
        }
    }

    [TestCase("       CPU 0/KVM-222   [001] d..2.     9.501248: ", "CPU 0/KVM", 222)]
    [TestCase("        nvmm-x-y-222   [001]     9.501248000: ", "nvmm-x-y", 222)]
    [TestCase("           <...>-7     [001] ....     9.501248: ", "<...>", 7)]
    [TestCase("          <idle>-0     [001] d.h1.     9.501248: ", "<idle>", 0)]
    [TestCase("         a [3] b-9     [001] d.h1.     9.501248: ", "a [3] b", 9)]
    [TestCase("     rcu_preempt    18 [001]    9.501248: ", "rcu_preempt", 18)]
    [TestCase("             :-1    -1 [001]    9.501248: ", ":-1", -1)]
    [TestCase("       CPU 0/KVM 190/192 [001]    9.501248: ", "CPU 0/KVM", 192)]
    public void Task_and_thread_are_taken_from_the_right_dash_and_bracket(string frame, string task, int pid)
    {
        KernelEvent e = Parse(frame + "kvm_fpu: load").Events.Single();
        Assert.Multiple(() =>
        {
            Assert.That(e.Task, Is.EqualTo(task));
            Assert.That(e.Pid, Is.EqualTo(pid));
            Assert.That(e.Cpu, Is.EqualTo(1));
        });
    }

    [TestCase("9.501248", 9_501_248_000UL)]
    [TestCase("9.501248524", 9_501_248_524UL)]
    [TestCase("0.000001", 1_000UL)]
    [TestCase("4231334034", 4_231_334_034UL)]
    public void Time_is_in_billionths_of_the_printed_second_and_a_bare_counter_stays(string printed, ulong expected) =>
        Assert.That(Parse($" a-1 [000] {printed}: kvm_fpu: load").Events.Single().Time, Is.EqualTo(expected));

    [TestCase("            nvmm-222   [001]     9.501571: function:                svm_flush_tlb_asid <-- svm_flush_tlb_current", "svm_flush_tlb_asid", "svm_flush_tlb_current")]
    [TestCase("            nvmm-222   [001]     9.501571: function:             vmx_vcpu_load", "vmx_vcpu_load", "")]
    [TestCase("            nvmm-222   [001] .....     9.501571: svm_flush_tlb_asid <-svm_flush_tlb_current", "svm_flush_tlb_asid", "svm_flush_tlb_current")]
    [TestCase("            nvmm   222 [001]     9.501571: ftrace:function: svm_flush_tlb_asid <-svm_flush_tlb_current", "svm_flush_tlb_asid", "svm_flush_tlb_current")]
    public void Function_tracer_lines_give_the_function_and_its_caller(string line, string function, string caller)
    {
        KernelEvent e = Parse(line).Events.Single();
        Assert.Multiple(() =>
        {
            Assert.That(e.Type, Is.EqualTo(KernelEventType.Function));
            Assert.That(e.Text, Is.EqualTo(function));
            Assert.That(e.Caller, Is.EqualTo(caller));
        });
    }

    [TestCase("CPU:1 [LOST 123 EVENTS]", 123)]
    [TestCase("CPU 1 [LOST 123 EVENTS]", 123)]
    [TestCase("CPU:1 [123 EVENTS DROPPED]", 123)]
    [TestCase("CPU:1 [LOST EVENTS]", 1)]
    [TestCase("# entries-in-buffer/entries-written: 1000/1123   #P:2", 123)]
    [TestCase("  nvmm 222 [001] 9.501248: PERF_RECORD_LOST lost 123", 123)]
    public void Lost_events_are_data_loss_with_their_number(string line, long lost)
    {
        TracepointReader reader = Parse($" a-1 [000] 1.000000: kvm_fpu: load\n{line}\n a-1 [000] 1.000001: kvm_fpu: unload").Reader;
        Assert.Multiple(() =>
        {
            Assert.That(reader.DataLoss, Is.True);
            Assert.That(reader.Findings.Worst, Is.EqualTo(Severity.DataLoss));
            Assert.That(reader.Findings.Count(TracepointReader.LostEvents), Is.EqualTo(lost));
        });
    }

    [Test]
    public void A_buffer_that_was_not_overwritten_is_no_data_loss() =>
        Assert.That(Parse("# entries-in-buffer/entries-written: 1000/1000   #P:2\n a-1 [000] 1.000000: kvm_fpu: load").Reader.DataLoss, Is.False);

    [Test]
    public void Unknown_events_and_texts_are_counted_with_their_first_line_and_severity()
    {
        TracepointReader reader = Parse(
            "# tracer: nop\n a-1 [000] 1.000000: kvm_new_thing: x 1\n a-1 [000] 1.000000: kvm_new_thing: x 2\n a-1 [000] 1.000000: ext4_sync: y\n a-1 [000] 1.000000: kvm_entry: who knows\n").Reader;
        Assert.That(
            reader.Findings.All,
            Is.EqualTo(new Finding[]
            {
                new(Severity.Warning, TracepointReader.UnknownEvent, "kvm_new_thing", 2, 2),
                new(Severity.Warning, TracepointReader.UnknownText, "kvm_entry", 1, 5),
                new(Severity.Information, TracepointReader.UnknownEvent, "ext4_sync", 1, 4),
            }));
    }

    [Test]
    public void An_event_whose_text_is_not_understood_is_given_without_operands()
    {
        KernelEvent e = Parse(" a-1 [000] 1.000000: kvm_entry: vcpu 1 rip nowhere").Events.Single();
        Assert.Multiple(() =>
        {
            Assert.That(e.IsUnparsed, Is.True);
            Assert.That(e.Type, Is.EqualTo(KernelEventType.KvmEntry));
            Assert.That(e.OperandCount, Is.Zero);
        });
    }

    [Test]
    public void A_hundred_garbage_lines_are_forgiven_and_counted_and_one_more_is_an_error()
    {
        string garbage = string.Concat(Enumerable.Repeat("what is this\n", TracepointReader.ForgivenLines));
        TracepointReader reader = Parse(garbage + " a-1 [000] 1.000000: kvm_fpu: load\n").Reader;
        Assert.That(reader.Findings.Count(TracepointReader.GarbageLine), Is.EqualTo(TracepointReader.ForgivenLines));
        TraceFormatException error = Assert.Throws<TraceFormatException>(() => Parse(garbage + "what is this\n"))!;
        Assert.That(error.Message, Does.StartWith("test: line 101: ").And.Contain("does not look like a kernel trace"));
    }

    [Test]
    public void Text_without_one_event_is_an_error()
    {
        TraceFormatException error = Assert.Throws<TraceFormatException>(() => Parse("hello\nworld\n"))!;
        Assert.That(error.Message, Does.Contain("2 other lines and not one event"));
    }

    [Test]
    public void A_file_without_line_ends_is_an_error_and_not_a_full_memory()
    {
        TraceFormatException error = Assert.Throws<TraceFormatException>(() => Parse(new string('x', 1 << 20)))!;
        Assert.That(error.Message, Does.Contain("a line of at most 65536 bytes"));
    }

    [Test]
    public void Every_exit_reason_name_of_both_vendors_leads_back_to_its_number()
    {
        (string Name, int Isa, uint Number)[] samples =
        [
            ("EXCEPTION_NMI", 1, 0), ("INVEPT", 1, 50), ("INVVPID", 1, 53), ("NOTIFY", 1, 75), ("read_cr0", 2, 0), ("write_cr8", 2, 0x18), ("write_dr7", 2, 0x37),
            ("interrupt", 2, 0x60), ("EXIT_INTR", 2, 0x60), ("vmrun", 2, 0x80), ("EXIT_VMRUN", 2, 0x80), ("hypercall", 2, 0x81), ("EXIT_VMMCALL", 2, 0x81),
            ("io", 2, 0x7B), ("EXIT_IOIO", 2, 0x7B), ("EXIT_MSR", 2, 0x7C), ("invpcid", 2, 0xA2), ("avic_incomplete_ipi", 2, 0x401),
            ("invalid_guest_state", 2, uint.MaxValue), ("EXIT_ERR", 2, uint.MaxValue), ("UNKNOWN (18446744073709551615)", 0, uint.MaxValue), ("0xffffffffffffffff", 0, uint.MaxValue),
            ("EXIT_EXCP_DE", 2, 0x40), ("EXIT_EXCP_DB", 2, 0x41), ("EXIT_EXCP_BP", 2, 0x43), ("EXIT_EXCP_OF", 2, 0x44), ("EXIT_EXCP_BR", 2, 0x45), ("EXIT_EXCP_UD", 2, 0x46),
            ("EXIT_EXCP_NM", 2, 0x47), ("EXIT_EXCP_DF", 2, 0x48), ("EXIT_EXCP_TS", 2, 0x4A), ("EXIT_EXCP_NP", 2, 0x4B), ("EXIT_EXCP_SS", 2, 0x4C), ("EXIT_EXCP_GP", 2, 0x4D),
            ("EXIT_EXCP_PF", 2, 0x4E), ("EXIT_EXCP_MF", 2, 0x50), ("EXIT_EXCP_AC", 2, 0x51), ("EXIT_EXCP_MC", 2, 0x52), ("EXIT_EXCP_XF", 2, 0x53), ("EXIT_EXCP_BASE", 2, 0x40),
            ("EXIT_READ_DR7", 2, 0x27), ("EXIT_WRITE_CR8", 2, 0x18), ("EXIT_IDTR_READ", 2, 0x66), ("EXIT_TR_WRITE", 2, 0x6D), ("EXIT_XSETBV", 2, 0x8D),
            ("EXIT_AVIC_INCOMPLETE_IPI", 2, 0x401), ("EXIT_AVIC_UNACCELERATED_ACCESS", 2, 0x402), ("VMOFF", 1, 26), ("UNKNOWN (2147483681)", 0, 33), ("0x80000021", 0, 33),
        ];
        foreach ((string name, int isa, uint number) in samples)
        {
            KernelEvent e = Parse($" a-1 [000] 1.000000: kvm_exit: reason {name} rip 0x1 info 0 0").Events.Single();
            Assert.That((e[KernelOperand.Reason], e[KernelOperand.Isa]), Is.EqualTo((number, isa)), name);
        }
    }

    [TestCase("EXIT_WHAT")]
    [TestCase("BRAND_NEW_REASON")]
    [TestCase("UNKNOWN-ISA")]
    public void An_exit_with_an_unknown_name_is_an_exit_of_unknown_reason_and_said(string name)
    {
        (List<KernelEvent> events, TracepointReader reader) = Parse($" a-1 [000] 1.000000: kvm_exit: reason {name} rip 0x1 info 0 0");
        Assert.That(events.Single()[KernelOperand.Reason], Is.EqualTo(ExitReasons.Unknown));
        Assert.That(reader.Findings.All, Is.EqualTo(new Finding[] { new(Severity.Warning, TracepointReader.UnknownReason, name, 1, 1) }));
    }

    [Test]
    public void Progress_is_told_in_parts_that_add_up_to_all_lines()
    {
        // 60 bytes a line: more than one buffer of 256 KiB.
        const int Lines = 10_000;
        byte[] text = Encoding.UTF8.GetBytes(string.Concat(Enumerable.Repeat(" a-1 [000] 1.000000: kvm_entry: vcpu 0 rip 0x1000000000\n", Lines)));
        List<long> told = [];
        using TracepointReader reader = new(new MemoryStream(text), "test", told.Add);
        KernelEvent e = default;
        while (reader.Read(ref e))
        {
        }

        Assert.That(told.Sum(), Is.EqualTo(Lines));
        Assert.That(told.Count(lines => lines > 0), Is.GreaterThan(1));
    }

    internal static (List<KernelEvent> Events, TracepointReader Reader) Parse(string text)
    {
        // A last line without its end is a finding of its own.
        using TracepointReader reader = new(new MemoryStream(Encoding.UTF8.GetBytes(text.EndsWith('\n') ? text : text + "\n")), "test");
        List<KernelEvent> events = [];
        KernelEvent e = default;
        while (reader.Read(ref e))
        {
            events.Add(e);
        }

        return (events, reader);
    }
}
