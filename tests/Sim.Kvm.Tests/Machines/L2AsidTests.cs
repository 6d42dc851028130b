using Sim.Core.Architecture;
using Sim.Core.Traces;

namespace Sim.Kvm.Tests.Machines;

/// <summary>The "must" cells of docs/rules.md#nsvm-policies and the six points of docs/rules.md#nsvm-todo, for nSVM with ASIDs of L2's own.</summary>
[TestFixture]
public sealed class L2AsidTests
{
    private static string[] Designs => ["nsvm-l2-asid", "nsvm-l2-asid-per-vm", "nsvm-l2-asid-pool"];

    [TestCaseSource(nameof(Designs))]
    public void Nothing_is_flushed_while_vmcb12_keeps_its_ASID(string policy)
    {
        Script script = Warm(policy);
        Assert.That(Misses(script, s => s.RoundTrips(10)), Is.EqualTo((0L, 0L, "")));
    }

    // VMRUN of L2: its page misses again, L1's does not, the shadow of NPT12 is synchronised.
    [TestCaseSource(nameof(Designs))]
    public void A_new_ASID12_flushes_and_syncs_L2_alone(string policy)
    {
        Script script = Warm(policy);
        long syncs = script.Stats["mmu.syncs"];
        Assert.That(Misses(script, s => s.RoundTrips(1, vpid12: 9), vpid12: 9), Is.EqualTo((0L, 1L, "tlb_control_asid x1")));
        Assert.That(script.Stats["mmu.syncs"] - syncs, Is.EqualTo(1));
    }

    // One ASID forgets the first ASID12; a pool keeps both.
    [TestCase("nsvm-l2-asid", 1)]
    [TestCase("nsvm-l2-asid-per-vm", 1)]
    [TestCase("nsvm-l2-asid-pool", 0)]
    public void Coming_back_to_an_older_ASID12_costs_a_flush_unless_it_is_known(string policy, int misses)
    {
        Script script = Warm(policy).RoundTrips(1, vpid12: 9);
        script.Issued();
        Assert.That(Misses(script, s => s.RoundTrips(1)), Is.EqualTo((0L, (long)misses, misses == 0 ? "" : "tlb_control_asid x1")));
    }

    [TestCase("nsvm-l2-asid", TlbControl.FlushAsid, 0, "tlb_control_asid x1")]
    [TestCase("nsvm-l2-asid", TlbControl.FlushAsidNonGlobal, 0, "tlb_control_asid x1")]
    [TestCase("nsvm-l2-asid", TlbControl.FlushAll, 1, "tlb_control_asid x2")]
    [TestCase("nsvm-l2-asid-per-vm", TlbControl.FlushAsid, 0, "tlb_control_asid x1")]
    [TestCase("nsvm-l2-asid-per-vm", TlbControl.FlushAll, 1, "tlb_control_asid x2")]
    [TestCase("nsvm-l2-asid-pool", TlbControl.FlushAsid, 0, "tlb_control_asid x1")]
    [TestCase("nsvm-l2-asid-pool", TlbControl.FlushAll, 1, "tlb_control_asid x2")]
    public void TLB_CONTROL_of_vmcb12_flushes_and_syncs_L2_and_with_1_also_L1(string policy, TlbControl control, int ofL1, string issued)
    {
        Script script = Warm(policy);
        long syncs = script.Stats["mmu.syncs"];
        Assert.That(Misses(script, s => Vmrun(s, control).NestedExit()), Is.EqualTo(((long)ofL1, 1L, issued)));
        Assert.That(script.Stats["mmu.syncs"] - syncs, Is.EqualTo(1));
    }

    // Other ids of a pool: flushed by 1, kept by 3.
    [TestCase(TlbControl.FlushAsid, 0)]
    [TestCase(TlbControl.FlushAll, 1)]
    public void A_pool_flushes_other_ids_only_where_TLB_CONTROL_names_all(TlbControl control, int misses)
    {
        Script script = Warm("nsvm-l2-asid-pool");
        Assert.That(Misses(script, s => Vmrun(s, control, vpid12: 9).NestedExit().RoundTrips(1)).OfL2, Is.EqualTo(misses));
    }

    [TestCase("nsvm-l2-asid", 1u, 0, 1)]
    [TestCase("nsvm-l2-asid", 0u, 1, 0)]
    [TestCase("nsvm-l2-asid-pool", 1u, 0, 1)]
    [TestCase("nsvm-l2-asid-pool", 7u, 0, 0)]
    public void INVLPGA_of_L1_reaches_the_page_of_the_ASID_it_names_and_of_L1_itself_for_0(string policy, uint asid12, int ofL1, int ofL2)
    {
        Script script = Warm(policy);
        (long OfL1, long OfL2, string Issued) misses = Misses(script, s => s.ExitAndReenter(TransitionKind.L1ToL0, x => x.Event(TraceEvent.Invlpga(0, 1, asid12, asid12 == 0 ? 0x1000UL : 0x2000))));
        Assert.That((misses.OfL1, misses.OfL2), Is.EqualTo(((long)ofL1, (long)ofL2)));
    }

    // Raised while L1 runs: asid1 is flushed at L1's VMRUN, asid2 when L2 next runs and not before; a pending one is not lost over VMRUN's emulation.
    [TestCaseSource(nameof(Designs))]
    public void A_host_unmap_reaches_the_ASIDs_of_both_levels(string policy)
    {
        Script script = Warm(policy);
        script.ExitAndReenter(TransitionKind.L1ToL0, s => s.Event(TraceEvent.FlushRequest(0, RequestedFlush.All)));
        Assert.That(script.Issued(), Is.EqualTo("tlb_control_asid x1"));
        Assert.That(Misses(script, s => s.RoundTrips(1)), Is.EqualTo((1L, 1L, "tlb_control_asid x1")));
    }

    // A guest flush of L1 that is raised while L1 is active is serviced before VMRUN switches to L2's VMCB, and reaches L1's ASID.
    [TestCaseSource(nameof(Designs))]
    public void A_guest_flush_of_L1_reaches_L1s_ASID_over_a_nested_entry(string policy)
    {
        Script script = Warm(policy);
        Assert.That(
            Misses(script, s =>
            {
                s.Event(TraceEvent.VmExit(0, TransitionKind.L1ToL0, 0, SvmExit.Vmrun));
                s.Event(TraceEvent.FlushRequest(0, RequestedFlush.Guest, 0));
                s.Event(TraceEvent.NestedEnter(0, 0, 0x5000, Controls, 1, 0x70000));
                s.Event(TraceEvent.VmEnter(0, TransitionKind.L0ToL2, 0));
                s.NestedExit();
            }),
            Is.EqualTo((1L, 0L, "tlb_control_asid x1")));
    }

    // Two vCPUs take turns on one CPU: what the other left in the shared ASIDs is flushed; vCPUs with ASIDs of their own keep theirs.
    [TestCase("nsvm-l2-asid", 0)]
    [TestCase("nsvm-l2-asid-per-vm", 1)]
    public void An_ASID_of_the_VM_is_flushed_where_a_sibling_ran_last(string policy, int misses)
    {
        Script script = Warm(policy);
        Assert.That(
            Misses(script, s => s
                .Event(TraceEvent.VmExit(0, TransitionKind.L1ToL0, 0, SvmExit.Interrupt)).Event(TraceEvent.VmEnter(0, TransitionKind.L0ToL1, 1)).Touch(0x9000)
                .Event(TraceEvent.VmExit(0, TransitionKind.L1ToL0, 1, SvmExit.Interrupt)).Event(TraceEvent.VmEnter(0, TransitionKind.L0ToL1, 0))).OfL1,
            Is.EqualTo(1 + misses), "the sibling's own page is one of L1's misses");
    }

    private static VmControls Controls => VmControls.EnableVpid | VmControls.EnableEpt;

    /// <summary>L1 running, with a page of L1's (0x1000) and one of L2's (0x2000) cached.</summary>
    private static Script Warm(string policy)
    {
        Script script = new Script(policy, profile: Profiles.TextbookAmd).L1().RoundTrips(2).Touch(0x1000).NestedEnter().Touch(0x2000).NestedExit();
        script.Issued();
        return script;
    }

    private static Script Vmrun(Script script, TlbControl control, uint vpid12 = 1) => script
        .Event(TraceEvent.VmExit(0, TransitionKind.L1ToL0, 0, SvmExit.Vmrun))
        .Event(TraceEvent.NestedEnter(0, 0, 0x5000, Controls.With(control), vpid12, 0x70000))
        .Event(TraceEvent.VmEnter(0, TransitionKind.L0ToL2, 0));

    /// <summary>Misses of the two pages after something happened from L1 to L1, and the invalidations up to then.</summary>
    private static (long OfL1, long OfL2, string Issued) Misses(Script script, Action<Script> what, uint vpid12 = 1)
    {
        long l1 = script.Stats["lane[0].stlb.misses{level=1}"];
        long l2 = script.Stats["lane[0].stlb.misses{level=2}"];
        what(script);
        script.Touch(0x1000).NestedEnter(vpid12: vpid12).Touch(0x2000);
        long ofL1 = script.Stats["lane[0].stlb.misses{level=1}"] - l1;
        long ofL2 = script.Stats["lane[0].stlb.misses{level=2}"] - l2;
        return (ofL1, ofL2, script.Issued());
    }
}
