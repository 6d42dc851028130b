using System.Text;
using Sim.Captures.Ftrace;
using Sim.Core.Traces;

namespace Sim.Captures.Tests.Ftrace;

/// <summary>What kernel events of SVM do not say and the lift infers: instructions that L0 emulates, L0 without NPT, virtual machines.</summary>
[TestFixture]
internal sealed class EmulatedInstructionsTests
{
    private const string Entry = "kvm_entry: vcpu 0 rip 0x1000";

    private ulong _time;

    // Without a kvm_cr event each MOV to CR4 is taken to change PGE; with one, its value counts.
    [TestCase("kvm_emulate_insn: 0:1000: 0f 22 e7", "Pae")]
    [TestCase("kvm_cr: cr_write 4 = 0xa0", "Pae, Pge")]
    public void A_MOV_to_CR4_changes_PGE_unless_its_value_is_told(string line, string expected)
    {
        IReadOnlyList<TraceEvent> events = Lift(Line(Entry), Exit("EXIT_WRITE_CR4"), Line(line), Line(Entry)).Events;
        Assert.That(events.Where(e => e.Kind == RecordKind.SetCr4).Select(e => $"L{e.Level} {(Cr4Bits)e.A}"), Is.EqualTo(new[] { "L1 " + expected }));
    }

    [Test]
    public void A_MOV_to_CR4_that_L1_is_told_of_is_L1s_to_carry_out()
    {
        IReadOnlyList<TraceEvent> events = Lift(
            Line(Entry), Exit("EXIT_VMRUN"), NestedEntry, Line(Entry), Exit("EXIT_WRITE_CR4"), Line("kvm_nested_vmexit_inject: reason EXIT_WRITE_CR4 info1 0 info2 0 int_info 0 int_info_err 0"), Line(Entry)).Events;
        Assert.That(events.Where(e => e.Kind == RecordKind.SetCr4), Is.Empty);
    }

    // A page fault that L0 handles itself shows that it shadows page tables; one that it gives to L1 (whose KVM shadows L2's) does not.
    [TestCase("kvm_page_fault: vcpu 0 rip 0x1000 address 0x2000 error_code 0x7", true)]
    [TestCase("kvm_nested_vmexit_inject: reason EXIT_EXCP_PF info1 7 info2 2000 int_info 0 int_info_err 0", false)]
    public void L0_without_NPT_handles_page_faults_of_guests(string line, bool expected)
    {
        (KernelSurvey survey, TraceHeader header, _) = Lift(Line(Entry), Exit("EXIT_VMRUN"), NestedEntry, Line(Entry), Exit("EXIT_EXCP_PF"), Line(line), Line(Entry));
        Assert.That((survey.Configuration.L0ShadowsPageTables, header.Properties.GetValueOrDefault("configuration")), Is.EqualTo((expected, expected ? "machine.l0_ept=false" : null)));
    }

    // kvm_inject_emulated_page_fault drops the address if the guest's entry is present and sets no reserved bit.
    [TestCase("7 P|W|U", 1)]
    [TestCase("2 W", 0)]
    [TestCase("f P|W|U|R", 0)]
    public void A_page_fault_that_the_guest_gets_drops_its_address_if_the_entry_is_present(string error, int expected)
    {
        IReadOnlyList<TraceEvent> events = Lift(
            Line(Entry), Exit("EXIT_EXCP_PF"), Line("kvm_page_fault: vcpu 0 rip 0x1000 address 0x2345 error_code 0x7"), Line($"kvm_mmu_walker_error: pferr {error}"), Line(Entry)).Events;
        Assert.That(events.Where(e => e.Kind == RecordKind.Invlpg).Select(e => (e.Level, e.A)), Is.EqualTo(Enumerable.Repeat(((byte)1, 0x2000UL), expected)));
    }

    // The root is a new one if L0 loads one, else one that was there.
    [Test]
    public void A_MOV_to_CR3_selects_a_new_root_where_L0_loads_one()
    {
        IReadOnlyList<TraceEvent> events = Lift(
            [Line(Entry), Exit("EXIT_EXCP_PF"), Line("kvm_page_fault: vcpu 0 rip 0x1000 address 0x2000 error_code 0x2"), Line(Entry),
            Exit("EXIT_WRITE_CR3"), Line("function: kvm_mmu_load"), Line(Entry), Exit("EXIT_WRITE_CR3"), Line(Entry), Exit("EXIT_WRITE_CR3"), Line("function: kvm_mmu_load"), Line(Entry)]).Events;
        Assert.That(events.Where(e => e.Kind == RecordKind.SetCr3).Select(e => e.A), Is.EqualTo(new ulong[] { 0x1000, 0x1000, 0x2000 }));
    }

    // A write to a present entry that may not be written (error code 7), emulated; not if L0 zapped the table, nor for MMIO (reserved bit, f).
    [TestCase("100000007", "", 1)]
    [TestCase("100000007", "zapped", 0)]
    [TestCase("10000000f", "", 0)]
    public void An_emulated_write_to_a_shadowed_table_is_told(string error, string between, int expected)
    {
        List<string> lines = [Line(Entry), Exit("EXIT_NPF", error), Line("kvm_emulate_insn: 0:1000: 48 89 03")];
        lines.AddRange(between.Length == 0 ? [] : [Line("kvm_mmu_prepare_zap_page: 1 q0 wux pae nxe wp root 0 sync")]);
        IReadOnlyList<TraceEvent> events = Lift([.. lines, Line(Entry)]).Events;
        Assert.That(events.Count(e => e.Kind == RecordKind.FlushRequest && (RequestedFlush)e.A == RequestedFlush.ShadowedWrite), Is.EqualTo(expected));
    }

    // Two threads with vCPU 0 are two machines, and the remote flush of one does not reach the other. vCPUs 0 and 1 are one machine.
    [TestCase(0, 2, "0")]
    [TestCase(1, 1, "0, 1")]
    public void A_vCPU_number_that_occurs_again_is_of_another_virtual_machine(int second, int machines, string reached)
    {
        (KernelSurvey survey, _, IReadOnlyList<TraceEvent> events) = Lift(
            Line(Entry), Exit("EXIT_HLT"), Line("sched_switch: vm:7 [120] S ==> vm:8 [120]"), Line($"kvm_entry: vcpu {second} rip 0x1000", 8), Line("kvm_exit: reason EXIT_HLT rip 0x1000 info 0 0", 8),
            Line("sched_switch: vm:8 [120] S ==> vm:7 [120]", 8), Line("function: kvm_flush_remote_tlbs"), Line(Entry));
        IEnumerable<ulong> asked = events.Where(e => e.Kind == RecordKind.FlushRequest).SelectMany(e => e.B == TraceEvent.AnyVcpu ? [0, 1] : new[] { e.B });
        Assert.That((survey.Configuration.Machines, string.Join(", ", asked)), Is.EqualTo((machines, reached)));
    }

    private string NestedEntry => Line(
        "kvm_nested_vmenter: rip: 0x1000 vmcb: 0x5000 nested_rip: 0x100000 int_ctl: 0x03000200 event_inj: 0x00000000 nested_npt=n nested_cr3: 0x0000000000007000");

    private static (KernelSurvey Survey, TraceHeader Header, IReadOnlyList<TraceEvent> Events) Lift(params string[] lines)
    {
        byte[] text = Encoding.UTF8.GetBytes(string.Join('\n', lines) + "\n");
        KernelSurvey survey;
        using (TracepointReader reader = new(new MemoryStream(text), "test"))
        {
            survey = KernelSurvey.Of(reader);
        }

        List<TraceEvent> events = [];
        using TracepointReader again = new(new MemoryStream(text), "test");
        TracepointLift.Run(again, survey, (_, e) => events.Add(e));
        return (survey, TracepointLift.HeaderOf(survey, "test"), events);
    }

    private string Exit(string reason, string info = "0") => Line($"kvm_exit: reason {reason} rip 0x1000 info {info} 2345");

    private string Line(string text, int pid = 7) => $" vm-{pid} [000] 1.{++_time:d6}: {text}";
}
