using Sim.Core.Architecture;
namespace Sim.Captures.Ftrace;

/// <summary>
/// The text of every known tracepoint: kernels 4.18 to 7.x (TP_printk in arch/x86/kvm/trace.h, mmu/mmutrace.h, include/trace/events/), the other text that
/// libtraceevent's plugins print in trace-cmd report, and raw fields (<c>name=value</c>: <c>trace-cmd report -R</c>, and libtraceevent's way out when it cannot
/// evaluate a format). Alternatives are tried in order.
/// </summary>
internal static class TracepointFormats
{
    private const string Mode = "{DeliveryMode=Fixed|LowPrio|SMI|Res3|NMI|INIT|SIPI|ExtINT}";
    private const string Trigger = "{LevelTriggered=edge|level}";
    private const string Logical = "{Logical=physical|logical}";
    private const string AcceptIrq = "apicid {ApicId:x} vec {Vector:d} (" + Mode + "|" + Trigger + ")";
    private const string Exit = "<vcpu {Vcpu:d} >reason {reason} rip {Rip:x} info1 {Info1:x} info2 {Info2:x} intr_info {IntrInfo:x} error_code {ErrorCode:x}< requests {Requests:x}>";
    private const string NestedEnter = " nested_rip: {NestedRip:x} int_ctl: {IntCtl:x} event_inj: {EventInj:x} ";
    private const string Access = "{Access=---|--x|w--|w-x|-u-|-ux|wu-|wux}";
    private const string KernelRole =
        "sp gen {Generation:d} gfn {Gfn:x} l{PageLevel:d} {GpteBytes:d}-byte q{Quadrant:d}< direct{!Direct}> " + Access +
        "< invalid{!Invalid}> {Nxe=!nxe|nxe} {AccessedDirty=!ad|ad} root {RootCount:d} {Unsync=sync|unsync}";

    private const string PluginRole =
        "{PageLevel:d} q{Quadrant:d}< direct{!Direct}> " + Access +
        "< invalid{!Invalid}> {Pae=!pae|pae} {Nxe=!nxe|nxe} {WriteProtect=!wp|wp}< smep>< smap>< smm> root {RootCount:d} {Unsync=sync|unsync}";

    private const string Vector = "vector={Vector:d}";

    // Events of KVM that tell nothing of levels, translations or interrupts that the others do not.
    private static readonly string[] Others =
    [
        "kvm_hv_hypercall", "kvm_hv_hypercall_done", "kvm_hv_notify_acked_sint", "kvm_hv_synic_set_irq", "kvm_hv_synic_send_eoi", "kvm_hv_synic_set_msr", "kvm_hv_stimer_set_config",
        "kvm_hv_stimer_set_count", "kvm_hv_stimer_start_periodic", "kvm_hv_stimer_start_one_shot", "kvm_hv_stimer_callback", "kvm_hv_stimer_expiration", "kvm_hv_stimer_cleanup",
        "kvm_hv_syndbg_set_msr", "kvm_hv_syndbg_get_msr", "kvm_xen_hypercall", "kvm_skinit", "kvm_enter_smm", "kvm_smm_transition", "kvm_pml_full", "kvm_ioapic_delayed_eoi_inj",
        "kvm_try_async_get_page", "kvm_try_async_page_fault_repeated_fault", "kvm_async_pf_repeated_fault", "kvm_async_pf_not_present", "kvm_async_pf_ready", "kvm_async_pf_completed",
        "kvm_vmgexit_enter", "kvm_vmgexit_exit", "kvm_vmgexit_msr_protocol_enter", "kvm_vmgexit_msr_protocol_exit", "kvm_rmp_fault", "kvm_dirty_ring_push", "kvm_dirty_ring_reset",
        "kvm_dirty_ring_exit", "kvm_vm_set_mem_attributes", "kvm_gmem_invalidate", "kvm_ple_window",
    ];

    private static readonly AsciiNames<Tracepoint> Table = new(
    [
        Event("kvm_entry", KernelEventType.KvmEntry,
            "vcpu {Vcpu:d}<<,> rip {Rip:x}>< {symbol}>< intr_info {IntrInfo:x} error_code {ErrorCode:x}>< ><[immediate exit]{!ImmediateExit}>"),
        Event("kvm_exit", KernelEventType.KvmExit, "<vcpu {Vcpu:d} >reason {reason} rip {Rip:x}< {symbol}> info {Info1:x} {Info2:x}", Exit),
        Event("kvm_nested_vmexit", KernelEventType.KvmNestedVmexit,
            Exit,
            "<rip >{Rip:x}< {symbol}>< >reason {reason} info1 {Info1:x} info2 {Info2:x} int_info {IntrInfo:x} int_info_err {ErrorCode:x}",
            "reason {reason} info1 {Info1:x} info2 {Info2:x} int_info {IntrInfo:x} int_info_err {ErrorCode:x}",
            "rip: {Rip:x} reason: {reason} ext_inf1: {Info1:x} ext_inf2: {Info2:x} ext_int: {IntrInfo:x} ext_int_err: {ErrorCode:x}"),
        Event("kvm_nested_vmexit_inject", KernelEventType.KvmNestedVmexitInject,
            "reason: {reason} ext_inf1: {Info1:x} ext_inf2: {Info2:x} ext_int: {IntrInfo:x} ext_int_err: {ErrorCode:x}",
            "reason {reason} info1 {Info1:x} info2 {Info2:x} int_info {IntrInfo:x} int_info_err {ErrorCode:x}"),
        Event("kvm_nested_vmrun", KernelEventType.KvmNestedVmrun,
            "rip: {Rip:x} vmcb: {Vmcs12:x} nrip: {NestedRip:x} int_ctl: {IntCtl:x} event_inj: {EventInj:x} npt: {NestedTdp=off|on}{!Isa=2}"),
        Event("kvm_nested_vmenter", KernelEventType.KvmNestedVmenter,
            "rip: {Rip:x} vmcs: {Vmcs12:x}" + NestedEnter + "nested_ept={NestedTdp=n|y} <nested_eptp: {NestedRoot:x}><guest_cr3: {GuestCr3:x}>{!Isa=1}",
            "rip: {Rip:x} vmcb: {Vmcs12:x}" + NestedEnter + "nested_npt={NestedTdp=n|y} <nested_cr3: {NestedRoot:x}><guest_cr3: {GuestCr3:x}>{!Isa=2}"),
        Event("kvm_nested_vmenter_failed", KernelEventType.KvmNestedVmenterFailed, "{text}"),
        Event("kvm_nested_intercepts", KernelEventType.KvmNestedIntercepts,
            "cr_read: {CrReads:x} cr_write: {CrWrites:x} excp: {Exceptions:x} intercepts: {Intercepts1:x} {Intercepts2:x} {Intercepts3:x}"),
        Event("kvm_nested_intr_vmexit", KernelEventType.KvmNestedIntrVmexit, "rip: {Rip:x}"),
        Event("kvm_inj_virq", KernelEventType.KvmInjVirq, "{Soft=IRQ|Soft/INTn} {Vector:x}< [reinjected]{!Reinjected}>", "irq {Vector:d}"),
        Event("kvm_inj_exception", KernelEventType.KvmInjException, "{text}"),
        Event("kvm_apic_ipi", KernelEventType.KvmApicIpi,
            "dst {Destination:x} vec {Vector:d} (" + Mode + "|" + Logical + "|{Asserted=de-assert|assert}|" + Trigger + "|{Shorthand=dst|self|all|all-but-self})"),
        Event("kvm_apic_accept_irq", KernelEventType.KvmApicAcceptIrq, AcceptIrq),
        Event("kvm_apicv_accept_irq", KernelEventType.KvmApicvAcceptIrq, AcceptIrq),
        Event("kvm_apic", KernelEventType.KvmApic, "{Write=apic_read|apic_write} {register} = {Value:x}"),
        Event("kvm_eoi", KernelEventType.KvmEoi, "apicid {ApicId:x} vector {Vector:d}"),
        Event("kvm_pv_eoi", KernelEventType.KvmPvEoi, "apicid {ApicId:x} vector {Vector:d}"),
        Event("kvm_apicv_update_request", KernelEventType.KvmApicvUpdateRequest, "{Set=deactivate|activate} bit={InhibitReason:d}"),
        Event("kvm_apicv_inhibit_changed", KernelEventType.KvmApicvInhibitChanged, "{Set=cleared|set} reason={InhibitReason:d}, inhibits={Inhibits:x}< {text}>"),
        Event("kvm_pi_irte_update", KernelEventType.KvmPiIrteUpdate,
            "<VT-d >PI is {Set=disabled|enabled and being updated} for irq {HostIrq:d}, vcpu {Vcpu:d}, gsi: {Gsi:x}, gvec: {Vector:x}<, pi_desc_addr: {PiDescriptor:x}>"),
        Event("kvm_msi_set_irq", KernelEventType.KvmMsiSetIrq,
            "dst {Destination:x} vec {Vector:d} (" + Mode + "|" + Logical + "|" + Trigger + "<|rh{!RedirectionHint}>)"),
        Event("kvm_set_irq", KernelEventType.KvmSetIrq, "gsi {Gsi:d} level {Value:d} source {Source:d}"),
        Event("kvm_ioapic_set_irq", KernelEventType.KvmIoapicSetIrq,
            "pin {Pin:d} dst {Destination:x} vec {Vector:d} (" + Mode + "|" + Logical + "|" + Trigger + "<|masked{!Masked}>)< (coalesced)>"),
        Event("kvm_pic_set_irq", KernelEventType.KvmPicSetIrq, "chip {Chip:d} pin {Pin:d} (" + Trigger + "<|masked{!Masked}>)< (coalesced)>"),
        Event("kvm_ack_irq", KernelEventType.KvmAckIrq, "irqchip {text} pin {Pin:d}"),
        Event("kvm_avic_incomplete_ipi", KernelEventType.KvmAvicIncompleteIpi, "vcpu={Vcpu:d}, icrh:icrl={IcrHigh:x}:{IcrLow:x}, id={Id:d}, index={Index:d}"),
        Event("kvm_avic_unaccelerated_access", KernelEventType.KvmAvicUnacceleratedAccess,
            "vcpu={Vcpu:d}, offset={Offset:x}({text}), {Trap=fault|trap}, {Write=read|write}, vec={Vector:x}"),
        Event("kvm_avic_ga_log", KernelEventType.KvmAvicGaLog, "vmid={VmId:d}, vcpuid={Vcpu:d}"),
        Event("kvm_avic_kick_vcpu_slowpath", KernelEventType.KvmAvicKickVcpuSlowpath, "icrh:icrl={IcrHigh:x}:{IcrLow:x}, index={Index:d}"),
        Event("kvm_avic_doorbell", KernelEventType.KvmAvicDoorbell, "vcpuid={Vcpu:d}, apicid={ApicId:d}"),
        Event("kvm_msr", KernelEventType.KvmMsr, "{Write=msr_read|msr_write} {Register:x} = {Value:x}< (#GP){!GeneralProtection}>"),
        Event("kvm_cr", KernelEventType.KvmCr, "{Write=cr_read|cr_write} {Register:x} = {Value:x}"),
        Event("kvm_invlpga", KernelEventType.KvmInvlpga, "rip: {Rip:x} asid: {Asid:d} address: {Address:x}"),
        Event("kvm_pv_tlb_flush", KernelEventType.KvmPvTlbFlush, "vcpu {Vcpu:d} need_flush_tlb {NeedFlush=false|true}"),
        Event("kvm_hv_flush_tlb", KernelEventType.KvmHvFlushTlb,
            "processor_mask {ProcessorMask:x} address_space {AddressSpace:x} flags {Flags:x}< (L2){!CallerIsL2}>"),
        Event("kvm_hv_flush_tlb_ex", KernelEventType.KvmHvFlushTlbEx,
            "valid_bank_mask {ProcessorMask:x} format {Format:x} address_space {AddressSpace:x} flags {Flags:x}< (L2){!CallerIsL2}>"),
        Event("kvm_hv_send_ipi", KernelEventType.KvmHvSendIpi, "vector {Vector:x} processor_mask {ProcessorMask:x}"),
        Event("kvm_hv_send_ipi_ex", KernelEventType.KvmHvSendIpiEx, "vector {Vector:x} format {Format:x} valid_bank_mask {ProcessorMask:x}"),
        Event("kvm_page_fault", KernelEventType.KvmPageFault,
            "vcpu {Vcpu:d} rip {Rip:x} address {Address:x} error_code {ErrorCode:x}", "address {Address:x} error_code {ErrorCode:x}"),
        Event("fast_page_fault", KernelEventType.FastPageFault,
            "vcpu {Vcpu:d} gva {Address:x} error_code {text} sptep {Value:x} old {OldSpte:x} new {NewSpte:x} spurious {Spurious:d} fixed {Fixed:d}"),
        Event("kvm_mmu_pagetable_walk", KernelEventType.KvmMmuPagetableWalk, "addr {Address:x} pferr {ErrorCode:x}< {text}>"),
        Event("kvm_mmu_paging_element", KernelEventType.KvmMmuPagingElement, "pte {Value:x} level {PageLevel:d}"),
        Event("kvm_mmu_set_accessed_bit", KernelEventType.KvmMmuSetAccessedBit, "gpa {Address:x}"),
        Event("kvm_mmu_set_dirty_bit", KernelEventType.KvmMmuSetDirtyBit, "gpa {Address:x}"),
        Event("kvm_mmu_walker_error", KernelEventType.KvmMmuWalkerError, "pferr {ErrorCode:x}< {text}>"),
        Event("kvm_mmu_get_page", KernelEventType.KvmMmuGetPage, "{Created=existing|new} sp gfn {Gfn:x} " + PluginRole, KernelRole + " {Created=existing|new}"),
        Event("kvm_mmu_sync_page", KernelEventType.KvmMmuSyncPage, PluginRole, KernelRole),
        Event("kvm_mmu_unsync_page", KernelEventType.KvmMmuUnsyncPage, PluginRole, KernelRole),
        Event("kvm_mmu_prepare_zap_page", KernelEventType.KvmMmuPrepareZapPage, PluginRole, KernelRole),
        Event("kvm_mmu_zap_all_fast", KernelEventType.KvmMmuZapAllFast, "{text}"),
        Event("kvm_mmu_set_spte", KernelEventType.KvmMmuSetSpte, "gfn {Gfn:x} spte {NewSpte:x} ({text}) level {PageLevel:d} at {Address:x}"),
        Event("kvm_mmu_spte_requested", KernelEventType.KvmMmuSpteRequested, "gfn {Gfn:x} pfn {Pfn:x} level {PageLevel:d}< access {Access:x}>"),
        Event("mark_mmio_spte", KernelEventType.MarkMmioSpte, "sptep:{Value:x} gfn {Gfn:x} access {Access:x} gen {Generation:x}"),
        Event("handle_mmio_page_fault", KernelEventType.HandleMmioPageFault, "addr:{Address:x} gfn {Gfn:x} access {Access:x}"),
        Event("check_mmio_spte", KernelEventType.CheckMmioSpte, "spte {NewSpte:x} kvm_gen {Generation:x} spte-gen {Value:x} valid {Valid:d}"),
        Event("kvm_tdp_mmu_spte_changed", KernelEventType.KvmTdpMmuSpteChanged,
            "as id {AddressSpace:d} gfn {Gfn:x} level {PageLevel:d} old_spte {OldSpte:x} new_spte {NewSpte:x}"),
        Event("kvm_mmu_split_huge_page", KernelEventType.KvmMmuSplitHugePage, "gfn {Gfn:x} spte {OldSpte:x} level {PageLevel:d} errno {Errno:d}"),
        Event("kvm_unmap_hva_range", KernelEventType.KvmUnmapHvaRange, "mmu notifier unmap range: {Address:x} -- {End:x}"),
        Event("kvm_unmap_hva", KernelEventType.KvmUnmapHva, "mmu notifier unmap hva: {Address:x}"),
        Event("kvm_set_spte_hva", KernelEventType.KvmSetSpteHva, "mmu notifier set pte hva: {Address:x}"),
        Event("kvm_age_hva", KernelEventType.KvmAgeHva, "mmu notifier age hva: {Address:x} -- {End:x}"),
        Event("kvm_test_age_hva", KernelEventType.KvmTestAgeHva, "mmu notifier test age hva: {Address:x}"),
        Event("kvm_age_page", KernelEventType.KvmAgePage, "hva {Address:x} gfn {Gfn:x} {text}"),
        Event("kvm_pvclock_update", KernelEventType.KvmPvclockUpdate, "vcpu_id {Vcpu:d}, pvclock {text}"),
        Event("kvm_halt_poll_ns", KernelEventType.KvmHaltPollNs, "vcpu {Vcpu:d}: halt_poll_ns {Value:d} ({Grew=shrink|grow} {OldValue:d})"),
        Event("kvm_vcpu_wakeup", KernelEventType.KvmVcpuWakeup, "{Waited=poll|wait} time {Nanoseconds:d} ns, polling {Valid=invalid|valid}"),
        Event("kvm_userspace_exit", KernelEventType.KvmUserspaceExit, "reason {text} ({Reason:d})"),
        Event("kvm_pio", KernelEventType.KvmPio, "{Write=pio_read|pio_write} at {Address:x} size {Size:d} count {Count:d} val {Value:x}< {text}>"),
        Event("kvm_mmio", KernelEventType.KvmMmio, "mmio {text} len {Size:d} gpa {Address:x} val {Value:x}"),
        Event("kvm_cpuid", KernelEventType.KvmCpuid,
            "func {Register:x} idx {Subleaf:x} rax {Rax:x} rbx {Rbx:x} rcx {Rcx:x} rdx {Rdx:x}, cpuid entry {Valid=not found|found}<, used max basic>"),
        Event("kvm_hypercall", KernelEventType.KvmHypercall, "nr {Register:x} a0 {Rax:x} a1 {Rbx:x} a2 {Rcx:x} a3 {Rdx:x}"),
        Event("kvm_emulate_insn", KernelEventType.KvmEmulateInsn, "{CodeSegmentBase:x}:{Rip:x}< {symbol}>:{text}"),
        Event("kvm_fpu", KernelEventType.KvmFpu, "{Value=unload|load}"),
        Event("kvm_hv_timer_state", KernelEventType.KvmHvTimerState, "vcpu_id {Vcpu:d} hv_timer {Value:d}"),
        Event("kvm_wait_lapic_expire", KernelEventType.KvmWaitLapicExpire, "vcpu {Vcpu:d}: delta {Value:d} ({Late=early|late})"),
        Event("kvm_ple_window_update", KernelEventType.KvmPleWindowUpdate, "vcpu {Vcpu:d} old {OldValue:d} new {Value:d} ({Grew=shrinked|growed})"),
        Event("kvm_write_tsc_offset", KernelEventType.KvmWriteTscOffset, "vcpu={Vcpu:d} prev={OldValue:d} next={Value:d}"),
        Event("kvm_update_master_clock", KernelEventType.KvmUpdateMasterClock, "{text}"),
        Event("kvm_track_tsc", KernelEventType.KvmTrackTsc, "{text}"),
        Event("sched_migrate_task", KernelEventType.SchedMigrateTask, "{text} prio={Priority:d} orig_cpu={OrigCpu:d} dest_cpu={DestCpu:d}"),
        Event("tlb_flush", KernelEventType.TlbFlush, "pages<=><:>{Pages:d} reason<=><:>{text} ({Reason:d})"),
        Event("local_timer_entry", KernelEventType.LocalTimerEntry, Vector),
        Event("local_timer_exit", KernelEventType.LocalTimerExit, Vector),
        Event("reschedule_entry", KernelEventType.RescheduleEntry, Vector),
        Event("reschedule_exit", KernelEventType.RescheduleExit, Vector),
        Event("call_function_entry", KernelEventType.CallFunctionEntry, Vector),
        Event("call_function_exit", KernelEventType.CallFunctionExit, Vector),
        Event("call_function_single_entry", KernelEventType.CallFunctionSingleEntry, Vector),
        Event("call_function_single_exit", KernelEventType.CallFunctionSingleExit, Vector),
        Event("irq_work_entry", KernelEventType.IrqWorkEntry, Vector),
        Event("irq_work_exit", KernelEventType.IrqWorkExit, Vector),
        Event("spurious_apic_entry", KernelEventType.SpuriousApicEntry, Vector),
        Event("spurious_apic_exit", KernelEventType.SpuriousApicExit, Vector),
        Event("sched_switch", KernelEventType.SchedSwitch),
        Event("function", KernelEventType.Function),
        .. Others.Select(name => Event(name, KernelEventType.Other, "{text}")),
    ]);

    // Names of TP_STRUCT__entry fields, for raw output.
    private static readonly AsciiNames<KernelOperand> RawFields = new(
    [
        ("vcpu_id", KernelOperand.Vcpu), ("vcpu", KernelOperand.Vcpu), ("vcpuid", KernelOperand.Vcpu), ("rip", KernelOperand.Rip), ("guest_rip", KernelOperand.Rip),
        ("exit_reason", KernelOperand.Reason), ("exit_code", KernelOperand.Reason), ("reason", KernelOperand.Reason), ("isa", KernelOperand.Isa),
        ("info1", KernelOperand.Info1), ("info2", KernelOperand.Info2), ("exit_info1", KernelOperand.Info1), ("exit_info2", KernelOperand.Info2),
        ("intr_info", KernelOperand.IntrInfo), ("exit_int_info", KernelOperand.IntrInfo), ("error_code", KernelOperand.ErrorCode),
        ("exit_int_info_err", KernelOperand.ErrorCode), ("requests", KernelOperand.Requests), ("immediate_exit", KernelOperand.ImmediateExit),
        ("vmcb", KernelOperand.Vmcs12), ("nested_rip", KernelOperand.NestedRip), ("int_ctl", KernelOperand.IntCtl), ("event_inj", KernelOperand.EventInj),
        ("tdp_enabled", KernelOperand.NestedTdp), ("npt", KernelOperand.NestedTdp), ("guest_pgd", KernelOperand.NestedRoot), ("vector", KernelOperand.Vector),
        ("vec", KernelOperand.Vector), ("irq", KernelOperand.Vector), ("soft", KernelOperand.Soft), ("reinjected", KernelOperand.Reinjected),
        ("icr_low", KernelOperand.IcrLow), ("dest_id", KernelOperand.Destination), ("apicid", KernelOperand.ApicId), ("gsi", KernelOperand.Gsi),
        ("gvec", KernelOperand.Vector), ("host_irq", KernelOperand.HostIrq), ("pi_desc_addr", KernelOperand.PiDescriptor), ("set", KernelOperand.Set),
        ("activate", KernelOperand.Set), ("inhibits", KernelOperand.Inhibits), ("fault_address", KernelOperand.Address), ("address", KernelOperand.Address),
        ("gfn", KernelOperand.Gfn), ("role", KernelOperand.Role), ("mmu_valid_gen", KernelOperand.Generation), ("root_count", KernelOperand.RootCount),
        ("unsync", KernelOperand.Unsync), ("created", KernelOperand.Created), ("processor_mask", KernelOperand.ProcessorMask),
        ("address_space", KernelOperand.AddressSpace), ("flags", KernelOperand.Flags), ("need_flush_tlb", KernelOperand.NeedFlush), ("asid", KernelOperand.Asid),
        ("rw", KernelOperand.Write), ("write", KernelOperand.Write), ("cr", KernelOperand.Register), ("ecx", KernelOperand.Register), ("reg", KernelOperand.Register),
        ("val", KernelOperand.Value), ("data", KernelOperand.Value), ("exception", KernelOperand.GeneralProtection), ("pages", KernelOperand.Pages),
        ("prev_pid", KernelOperand.PrevPid), ("next_pid", KernelOperand.NextPid), ("new", KernelOperand.Value), ("old", KernelOperand.OldValue),
        ("ns", KernelOperand.Nanoseconds), ("waited", KernelOperand.Waited), ("valid", KernelOperand.Valid), ("pid", KernelOperand.NextPid),
        ("orig_cpu", KernelOperand.OrigCpu), ("dest_cpu", KernelOperand.DestCpu), ("old_spte", KernelOperand.OldSpte), ("new_spte", KernelOperand.NewSpte),
        ("level", KernelOperand.PageLevel), ("nr", KernelOperand.Register),
    ]);

    /// <summary>The tracepoint of that name; false if it is unknown.</summary>
    public static bool TryGet(ReadOnlySpan<byte> name, out Tracepoint tracepoint) => Table.TryGet(name, out tracepoint!);

    /// <summary>Reads raw fields, <c>name=value name=value</c>; false if there is not one known number among them.</summary>
    public static bool MatchRaw(ReadOnlySpan<byte> text, ref KernelEvent e)
    {
        TextCursor cursor = new(text);
        int operands = e.OperandCount;
        while (!cursor.AtEnd)
        {
            cursor.SkipSpaces();
            ReadOnlySpan<byte> word = cursor.Word();
            int equals = word.IndexOf((byte)'=');
            if (equals > 0 && RawFields.TryGet(word[..equals], out KernelOperand operand))
            {
                TextCursor value = new(word[(equals + 1)..]);
                if (value.Number(out ulong number) && value.AtEnd)
                {
                    e.Add(operand, number);
                }
            }
        }

        if (e.Type is KernelEventType.KvmExit or KernelEventType.KvmNestedVmexit or KernelEventType.KvmNestedVmexitInject)
        {
            SplitRawReason(ref e);
        }

        return e.OperandCount > operands;
    }

    /// <summary>
    /// Reads sched_switch: <c>prev_comm=A prev_pid=1 prev_prio=120 prev_state=S ==> next_comm=B next_pid=2 next_prio=120</c>, or trace-cmd's
    /// <c>A:1 [120] S ==> B:2 [120]</c>. Task names may hold anything, so numbers are sought from the right.
    /// </summary>
    public static bool MatchSchedSwitch(ReadOnlySpan<byte> text, ref KernelEvent e, StringPool strings)
    {
        int arrow = text.LastIndexOf(" ==> "u8);
        if (arrow < 0)
        {
            return false;
        }

        ReadOnlySpan<byte> prev = text[..arrow].Trim((byte)' ');
        ReadOnlySpan<byte> next = text[(arrow + 5)..].Trim((byte)' ');
        bool raw = prev.StartsWith("prev_comm="u8);
        (byte[] prevPid, byte[] nextPid, byte[] afterPid) = raw ? (" prev_pid="u8.ToArray(), " next_pid="u8.ToArray(), " "u8.ToArray()) : ([(byte)':'], [(byte)':'], " ["u8.ToArray());
        int state = prev.LastIndexOf(raw ? "prev_state="u8 : "] "u8);
        if (state < 0 || !NumberAfterLast(prev, prevPid, afterPid, out ulong from, out _) || !NumberAfterLast(next, nextPid, afterPid, out ulong to, out int nameEnd))
        {
            return false;
        }

        e.Add(KernelOperand.PrevPid, from);
        e.Add(KernelOperand.Preempted, prev[(state + (raw ? 11 : 2))..].StartsWith("R"u8) ? 1UL : 0);
        e.Add(KernelOperand.NextPid, to);
        e.Text = strings.Get(raw ? next[Math.Min("next_comm=".Length, nameEnd)..nameEnd] : next[..nameEnd]);
        return true;
    }

    private static bool NumberAfterLast(ReadOnlySpan<byte> text, ReadOnlySpan<byte> before, ReadOnlySpan<byte> after, out ulong value, out int start)
    {
        value = 0;
        for (start = text.LastIndexOf(before); start >= 0; start = text[..start].LastIndexOf(before))
        {
            TextCursor cursor = new(text[(start + before.Length)..]);
            if (cursor.Decimal(out value) && cursor.Rest.StartsWith(after))
            {
                return true;
            }
        }

        return false;
    }

    // The raw VMX reason holds flags in its upper half; raw SVM codes are whole.
    private static void SplitRawReason(ref KernelEvent e)
    {
        KernelEvent raw = e;
        if ((KvmIsa)raw[KernelOperand.Isa] != KvmIsa.Vmx || raw[KernelOperand.Reason] <= 0xFFFF)
        {
            return;
        }

        e.Clear();
        for (int i = 0; i < raw.OperandCount; i++)
        {
            (KernelOperand operand, ulong value) = raw.Operand(i);
            e.Add(operand, operand == KernelOperand.Reason ? value & 0xFFFF : value);
        }

        if ((raw[KernelOperand.Reason] & 0x8000_0000) != 0)
        {
            e.Add(KernelOperand.FailedVmentry, 1);
        }
    }

    private static (string, Tracepoint) Event(string name, KernelEventType type, params string[] patterns) =>
        (name, new Tracepoint(name, type, [.. patterns.Select(p => new TextPattern(p))]));
}

/// <summary>A tracepoint that the importer knows.</summary>
/// <param name="Name">The kernel's name.</param>
/// <param name="Type">Its type.</param>
/// <param name="Patterns">The texts it can have.</param>
internal sealed record Tracepoint(string Name, KernelEventType Type, IReadOnlyList<TextPattern> Patterns);
