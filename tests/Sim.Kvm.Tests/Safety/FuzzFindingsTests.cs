using Sim.Core.Architecture;
using Sim.Core.Traces;
using Sim.Kvm.Tests.Machines;

namespace Sim.Kvm.Tests.Safety;

/// <summary>What <see cref="SafetyFuzz"/> found on policies that were claimed safe, each as the shortest sequence that it left, and what became of it (docs/safety.md).</summary>
[TestFixture]
public sealed class FuzzFindingsTests
{
    private const ulong P = 0x10000;
    private const ulong Kernel = 0xFFFF_8000_0001_0000;
    private const Cr4Bits Pcids = Cr4Bits.Pae | Cr4Bits.Pge | Cr4Bits.Pcide;

    /// <summary>The first data page of an L2 under EPT12: its tables come from the first region of 1 GiB.</summary>
    private const ulong FirstOfL2 = 0x8000_0000;

    /// <summary>
    /// The oracle was wrong. The L2 ran under vpid12 1 with CR4.PGE = 1, so a global translation may be cached there; CR4.PGE was cleared under another VPID, which takes nothing from vpid12 1; and no rule
    /// of the SDM (vol. 3, 4.10.2.4) says that a global translation may only be used while CR4.PGE is 1.
    /// </summary>
    [Test]
    public void A_global_translation_may_be_used_after_CR4_PGE_was_cleared_under_another_VPID()
    {
        Script script = new Script("kvm-6.12", ept: false).L1().NestedEnter(vpid12: 1, eptp12: 0).NestedExit().NestedEnter(vpid12: Script.NoVpid, eptp12: 0);
        script.Event(TraceEvent.SetCr4(0, 2, Cr4Bits.Pae)).Touch(Kernel).NestedExit().Change(MapTable.L2, Kernel).NestedEnter(vpid12: 1, eptp12: 0).Touch(Kernel);
        Assert.That((script.Verdict, script.Permitted), Is.EqualTo(("safe", 1L)));
    }

    /// <summary>The same L2, which never ran under vpid12 1 before: nothing global can be cached there.</summary>
    [Test]
    public void A_global_translation_of_a_VPID_that_never_ran_must_not_be_used()
    {
        Script script = new Script("never", ept: false).L1().NestedEnter(vpid12: Script.NoVpid, eptp12: 0);
        script.Event(TraceEvent.SetCr4(0, 2, Cr4Bits.Pae)).Touch(Kernel).NestedExit().Change(MapTable.L2, Kernel).NestedEnter(vpid12: 1, eptp12: 0).Touch(Kernel);
        Assert.That(script.Verdict, Is.EqualTo("stale_use x1"));
    }

    /// <summary>
    /// KVM's: without EPT a cached root of L2 is not told apart by vpid12. The L2 loads CR3 0x1000 under vpid12 1, which empties vpid12 1 of the tables at 0; it goes back to them without VPID, where its
    /// root is loaded; a change later it returns to vpid12 1, and the cached root comes with it unsynced. L1 owes an INVVPID there: L2's loads of CR3 under another VPID emptied nothing of vpid12 1.
    /// </summary>
    [TestCase("kvm-6.12", false, "stale_use x1")]
    [TestCase("kvm-6.12", true, "safe")]
    [TestCase("always-guest", false, "safe")]
    public void A_vpid12_that_its_L2_left_must_be_flushed_before_it_comes_back(string policy, bool invvpid, string verdict)
    {
        Script script = new Script(policy, ept: false).L1().NestedEnter(vpid12: 1, eptp12: 0).Event(TraceEvent.SetCr3(0, 2, 0x1000, 0)).NestedExit();
        script.NestedEnter(vpid12: Script.NoVpid, eptp12: 0).Event(TraceEvent.SetCr3(0, 2, 0, 0)).Touch(P).NestedExit().Change(MapTable.L2, P);
        if (invvpid)
        {
            script.Event(TraceEvent.Invvpid(0, 1, 1, 1));
        }

        Assert.That(script.NestedEnter(vpid12: 1, eptp12: 0).Touch(P).Verdict, Is.EqualTo(verdict));
    }

    /// <summary>
    /// The same without any fault of L1's: it empties vpid12 1 with INVVPID, runs the L2 without VPID, and goes back to vpid12 1, for which KVM raises nothing, as last_vpid did not change. So the
    /// precondition: an L1 that runs an L2 now with, now without VPID flushes the vpid12 when it comes back to it.
    /// </summary>
    [TestCase("kvm-6.12", false, "stale_use x1")]
    [TestCase("kvm-6.12", true, "safe")]
    [TestCase("always-guest", false, "safe")]
    public void An_L2_that_ran_without_VPID_brings_its_cached_root_to_an_empty_vpid12(string policy, bool invvpid, string verdict)
    {
        Script script = new Script(policy, ept: false).L1().NestedEnter(vpid12: 1, eptp12: 0).NestedExit().Event(TraceEvent.Invvpid(0, 1, 1, 1));
        script.NestedEnter(vpid12: Script.NoVpid, eptp12: 0).Touch(P).NestedExit().Change(MapTable.L2, P);
        if (invvpid)
        {
            script.Event(TraceEvent.Invvpid(0, 1, 1, 1));
        }

        Assert.That(script.NestedEnter(vpid12: 1, eptp12: 0).Touch(P).Verdict, Is.EqualTo(verdict));
    }

    /// <summary>A pool of VPIDs has it for every vpid12 that it still knows: no claim of safety without EPT.</summary>
    [TestCase("vpid02-per-vpid12", "stale_use x1")]
    [TestCase("kvm-6.12", "safe")]
    public void A_pool_of_VPIDs_brings_the_cached_root_of_one_vpid12_to_another(string policy, string verdict)
    {
        Script script = new Script(policy, ept: false).L1().RoundTrips(1, vpid12: 1, eptp12: 0).RoundTrips(1, vpid12: 2, eptp12: 0).Event(TraceEvent.Invvpid(0, 1, 1, 1));
        script.NestedEnter(vpid12: 2, eptp12: 0).Touch(P).NestedExit().Change(MapTable.L2, P);
        Assert.That(script.NestedEnter(vpid12: 1, eptp12: 0).Touch(P).Verdict, Is.EqualTo(verdict));
    }

    /// <summary>With EPT there is no root of L2's own tables, and hardware's tags are as good as the virtual ones.</summary>
    [Test]
    public void With_EPT_a_vpid12_that_its_L2_left_is_safe()
    {
        Script script = new Script("kvm-6.12").L1().NestedEnter(vpid12: 1).Event(TraceEvent.SetCr3(0, 2, 0x1000, 0)).NestedExit();
        script.NestedEnter(vpid12: Script.NoVpid).Event(TraceEvent.SetCr3(0, 2, 0, 0)).Touch(P).NestedExit().Change(MapTable.L2, P);
        Assert.That(script.NestedEnter(vpid12: 1).Touch(P).Verdict, Is.EqualTo("safe"));
    }

    /// <summary>
    /// KVM's, since 5.16: FLUSH_GUEST without EPT keeps cached roots that are in sync (kvm_mmu_sync_prev_roots frees those with is_unsync_root). The guest flushes everything, then changes the tables of
    /// another PCID, whose shadow gets unsync only now, and loads CR3 without a flush: fast_pgd_switch finds the root and syncs nothing. 5.14 and 5.15 drop all roots. A guest that flushes then is safe.
    /// </summary>
    [TestCase(ShadowGuestFlush.Sync, true, "stale_use x1")]
    [TestCase(ShadowGuestFlush.Sync, false, "safe")]
    [TestCase(ShadowGuestFlush.Unload, true, "safe")]
    public void A_guest_flush_that_keeps_cached_roots_is_unsafe_with_PCIDs(ShadowGuestFlush how, bool noFlush, string verdict)
    {
        Script script = new Script(new Mutant("kvm-6.12", rules => rules with { ShadowGuestFlush = how }), ept: false).L1().Event(TraceEvent.SetCr4(0, 1, Pcids));
        script.Event(TraceEvent.SetCr3(0, 1, 0x1000, 1)).Touch(P).Event(TraceEvent.SetCr3(0, 1, 0x2000, 2)).Event(TraceEvent.Invpcid(0, 1, 2, 0, 0));
        script.Change(MapTable.L1, P, root: 0x1000).Event(TraceEvent.SetCr3(0, 1, 0x1000, 1, noFlush)).Touch(P);
        Assert.That(script.Verdict, Is.EqualTo(verdict));
    }

    /// <summary>
    /// The model was wrong of 5.14 and 5.15 (found without VPID): they drop every cached root of PCID 0 at a MOV to CR3 without PCIDE, so that none is there to be used unsynced when CR4.PCIDE is set later
    /// (21823fbda552); 5.16 keeps them, and drops all when CR4.PCIDE is set (509bfe3d9796). A kernel that does neither, as 5.8, has the hole that the second commit describes.
    /// </summary>
    [TestCase("kvm-5.8", "stale_use x1")]
    [TestCase("kvm-5.14", "safe")]
    [TestCase("kvm-5.16", "safe")]
    public void A_root_that_was_cached_without_PCIDs_is_not_used_unsynced_with_them(string policy, string verdict)
    {
        Script script = new Script(policy, ept: false, vpid: false).L1().Touch(P).Change(MapTable.L1, P).Event(TraceEvent.SetCr3(0, 1, 0x1000, 0));
        Assert.That(script.Event(TraceEvent.SetCr4(0, 1, Pcids)).Event(TraceEvent.SetCr3(0, 1, 0, 0, noFlush: true)).Touch(P).Verdict, Is.EqualTo(verdict));
    }

    /// <summary>
    /// The hypothetical pool's: ASIDs of L2 share one shadow of NPT12, but TLB_CONTROL 1 empties them all. A change of NPT12 after it must be seen under each ASID; the pool knows the other one still, and
    /// enters it without a sync. With one ASID for L2 the other one is new, and synced.
    /// </summary>
    [TestCase("nsvm-l2-asid-pool", "stale_use x1")]
    [TestCase("nsvm-l2-asid", "safe")]
    [TestCase("nsvm-6.14", "safe")]
    public void A_pool_of_ASIDs_that_share_the_shadow_of_NPT12_forgets_that_all_were_flushed(string policy, string verdict)
    {
        Script script = new Script(policy, profile: Profiles.TextbookAmd).L1().RoundTrips(1, vpid12: 2);
        script.NestedEnter(vpid12: 1, tlbControl: TlbControl.FlushAll).Touch(P).NestedExit().Change(MapTable.Tdp12, FirstOfL2, root: 0x70000);
        Assert.That(script.NestedEnter(vpid12: 2).Touch(P).Verdict, Is.EqualTo(verdict));
    }

    /// <summary>
    /// The design's, as first modelled: TLB_CONTROL 1 raised MMU_SYNC beside the flush of all ASIDs. A VMRUN that fails behind that leaves the request to L1's root, and L2's shadow of NPT12 stays unsynced
    /// while its ASID is flushed. A guest flush is carried out before the level changes (kvm_service_local_tlb_flush_requests), and syncs.
    /// </summary>
    [TestCase("nsvm-l2-asid", "safe")]
    [TestCase("nsvm-l2-asid-per-vm", "safe")]
    [TestCase("nsvm-l2-asid~no-sync-on-asid-flush", "stale_use x1")]
    public void TLB_CONTROL_of_a_VMRUN_that_fails_syncs_the_shadow_of_NPT12_all_the_same(string policy, string verdict)
    {
        Script script = new Script(policy, profile: Profiles.TextbookAmd).L1().NestedEnter().Touch(P).NestedExit().Change(MapTable.Tdp12, FirstOfL2, root: 0x70000);
        script.Event(TraceEvent.VmExit(0, TransitionKind.L1ToL0, 0, SvmExit.Vmrun));
        script.Event(TraceEvent.NestedEnter(0, 0, 0x5000, (VmControls.EnableVpid | VmControls.EnableEpt).With(TlbControl.FlushAll), 1, 0x70000));
        script.Event(TraceEvent.VmExit(0, TransitionKind.L2ToL1, 0, SvmExit.Invalid)).Event(TraceEvent.VmEnter(0, TransitionKind.L0ToL1, 0));
        Assert.That(script.NestedEnter().Touch(P).Verdict, Is.EqualTo(verdict));
    }

    /// <summary>
    /// Why a context that ran with tables may see any version they had since (docs/safety.md): vCPU 0 ran with the tables and left them at their first version; vCPU 1 had their second one shadowed; a
    /// change later vCPU 0 comes back, and finds the second version in the shadow table that both share.
    /// </summary>
    [Test]
    public void VCPUs_share_shadow_pages_so_an_old_version_may_be_one_that_came_and_went_elsewhere()
    {
        Script script = new Script(Mutant.Named("kvm-6.12"), ept: false, lanes: 2).L1().Event(TraceEvent.SetCr4(0, 1, Pcids)).Event(TraceEvent.SetCr3(0, 1, 0x1000, 1)).Touch(P + 0x1000);
        script.Event(TraceEvent.SetCr3(0, 1, 0x2000, 2)).Change(MapTable.L1, P, root: 0x1000);
        script.OnLane(1).L1(1).Event(TraceEvent.SetCr3(0, 1, 0x1000, 0)).Touch(P).Change(MapTable.L1, P, root: 0x1000);
        script.OnLane(0).Event(TraceEvent.SetCr3(0, 1, 0x1000, 1, noFlush: true)).Touch(P);
        Assert.That((script.Verdict, script.Permitted), Is.EqualTo(("safe", 1L)));
    }
}
