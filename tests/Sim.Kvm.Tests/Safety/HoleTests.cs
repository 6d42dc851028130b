using Sim.Core.Architecture;
using Sim.Core.Traces;
using Sim.Kvm.Tests.Machines;

namespace Sim.Kvm.Tests.Safety;

/// <summary>
/// The catalogue of holes in docs/rules.md#holes: each scenario under the kernel (or mutant) that has the hole, with exactly the wrong outcome described there, and under the kernel
/// that has it fixed, with none.
/// </summary>
[TestFixture]
public sealed class HoleTests
{
    private const ulong P = 0x10000;

    /// <summary>A page of the kernel half: a global entry.</summary>
    private const ulong Kernel = 0xFFFF_8000_0001_0000;

    /// <summary>The first data page that L1 or, under EPT12, L2 uses in its physical memory: tables come from the first region of 1 GiB, data from the next.</summary>
    private const ulong FirstPhysical = 0x8000_0000;

    /// <summary>The first 2 MiB that L1 gives to an L2 by EPT12; its first pages hold the page tables of L2.</summary>
    private const ulong FirstGivenToL2 = 0x100_4000_0000;

    [TestCase("kvm-4.4", "safe")]
    [TestCase("kvm-4.20", "safe")]
    [TestCase("kvm-5.8", "stale_use x1")]
    [TestCase("kvm-5.14", "stale_use x1")]
    [TestCase("kvm-5.16", "safe")]
    [TestCase("kvm-6.2", "safe")]
    [TestCase("kvm-6.12", "safe")]
    [TestCase("always-current", "stale_use x1")]
    [TestCase("always-all", "stale_use x1")]
    [TestCase("always-guest", "safe")]
    [TestCase("never", "stale_use x1")]
    public void H1_a_new_vpid12_walks_an_unsync_shadow_entry(string policy, string verdict)
    {
        Script script = new Script(policy, ept: false).L1().NestedEnter(vpid12: 1, eptp12: 0).Touch(P).NestedExit();
        script.Change(MapTable.L2, P).NestedEnter(vpid12: 2, eptp12: 0).Touch(P);
        Assert.That(script.Verdict, Is.EqualTo(verdict));
    }

    [TestCase("kvm-5.8")]
    [TestCase("kvm-5.14")]
    [TestCase("kvm-6.12")]
    [TestCase("never")]
    public void The_same_vpid12_may_use_the_old_entry_until_it_is_invalidated(string policy)
    {
        Script script = new Script(policy, ept: false).L1().NestedEnter(vpid12: 1, eptp12: 0).Touch(P).NestedExit();
        script.Change(MapTable.L2, P).NestedEnter(vpid12: 1, eptp12: 0).Touch(P);
        Assert.That((script.Verdict, script.Permitted), Is.EqualTo(("safe", 1L)));
        script.NestedExit().Event(TraceEvent.Invvpid(0, 1, 1, 1)).NestedEnter(vpid12: 1, eptp12: 0).Touch(P);
        Assert.That((script.Verdict, script.Permitted), Is.EqualTo(("safe", 1L)), "INVVPID drops L2's roots, and their load syncs");
    }

    [TestCase("kvm-5.14", "foreign_use x1")]
    [TestCase("kvm-5.16", "foreign_use x1")]
    [TestCase("kvm-6.2", "foreign_use x1")]
    [TestCase("kvm-6.12", "safe")]
    [TestCase("never", "foreign_use x1")]
    public void H2_L2_without_VPID_uses_linear_entries_of_L1(string policy, string verdict)
    {
        Script script = new Script(policy, ept: false).L1().RoundTrips(2, vpid12: Script.NoVpid, eptp12: 0);
        script.Touch(P).NestedEnter(vpid12: Script.NoVpid, eptp12: 0).Touch(P);
        Assert.That(script.Verdict, Is.EqualTo(verdict));
    }

    [TestCase("kvm-5.16")]
    [TestCase("kvm-6.2")]
    public void H2_is_harmless_with_EPT(string policy)
    {
        Script script = new Script(policy).L1().RoundTrips(2, vpid12: Script.NoVpid, eptp12: 0);
        script.Touch(P).NestedEnter(vpid12: Script.NoVpid, eptp12: 0).Touch(P);
        Assert.That(script.Verdict, Is.EqualTo("safe"));
    }

    // vCPU 0's vpid02 is 2 and vCPU 1's 4; both are given back, and handed out again the other way round.
    [TestCase("kvm-6.12", "safe")]
    [TestCase("kvm-6.12~no-first-load-flush", "foreign_use x1")]
    [TestCase("vpid02-first-use", "safe")]
    [TestCase("vpid02-first-use~no-first-load-flush", "safe")]
    public void H3_a_recycled_vpid02_brings_the_entries_of_its_former_owner(string policy, string verdict)
    {
        Script script = new Script(policy, ept: false).L1().NestedEnter(eptp12: 0).Touch(P).NestedExit().Event(TraceEvent.VmExit(0, TransitionKind.L1ToL0, 0, VmxExit.ExternalInterrupt));
        script.Event(TraceEvent.VmEnter(0, TransitionKind.L0ToL1, 1)).Event(TraceEvent.VmExit(0, TransitionKind.L1ToL0, 1, VmxExit.Vmresume)).Event(TraceEvent.NestedEnter(0, 1, 0x6000, VmControls.EnableVpid, 1, 0));
        script.Event(TraceEvent.VmEnter(0, TransitionKind.L0ToL2, 1)).Touch(P).Event(TraceEvent.VmExit(0, TransitionKind.L2ToL0, 1, VmxExit.Cpuid)).Event(TraceEvent.VmExit(0, TransitionKind.L2ToL1, 1, VmxExit.Cpuid));
        script.Event(TraceEvent.Vmxoff(0, 0)).Event(TraceEvent.Vmxoff(0, 1)).Event(TraceEvent.Vmxon(0, 1)).Event(TraceEvent.Vmxon(0, 0));
        Assert.That(script.L1().NestedEnter(eptp12: 0).Touch(P).Verdict, Is.EqualTo(verdict));
    }

    [TestCase("kvm-5.8", "stale_use x1")]
    [TestCase("kvm-5.14", "safe")]
    [TestCase("kvm-6.12", "safe")]
    public void H4_a_cached_root_with_unsync_pages_is_used_again(string policy, string verdict) => Assert.That(CachedRoot(new Script(policy, ept: false)).Verdict, Is.EqualTo(verdict));

    [Test]
    public void H4_as_a_mutant_of_today() =>
        Assert.That(CachedRoot(new Script("kvm-6.12~keeps-unsync-roots", ept: false)).Verdict, Is.EqualTo("stale_use x1"));

    [Test]
    public void H5_a_guest_flush_raised_for_L2_is_serviced_in_L1([Values] bool mutant)
    {
        Script script = new Script(mutant ? "kvm-6.12~guest-flush-after-switch" : "kvm-6.12").L1().NestedEnter().Touch(P).Change(MapTable.L2, P, by: 2);
        script.Event(TraceEvent.VmExit(0, TransitionKind.L2ToL0, 0, VmxExit.Cpuid)).Event(TraceEvent.FlushRequest(0, RequestedFlush.Guest, 0));
        script.Event(TraceEvent.VmExit(0, TransitionKind.L2ToL1, 0, VmxExit.Cpuid)).Event(TraceEvent.VmEnter(0, TransitionKind.L0ToL1, 0)).NestedEnter().Touch(P);
        Assert.That(script.Verdict, Is.EqualTo(mutant ? "stale_use x1" : "safe"));
    }

    [Test]
    public void An_INVVPID_of_L1_that_L0_ignores_is_caught([Values] bool ept, [Values] bool mutant)
    {
        Script script = new Script(mutant ? "kvm-6.12~ignores-invvpid" : "kvm-6.12", ept).L1();
        script.NestedEnter(eptp12: ept ? 0x70000UL : 0).Touch(P).NestedExit().Change(MapTable.L2, P).Event(TraceEvent.Invvpid(0, 1, 1, 1)).NestedEnter(eptp12: ept ? 0x70000UL : 0).Touch(P);
        Assert.That(script.Verdict, Is.EqualTo(mutant ? "stale_use x1" : "safe"));
    }

    [Test]
    public void H6_nothing_syncs_EPT02_after_INVEPT([Values] bool mutant)
    {
        Script script = new Script(mutant ? "kvm-5.8~invept-does-nothing" : "kvm-5.8").L1().NestedEnter().Touch(P).NestedExit();
        script.Change(MapTable.Tdp12, FirstPhysical, root: 0x70000).NestedEnter().Touch(P).NestedExit();
        Assert.That((script.Verdict, script.Permitted), Is.EqualTo(("safe", 1L)), "before INVEPT the old mapping is permitted");
        script.Event(TraceEvent.Invept(0, 1, 1, 0x70000)).NestedEnter().Touch(P);
        Assert.That(script.Verdict, Is.EqualTo(mutant ? "stale_use x1" : "safe"));
    }

    [Test]
    public void H7_an_immediate_INVEPT_names_the_root_that_is_left([Values] bool mutant)
    {
        IFlushPolicy policy = new Decides((transition, decision) =>
        {
            if (!transition.IsEntry)
            {
                return;
            }

            if (mutant)
            {
                decision.FlushNow(ImmediateFlush.ActiveEptp, "no_vpid12");
            }
            else
            {
                decision.Raise(FlushRequest.Current, "no_vpid12");
            }
        });
        Assert.That(ReliesOnTransition(new Script(policy)).Verdict, Is.EqualTo(mutant ? "stale_use x1" : "safe"));
    }

    /// <summary>In shipped kernels the slip does no harm: an INVLPG that changes an unsync shadow entry flushes every vCPU (FNAME(invlpg), kvm_flush_remote_tlbs).</summary>
    [TestCase("kvm-5.8", true, "stale_use x1")]
    [TestCase("kvm-5.8", false, "safe")]
    [TestCase("kvm-5.14", true, "stale_use x1")]
    [TestCase("kvm-5.14", false, "safe")]
    [TestCase("kvm-5.16", true, "safe")]
    [TestCase("kvm-6.12", true, "safe")]
    public void H8_INVLPG_of_L2_flushes_vpid01(string policy, bool noOtherFlush, string verdict)
    {
        Mutant mutant = new(policy, rules => rules with { SyncFlushes = !noOtherFlush });
        Script script = new Script(mutant, ept: false).L1().NestedEnter(eptp12: 0).Touch(P).Change(MapTable.L2, P, by: 2).Event(TraceEvent.Invlpg(0, 2, P)).Touch(P);
        Assert.That(script.Verdict, Is.EqualTo(verdict));
    }

    [Test]
    public void H9_entries_of_an_earlier_residence_stay([Values] bool mutant)
    {
        Script script = new Script(mutant ? "kvm-6.12~no-flush-on-other-cpu" : "kvm-6.12", lanes: 2).L1().Touch(P);
        script.Event(TraceEvent.VmExit(0, TransitionKind.L1ToL0, 0, VmxExit.Hlt)).OnLane(1).L1().Change(MapTable.L1, P).Event(TraceEvent.Invlpg(0, 1, P)).Touch(P);
        script.Event(TraceEvent.VmExit(0, TransitionKind.L1ToL0, 0, VmxExit.Hlt)).OnLane(0).L1().Touch(P);
        Assert.That(script.Verdict, Is.EqualTo(mutant ? "stale_use x1" : "safe"));
    }

    [Test]
    public void H10_INVVPID_for_a_host_unmapping_leaves_guest_physical_mappings([Values] bool mutant)
    {
        Script script = new Script(mutant ? "kvm-6.12~flush-all-by-invvpid" : "kvm-6.12").L1().Touch(P);
        script.ExitAndReenter(TransitionKind.L1ToL0, s => s.Change(MapTable.Tdp01, FirstPhysical, MapChangeKind.Removed, by: 0)).Touch(P);
        Assert.That(script.Verdict, Is.EqualTo(mutant ? "stale_use x1" : "safe"));
    }

    [Test]
    public void H11_FLUSH_CURRENT_before_LOAD_MMU_PGD_flushes_the_root_that_is_left([Values] bool mutant)
    {
        IFlushPolicy policy = new Decides((transition, decision) =>
        {
            if (transition.IsEntry)
            {
                decision.Raise(FlushRequest.Current, "no_vpid12");
            }
        });
        Func<KernelRules, KernelRules> order = mutant ? KernelMutants.Named("flush-before-root-load").Rules : rules => rules;
        Assert.That(ReliesOnTransition(new Script(new Mutant(policy, order))).Verdict, Is.EqualTo(mutant ? "stale_use x1" : "safe"));
    }

    [Test]
    public void H12_a_toggle_of_CR4_PGE_leaves_globals([Values] bool mutant)
    {
        Mutant policy = new("kvm-6.12", rules => rules with { SyncFlushes = false, Defects = mutant ? KernelDefects.FlushGuestRetainsGlobals : 0 });
        Script script = new Script(policy, ept: false).L1().Touch(Kernel, P).Change(MapTable.L1, Kernel).Change(MapTable.L1, P);
        script.Event(TraceEvent.SetCr4(0, 1, Cr4Bits.Pae)).Event(TraceEvent.SetCr4(0, 1, Cr4Bits.Pae | Cr4Bits.Pge)).Touch(Kernel, P);
        Assert.That(script.Verdict, Is.EqualTo(mutant ? "stale_use x1" : "safe"), "the page that is not global is flushed by either");
    }

    [Test]
    public void H13_a_host_unmapping_flushes_the_active_context_only([Values] bool mutant)
    {
        Script script = new Script(mutant ? "kvm-6.12~flush-all-active-only" : "kvm-6.12").L1().NestedEnter().Touch(P).NestedExit();
        script.ExitAndReenter(TransitionKind.L1ToL0, s => s.Change(MapTable.Tdp01, FirstGivenToL2, MapChangeKind.Removed, size: 1 << 21, by: 0)).NestedEnter().Touch(P);
        Assert.That(script.Verdict, Is.EqualTo(mutant ? "stale_use x1" : "safe"));
    }

    [TestCase("kvm-4.4", "stale_use x1")]
    [TestCase("kvm-4.20", "stale_use x1")]
    [TestCase("kvm-5.8", "safe")]
    [TestCase("kvm-6.12", "safe")]
    public void H14_a_host_unmapping_flushes_vpid01_while_L2_runs_under_vpid02(string policy, string verdict)
    {
        Script script = new Script(policy, ept: false).L1().NestedEnter(eptp12: 0).Touch(P);
        script.ExitAndReenter(TransitionKind.L2ToL0, s => s.Change(MapTable.Tdp01, FirstPhysical, MapChangeKind.Removed, by: 0)).Touch(P);
        Assert.That(script.Verdict, Is.EqualTo(verdict));
    }

    [Test]
    public void A_story_says_who_mapped_who_changed_what_was_owed_what_was_done_and_who_used_it()
    {
        Script script = new Script("kvm-5.14", ept: false).L1().NestedEnter(vpid12: 1, eptp12: 0).Touch(P).NestedExit();
        script.Change(MapTable.L2, P).NestedEnter(vpid12: 2, eptp12: 0).Touch(P);
        string[] story = script.Story.Split('\n');
        Assert.Multiple(() =>
        {
            Assert.That(story[0], Does.StartWith("used: vCPU 0 in L2 (virtual VPID 2, PCID 0) used (read) 0x10000 through an old translation to host page 0x").And.EndsWith("(time 12, lane 0)"));
            Assert.That(story[1], Is.EqualTo("mapped: at first use"));
            Assert.That(story[2], Is.EqualTo("changed: Changed in table L2 (root 0x0) by L1 at time 8, lane 0"));
            Assert.That(story[3], Is.EqualTo("owed: this context had not run with these tables since its TLB was last emptied of them, if ever, so it cannot hold the old mapping"));
            Assert.That(story[4], Does.StartWith("done: on lane 0 ").And.Contains("INVVPID(vpid02) (nested_entry, new_vpid12; time 10)"));
            Assert.That(story[5], Is.EqualTo("in all: 1 use of 1 page, 1 pair of a change and a flush owed"));
        });
    }

    [Test]
    public void A_finding_counts_the_uses_of_each_page_by_context_most_used_first()
    {
        Script script = new Script("kvm-5.14", ept: false).L1().NestedEnter(vpid12: 1, eptp12: 0).Touch(P, P + 0x1000, P + 0x2000).NestedExit();
        script.Change(MapTable.L2, P).Change(MapTable.L2, P + 0x1000).NestedEnter(vpid12: 2, eptp12: 0).Touch(P, P + 0x1000, P + 0x1008, P + 0x2000);
        SafetyIncident incident = script.Machine.Safety!.Incidents.Single();
        Assert.That(
            incident.Pages.Select(page => (page.Page, page.Vcpu, page.Level, page.Tag, page.Root, page.Uses, page.FirstTime)),
            Is.EqualTo(new[] { (P + 0x1000, (ushort)0, 2, "VPID 2, PCID 0", 0UL, 2L, 16UL), (P, (ushort)0, 2, "VPID 2, PCID 0", 0UL, 1L, 15UL) }));
        Assert.That((incident.Count, incident.PageCount), Is.EqualTo((3L, 2)));
        Assert.That(incident.Pages[0].Change, Is.EqualTo("Changed in table L2 (root 0x0) by L1 at time 11, lane 0"));
    }

    /// <summary>L2 without VPID changes its own table and relies on the VM-exit and VM-entry that follow.</summary>
    private static Script ReliesOnTransition(Script script) =>
        script.L1().RoundTrips(2, vpid12: Script.NoVpid).NestedEnter(vpid12: Script.NoVpid).Touch(P).Change(MapTable.L2, P, by: 2).NestedExit().NestedEnter(vpid12: Script.NoVpid).Touch(P);

    /// <summary>L2 has two processes with PCIDs. L1 changes a table of the one that is not current; nested transitions without vpid12 follow; L2 goes back to it without a flush.</summary>
    private static Script CachedRoot(Script script)
    {
        script.L1().RoundTrips(1, vpid12: Script.NoVpid, eptp12: 0).NestedEnter(vpid12: Script.NoVpid, eptp12: 0);
        script.Event(TraceEvent.SetCr4(0, 2, Cr4Bits.Pae | Cr4Bits.Pge | Cr4Bits.Pcide)).Event(TraceEvent.SetCr3(0, 2, 0x1000, 1)).Touch(P).Event(TraceEvent.SetCr3(0, 2, 0x2000, 2));
        script.NestedExit().Change(MapTable.L2, P, root: 0x1000).NestedEnter(vpid12: Script.NoVpid, eptp12: 0);
        return script.Event(TraceEvent.SetCr3(0, 2, 0x1000, 1, noFlush: true)).Touch(P);
    }
}
