using Sim.Core;
using Sim.Core.Traces;

namespace Sim.Kvm;

/// <summary>Every mutant that can be named: the holes of docs/rules.md#holes, the further rules of nVMX, the cells of docs/rules.md#nsvm-policies and the further rules of nSVM.</summary>
public static class KernelMutants
{
    private static readonly FlushRequest[] FlushesBeforeLoad = [FlushRequest.MmuSync, FlushRequest.All, FlushRequest.Current, FlushRequest.Guest, FlushRequest.LoadMmuPgd];

    /// <summary>The mutants.</summary>
    public static IReadOnlyList<KernelMutant> All { get; } =
    [
        Step(
            "new-vpid12-flushes-hardware-only", "H1", "a new vpid12 is an INVVPID of vpid02 at once and no guest flush, as before the seed thread's patch (712494de96f3)",
            (_, step) => step is { Request: FlushRequest.Guest, Rule: "new_vpid12" } ? new FlushStep(null, ImmediateFlush.Vpid02, step.Rule) : step),
        Rule(
            "vpid02-is-current-without-vpid12", "H2", "the current VPID is vpid02 while L2 is active, also if it runs under vpid01 for want of a vpid12 (as before 2657b82a78f1)",
            rules => IsByRequest(rules) && rules.FlushGuestVpid == CurrentVpid.Vpid02IfVpid12,
            rules => rules with { FlushCurrentVpid = CurrentVpid.Vpid02InGuestMode, FlushGuestVpid = CurrentVpid.Vpid02InGuestMode }),
        Forgets("no-first-load-flush", "H3", "a VMCS that no CPU has loaded yet counts as loaded on this one (vmx_vcpu_load_vmcs; docs/rules.md#nested-transition)", KernelDefects.NoFlushOnFirstLoad, HasFixedTags),
        Forgets(
            "keeps-unsync-roots", "H4", "a guest flush without EPT leaves cached roots with unsync pages as they are (before kvm_mmu_sync_prev_roots)", KernelDefects.KeepsUnsyncRoots,
            rules => IsByRequest(rules) && rules.ShadowGuestFlush == ShadowGuestFlush.Sync),
        Rule(
            "guest-flush-after-switch", "H5", "FLUSH_GUEST is carried out after the nested transition, for the level that did not ask for it (as before 40e5f9080472)",
            rules => rules.ServicesGuestBeforeSwitch, rules => rules with { ServicesGuestBeforeSwitch = false }),
        Rule(
            "invept-does-nothing", "H6", "INVEPT of L1 does nothing, as in 5.4 to 5.7, although nested entries do not sync any more (f8aa7e3958bc came first)",
            rules => IsByRequest(rules) && rules.Invept == InveptEmulation.FreeRoots, rules => rules with { Invept = InveptEmulation.Nothing }),
        Step(
            "new-vpid12-flushes-active-root", "H7", "a new vpid12 is an INVEPT at once, of the root that is left (as before 1438921c6dc1)",
            (_, step) => step.Rule == "new_vpid12" ? new FlushStep(null, ImmediateFlush.ActiveEptp, step.Rule) : step),
        Rule(
            "guest-flush-by-vpid01", "H8", "flush_guest and flush_gva name vpid01, also while L2 runs under vpid02 (as before 2b4a5a5d5688)",
            rules => IsByRequest(rules) && rules.FlushGuestVpid != CurrentVpid.Vpid01, rules => rules with { FlushGuestVpid = CurrentVpid.Vpid01 }),
        Forgets("no-flush-on-other-cpu", "H9", "a vCPU that comes to another physical CPU flushes nothing there (docs/rules.md#host-events)", KernelDefects.NoFlushOnOtherCpu, HasFixedTags),
        Forgets("flush-all-by-invvpid", "H10", "flush_all with EPT is INVVPID all-contexts, which leaves guest-physical mappings (docs/rules.md#intel-invalidations, #flush-functions)", KernelDefects.FlushAllByVpid, IsByRequest),
        new("flush-before-root-load", "H11", "FLUSH_CURRENT comes before the new root is in the VMCS, and names the old one (kvm_mmu_load, vcpu_enter_guest; docs/rules.md#request-order)")
        {
            Rules = rules => IsByRequest(rules) ? rules with { Defects = rules.Defects | KernelDefects.FlushesCurrentBeforeRootLoad, ServiceOrder = FlushesBeforeLoad } : rules,
        },
        Forgets("guest-flush-retains-globals", "H12", "flush_guest is INVVPID type 3, so that global translations stay (docs/rules.md#intel-invalidations, #flush-functions)", KernelDefects.FlushGuestRetainsGlobals, IsByRequest),
        Forgets(
            "flush-all-active-only", "H13", "flush_all flushes the active context alone ('Flush all EPTP/VPID contexts on remote TLB flush', 5.8; nSVM's in-tree TODO 2)", KernelDefects.FlushAllActiveOnly,
            rules => IsByRequest(rules) || HasL2Asids(rules)),
        Forgets(
            "flush-all-forgets-l2", "H14", "flush_all flushes L1's VPID, root or ASID alone, also while L2 runs under its own (docs/rules.md#holes; nSVM's in-tree TODO 2)", KernelDefects.FlushAllForgetsL2,
            rules => IsByRequest(rules) || HasL2Asids(rules)),

        Step("ignores-new-vpid12", "2.6", "a new vpid12 flushes nothing (nested_vmx_transition_tlb_flush)", (_, step) => step.Rule == "new_vpid12" ? null : step),
        Step("ignores-no-vpid12", "2.6", "transitions without vpid12 flush nothing (nested_vmx_transition_tlb_flush)", (_, step) => step.Rule == "no_vpid12" ? null : step),
        Step("ignores-no-guest-tag", "2.6", "transitions flush nothing where no hardware tag tells L2 from L1 (nested_has_guest_tlb_tag)", (_, step) => step.Rule == "no_guest_tag" ? null : step),
        Forgets("no-sync-on-root-load", "2.8", "loading a root does not sync it (kvm_mmu_load)", KernelDefects.NoSyncOnRootLoad, _ => true),
        Forgets(
            "no-sync-on-guest-flush", "2.4", "FLUSH_GUEST without EPT does not sync the current root (kvm_vcpu_flush_tlb_guest)", KernelDefects.NoSyncOnGuestFlush,
            rules => IsByRequest(rules) && rules.ShadowGuestFlush == ShadowGuestFlush.Sync),
        Rule(
            "guest-flush-hardware-only", "2.4", "FLUSH_GUEST without EPT is a hardware flush only, as in 5.8 to 5.13 (07ffaf343e34, 61b05a9fd4ae)",
            rules => IsByRequest(rules) && rules.ShadowGuestFlush != ShadowGuestFlush.HardwareOnly, rules => rules with { ShadowGuestFlush = ShadowGuestFlush.HardwareOnly }),
        Rule(
            "no-sync-without-vpid12", "2.6", "a transition without EPT and without vpid12 does not sync the root it comes to (41fab65e7c44)",
            rules => rules.SyncsRootWithoutVpid12, rules => rules with { SyncsRootWithoutVpid12 = false }),
        Rule(
            "l2-shares-direct-root", "2.1", "an L2 without EPT12 runs on L1's own root, so that they have one EP4TA (role.guest_mode, 4.20)",
            rules => IsVmx(rules) && rules.L2HasOwnDirectRoot, rules => rules with { L2HasOwnDirectRoot = false }),
        Forgets("no-sync-on-invlpg", "2.8", "INVLPG and INVPCID of an address do not sync it (kvm_mmu_invlpg)", KernelDefects.NoSyncOnInvlpg, IsVmx),
        Forgets("no-sync-on-request", "2.4", "MMU_SYNC does nothing (kvm_mmu_sync_roots)", KernelDefects.NoSyncOnRequest, _ => true),
        Rule(
            "no-flush-on-sync", "2.8", "a sync flushes nothing by itself (mmu_sync_children, kvm_mmu_sync_roots), which every shipped kernel does in some form",
            rules => IsVmx(rules) && rules.SyncFlushes, rules => rules with { SyncFlushes = false }) with { OnlyUncovers = true },
        Forgets("no-address-flush", "2.5", "flush_gva does nothing (vmx_flush_tlb_gva)", KernelDefects.NoAddressFlush, IsVmx),
        Forgets(
            "keeps-roots-of-pcid", "2.10", "MOV to CR3 and INVPCID of a PCID leave its cached roots as they are (kvm_invalidate_pcid)", KernelDefects.KeepsRootsOfPcid,
            rules => IsVmx(rules) && rules.RootSwitch != RootSwitch.ReloadAndFlush),
        Rule(
            "keeps-roots-on-pcide", "2.10", "a shadow-paged guest that sets CR4.PCIDE keeps its cached roots (kvm_post_set_cr4)",
            rules => IsVmx(rules) && rules.UnloadsWhenPcidIsEnabled, rules => rules with { UnloadsWhenPcidIsEnabled = false }),
        Rule(
            "keeps-roots-without-pcids", "2.10", "a flush of PCID 0 leaves cached roots while CR4.PCIDE is 0, and a guest that sets it keeps them (before 21823fbda552)",
            rules => IsVmx(rules) && rules.FreesRootsWithoutPcids, rules => rules with { FreesRootsWithoutPcids = false }),
        Forgets("ignores-invvpid", "2.9", "INVVPID of L1 does nothing (handle_invvpid)", KernelDefects.IgnoresInvvpid, rules => IsVmx(rules) && rules.Invvpid != InvvpidEmulation.NotOffered),
        Rule(
            "invvpid-keeps-roots", "2.9", "INVVPID of L1 without EPT leaves L2's cached roots as they are (handle_invvpid, kvm_mmu_free_guest_mode_roots)",
            rules => IsVmx(rules) && rules.Invvpid >= InvvpidEmulation.FlushVpid02FreeRoots, rules => rules with { Invvpid = InvvpidEmulation.FlushVpid02 }),
        Rule(
            "invvpid-on-any-cpu", "2.9", "INVVPID of L1 flushes vpid02 on this CPU, also if L2 ran last on another one (before 'Ensure INVVPID is emulated on the correct physical CPU', June 2026)",
            rules => rules.InvvpidOnVmcs02Cpu, rules => rules with { InvvpidOnVmcs02Cpu = false }),
        Rule(
            "vmxon-keeps-last-vpid", "H3", "VMXON keeps last_vpid, so that a vpid02 that was somebody else's is not flushed on first use (before f0772389413d, CVE-2026-89932)",
            rules => rules.ForgetsVpid12AtVmxon, rules => rules with { ForgetsVpid12AtVmxon = false }),
        Rule(
            "late-failure-flushes-l1", "H16", "a nested entry that fails late leaves its flush to L1, although vpid12 was taken note of (before 'Service local TLB flushes on failed nested VM-Enter', CVE-2026-89930)",
            rules => rules.ServicesRequestsOnFailedEntry, rules => rules with { ServicesRequestsOnFailedEntry = false }),
        Rule(
            "renews-one-asid", "H18", "a vCPU that comes to another CPU takes a new ASID for the VMCB that runs, and goes back with the other one's (before 'Trigger new ASID allocation in both VMCBs on pCPU switch')",
            rules => rules.RenewsBothAsids, rules => rules with { RenewsBothAsids = false }),
        Rule(
            "failed-run-loses-flush", "H19", "a VMRUN that fails loses the flush that it was to carry out (before 60d93c27859f, CVE-2026-98715)",
            rules => rules.KeepsFlushOfFailedRun, rules => rules with { KeepsFlushOfFailedRun = false }),
        Rule(
            "generation-restarts-online", "H20", "a CPU that comes online counts its ASID generations from the beginning (before 25f744ffa0c8, CVE-2026-68093)",
            rules => rules.BumpsAsidGenerationAtOnline, rules => rules with { BumpsAsidGenerationAtOnline = false }),
        Rule(
            "forced-leave-keeps-tlb", "H21", "leaving L2 by force flushes nothing, and L1 shares the ASID (every shipped kernel; fix posted June 2026)",
            rules => rules.FlushesOnForcedLeave && rules.Tags == TagAllocation.PerCpu, rules => rules with { FlushesOnForcedLeave = false }),
        Forgets("no-remote-flush", "2.11", "the host takes memory away and raises no request (kvm_flush_remote_tlbs)", KernelDefects.NoRemoteFlush, _ => true),

        Step("ignores-new-asid12", "S1 new ASID", "a VMRUN with another vmcb12.ASID flushes nothing (3.3)", (_, step) => step.Rule == "new_asid12" ? null : step),
        Step("ignores-tlb-control-1", "S1 TLB_CONTROL 1", "VMRUN ignores a vmcb12.TLB_CONTROL that flushes all ASIDs (nSVM's in-tree TODO 3; 3.3)", (at, step) => IgnoresTlbControl(at, step, TlbControl.FlushAll)),
        Step("ignores-tlb-control-3", "S1 TLB_CONTROL 3", "VMRUN ignores a vmcb12.TLB_CONTROL that flushes its ASID (nSVM's in-tree TODO 3; 3.3)", (at, step) => IgnoresTlbControl(at, step, TlbControl.FlushAsid)),
        Step(
            "ignores-tlb-control-7", "S1 TLB_CONTROL 7", "VMRUN ignores a vmcb12.TLB_CONTROL that flushes its ASID but for globals (nSVM's in-tree TODO 3; 3.3)",
            (at, step) => IgnoresTlbControl(at, step, TlbControl.FlushAsidNonGlobal)),
        Forgets("ignores-invlpga", "S1 INVLPGA", "INVLPGA of L1 does nothing (invlpga_interception; 3.3)", KernelDefects.IgnoresInvlpga, HasL2Asids),
        Forgets("clobbers-tlb-control", "S1 pending TLB_CONTROL", "VMRUN's emulation loses the TLB_CONTROL that is pending in vmcb02 (nSVM's in-tree TODO 5)", KernelDefects.ClobbersTlbControl, HasL2Asids),
        new("no-sync-on-asid-flush", "S1 sync", "a flush of L2's ASID does not sync the shadow of NPT12, whose translations ASIDs tag (nSVM's in-tree TODO 4; 2.8)")
        {
            Rules = rules => HasL2Asids(rules) ? rules with { Defects = rules.Defects | KernelDefects.NoSyncOnGuestFlush | KernelDefects.NoSyncOnRequest } : rules,
        },
        Forgets(
            "no-flush-after-sibling", "S2 CPU switch", "ASIDs of the VM are not flushed where another of its vCPUs ran last (3.2, v1 of the rework)", KernelDefects.NoFlushAfterSibling,
            rules => rules.Tags == TagAllocation.PerVm),
        Step(
            "no-flush-on-transition", "S0 transition", "L1 and L2 share an ASID and nothing flushes it between them (nested_svm_transition_tlb_flush)",
            (_, step) => step is { Request: FlushRequest.Current, Rule: "every_transition" } ? null : step),
    ];

    /// <summary>The mutant with that name.</summary>
    /// <exception cref="ConfigurationException">None has it; the message lists the nearest ones.</exception>
    public static KernelMutant Named(string name) =>
        All.FirstOrDefault(mutant => mutant.Name == name) ?? throw new ConfigurationException(NearestNames.Unknown("mutant", name, All.Select(mutant => mutant.Name)));

    private static KernelMutant Step(string name, string breaks, string summary, Func<NestedTransition, FlushStep, FlushStep?> change) => new(name, breaks, summary) { Step = change };

    private static KernelMutant Rule(string name, string breaks, string summary, Func<KernelRules, bool> has, Func<KernelRules, KernelRules> change) =>
        new(name, breaks, summary) { Rules = rules => has(rules) ? change(rules) : rules };

    private static KernelMutant Forgets(string name, string breaks, string summary, KernelDefects defect, Func<KernelRules, bool> has) =>
        Rule(name, breaks, summary, has, rules => rules with { Defects = rules.Defects | defect });

    private static FlushStep? IgnoresTlbControl(in NestedTransition transition, FlushStep step, TlbControl control) => step.Rule == "tlb_control" && transition.TlbControl12 == control ? null : step;

    private static bool IsVmx(KernelRules rules) => rules.Primitive != FlushPrimitive.Asid;

    private static bool IsByRequest(KernelRules rules) => rules.Primitive == FlushPrimitive.ByRequest;

    /// <summary>A kernel that flushes a vCPU's tags where it comes to another CPU, and does not take new ones.</summary>
    private static bool HasFixedTags(KernelRules rules) => rules.Tags != TagAllocation.PerCpu;

    private static bool HasL2Asids(KernelRules rules) => !IsVmx(rules) && HasFixedTags(rules);
}
