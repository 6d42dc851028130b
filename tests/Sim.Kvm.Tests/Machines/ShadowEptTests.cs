using Sim.Core;
using Sim.Core.Architecture;
using Sim.Core.Traces;

namespace Sim.Kvm.Tests.Machines;

/// <summary>What L0's shadow pages of EPT12 flush (arch/x86/kvm/mmu/mmu.c, paging_tmpl.h of 6.12); the numbers are what a recorded kernel 6.12.117 did in the same order.</summary>
[TestFixture]
public sealed class ShadowEptTests
{
    private const ulong Root = 0x51A2000;
    private const ulong Table3 = 0x51A1000;
    private const ulong Table2 = 0x51A0000;
    private const ulong Table1 = 0x519F000;
    private readonly List<string> _issued = [];
    private Machine _machine = null!;
    private ulong _time;

    [SetUp]
    public void NestedVm()
    {
        _issued.Clear();
        _time = 0;
        IFlushPolicy policy = new Catalogue<IFlushPolicy>(typeof(IFlushPolicy).Assembly).Create("kvm-6.12.117");
        _machine = new Machine(new MachineSpec { Profile = Profiles.Textbook }, policy, ReplayKind.ByPolicy, 2, issued => _issued.Add($"{issued.Lane} {issued.Invalidation.Name} {issued.Rule}"));
        Enter(0, 1);
        NestedEnter(0);
    }

    [Test]
    public void A_first_EPT12_root_becomes_read_only_so_INVEPT_global_follows_its_own_INVEPT_and_a_known_one_is_not_flushed()
    {
        Assert.That(_issued, Is.EqualTo(new[]
        {
            "0 invept_global first_load", "0 invept_single root_load",
            "0 invept_global first_load", "0 invvpid_single new_vpid12", "0 invept_single root_load", "0 invept_global new_shadow_root",
        }));
        _issued.Clear();
        NestedExit(0);
        NestedEnter(0);
        Assert.That(_issued, Is.Empty);
    }

    [Test]
    public void A_fault_flushes_all_vCPUs_once_if_it_needs_a_new_shadow_page_and_not_if_all_tables_are_shadowed()
    {
        _issued.Clear();
        Fault(0, 0x70000, Table3, Table2, Table1);
        Assert.That(_issued, Is.EqualTo(new[] { "0 invept_global new_shadow_page" }), "three new pages, one request");
        _issued.Clear();
        Fault(0, 0x71000, Table3, Table2, Table1);
        Assert.That(_issued, Is.Empty);
        Fault(0, 0x1FF000, Table3, Table2, Table1);
        Assert.That(_issued, Is.Empty, "last page of the region");
        Fault(0, 0x200000, Table3, Table2, 0x519E000);
        Assert.That(_issued, Is.EqualTo(new[] { "0 invept_global new_shadow_page" }), "first page of the next region");
        _issued.Clear();
        Fault(0, 0x400000, Table3, Table2, 0, size: 2 << 20);
        Assert.That(_issued, Is.Empty, "a 2 MiB mapping of EPT12 has no table of level 1");
    }

    [Test]
    public void A_table_whose_page_is_not_known_counts_as_never_shadowed_and_stays_the_same_until_its_entry_goes()
    {
        _issued.Clear();
        Fault(0, 0x70000, 0, 0, 0);
        Fault(0, 0x71000, 0, 0, 0);
        Assert.That(_issued, Has.Count.EqualTo(1));
    }

    [Test]
    public void L1_that_clears_a_present_entry_flushes_and_one_that_fills_an_absent_entry_does_not()
    {
        Fault(0, 0x70000, Table3, Table2, Table1);
        NestedExit(0);
        _issued.Clear();
        Write(0, Table2 + 8);
        Assert.That(_issued, Is.Empty, "entry 1 is absent");
        Write(0, Table2);
        Assert.That(_issued, Is.EqualTo(new[] { "0 invept_global tracked_write" }), "entry 0 was present");
    }

    [Test]
    public void The_third_write_to_a_table_that_is_not_walked_meanwhile_zaps_it()
    {
        Fault(0, 0x70000, Table3, Table2, Table1);
        NestedExit(0);
        _issued.Clear();
        Write(0, Table2 + 8);
        Write(0, Table2 + 16);
        Assert.That(_issued, Is.Empty);
        Write(0, Table2 + 24);
        Assert.That(_issued, Is.EqualTo(new[] { "0 invept_global tracked_write" }));
        _issued.Clear();
        Write(0, Table2 + 32, runsAgain: true);
        NestedEnter(0);
        Assert.That(_issued, Is.Empty, "no longer shadowed: writable again");
        Fault(0, 0x70000, Table3, Table2, Table1);
        Assert.That(_issued, Is.EqualTo(new[] { "0 invept_global new_shadow_page" }));
    }

    [Test]
    public void A_walk_between_two_writes_starts_the_count_anew()
    {
        Fault(0, 0x70000, Table3, Table2, Table1);
        for (ulong entry = 1; entry < 5; entry++)
        {
            NestedExit(0);
            _issued.Clear();
            Write(0, Table2 + (8 * entry));
            Write(0, Table2 + (8 * entry), runsAgain: true);
            Assert.That(_issued, Is.Empty, "a locked exchange that lost a race is no write");
            NestedEnter(0);
            Fault(0, 0x70000 + (entry << 12), Table3, Table2, Table1);
        }
    }

    [Test]
    public void A_zapped_root_is_made_anew_and_a_last_level_table_is_only_protected_again_when_its_root_is_loaded()
    {
        Fault(0, 0x70000, Table3, Table2, Table1);
        NestedExit(0);
        Write(0, Table1 + 0x388, runsAgain: true);
        _issued.Clear();
        NestedEnter(0);
        NestedExit(0);
        Assert.That(_issued, Is.Empty, "the root is cached");
        Exit(0, 1);
        Send(0, TraceEvent.Invept(_time, 1, 2, 0));
        Enter(0, 1);
        NestedEnter(0);
        Assert.That(_issued, Is.EqualTo(new[] { "0 invept_single root_load", "0 invept_global new_shadow_root" }), "L1's INVEPT drops the root; the load synchronises the unsync table");
        NestedExit(0);
        _issued.Clear();
        Write(0, Root + 8);
        Write(0, Root + 16);
        Write(0, Root + 24);
        Assert.That(_issued, Is.EqualTo(new[] { "0 invept_global tracked_write" }));
        _issued.Clear();
        NestedEnter(0);
        Assert.That(_issued, Is.EqualTo(new[] { "0 invept_single root_load" }), "the page is read-only already");
    }

    [Test]
    public void Of_two_vCPUs_that_fault_on_one_page_at_once_the_second_flushes_both()
    {
        Fault(0, 0x70000, Table3, Table2, Table1);
        Enter(1, 1, vcpu: 1);
        NestedEnter(1, vcpu: 1);
        _issued.Clear();
        Exit(0, 2);
        Exit(1, 2, vcpu: 1);
        Walk(0, 0x71000, Table3, Table2, Table1);
        Enter(0, 2);
        Walk(1, 0x71000, Table3, Table2, Table1);
        Assert.That(_issued, Is.Empty);
        Enter(1, 2, vcpu: 1);
        Assert.That(_issued, Is.EqualTo(new[] { "0 invept_global lost_fault_race", "1 invept_global lost_fault_race" }));
        _issued.Clear();
        Fault(0, 0x72000, Table3, Table2, Table1);
        Fault(1, 0x72000, Table3, Table2, Table1, vcpu: 1);
        Assert.That(_issued, Is.Empty, "the first was done before the second began");
    }

    [Test]
    public void A_vCPU_that_is_created_flushes_vpid01_at_once_and_all_its_tags_before_it_first_runs()
    {
        _issued.Clear();
        Send(1, TraceEvent.Reset(_time, 7));
        Assert.That(_issued, Is.EqualTo(new[] { "1 invvpid_single vcpu_reset" }));
        Enter(1, 1, vcpu: 7);
        Assert.That(_issued.Skip(1), Is.EqualTo(new[] { "1 invept_global first_load", "1 invvpid_single vcpu_reset", "1 invept_single root_load" }));
    }

    [Test]
    public void INVVPID_of_L1_waits_for_the_next_nested_entry_if_vmcs02_was_loaded_elsewhere()
    {
        NestedExit(0);
        _issued.Clear();
        Exit(0, 1);
        Send(0, TraceEvent.Invvpid(_time, 1, 1, 1));
        Enter(0, 1);
        Assert.That(_issued, Is.EqualTo(new[] { "0 invvpid_single invvpid" }));
        NestedEnter(0);
        NestedExit(0);
        Assert.That(_issued, Has.Count.EqualTo(1), "vpid12 is the last one still");
        Exit(0, 1);
        Enter(1, 1);
        _issued.Clear();
        Exit(1, 1);
        Send(1, TraceEvent.Invvpid(_time, 1, 1, 1));
        Enter(1, 1);
        Assert.That(_issued, Is.Empty);
        NestedEnter(1);
        Assert.That(_issued, Is.EqualTo(new[] { "1 invept_global other_cpu", "1 invvpid_single new_vpid12" }));
    }

    private void Fault(int lane, ulong address, ulong table3, ulong table2, ulong table1, ulong size = 4096, ushort vcpu = 0)
    {
        Exit(lane, 2, vcpu);
        Walk(lane, address, table3, table2, table1, size);
        Enter(lane, 2, vcpu);
    }

    private void Walk(int lane, ulong address, ulong table3, ulong table2, ulong table1, ulong size = 4096) =>
        Send(lane, TraceEvent.Tdp12Walk(_time, Root | 0x5E, address, size, table3, table2, table1));

    private void Write(int lane, ulong address, bool runsAgain = false)
    {
        Exit(lane, 1);
        Send(lane, TraceEvent.MapChange(_time, 1, MapTable.Tdp12, Root | 0x5E, address, 0, runsAgain ? MapChangeKind.Widened : MapChangeKind.Changed));
        Enter(lane, 1);
    }

    private void NestedEnter(int lane, ushort vcpu = 0)
    {
        Exit(lane, 1, vcpu);
        Send(lane, TraceEvent.NestedEnter(_time, vcpu, 1, VmControls.EnableVpid | VmControls.EnableEpt, 1, Root | 0x5E));
        Enter(lane, 2, vcpu);
    }

    private void NestedExit(int lane, ushort vcpu = 0)
    {
        Exit(lane, 2, vcpu);
        Send(lane, TraceEvent.VmExit(_time, TransitionKind.L2ToL1, vcpu, VmxExit.Cpuid));
        Enter(lane, 1, vcpu);
    }

    private void Exit(int lane, int level, ushort vcpu = 0) => Send(lane, TraceEvent.VmExit(_time, level == 1 ? TransitionKind.L1ToL0 : TransitionKind.L2ToL0, vcpu, VmxExit.EptViolation));

    private void Enter(int lane, int level, ushort vcpu = 0) => Send(lane, TraceEvent.VmEnter(_time, level == 1 ? TransitionKind.L0ToL1 : TransitionKind.L0ToL2, vcpu));

    private void Send(int lane, in TraceEvent e)
    {
        TraceBlock block = new() { Lane = lane };
        block.AddEvent(e with { Time = _time++ });
        _machine.Replay(block, 0, 1);
    }
}
