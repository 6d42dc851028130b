using Sim.Core.Architecture;
using Sim.Core.Profiles;
using Sim.Core.Traces;

namespace Sim.Kvm.Tests.Machines;

/// <summary>ASIDs, TLB_CONTROL, CR4.PGE and recorded requests on SVM (docs/rules.md#nsvm-today).</summary>
[TestFixture]
public sealed class SvmFlushTests
{
    private static CpuProfile WithoutFlushByAsid(int asids) => Profiles.TextbookAmd with { FlushByAsid = false, AddressSpaceIds = asids };

    // ASIDs 1 and 2 exist. Each nested transition takes a new one, so every other one wraps and flushes everything. The first entry took ASID 1.
    [TestCase(1, "tlb_control_all x1")]
    [TestCase(2, "tlb_control_all x2")]
    [TestCase(5, "tlb_control_all x5")]
    public void Without_FlushByAsid_a_flush_takes_a_new_ASID_and_only_running_out_of_them_flushes(int roundTrips, string expected)
    {
        Script script = new Script("nsvm-5.8", profile: WithoutFlushByAsid(3)).L1();
        Assert.That(script.Issued(), Is.Empty, "the root that is loaded at the first entry needs no flush beyond a fresh ASID");
        script.RoundTrips(roundTrips);
        Assert.That(script.Issued(), Is.EqualTo(expected));
    }

    [Test]
    public void Without_FlushByAsid_a_new_ASID_misses_all_the_same()
    {
        Script script = new Script("nsvm-5.8", profile: WithoutFlushByAsid(1000)).L1().Touch(0x1000, 0x1000);
        long before = script.Stats["lane[0].stlb.misses{level=1}"];
        script.RoundTrips(1).Touch(0x1000);
        Assert.That((script.Stats["lane[0].stlb.misses{level=1}"] - before, script.Issued()), Is.EqualTo((1L, "")));
    }

    // The transition, the root load and the table of NPT12 that becomes read-only all ask for a flush of L2's first VMRUN; TLB_CONTROL is one field.
    [Test]
    public void Calls_before_one_VMRUN_are_one_flush_of_hardware()
    {
        List<FlushCall> calls = [];
        Machine machine = MachineOf("nsvm-5.8", calls, lanes: 1);
        Send(machine, 0, TraceEvent.VmEnter(0, TransitionKind.L0ToL1, 0));
        calls.Clear();
        long before = Flushes(machine);
        NestedEntry(machine);
        Assert.That(calls.Select(call => (call.Function, call.Rule)), Is.EqualTo(new[] { (FlushFunction.Current, "every_transition"), (FlushFunction.Current, "root_load"), (FlushFunction.All, "new_shadow_root") }));
        Assert.That(Flushes(machine) - before, Is.EqualTo(1));
    }

    // svm_set_cr4: 5.8 to 6.13 flush once more where L1 and L2 differ in PGE, on the way in and out.
    [TestCase("nsvm-5.8", 2)]
    [TestCase("nsvm-6.14", 0)]
    public void A_CR4_PGE_that_differs_between_L1_and_L2_is_a_flush_of_its_own_until_6_13(string policy, int expected)
    {
        List<FlushCall> calls = [];
        Machine machine = MachineOf(policy, calls, lanes: 1);
        Send(machine, 0, TraceEvent.VmEnter(0, TransitionKind.L0ToL1, 0));
        NestedEntry(machine);
        Send(machine, 0, TraceEvent.SetCr4(0, 2, Cr4Bits.Pae));
        NestedExit(machine, 0x72);
        calls.Clear();
        NestedEntry(machine);
        NestedExit(machine, 0x72);
        Assert.That(calls.Count(call => call.Rule == "cr4_pge"), Is.EqualTo(expected));
        Assert.That(calls.Count(call => call.Rule == "every_transition"), Is.EqualTo(2));
    }

    // kvm_post_set_cr4 behind svm_set_cr4, for a MOV to CR4 of L1 that exits: PGE off, then on again.
    [TestCase("nsvm-5.8", "Current cr4_pge, Guest mov_to_cr4")]
    [TestCase("nsvm-6.14", "Guest mov_to_cr4")]
    public void A_guests_intercepted_toggle_of_PGE_is_a_guest_flush(string policy, string expected)
    {
        List<FlushCall> calls = [];
        Machine machine = MachineOf(policy, calls, lanes: 1);
        Send(machine, 0, TraceEvent.VmEnter(0, TransitionKind.L0ToL1, 0));
        foreach (Cr4Bits value in new[] { Cr4Bits.Pae, Cr4Bits.Pae | Cr4Bits.Pge })
        {
            calls.Clear();
            Send(machine, 0, TraceEvent.VmExit(0, TransitionKind.L1ToL0, 0, SvmExit.WriteCr4), TraceEvent.SetCr4(0, 1, value), TraceEvent.VmEnter(0, TransitionKind.L0ToL1, 0));
            Assert.That(string.Join(", ", calls.Select(call => $"{call.Function} {call.Rule}")), Is.EqualTo(expected));
        }
    }

    // A remote flush while L2 runs: INTR comes out of event injection, after the requests; CPUID is reflected before them.
    [TestCase(0x60u, "All in L2, Current in L1")]
    [TestCase(0x72u, "All in L1")]
    public void A_pending_request_is_serviced_before_a_nested_exit_for_an_interrupt_and_after_any_other(uint reason, string expected)
    {
        List<FlushCall> calls = [];
        Machine machine = MachineOf("nsvm-6.14", calls, lanes: 1);
        Send(machine, 0, TraceEvent.VmEnter(0, TransitionKind.L0ToL1, 0));
        NestedEntry(machine);
        Send(machine, 0, TraceEvent.VmExit(0, TransitionKind.L2ToL0, 0, SvmExit.Interrupt), TraceEvent.FlushRequest(0, RequestedFlush.All));
        calls.Clear();
        Send(machine, 0, TraceEvent.VmExit(1, TransitionKind.L2ToL1, 0, reason));
        int inL2 = calls.Count;
        Send(machine, 0, TraceEvent.VmEnter(2, TransitionKind.L0ToL1, 0));
        Assert.That(string.Join(", ", calls.Select((call, i) => $"{call.Function} in {(i < inL2 ? "L2" : "L1")}")), Is.EqualTo(expected));
    }

    [TestCase(TraceEvent.AnyVcpu, 1, 1)]
    [TestCase((ushort)1, 0, 1)]
    public void A_recorded_request_reaches_the_vCPUs_it_names_once_each_at_their_next_entry(ushort target, int ofFirst, int ofSecond)
    {
        List<FlushCall> calls = [];
        Machine machine = MachineOf("nsvm-5.8", calls, lanes: 2);
        Send(machine, 0, TraceEvent.VmEnter(0, TransitionKind.L0ToL1, 0), TraceEvent.VmExit(0, TransitionKind.L1ToL0, 0, SvmExit.Cpuid));
        Send(machine, 1, TraceEvent.VmEnter(0, TransitionKind.L0ToL1, 1), TraceEvent.VmExit(0, TransitionKind.L1ToL0, 1, SvmExit.Cpuid));
        calls.Clear();
        Send(machine, 0, TraceEvent.FlushRequest(0, RequestedFlush.All, target), TraceEvent.FlushRequest(0, RequestedFlush.All, target));
        Assert.That(calls, Is.Empty);
        Send(machine, 0, TraceEvent.VmEnter(0, TransitionKind.L0ToL1, 0));
        Send(machine, 1, TraceEvent.VmEnter(0, TransitionKind.L0ToL1, 1));
        Assert.That((calls.Count(call => call.Vcpu == 0), calls.Count(call => call.Vcpu == 1)), Is.EqualTo((ofFirst, ofSecond)));
        Assert.That(calls.Select(call => call.Function), Has.All.EqualTo(FlushFunction.All));
    }

    // kvm_mmu_load of a new shadow root write-protects a page of L1's NPT12: what was pending is serviced, the load flushes, and only then the remote flush is seen.
    [TestCase(TraceEvent.AnyVcpu, "All, Current, All")]
    [TestCase((ushort)0, "Current, Current, All")]
    public void A_request_raised_by_a_root_load_comes_after_what_was_pending_and_after_the_loads_own_flush(ushort afterServiceOf, string expected)
    {
        List<FlushCall> calls = [];
        Machine machine = MachineOf("nsvm-5.8", calls, lanes: 1, remoteFlushesRecorded: true);
        Send(machine, 0, TraceEvent.VmEnter(0, TransitionKind.L0ToL1, 0), TraceEvent.VmExit(0, TransitionKind.L1ToL0, 0, SvmExit.Vmrun));
        calls.Clear();
        Send(machine, 0, Nested, TraceEvent.FlushRequest(0, RequestedFlush.All, afterServiceOf: afterServiceOf), TraceEvent.VmEnter(0, TransitionKind.L0ToL2, 0));
        Assert.That(string.Join(", ", calls.Select(call => call.Function)), Is.EqualTo(expected));
    }

    [Test]
    public void A_vCPU_that_moves_to_another_CPU_takes_a_new_ASID_there_and_calls_no_flush_function()
    {
        List<FlushCall> calls = [];
        Machine machine = MachineOf("nsvm-5.8", calls, lanes: 2);
        Send(machine, 0, TraceEvent.VmEnter(0, TransitionKind.L0ToL1, 0), TraceEvent.VmExit(0, TransitionKind.L1ToL0, 0, SvmExit.Cpuid));
        calls.Clear();
        Send(machine, 1, TraceEvent.VmEnter(0, TransitionKind.L0ToL1, 0), TraceEvent.VmExit(0, TransitionKind.L1ToL0, 0, SvmExit.Cpuid));
        Assert.That(calls, Is.Empty);
    }

    [TestCase(false, 1)]
    [TestCase(true, 0)]
    public void A_change_of_NPT01_implies_a_remote_flush_only_where_the_trace_does_not_record_them(bool recorded, int expected)
    {
        List<FlushCall> calls = [];
        Machine machine = MachineOf("nsvm-5.8", calls, lanes: 1, recorded);
        Send(machine, 0, TraceEvent.VmEnter(0, TransitionKind.L0ToL1, 0), TraceEvent.VmExit(0, TransitionKind.L1ToL0, 0, SvmExit.NestedPageFault));
        calls.Clear();
        Send(machine, 0, TraceEvent.MapChange(0, 0, MapTable.Tdp01, 0, 0x1000, 0x1000, MapChangeKind.Removed), TraceEvent.VmEnter(0, TransitionKind.L0ToL1, 0));
        Assert.That(calls, Has.Count.EqualTo(expected));
    }

    private static TraceEvent Nested => TraceEvent.NestedEnter(0, 0, 0x5000, VmControls.EnableVpid | VmControls.EnableEpt, 1, 0x70000);

    private static Machine MachineOf(string policy, List<FlushCall> calls, int lanes, bool remoteFlushesRecorded = false) => new(
        new MachineSpec { Profile = Profiles.TextbookAmd, RemoteFlushesRecorded = remoteFlushesRecorded }, new Core.Catalogue<IFlushPolicy>(typeof(IFlushPolicy).Assembly).Create(policy),
        ReplayKind.ByPolicy, lanes, calls: calls.Add);

    private static void NestedEntry(Machine machine) => Send(machine, 0, TraceEvent.VmExit(0, TransitionKind.L1ToL0, 0, SvmExit.Vmrun), Nested, TraceEvent.VmEnter(0, TransitionKind.L0ToL2, 0));

    private static void NestedExit(Machine machine, uint reason) => Send(
        machine, 0, TraceEvent.VmExit(0, TransitionKind.L2ToL0, 0, reason), TraceEvent.VmExit(0, TransitionKind.L2ToL1, 0, reason), TraceEvent.VmEnter(0, TransitionKind.L0ToL1, 0));

    private static long Flushes(Machine machine) => machine.Snapshot().Stats
        .Where(stat => stat.Path == "lane[0].invalidations" && stat.Label.StartsWith("invalidation=tlb_control", StringComparison.Ordinal)).Sum(stat => stat.Value);

    private static void Send(Machine machine, int lane, params TraceEvent[] events)
    {
        TraceBlock block = new() { Lane = lane };
        foreach (TraceEvent e in events)
        {
            block.AddEvent(e);
        }

        machine.Replay(block, 0, events.Length);
    }
}
