using Sim.Core.Profiles;
using Sim.Core.Traces;

namespace Sim.Kvm;

/// <summary>What a switch of the MMU root (EPTP, or CR3 under shadow paging) does.</summary>
public enum RootSwitch
{
    /// <summary>The MMU is reset; the reload before the next entry flushes the destination (kernels up to 4.19).</summary>
    ReloadAndFlush,

    /// <summary>Up to four roots are kept; a hit syncs and flushes the destination, a miss loads, syncs and flushes (4.20 to 5.7; nested transitions of SVM to 5.13).</summary>
    CachedAndFlush,

    /// <summary>Up to four roots are kept; a hit only loads, a miss loads, syncs and flushes the destination (5.8 and later).</summary>
    Cached,
}

/// <summary>What the kernel's flush functions reach.</summary>
public enum FlushPrimitive
{
    /// <summary>One function: INVVPID single(vpid01) and INVEPT single(active EPTP) (up to 4.19).</summary>
    Vpid01AndActiveEptp,

    /// <summary>One function: INVEPT single(active EPTP), or INVVPID single(vpid01) without EPT (4.20 to 5.7).</summary>
    ActiveEptpElseVpid01,

    /// <summary>Three functions: flush_all, flush_current, flush_guest (5.8 and later; docs/rules.md#flush-functions).</summary>
    ByRequest,

    /// <summary>All three end in svm_flush_tlb_asid (SVM).</summary>
    Asid,
}

/// <summary>Which VPID a flush of "the current VPID" names.</summary>
public enum CurrentVpid
{
    /// <summary>vpid01 always.</summary>
    Vpid01,

    /// <summary>vpid02 while L2 is active, else vpid01.</summary>
    Vpid02InGuestMode,

    /// <summary>vpid02 while L2 is active and vmcs12 enables VPID, else vpid01 (6.12 and later).</summary>
    Vpid02IfVpid12,
}

/// <summary>Where the ASIDs (or VPIDs) of a vCPU come from.</summary>
public enum TagAllocation
{
    /// <summary>A vCPU keeps its own for good: VPIDs, and the ASIDs of the proposed rework of nSVM.</summary>
    Fixed,

    /// <summary>All vCPUs of the VM share one for L1 and those for L2; a CPU on which another vCPU ran last flushes them (v1 of the rework of nSVM).</summary>
    PerVm,

    /// <summary>Each CPU hands out ASIDs in turn; see <see cref="AsidGenerations"/> (SVM to this day).</summary>
    PerCpu,
}

/// <summary>How KVM_REQ_TLB_FLUSH_GUEST is carried out when L0 has no EPT.</summary>
public enum ShadowGuestFlush
{
    /// <summary>Hardware flush, no sync (5.8 to 5.13).</summary>
    HardwareOnly,

    /// <summary>All roots are dropped; sync and flush happen when they are loaded again (5.14 and 5.15).</summary>
    Unload,

    /// <summary>The current root is synced, unsync cached roots dropped, then the hardware is flushed (5.16 and later, 61b05a9fd4ae).</summary>
    Sync,
}

/// <summary>What L0 does when L1 executes INVVPID.</summary>
public enum InvvpidEmulation
{
    /// <summary>#UD: not offered (up to 4.3).</summary>
    NotOffered,

    /// <summary>Every type flushes vpid02 and the active EPTP (4.4 to 4.19).</summary>
    FlushVpid02AndEptp,

    /// <summary>Type 0 flushes one address of vpid02, the others vpid02 (4.20 to 5.7).</summary>
    FlushVpid02,

    /// <summary>As before; without EPT all cached roots are dropped too (5.8 to 5.13).</summary>
    FlushVpid02FreeRoots,

    /// <summary>As before; without EPT the cached roots of L2 are dropped too (5.14 and later).</summary>
    FlushVpid02FreeGuestRoots,
}

/// <summary>What L0 does when L1 executes INVEPT.</summary>
public enum InveptEmulation
{
    /// <summary>Syncs the active roots and raises KVM_REQ_TLB_FLUSH, whatever the type (4.4 to 4.20).</summary>
    SyncAndFlush,

    /// <summary>Nothing; every nested entry syncs and flushes EPT02 anyhow (5.4 to 5.7).</summary>
    Nothing,

    /// <summary>Drops the cached roots of that EPTP12, or all; the next entry loads, syncs and flushes (5.8 and later).</summary>
    FreeRoots,
}

/// <summary>The kernel around a flush policy: everything that differs between versions but is not decided at the transition itself.</summary>
public sealed record KernelRules
{
    /// <summary>One list for all, so that kernels with the same rules are equal.</summary>
    private static readonly FlushRequest[] RootsFirst = [FlushRequest.MmuSync, FlushRequest.LoadMmuPgd, FlushRequest.All, FlushRequest.Current, FlushRequest.Guest];

    /// <summary>L1 may enable VPID for L2, and L2 gets vpid02.</summary>
    public bool OffersVpid { get; init; } = true;

    /// <summary>An L2 that does not use EPT12 has a direct root of its own, hence an EP4TA of its own (4.20 and later).</summary>
    public bool L2HasOwnDirectRoot { get; init; } = true;

    /// <summary>What a root switch does.</summary>
    public RootSwitch RootSwitch { get; init; } = RootSwitch.Cached;

    /// <summary>What flushes reach.</summary>
    public FlushPrimitive Primitive { get; init; } = FlushPrimitive.ByRequest;

    /// <summary>Where ASIDs come from.</summary>
    public TagAllocation Tags { get; init; } = TagAllocation.Fixed;

    /// <summary>svm_set_cr4 flushes the current ASID at once if CR4.PGE changes, be it because L1 and L2 differ (SVM, up to 6.13).</summary>
    public bool FlushesOnPgeChange { get; init; }

    /// <summary>L1 and L2 run with one VMCB, which has one ASID generation and one TLB_CONTROL (SVM, up to 5.12); else vmcb02 is separate.</summary>
    public bool HasOneVmcb { get; init; }

    /// <summary>svm_flush_tlb_gva ends in svm_flush_tlb_asid if L0 has NPT, for INVLPGA may miss on some CPUs (SVM, 7.2 and later).</summary>
    public bool AddressFlushTakesAsid { get; init; }

    /// <summary>Bits of CR4 of which one that an emulated MOV to CR4 changes resets the MMU (kvm_post_set_cr4, kvm_mmu_reset_context; M5): all roots go, and what loads them flushes.</summary>
    public Cr4Bits Cr4BitsThatResetMmu { get; init; } = Cr4Bits.Pse | Cr4Bits.Pae | Cr4Bits.La57 | Cr4Bits.Smep | Cr4Bits.Smap | Cr4Bits.Pke;

    /// <summary>So does one that clears CR4.PCIDE (read: 5.10; M5).</summary>
    public bool ResetsMmuOnPcideCleared { get; init; }

    /// <summary>
    /// An emulated MOV to CR4 that changes PGE, or clears PCIDE, raises KVM_REQ_TLB_FLUSH_GUEST, and one that changes PAE, or sets SMEP, KVM_REQ_TLB_FLUSH_CURRENT (kvm_post_set_cr4; M6). Else nothing
    /// beside the reset of the MMU.
    /// </summary>
    public bool RequestsFlushesOnCr4 { get; init; } = true;

    /// <summary>INVPCID of types 2 and 3, and what flushes a shadow-paged guest whole, drops all roots (kvm_mmu_unload; read: 5.10); else it raises KVM_REQ_TLB_FLUSH_GUEST (M8).</summary>
    public bool UnloadsOnInvpcidAll { get; init; }

    /// <summary>A root that is zapped while in use costs a vCPU all its roots (KVM_REQ_MMU_RELOAD, kvm_mmu_unload; read: 5.10); else those that are obsolete (KVM_REQ_MMU_FREE_OBSOLETE_ROOTS, 5.18 and later).</summary>
    public bool ReloadDropsAllRoots { get; init; }

    /// <summary>An emulated write to a shadowed page table raises KVM_REQ_TLB_FLUSH_CURRENT, whatever it changes (local_flush in kvm_mmu_pte_write; read: 5.10).</summary>
    public bool FlushesOnShadowedWrite { get; init; }

    /// <summary>Activating AVIC for a guest in xAPIC mode raises KVM_REQ_TLB_FLUSH_CURRENT ("Flush the current TLB when activating AVIC"; 6.1.16, 6.3 and later): a translation of the APIC page may be cached.</summary>
    public bool FlushesOnXAvic { get; init; }

    /// <summary>So does activating it for one in x2APIC mode (6.6.143, 6.12.93, 6.18.35, 7.0.12, 7.1 and later; not in any 6.1).</summary>
    public bool FlushesOnX2Avic { get; init; }

    /// <summary>pre_svm_run on another CPU than the last takes a new ASID for both VMCBs, whichever is to run ("Trigger new ASID allocation in both VMCBs on pCPU switch"; S5). Else for that one.</summary>
    public bool RenewsBothAsids { get; init; }

    /// <summary>A flush of all ASIDs that ran out is owed until a VMRUN succeeded (CVE-2026-98715; S6). Else a VMRUN that fails loses it.</summary>
    public bool KeepsFlushOfFailedRun { get; init; }

    /// <summary>A CPU that comes online raises its ASID generation (CVE-2026-68093; S4). Else it begins with the first again.</summary>
    public bool BumpsAsidGenerationAtOnline { get; init; }

    /// <summary>svm_leave_nested flushes the current ASID and syncs (posted June 2026; S8).</summary>
    public bool FlushesOnForcedLeave { get; init; }

    /// <summary>KVM_SET_SREGS that resets the MMU raises KVM_REQ_TLB_FLUSH_GUEST too (4346db6e6e7a; M12).</summary>
    public bool FlushesGuestOnSetSregs { get; init; } = true;

    /// <summary>VPID of flush_current without EPT.</summary>
    public CurrentVpid FlushCurrentVpid { get; init; } = CurrentVpid.Vpid02IfVpid12;

    /// <summary>VPID of flush_guest and flush_gva.</summary>
    public CurrentVpid FlushGuestVpid { get; init; } = CurrentVpid.Vpid02IfVpid12;

    /// <summary>FLUSH_CURRENT is serviced before a nested transition changes the level (5.8 and later).</summary>
    public bool ServicesCurrentBeforeSwitch { get; init; } = true;

    /// <summary>FLUSH_GUEST too (5.15.7, 5.16 and later).</summary>
    public bool ServicesGuestBeforeSwitch { get; init; } = true;

    /// <summary>A nested VM-entry that fails after prepare_vmcs02 services local requests while L2 is still active ("Service local TLB flushes on failed nested VM-Enter", CVE-2026-89930; V10).</summary>
    public bool ServicesRequestsOnFailedEntry { get; init; }

    /// <summary>FLUSH_GUEST without EPT.</summary>
    public ShadowGuestFlush ShadowGuestFlush { get; init; } = ShadowGuestFlush.Sync;

    /// <summary>INVVPID by L1.</summary>
    public InvvpidEmulation Invvpid { get; init; } = InvvpidEmulation.FlushVpid02FreeGuestRoots;

    /// <summary>
    /// L1's INVVPID is only carried out at once if vmcs02 was loaded last on this physical CPU; else last_vpid is forgotten, so that the next nested entry flushes vpid02
    /// ("Ensure INVVPID is emulated on the correct physical CPU", CVE-2026-89929; V11).
    /// </summary>
    public bool InvvpidOnVmcs02Cpu { get; init; }

    /// <summary>
    /// VMXON of L1 forgets last_vpid, so that the first nested entry flushes the vpid02 that somebody else may have had ("Always flush vpid02 on first use", CVE-2026-89932; V9).
    /// Else only the creation of the vCPU does.
    /// </summary>
    public bool ForgetsVpid12AtVmxon { get; init; }

    /// <summary>
    /// VMPTRLD of another vmcs12 drops the roots that shadow EPT12 (nested_release_vmcs12, VMX; recorded with 5.10.223 to 7.3-rc7), so that the next nested entry loads, syncs and flushes its own. SVM has no such
    /// instruction, and keeps them.
    /// </summary>
    public bool FreesRootsAtVmptrld { get; init; } = true;

    /// <summary>INVEPT by L1.</summary>
    public InveptEmulation Invept { get; init; } = InveptEmulation.FreeRoots;

    /// <summary>
    /// An EPT violation of L2 that is told to L1 zaps the entry of EPT02 that was present, if its page is unsync, and flushes every vCPU (FNAME(invlpg) out of kvm_inject_emulated_page_fault). Recorded in
    /// 5.10.223 and 6.1.176, not in 6.12.95 and later, which only compare the entry (kvm_mmu_invalidate_addr).
    /// </summary>
    public bool ZapsReflectedAddress { get; init; }

    /// <summary>A mapping of EPT01 that L0 makes read-only because the page is a table of EPT12 raises FLUSH_CURRENT (mmu_set_spte). Recorded in 5.10.223, not in 6.1.176 and later.</summary>
    public bool FlushesProtectedMapping { get; init; }

    /// <summary>A nested transition without vpid12 syncs the root it switches to, without EPT, and no other (41fab65e7c44: 5.8 to 5.13).</summary>
    public bool SyncsRootWithoutVpid12 { get; init; }

    /// <summary>A sync flushes every vCPU (<see cref="ShadowMmu.Sync"/>), as does one of a single entry that changes it. So do all kernels; a mutant that does not lets other defects show.</summary>
    public bool SyncFlushes { get; init; } = true;

    /// <summary>A shadow-paged guest that sets CR4.PCIDE loses all roots: cached ones may be unsync, and a MOV to CR3 without a flush could now select them (5.16 and later).</summary>
    public bool UnloadsWhenPcidIsEnabled { get; init; } = true;

    /// <summary>
    /// A flush of PCID 0 drops its cached roots even while CR4.PCIDE is 0, so that a MOV to CR3 leaves none (21823fbda552, 5.14 and 5.15); 5.16 keeps them again (509bfe3d9796), as kernels up to 5.13 did.
    /// </summary>
    public bool FreesRootsWithoutPcids { get; init; }

    /// <summary>What a mutant of this kernel forgets.</summary>
    public KernelDefects Defects { get; init; }

    /// <summary>Order in which vcpu_enter_guest services requests. MMU_SYNC and LOAD_MMU_PGD come first so that flushes see the new root.</summary>
    public IReadOnlyList<FlushRequest> ServiceOrder { get; init; } = RootsFirst;

    /// <summary>
    /// nSVM of mainline 6.14 with an ASID of its own for each level of each vCPU, as proposed (docs/rules.md#nsvm-rework): it services local requests before the VMCB is switched, and flushes after L2 was
    /// left by force.
    /// </summary>
    public static KernelRules NsvmRework { get; } =
        KernelComposition.Of(Vendor.Amd, "6.14") with { Tags = TagAllocation.Fixed, ServicesCurrentBeforeSwitch = true, ServicesGuestBeforeSwitch = true, FlushesOnForcedLeave = true, FlushesOnX2Avic = true };

    /// <summary>Where yardsticks and hypothetical policies live: mainline 6.12 on Intel, on AMD a kernel with ASIDs of L2's own.</summary>
    public static KernelRules Yardstick(Vendor vendor) => vendor == Vendor.Intel ? KernelComposition.Of(Vendor.Intel, "6.12") : NsvmRework;
}
