using Sim.Core.Architecture;
using Sim.Core.Traces;

namespace Sim.Kvm.Tests.Machines;

/// <summary>Rules found in recordings of several kernels (docs/validate.md), each with the side on which nothing happens.</summary>
public sealed class RecordedRulesTests
{
    private const ulong Root = 0x70000;
    private const ulong Table3 = 0x73000;
    private const ulong Table2 = 0x72000;
    private const ulong Table1 = 0x71000;
    private const ulong Page = 0x5000;

    // FNAME(invlpg) out of kvm_inject_emulated_page_fault: only an unsync page's entry is zapped.
    [TestCase("kvm-5.8", true, "invept_global x1")]
    [TestCase("kvm-5.16", true, "invept_global x1")]
    [TestCase("kvm-6.12", true, "")]
    [TestCase("kvm-5.8", false, "")]
    [TestCase("kvm-5.16", false, "")]
    public void A_fault_told_to_L1_at_a_present_entry_of_an_unsync_page_flushes_every_vCPU_in_5_10_and_6_1(string policy, bool isUnsync, string expected)
    {
        Script script = WithTables(policy);
        if (isUnsync)
        {
            script.NestedExit().ExitAndReenter(TransitionKind.L1ToL0, s => s.Change(MapTable.Tdp12, Table1 + 8, MapChangeKind.Widened, Root, 0)).NestedEnter(eptp12: Root);
        }

        script.Issued();
        script.Event(TraceEvent.VmExit(0, TransitionKind.L2ToL0, 0, VmxExit.EptViolation)).Change(MapTable.Tdp12, Page, MapChangeKind.Restricted, Root, 0)
            .Event(TraceEvent.VmExit(0, TransitionKind.L2ToL1, 0, VmxExit.EptViolation)).Event(TraceEvent.VmEnter(0, TransitionKind.L0ToL1, 0));
        Assert.That(script.Issued(), Is.EqualTo(expected));
    }

    // mmu_set_spte of 5.10: SET_SPTE_WRITE_PROTECTED_PT. A table of the last level becomes unsync instead.
    [TestCase("kvm-5.8", Table2, "invept_single x1")]
    [TestCase("kvm-5.8", Table1, "")]
    [TestCase("kvm-5.16", Table2, "")]
    [TestCase("kvm-6.12", Table2, "")]
    public void A_mapping_of_EPT01_made_read_only_for_a_table_of_EPT12_flushes_the_current_root_in_5_10(string policy, ulong table, string expected)
    {
        Script script = WithTables(policy).NestedExit();
        script.Issued();
        script.ExitAndReenter(TransitionKind.L1ToL0, s => s.Change(MapTable.Tdp01, table, MapChangeKind.Made, by: 0));
        Assert.That(script.Issued(), Is.EqualTo(expected));
    }

    [Test]
    public void INVLPG_that_the_trace_tells_as_an_exit_flushes_the_address_without_EPT_and_nothing_with_it()
    {
        Script shadow = new Script("kvm-6.12", ept: false).L1();
        Script ept = new Script("kvm-6.12").L1();
        _ = (shadow.Issued(), ept.Issued());
        shadow.ExitAndReenter(TransitionKind.L1ToL0, s => s.Event(TraceEvent.Invlpg(0, 1, Page)));
        ept.ExitAndReenter(TransitionKind.L1ToL0, s => s.Event(TraceEvent.Invlpg(0, 1, Page)));
        Assert.That((shadow.Issued(), ept.Issued()), Is.EqualTo(("invvpid_address x1", "")));
        Assert.That(shadow.Stats["vm.implied_exits"], Is.Zero);
    }

    [Test]
    public void A_CR3_that_the_trace_tells_with_its_exit_loads_a_root_that_is_new_and_only_selects_one_that_is_cached()
    {
        Script script = new Script("kvm-6.12", ept: false).L1();
        script.Issued();
        script.ExitAndReenter(TransitionKind.L1ToL0, s => s.Event(TraceEvent.SetCr3(0, 1, 0x9000, noFlush: true)));
        Assert.That(script.Issued(), Is.EqualTo("invvpid_single x1"));
        script.ExitAndReenter(TransitionKind.L1ToL0, s => s.Event(TraceEvent.SetCr3(0, 1, 0xA000, noFlush: true)));
        script.Issued();
        script.ExitAndReenter(TransitionKind.L1ToL0, s => s.Event(TraceEvent.SetCr3(0, 1, 0x9000, noFlush: true)));
        Assert.That(script.Issued(), Is.Empty);
    }

    // handle_invvpid frees L2's roots; the next nested entry loads and syncs one (mmu_sync_children).
    [TestCase(true, "invvpid_all x1, invvpid_single x2")]
    [TestCase(false, "invvpid_single x2")]
    public void A_table_of_L2_that_L1_wrote_is_synced_at_L2s_next_root_load_which_flushes_every_vCPU(bool writes, string expected)
    {
        Script script = new Script("kvm-6.12", ept: false).L1().RoundTrips(2, eptp12: 0);
        script.Issued();
        script.ExitAndReenter(TransitionKind.L1ToL0, s => s.Event(TraceEvent.Invvpid(0, 1, 1, 1, 0)));
        if (writes)
        {
            script.ExitAndReenter(TransitionKind.L1ToL0, s => s.Change(MapTable.L2, 0xFFFF888000071000, MapChangeKind.Widened, size: 0));
        }

        script.NestedEnter(eptp12: 0);
        Assert.That(script.Issued(), Is.EqualTo(expected));
    }

    private static Script WithTables(string policy) => new Script(policy).L1().NestedEnter(eptp12: Root)
        .ExitAndReenter(TransitionKind.L2ToL0, s => s.Event(TraceEvent.Tdp12Walk(0, Root, Page, 4096, Table3, Table2, Table1)));
}
