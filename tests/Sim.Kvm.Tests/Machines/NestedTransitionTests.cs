using Sim.Core;
using Sim.Core.Architecture;
using Sim.Core.Traces;
using Sim.Kvm.Tests.Safety;

namespace Sim.Kvm.Tests.Machines;

/// <summary>What the hardware finally sees at nested transitions: the smoke scenarios of docs/rules.md#smoke-scenarios and the last table of docs/rules.md#transition-tables.</summary>
[TestFixture]
public sealed class NestedTransitionTests
{
    // Scenario 1: EPT and VPID in L0, vpid12 and EPT12, the same vpid12 again and again. Counts are for ten round trips in the steady state.
    [TestCase("kvm-4.2", "invept_single x40, invvpid_single x40")]
    [TestCase("kvm-4.4", "invept_single x30, invvpid_single x30")]
    [TestCase("kvm-4.20", "invept_single x20")]
    [TestCase("kvm-5.8", "")]
    [TestCase("kvm-5.14", "")]
    [TestCase("kvm-5.16", "")]
    [TestCase("kvm-6.2", "")]
    [TestCase("kvm-6.12", "")]
    [TestCase("always-current", "invept_single x20")]
    [TestCase("always-guest", "invvpid_single x20")]
    [TestCase("always-all", "invept_global x20")]
    [TestCase("never", "")]
    [TestCase("vpid02-per-vpid12", "")]
    public void Ping_pong_with_one_vpid12_flushes_per_round_trip_what_the_kernel_flushed(string policy, string tenRoundTrips)
    {
        Script script = new Script(policy).L1().RoundTrips(3);
        script.Issued();
        script.RoundTrips(10);
        Assert.That(script.Issued(), Is.EqualTo(tenRoundTrips));
    }

    // Scenario 2: two L2s alternate; each entry brings a vpid12 that vpid02 did not stand for, and VMPTRLD has dropped the roots of EPT12. Recorded: b-two-l2 and d-l1-ept0-two-l2 on 5.10 to 7.3.
    [TestCase("kvm-5.8", 0x70000ul, "invept_single x10, invvpid_single x10")]
    [TestCase("kvm-5.14", 0x70000ul, "invept_single x10, invvpid_single x10")]
    [TestCase("kvm-5.16", 0x70000ul, "invept_single x10, invvpid_single x10")]
    [TestCase("kvm-6.12", 0x70000ul, "invept_single x10, invvpid_single x10")]
    [TestCase("kvm-4.4", 0x70000ul, "invept_single x40, invvpid_single x40")]
    [TestCase("kvm-4.20", 0x70000ul, "invept_single x20, invvpid_single x10")]
    [TestCase("never", 0x70000ul, "invept_single x10")]
    [TestCase("vpid02-per-vpid12", 0x70000ul, "invept_single x10")]
    [TestCase("kvm-5.8", 0ul, "invvpid_single x10")]
    [TestCase("kvm-6.12", 0ul, "invvpid_single x10")]
    [TestCase("never", 0ul, "")]
    [TestCase("vpid02-per-vpid12", 0ul, "")]
    public void Two_L2s_that_alternate_flush_vpid02_at_each_entry_and_their_EPTP02_if_they_have_EPT12(string policy, ulong eptp12, string tenRoundTrips)
    {
        ulong other = eptp12 == 0 ? 0 : eptp12 + 0x10000;
        Script script = new Script(policy).L1().RoundTrips(1, 0x5000, 1, eptp12).RoundTrips(1, 0x6000, 2, other).RoundTrips(1, 0x5000, 1, eptp12).RoundTrips(1, 0x6000, 2, other);
        script.Issued();
        for (int i = 0; i < 5; i++)
        {
            script.RoundTrips(1, 0x5000, 1, eptp12).RoundTrips(1, 0x6000, 2, other);
        }

        Assert.That(script.Issued(), Is.EqualTo(tenRoundTrips));
    }

    // The rows of the last table of docs/rules.md#transition-tables (policy G), one round trip in the steady state.
    [TestCase(true, true, 1u, 0x70000ul, "")]
    [TestCase(true, true, 1u, 0ul, "")]
    [TestCase(true, true, Script.NoVpid, 0x70000ul, "invvpid_single x2")]
    [TestCase(true, true, Script.NoVpid, 0ul, "invvpid_single x2")]
    [TestCase(true, false, 1u, 0x70000ul, "vm_transition_without_vpid x4")]
    [TestCase(false, true, 1u, 0ul, "")]
    [TestCase(false, true, Script.NoVpid, 0ul, "invvpid_single x2")]
    [TestCase(false, false, Script.NoVpid, 0ul, "vm_transition_without_vpid x4")]
    public void Todays_kernel_flushes_in_each_configuration_what_its_table_says(bool ept, bool vpid, uint vpid12, ulong eptp12, string oneRoundTrip)
    {
        Script script = new Script("kvm-6.12", ept, vpid).L1().RoundTrips(3, 0x5000, vpid12, eptp12);
        script.Issued();
        script.RoundTrips(1, 0x5000, vpid12, eptp12);
        Assert.That(script.Issued(), Is.EqualTo(oneRoundTrip));
    }

    [TestCase("kvm-5.14", 1)]
    [TestCase("kvm-5.16", 1)]
    [TestCase("kvm-6.12", 1)]
    public void A_new_vpid12_flushes_once_and_the_same_one_not_again(string policy, int expected)
    {
        Script script = new Script(policy).L1().RoundTrips(2);
        script.Issued();
        script.RoundTrips(5, 0x5000, 9, 0x70000);
        Assert.That(script.Issued(), Is.EqualTo($"invvpid_single x{expected}"));
    }

    // Scenario 8: X (vpid12=1), Y (no vpid12), X again, neither with EPT12, whose roots VMPTRLD would drop. E1 and F flush vpid02 while Y is current (H2's slip), G flushes vpid01 only.
    [TestCase("kvm-5.16", 1)]
    [TestCase("kvm-6.2", 1)]
    [TestCase("kvm-6.12", 0)]
    public void An_L2_without_vpid12_takes_its_neighbours_translations_along_until_6_12(string policy, int walksOfX)
    {
        Script script = new Script(policy).L1().RoundTrips(2, 0x5000, 1, 0).RoundTrips(2, 0x6000, Script.NoVpid, 0);
        script.NestedEnter(0x5000, 1, 0).Touch(0x1000).NestedExit();
        script.RoundTrips(1, 0x6000, Script.NoVpid, 0);
        long before = script.Stats["lane[0].stlb.misses{level=2}"];
        script.NestedEnter(0x5000, 1, 0).Touch(0x1000);
        Assert.That(script.Stats["lane[0].stlb.misses{level=2}"] - before, Is.EqualTo(walksOfX));
    }

    // Scenario 5: the host takes a page away while L2 runs.
    [TestCase("kvm-6.12", "invept_global x1")]
    [TestCase("kvm-5.8", "invept_global x1")]
    [TestCase("kvm-4.20", "invept_single x1")]
    [TestCase("kvm-4.4", "invept_single x1, invvpid_single x1")]
    public void A_page_that_the_host_takes_away_is_flushed_before_the_next_entry(string policy, string expected)
    {
        Script script = new Script(policy).L1().RoundTrips(2).NestedEnter();
        script.Issued();
        script.ExitAndReenter(
            TransitionKind.L2ToL0, s => s.Event(TraceEvent.MapChange(0, 0, MapTable.Tdp01, 0, 0x200000, 1 << 21, MapChangeKind.Removed)));
        Assert.That(script.Issued(), Is.EqualTo(expected));
        script.ExitAndReenter(TransitionKind.L2ToL0);
        Assert.That(script.Issued(), Is.Empty);
    }

    [Test]
    public void Nsvm_today_flushes_the_shared_ASID_twice_in_a_round_trip_and_refills_both_levels()
    {
        Script script = new Script("nsvm-5.8", profile: Profiles.TextbookAmd).L1().RoundTrips(2);
        script.Issued();
        script.Touch(0x1000).NestedEnter().Touch(0x2000).NestedExit().Touch(0x1000);
        Assert.That(script.Issued(), Is.EqualTo("tlb_control_asid x2"));
        long l1 = script.Stats["lane[0].stlb.misses{level=1}"];
        script.NestedEnter().Touch(0x2000).NestedExit().Touch(0x1000);
        Assert.That(script.Stats["lane[0].stlb.misses{level=1}"] - l1, Is.EqualTo(1));
    }

    [Test]
    public void Nsvm_with_an_ASID_for_L2_flushes_nothing_while_vmcb12_keeps_its_ASID()
    {
        Script script = new Script("nsvm-l2-asid", profile: Profiles.TextbookAmd).L1().RoundTrips(2).Touch(0x1000);
        script.Issued();
        long before = script.Stats["lane[0].stlb.misses{level=1}"];
        script.RoundTrips(10).Touch(0x1000);
        Assert.That(script.Issued(), Is.Empty);
        Assert.That(script.Stats["lane[0].stlb.misses{level=1}"], Is.EqualTo(before));
    }

    [Test]
    public void Vpid_enabled_with_vpid12_zero_fails_the_entry_and_its_L2_does_not_run()
    {
        Script script = new Script("kvm-6.12").L1().RoundTrips(1);
        long entries = script.Stats["vm.nested_entries"];
        script.NestedEnter(0x5000, 0, 0x70000).Touch(0x1000, 0x2000).NestedExit().Touch(0x3000);
        Assert.That(script.Machine.FailedVmEntries, Has.Count.EqualTo(1));
        Assert.That(script.Machine.FailedVmEntries[0].Check, Does.Contain("VPID is 0").And.Contain("error 7"));
        Assert.That(script.Stats["vm.nested_entries"], Is.EqualTo(entries));
        Assert.That(script.Stats["lane[0].accesses{level=2,side=load}"], Is.Zero);
        Assert.That(script.Stats["lane[0].accesses{level=1,side=load}"], Is.EqualTo(1), "L1 goes on after the exit that ends what never began");
        Assert.That(script.Stats["trace.skipped"], Is.EqualTo(5), "the real entry, two accesses, the real and the nested exit");
    }

    // Stable 5.15.7 and later, without EPT: the guest flush drops all roots, and the load that follows flushes for it; 5.16 and later call flush_guest.
    [TestCase(ShadowGuestFlush.Unload, 1)]
    [TestCase(ShadowGuestFlush.Sync, 0)]
    public void A_guest_flush_that_unloads_the_roots_is_counted_and_owns_the_flush_of_the_load(ShadowGuestFlush how, int expected)
    {
        Script script = new Script(new Mutant("kvm-5.16", rules => rules with { ShadowGuestFlush = how }), ept: false).L1().RoundTrips(2);
        long guests = script.Stats["flush.requests{request=guest,transition=nested_entry,rule=new_vpid12}"];
        long owned = script.Stats["flush.requests{request=current,transition=nested_entry,rule=new_vpid12}"];
        script.NestedEnter(vpid12: 9, eptp12: 0);
        Assert.That(script.Stats["flush.requests{request=guest,transition=nested_entry,rule=new_vpid12}"] - guests, Is.EqualTo(1));
        Assert.That(script.Stats["flush.requests{request=current,transition=nested_entry,rule=new_vpid12}"] - owned, Is.EqualTo(expected));
    }

    [Test]
    public void A_policy_of_the_other_vendor_is_refused_with_a_hint()
    {
        ConfigurationException error = Assert.Throws<ConfigurationException>(() => _ = new Script("kvm-6.12", profile: Profiles.TextbookAmd))!;
        Assert.That(error.Message, Does.Contain("textbook-amd").And.Contain("nsvm-5.8"));
    }

    [Test]
    public void By_policy_drops_L0s_recorded_flushes_and_as_recorded_applies_them()
    {
        TraceEvent recorded = TraceEvent.Invept(0, 0, 2, 0);
        Script byPolicy = new Script("kvm-6.12").L1().ExitAndReenter(TransitionKind.L1ToL0);
        byPolicy.Issued();
        byPolicy.ExitAndReenter(TransitionKind.L1ToL0, s => s.Event(recorded));
        Assert.That(byPolicy.Issued(), Is.Empty);
        Assert.That(byPolicy.Stats["trace.l0_flushes_dropped"], Is.EqualTo(1));

        Script asRecorded = new Script("kvm-6.12", kind: ReplayKind.AsRecorded).L1();
        asRecorded.Issued();
        asRecorded.ExitAndReenter(TransitionKind.L1ToL0, s => s.Event(recorded)).RoundTrips(3, 0x5000, Script.NoVpid, 0x70000);
        Assert.That(asRecorded.Issued(), Is.EqualTo("invept_global x1"), "nothing is added at nested transitions");
    }

    // The rows "no EPT, VPID, !v02" of the last table of docs/rules.md#transition-tables.
    [TestCase(3, "")]
    [TestCase(2, "invvpid_single x2")]
    public void Without_EPT_an_L2_that_got_no_VPID_of_its_own_is_flushed_at_every_transition(int addressSpaceIds, string oneRoundTrip)
    {
        Script script = new Script("kvm-6.12", ept: false, profile: Profiles.Textbook with { AddressSpaceIds = addressSpaceIds }).L1().RoundTrips(3);
        script.Issued();
        script.RoundTrips(1);
        Assert.That(script.Issued(), Is.EqualTo(oneRoundTrip));
    }

    [TestCase(1u, 0)]
    [TestCase(9u, 1)]
    public void A_new_vpid12_syncs_the_shadow_roots_also_without_a_VPID_for_L2(uint vpid12, int syncs)
    {
        Script script = new Script("kvm-6.12", ept: false, profile: Profiles.Textbook with { AddressSpaceIds = 2 }).L1().RoundTrips(3);
        script.Issued();
        long before = script.Stats["mmu.syncs"];
        script.RoundTrips(1, vpid12: vpid12);
        Assert.That((script.Issued(), script.Stats["mmu.syncs"] - before), Is.EqualTo(("invvpid_single x2", (long)syncs)));
    }

    [Test]
    public void A_vCPU_that_finds_no_ASID_of_its_own_is_a_configuration_error_with_the_number_there_is()
    {
        Script script = new Script("nsvm-l2-asid", profile: Profiles.TextbookAmd with { AddressSpaceIds = 3 }).L1();
        ConfigurationException error = Assert.Throws<ConfigurationException>(() => script.Event(TraceEvent.VmEnter(0, TransitionKind.L0ToL1, 1)))!;
        Assert.That(error.Message, Does.Contain("vCPU 1").And.Contain("3 (address_space_ids)"));
    }

    /// <summary>VPIDs 1 and 2 are vCPU 0's vpid01 and vpid02; a third number is vCPU 1's vpid01, and with fewer it has none (allocate_vpid returns 0).</summary>
    [TestCase(3, 0, 1)]
    [TestCase(4, 3, 0)]
    public void A_vCPU_that_finds_no_VPID_runs_under_VPID_0_and_walks_again_behind_each_exit(int ids, int vpid, int walks)
    {
        Script script = new Script("kvm-6.12", profile: Profiles.Textbook with { AddressSpaceIds = ids }).L1().Touch(0x9000).Event(TraceEvent.VmExit(0, TransitionKind.L1ToL0, 0, VmxExit.Cpuid));
        script.Event(TraceEvent.VmEnter(0, TransitionKind.L0ToL1, 1)).Touch(0x9000);
        Assert.That(script.Machine.MmuOf(0).Context.Vpid, Is.EqualTo(vpid));
        long before = script.Machine.Snapshot()["lane[0].stlb.misses{level=1}"];
        script.Event(TraceEvent.VmExit(0, TransitionKind.L1ToL0, 1, VmxExit.Cpuid)).Event(TraceEvent.VmEnter(0, TransitionKind.L0ToL1, 1)).Touch(0x9000);
        Assert.That(script.Machine.Snapshot()["lane[0].stlb.misses{level=1}"] - before, Is.EqualTo(walks));
    }

    /// <summary>EPTP12 0x66: write-back, five levels. 0x5e: four. A format of 0 tells nothing, and the tables are as deep as all others.</summary>
    [TestCase(0x7066UL, true, 4, 5)]
    [TestCase(0x705EUL, true, 4, 4)]
    [TestCase(0x705EUL, true, 5, 4)]
    [TestCase(0x7000UL, true, 5, 5)]
    [TestCase(0x7066UL, false, 4, 4)]
    public void EPT02_has_the_levels_that_EPTP12_says_if_the_CPU_has_them(ulong eptp12, bool hasFive, int paging, int levels)
    {
        Script script = new Script("kvm-6.12", profile: Profiles.Textbook with { FiveLevelEpt = hasFive }, change: spec => spec with { PagingLevels = paging }).L1().NestedEnter(eptp12: eptp12);
        Assert.That(script.Machine.MmuOf(0).Context.Nested!.Levels, Is.EqualTo(levels));
        Assert.That(script.Machine.MmuOf(0).Context.Guest.Levels, Is.EqualTo(paging));
    }

    [TestCase(true, false, 0)]
    [TestCase(false, false, 0)]
    [TestCase(true, true, 0)]
    [TestCase(false, true, 1)]
    public void Five_levels_that_the_CPU_has_not_fail_the_nested_entry_where_they_count_and_INVEPT_of_them_fails_too(bool hasFive, bool refuses, int failed)
    {
        Script script = new Script("kvm-6.12", profile: Profiles.Textbook with { FiveLevelEpt = hasFive }, change: spec => spec with { RefusesLevelsNotOffered = refuses }).L1();
        script.Event(TraceEvent.VmExit(0, TransitionKind.L1ToL0, 0, VmxExit.Invept)).Event(TraceEvent.Invept(0, 1, 1, 0x7066)).Event(TraceEvent.VmEnter(0, TransitionKind.L0ToL1, 0));
        Assert.That(script.Stats["vm.vmfails"], Is.EqualTo(failed));
        script.NestedEnter(eptp12: 0x7066);
        Assert.That(script.Machine.FailedVmEntries, Has.Count.EqualTo(failed));
    }

    [Test]
    public void Only_transitions_of_a_vCPU_without_VPID_drop_VPID_0()
    {
        Script script = new Script("kvm-6.12", profile: Profiles.Textbook with { AddressSpaceIds = 3 }).L1();
        long none = script.Machine.Snapshot().Sum("lane[0].invalidations");
        script.Event(TraceEvent.VmExit(0, TransitionKind.L1ToL0, 0, VmxExit.Cpuid)).Event(TraceEvent.VmEnter(0, TransitionKind.L0ToL1, 0));
        script.Event(TraceEvent.VmExit(0, TransitionKind.L1ToL0, 0, VmxExit.Cpuid));
        Assert.That(script.Machine.Snapshot().Sum("lane[0].invalidations"), Is.EqualTo(none));
        script.Event(TraceEvent.VmEnter(0, TransitionKind.L0ToL1, 1)).Event(TraceEvent.VmExit(0, TransitionKind.L1ToL0, 1, VmxExit.Cpuid));
        Assert.That(script.Machine.Snapshot().Sum("lane[0].invalidations"), Is.EqualTo(none + 2));
    }

    [Test]
    public void Trace_cycles_run_from_the_first_record_whenever_that_was()
    {
        TraceBlock block = new();
        block.AddAccess(1_000, 0x1000, AccessFlags.Pack(AccessType.Read));
        block.AddAccess(1_250, 0x1000, AccessFlags.Pack(AccessType.Read));
        Machine machine = new Script("kvm-6.12").Machine;
        machine.Replay(block, 0, 2);
        Assert.That(machine.Snapshot()["cycles.trace"], Is.EqualTo(250));
    }
}
