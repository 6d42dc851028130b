using Sim.Core.Traces;
using Sim.Kvm.Interrupts;

namespace Sim.Kvm.Tests.Interrupts;

/// <summary>Each statement of Maxim Levitsky's explanation in seed 2, and of docs/rules.md#nested-interrupts and #nested-avic, as a rule in our words.</summary>
[TestFixture]
internal sealed class NestedInterruptTests
{
    private const int Peer = 0;
    private const int Nested = 1;
    private const byte Vector = 0x51;

    private CommandedBehaviour _guests = null!;
    private List<ExecutedStep> _steps = null!;
    private InterruptSimulation _run = null!;
    private Action<ExecutedStep>? _seen;

    [SetUp]
    public void SeeNothing() => _seen = null;

    private Vcpu Vcpu => _run.System.Vcpus[Nested];

    [Test]
    public void While_L2_runs_an_IPI_to_its_own_APIC_is_accelerated_and_one_to_its_peer_goes_to_L1()
    {
        Start("posted");
        Do(Nested, Ipi(Nested, 2));
        Assert.That((Handled(2), Exits, NestedExits), Is.EqualTo((1L, 0L, 0L)), "self-IPI virtualization with L2's settings in vmcs02");
        Start("posted", peerLevel: 2);
        Do(Nested, Ipi(Peer, 2));
        Assert.That((Handled(2), NestedExits), Is.EqualTo((1L, 1L)), "there is no nested IPI virtualization: L1 sends it");
        Assert.That(_run.Ledger.Exits(2, ExitCause.IcrWrite), Is.EqualTo(1));
    }

    [Test]
    public void An_L2_that_may_use_L1s_APIC_reaches_it_by_interception_and_L0_alone_handles_that([Values("posted", "ipiv", "none", "avic")] string path)
    {
        Start(path);
        Do(Nested, Ipi(Peer, 1));
        Assert.That((Handled(1), _run.Ledger.Exits(2, ExitCause.IcrWrite), NestedExits), Is.EqualTo((1L, 1L, 0L)), "even with IPI virtualization or AVIC: those are L1's settings");
    }

    [Test]
    public void Without_external_interrupt_exiting_in_vmcs12_L2_takes_interrupts_of_L1s_APIC_itself()
    {
        Start("posted", spec => spec with { Controls12 = VmControls.TprShadow });
        Do(Peer, Ipi(Nested, 1));
        Assert.That((Handled(1), NestedExits), Is.EqualTo((1L, 0L)));
        Assert.That(_run.Findings, Is.Empty);
    }

    [Test]
    public void Interrupts_for_L2_come_through_vmcs02_without_an_exit_of_L2()
    {
        Start("posted");
        Do(Peer, Ipi(Nested, 2));
        Assert.That((Handled(2), _run.Ledger.Exits(1, ExitCause.IcrWrite), Exits), Is.EqualTo((1L, 1L, 1L)), "only L1's sender exits");
        Assert.That(_steps.Any(step => step is { Vcpu: Nested, Level: 2, Name: "posted-interrupt processing" }), Is.True);
    }

    [Test]
    public void Inhibition_is_about_L1s_APICv_only_and_an_L2_goes_on_with_its_own()
    {
        Start("posted", spec => spec with { Inhibits = 1UL << (int)ApicvInhibit.BlockIrq });
        Assert.That((Vcpu.ApicvActive, Vcpu.GuestMode), Is.EqualTo((false, true)));
        Do(Peer, Ipi(Nested, 2));
        Assert.That((Handled(2), _run.Ledger.Exits(2, ExitCause.ExternalInterrupt), _run.Ledger.Exits(2, ExitCause.Eoi)), Is.EqualTo((1L, 0L, 0L)));
    }

    [Test]
    public void An_inhibition_while_L2_runs_stops_the_use_by_vCPUs_that_do_not_run_L2()
    {
        Start("posted");
        Do(Peer, new GuestAction(GuestActionKind.Inhibit, Vector: (byte)ApicvInhibit.BlockIrq));
        Assert.That(_run.System.Vcpus.Select(vcpu => vcpu.ApicvActive), Is.All.False);
        Assert.That((Vcpu.GuestMode, Vcpu.Vmcs02.Has(VmControls.VirtualInterruptDelivery | VmControls.PostedInterrupts)), Is.EqualTo((true, true)), "L2's stays");
        Do(Peer, Ipi(Nested, 2));
        Assert.That(Handled(2), Is.EqualTo(1));
    }

    [Test]
    public void On_APICv_a_peer_sends_to_an_L1_whose_L2_runs_as_if_it_ran_and_the_other_vector_makes_L2_exit()
    {
        Start("posted");
        Assert.That((Vcpu.GuestMode, Vcpu.ApicvActive), Is.EqualTo((true, true)), "no inhibition at nested entry");
        Do(Peer, Ipi(Nested, 1));
        Assert.That(_run.Ledger.Notifications, Is.EqualTo(1), "0xf2 by the posted path");
        Assert.That((_run.Ledger.Exits(2, ExitCause.ExternalInterrupt), NestedExits, Handled(1), _run.Ledger.Kicks), Is.EqualTo((1L, 1L, 1L, 0L)));
        Assert.That(_steps.Any(step => step is { Vcpu: Nested, Name: "posted-interrupt processing" }), Is.False, "vmcs02's PINV is 0xf0");
    }

    [Test]
    public void With_ack_on_exit_L1_is_told_the_vector_and_without_it_takes_the_interrupt_itself([Values] bool acknowledges)
    {
        Start("posted", spec => spec with { Controls12 = VmControls.TprShadow | VmControls.ExternalInterruptExiting | (acknowledges ? VmControls.AckInterruptOnExit : 0) });
        Do(Peer, Ipi(Nested, 1));
        Assert.That((Handled(1), NestedExits), Is.EqualTo((1L, 1L)));
        Assert.That(_steps.Any(step => step.Name == "acknowledge for L1"), Is.EqualTo(acknowledges));
        Assert.That(_steps.Any(step => step is { Vcpu: Nested, Level: 1, Name: "virtual-interrupt delivery" }), Is.EqualTo(!acknowledges));
    }

    [Test]
    public void On_AVIC_there_is_one_doorbell_so_nested_entry_clears_IsRunning_in_table_and_IOMMU_and_the_vCPUs_active_flag()
    {
        Start("avic-iommu");
        Assert.That((Vcpu.GuestMode, Vcpu.ApicvActive, Vcpu.Vmcs01.Avic, _run.System.AvicPhysicalIds[Nested].IsRunning, Vcpu.Irte.IsRun), Is.EqualTo((true, false, false, false, false)));
        Assert.That(_run.System.AvicPhysicalIds[Peer].IsRunning, Is.True, "the peer's is untouched");
        _guests.Settle(Nested, 1);
        Do(Peer, Ipi(Nested, 1));
        Assert.That((Vcpu.GuestMode, Vcpu.ApicvActive, Vcpu.Vmcs01.Avic, _run.System.AvicPhysicalIds[Nested].IsRunning, Vcpu.Irte.IsRun), Is.EqualTo((false, true, true, true, true)), "at once at the nested #VMEXIT");
    }

    [Test]
    public void On_AVIC_a_peers_IPI_to_a_vCPU_that_runs_L2_is_an_incomplete_IPI_then_a_kick_then_a_nested_exit()
    {
        Start("avic");
        Do(Peer, Ipi(Nested, 1));
        Assert.That((_run.Ledger.Exits(1, ExitCause.IncompleteIpi), _run.Ledger.Exits(2, ExitCause.ExternalInterrupt), NestedExits, Handled(1)), Is.EqualTo((1L, 1L, 1L, 1L)));
        Assert.That(_run.Ledger.Doorbells, Is.Zero);
    }

    [Test]
    public void A_doorbell_rung_for_L1_while_VMCB02_runs_is_noticed_by_nobody()
    {
        Start("avic");

        // What would be if nested entry did not inhibit.
        Vcpu.ApicvActive = true;
        _run.System.AvicPhysicalIds[Nested].IsRunning = true;
        Do(Peer, Ipi(Nested, 1));
        Assert.That((_run.Ledger.Doorbells, Exits, Handled(1), Vcpu.GuestMode), Is.EqualTo((1L, 0L, 0L, true)));
        Assert.That(_run.Findings.Select(finding => finding.Kind), Is.EqualTo(new[] { "interrupt_lost" }));
    }

    [Test]
    public void On_AVIC_an_inhibition_while_L2_runs_touches_VMCB01_only_and_L2_goes_on()
    {
        Start("avic");
        long entries = _run.Ledger.NestedEntries;
        Do(Peer, new GuestAction(GuestActionKind.Inhibit, Vector: (byte)ApicvInhibit.IrqWindow));
        Assert.That((Vcpu.GuestMode, _run.Ledger.NestedEntries - entries, NestedExits), Is.EqualTo((true, 0L, 0L)));
        Do(Peer, Ipi(Nested, 1));
        Assert.That(Handled(1), Is.EqualTo(1), "by injection now");
        Assert.That((Vcpu.ApicvActive, Vcpu.Vmcs01.Avic), Is.EqualTo((false, false)), "the nested exit does not switch it on again");
    }

    [Test]
    public void What_AVIC_in_VMCB01_is_set_to_does_not_matter_while_VMCB02_runs_only_what_peers_read_does()
    {
        Start("avic-iommu");
        Vcpu.Vmcs01.Avic = true;
        Do(Peer, Ipi(Nested, 1));
        Assert.That((Handled(1), NestedExits, _run.Ledger.Doorbells, _run.Findings.Count), Is.EqualTo((1L, 1L, 0L, 0)), "as with the bit clear");
    }

    [Test]
    public void With_IPI_virtualization_an_inhibition_while_L2_runs_still_stops_peers_at_once_because_their_own_vmcs01_is_the_active_one()
    {
        Start("ipiv");
        Do(Peer, Ipi(Nested, 1));
        Assert.That(_run.Ledger.Exits(1, ExitCause.IcrWrite), Is.Zero);
        Do(Peer, new GuestAction(GuestActionKind.Inhibit, Vector: (byte)ApicvInhibit.BlockIrq));
        Assert.That((Vcpu.GuestMode, Vcpu.UpdateVmcs01ApicvStatus), Is.EqualTo((true, true)), "this vCPU's vmcs01 waits for the nested VM-exit");
        Do(Peer, Ipi(Nested, 1));
        Assert.That((Handled(1), _run.Ledger.Exits(1, ExitCause.IcrWrite), _run.Findings.Count), Is.EqualTo((2L, 1L, 0)));
        Assert.That(Vcpu.Vmcs01.Has(VmControls.VirtualInterruptDelivery), Is.False);
    }

    [Test]
    public void An_inhibition_zaps_L1s_APIC_page_so_every_vCPU_flushes_its_TLB_and_the_one_that_runs_L2_goes_on_in_L2()
    {
        Start("posted");
        List<int> asked = [];
        _seen = step => asked.AddRange(step.Name == "store the reasons" ? _run.System.Vcpus.Where(vcpu => (vcpu.Requests & VcpuRequests.FlushAll) != 0).Select(vcpu => vcpu.Id) : []);
        Do(Peer, new GuestAction(GuestActionKind.Inhibit, Vector: (byte)ApicvInhibit.BlockIrq));
        Assert.That(asked, Is.EqualTo(new[] { Peer, Nested }));
        Assert.That((Vcpu.GuestMode, NestedExits, Vcpu.Requests), Is.EqualTo((true, 0L, VcpuRequests.None)), "served, by L0 alone");
        Do(Peer, new GuestAction(GuestActionKind.Uninhibit, Vector: (byte)ApicvInhibit.BlockIrq));
        Assert.That(asked, Has.Count.EqualTo(2), "nothing is zapped when it is allowed again");
    }

    [Test]
    public void L1s_notification_that_hardware_posts_bypasses_the_nested_path_and_costs_the_receiver_an_exit_instead_of_the_sender()
    {
        Start("ipiv");
        Do(Peer, Ipi(Nested, 2));
        Assert.That((Handled(2), _run.Ledger.Exits(1, ExitCause.IcrWrite), _run.Ledger.Exits(2, ExitCause.ExternalInterrupt), NestedExits), Is.EqualTo((1L, 0L, 1L, 0L)));
    }

    [Test]
    public void Before_6_12_the_same_notification_ends_in_a_nested_VM_exit()
    {
        Start("ipiv", spec => spec with { ConsumesNestedNotification = false });
        Do(Peer, Ipi(Nested, 2));
        Assert.That((Handled(2), NestedExits), Is.EqualTo((1L, 1L)));
        Assert.That(_run.Findings, Is.Empty);
    }

    [Test]
    public void A_halted_L2_whose_HLT_L1_does_not_intercept_wakes_on_pi_pending()
    {
        Start("posted", spec => spec with { L1InterceptsHlt = false }, idle: GuestActionKind.Halt);
        Assert.That((Vcpu.State, Vcpu.GuestMode), Is.EqualTo((VcpuThreadState.Asleep, true)));
        Do(Peer, Ipi(Nested, 2));
        Assert.That((Handled(2), NestedExits, _run.Ledger.SpuriousWakeUps), Is.EqualTo((1L, 0L, 0L)));
    }

    [Test]
    public void An_interrupt_that_is_pending_at_VMRESUME_exits_before_L2_runs_an_instruction_but_behind_the_entry()
    {
        Start("none", spec => spec with { L1InterceptsHlt = false });
        _guests.Command(Peer, Ipi(Nested, 1));
        _guests.Command(Nested, new GuestAction(GuestActionKind.Exit));
        Do(Peer, Ipi(Nested, 1, 0x61));
        Assert.That((Handled(1), _run.Ledger.Handled), Is.EqualTo((2L, 2L)));
        Assert.That(_run.Findings, Is.Empty);
    }

    private long Exits => _run.Ledger.TotalExits - _exits;

    private long NestedExits => _run.Ledger.NestedExits - _nestedExits;

    private long _exits;
    private long _nestedExits;

    private static GuestAction Ipi(int target, byte level, byte vector = Vector) => new(GuestActionKind.SendIpi, 0, target, level, vector);

    private long Handled(int level) => _run.Ledger.Latency(level).Count;

    private void Start(string path, Func<InterruptSpec, InterruptSpec>? change = null, int peerLevel = 1, GuestActionKind idle = GuestActionKind.Spin)
    {
        _guests = new CommandedBehaviour((peerLevel, GuestActionKind.Spin), (2, idle));
        _steps = [];
        InterruptSpec spec = Bench.SpecFor(path) with { Lanes = 2 };
        _run = new InterruptSimulation(change?.Invoke(spec) ?? spec, Bench.Path(path), new DeferredUpdate(), _guests, [], step =>
        {
            _steps.Add(step);
            _seen?.Invoke(step);
        });
        _run.Run(until: 100_000);
        Forget();
    }

    private void Do(int vcpu, GuestAction action)
    {
        Forget();
        _guests.Command(vcpu, action);
        _run.Rouse(vcpu);
        _run.Run(until: _run.Now + 100_000);
    }

    private void Forget()
    {
        _steps.Clear();
        _exits = _run.Ledger.TotalExits;
        _nestedExits = _run.Ledger.NestedExits;
    }
}
