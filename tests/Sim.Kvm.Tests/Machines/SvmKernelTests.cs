using Sim.Core.Architecture;
using Sim.Core.Traces;

namespace Sim.Kvm.Tests.Machines;

/// <summary>Rules by which kernels differ on SVM beside the transitions, each on both sides, with NPT and without.</summary>
[TestFixture]
public sealed class SvmKernelTests
{
    private static readonly TraceEvent Nested = TraceEvent.NestedEnter(0, 0, 0x5000, VmControls.EnableVpid | VmControls.EnableEpt, 1, 0x70000);

    private readonly List<FlushCall> _calls = [];

    [SetUp]
    public void ForgetCalls() => _calls.Clear();

    // svm_flush_tlb_gva, of which hardware sees an INVLPGA at once, or TLB_CONTROL at the next VMRUN.
    [TestCase("nsvm-6.14", true, "Address invlpga", "invlpga")]
    [TestCase("nsvm-7.2", true, "Address invlpga, Asid invlpga", "tlb_control_asid")]
    [TestCase("nsvm-7.2", false, "Address invlpga", "invlpga")]
    public void INVLPGA_of_L1_takes_the_whole_ASID_since_7_2_if_L0_has_NPT(string policy, bool npt, string calls, string instruction)
    {
        Machine machine = InL0(policy, npt, 0x7A);
        Send(machine, TraceEvent.Invlpga(0, 1, 1, 0x1000), TraceEvent.VmEnter(0, TransitionKind.L0ToL1, 0));
        Assert.That((Calls(), Instructions(machine)), Is.EqualTo((calls, instruction)));
    }

    // svm_set_cr4 first; then kvm_post_set_cr4: a guest flush, or all roots go and loading one flushes.
    [TestCase("nsvm-5.8", "Current cr4_pge, Guest mov_to_cr4")]
    [TestCase("nsvm-5.10", "Current cr4_pge, Current root_load")]
    [TestCase("nsvm-7.2", "Guest mov_to_cr4")]
    public void A_MOV_to_CR4_that_changes_PGE_resets_the_MMU_in_5_10(string policy, string calls)
    {
        Machine machine = InL0(policy, true, 0x14);
        Send(machine, TraceEvent.SetCr4(0, 1, Cr4Bits.Pae), TraceEvent.VmEnter(0, TransitionKind.L0ToL1, 0));
        Assert.That(Calls(), Is.EqualTo(calls));
    }

    // The root that was in use is gone in any case.
    [TestCase("nsvm-5.8", "Guest recorded_request, Current root_load")]
    [TestCase("nsvm-6.1", "Current root_load")]
    [TestCase("nsvm-5.10", "Current root_load")]
    public void KVM_SET_SREGS_asks_for_a_guest_flush_since_6_7(string policy, string calls)
    {
        Machine machine = InL0(policy, true, 0x7B);
        Send(machine, TraceEvent.FlushRequest(0, RequestedFlush.Registers, 0), TraceEvent.VmEnter(0, TransitionKind.L0ToL1, 0));
        Assert.That(Calls(), Is.EqualTo(calls));
    }

    [TestCase("nsvm-5.8", "")]
    [TestCase("nsvm-5.10", "Current shadowed_write")]
    public void An_emulated_write_to_a_shadowed_table_flushes_in_5_10(string policy, string calls)
    {
        Machine machine = InL0(policy, true, 0x400);
        Send(machine, TraceEvent.FlushRequest(0, RequestedFlush.ShadowedWrite, 0), TraceEvent.VmEnter(0, TransitionKind.L0ToL1, 0));
        Assert.That(Calls(), Is.EqualTo(calls));
    }

    // L1's root was in use, L2's cached: 5.10 unloads both, 6.x that of L1. A second request finds no root.
    [TestCase("nsvm-5.8", "Current recorded_root_load", "Current every_transition")]
    [TestCase("nsvm-5.10", "Current recorded_root_load", "Current root_load")]
    public void A_zapped_root_is_loaded_again_and_in_5_10_every_root_is(string policy, string first, string nested)
    {
        Machine machine = InL0(policy, false, 0x80);
        NestedRoundTrip(machine);
        Send(machine, TraceEvent.VmExit(0, TransitionKind.L1ToL0, 0, SvmExit.PageFault));
        _calls.Clear();
        Send(machine, TraceEvent.FlushRequest(0, RequestedFlush.Roots, 0), TraceEvent.FlushRequest(0, RequestedFlush.Roots, 0), TraceEvent.VmEnter(0, TransitionKind.L0ToL1, 0));
        Assert.That(Calls(), Is.EqualTo(first));
        Send(machine, TraceEvent.VmExit(0, TransitionKind.L1ToL0, 0, SvmExit.Vmrun));
        _calls.Clear();
        Send(machine, Nested, TraceEvent.VmEnter(0, TransitionKind.L0ToL2, 0));
        Assert.That(Calls(), Is.EqualTo(nested));
    }

    // kvm_set_cr3 without NPT. 5.10: the switch flushes a cached root, loading one flushes it; else kvm_invalidate_pcid asks for a flush in any case.
    [TestCase("nsvm-5.8", "Current mov_to_cr3, Current root_load; Current mov_to_cr3; Current mov_to_cr3")]
    [TestCase("nsvm-5.10", "Current root_load; Current mov_to_cr3; Current mov_to_cr3")]
    public void A_MOV_to_CR3_that_exits_flushes_and_loads_a_root_that_is_not_cached(string policy, string calls)
    {
        Machine machine = InL0(policy, false, 0x13);
        List<string> each = [];
        foreach (ulong cr3 in new ulong[] { 0x9000, 0, 0 })
        {
            _calls.Clear();
            Send(machine, TraceEvent.SetCr3(0, 1, cr3), TraceEvent.VmEnter(0, TransitionKind.L0ToL1, 0), TraceEvent.VmExit(0, TransitionKind.L1ToL0, 0, SvmExit.WriteCr3));
            each.Add(Calls());
        }

        Assert.That(string.Join("; ", each), Is.EqualTo(calls));
    }

    [Test]
    public void With_NPT_a_MOV_to_CR3_that_L0_is_told_of_flushes_nothing()
    {
        Machine machine = InL0("nsvm-5.8", true, 0x13);
        Send(machine, TraceEvent.SetCr3(0, 1, 0x9000), TraceEvent.VmEnter(0, TransitionKind.L0ToL1, 0));
        Assert.That(Calls(), Is.Empty);
    }

    [Test]
    public void An_INVLPG_that_exits_is_an_INVLPGA_of_the_guests_ASID()
    {
        Machine machine = InL0("nsvm-5.8", false, 0x79);
        Send(machine, TraceEvent.Invlpg(0, 1, 0x1000), TraceEvent.VmEnter(0, TransitionKind.L0ToL1, 0));
        Assert.That((Calls(), Instructions(machine)), Is.EqualTo(("Address invlpg", "invlpga")));
    }

    // Three L2s by their CR3s beside L1's root fill the four places; the fourth L2 takes that of the first.
    [Test]
    public void Without_NPT_L2s_are_told_apart_by_the_CR3_of_vmcb12()
    {
        Machine machine = InL0("nsvm-5.8", false, 0x80);
        List<int> loads = [];
        foreach (ulong cr3 in new ulong[] { 0x1000, 0x1000, 0x2000, 0x3000, 0x1000, 0x4000, 0x2000 })
        {
            _calls.Clear();
            Send(machine, TraceEvent.NestedEnter(0, 0, 0x5000, VmControls.EnableVpid, 1, cr3), TraceEvent.VmEnter(0, TransitionKind.L0ToL2, 0));
            loads.Add(_calls.Count(call => call.Rule == "root_load"));
            Send(machine, TraceEvent.VmExit(0, TransitionKind.L2ToL0, 0, SvmExit.Cpuid), TraceEvent.VmExit(0, TransitionKind.L2ToL1, 0, SvmExit.Cpuid));
            Send(machine, TraceEvent.VmEnter(0, TransitionKind.L0ToL1, 0), TraceEvent.VmExit(0, TransitionKind.L1ToL0, 0, SvmExit.Vmrun));
        }

        Assert.That(loads, Is.EqualTo(new[] { 1, 0, 1, 1, 0, 1, 1 }));
    }

    // The exit was on CPU 0; L0 emulates the instruction on CPU 1, where vCPU 1 ran last.
    [Test]
    public void What_L0_emulates_is_of_the_vCPU_whose_thread_came_to_the_CPU()
    {
        Machine machine = MachineOf("nsvm-5.8", true, 2, _calls.Add);
        Send(machine, 1, TraceEvent.VmEnter(0, TransitionKind.L0ToL1, 1), TraceEvent.VmExit(0, TransitionKind.L1ToL0, 1, SvmExit.Hlt));
        Send(machine, 0, TraceEvent.VmEnter(0, TransitionKind.L0ToL1, 0), TraceEvent.VmExit(0, TransitionKind.L1ToL0, 0, SvmExit.Invlpga));
        _calls.Clear();
        Send(machine, 1, new TraceEvent { Kind = RecordKind.SchedIn, A = 0 }, TraceEvent.Invlpga(0, 1, 1, 0x1000));
        Assert.That(_calls.Select(call => call.Vcpu), Is.EqualTo(new ushort[] { 0 }));
    }

    private static Machine MachineOf(string policy, bool npt, int lanes, Action<FlushCall>? calls = null) => new(
        new MachineSpec { Profile = Profiles.TextbookAmd, L0Ept = npt, RemoteFlushesRecorded = true }, new Core.Catalogue<IFlushPolicy>(typeof(IFlushPolicy).Assembly).Create(policy),
        ReplayKind.ByPolicy, lanes, calls: calls);

    private static string Instructions(Machine machine) => string.Join(", ", machine.Snapshot().Stats
        .Where(stat => stat is { Path: "lane[0].invalidations", Value: > 0 } && stat.Label.Contains("rule=invlpg", StringComparison.Ordinal))
        .Select(stat => stat.Label.Split(',')[0]["invalidation=".Length..]));

    private static void Send(Machine machine, int lane, params TraceEvent[] events)
    {
        TraceBlock block = new() { Lane = lane };
        foreach (TraceEvent e in events)
        {
            block.AddEvent(e);
        }

        machine.Replay(block, 0, events.Length);
    }

    private static void Send(Machine machine, params TraceEvent[] events) => Send(machine, 0, events);

    /// <summary>A machine whose vCPU 0 has run L1 and exited; calls are noted from then on.</summary>
    private Machine InL0(string policy, bool npt, uint reason)
    {
        Machine machine = MachineOf(policy, npt, 1, _calls.Add);
        Send(machine, TraceEvent.VmEnter(0, TransitionKind.L0ToL1, 0), TraceEvent.VmExit(0, TransitionKind.L1ToL0, 0, reason));
        _calls.Clear();
        return machine;
    }

    private void NestedRoundTrip(Machine machine)
    {
        Send(machine, Nested, TraceEvent.VmEnter(0, TransitionKind.L0ToL2, 0), TraceEvent.VmExit(0, TransitionKind.L2ToL0, 0, SvmExit.Cpuid));
        Send(machine, TraceEvent.VmExit(0, TransitionKind.L2ToL1, 0, SvmExit.Cpuid), TraceEvent.VmEnter(0, TransitionKind.L0ToL1, 0));
    }

    private string Calls() => string.Join(", ", _calls.Select(call => $"{call.Function} {call.Rule}"));
}
