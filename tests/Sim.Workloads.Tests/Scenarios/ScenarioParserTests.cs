using System.Text;
using Sim.Core;
using Sim.Core.Traces;
using Sim.Workloads.Formats;
using Sim.Workloads.Operations;
using Sim.Workloads.Scenarios;

namespace Sim.Workloads.Tests.Scenarios;

[TestFixture]
public sealed class ScenarioParserTests
{
    private const string Start = "nestsim-scenario 1\ntitle t\n";

    private const TransitionKind In1 = TransitionKind.L0ToL1;
    private const TransitionKind In2 = TransitionKind.L0ToL2;
    private const TransitionKind Nest = TransitionKind.L1ToL2;
    private const TransitionKind Out1 = TransitionKind.L1ToL0;
    private const TransitionKind Out2 = TransitionKind.L2ToL0;
    private const TransitionKind Unnest = TransitionKind.L2ToL1;

    [Test]
    public void A_nested_round_trip_has_its_real_transitions_around_it()
    {
        TraceEvent[] events = [.. Events("vmcs A vpid=7\nL1 enters A\nL2 exits")];
        Assert.That(events.Select(e => e.Transition), Is.EqualTo(new[] { In1, Out1, Nest, In2, Out2, Unnest, In1 }));
        Assert.That((events[1].C, events[2].D, (VmControls)events[2].F, events[4].C), Is.EqualTo((24UL, 7UL, VmControls.EnableVpid, 10UL)), "VMRESUME, vpid12, controls, CPUID");
    }

    [Test]
    public void On_AMD_the_exit_is_VMRUN_and_TLB_CONTROL_is_in_the_controls()
    {
        Scenario scenario = Parse("npt P\nvmcb A asid=3 npt=P\nL1 enters A tlb_control=flush-asid\nL2 exits");
        TraceEvent[] events = [.. EventsOf(scenario)];
        Assert.That((events[1].C, events[2].D, events[2].F, events[4].C), Is.EqualTo((0x80UL, 3UL, 0x30003UL, 0x72UL)));
        Assert.That(scenario.Header.Properties[Scenario.ConfigurationProperty], Is.EqualTo("profile=zen-3"));
    }

    [Test]
    public void Fields_that_an_entry_names_stay_and_new_is_a_VPID_never_used()
    {
        TraceEvent[] entries = [.. Events("ept P\nvmcs A vpid=4\nvmcs B vpid=9\nL1 enters A vpid=new ept=P\nL2 exits\nL1 enters A\nL2 exits\nL1 enters B vpid=off\nL2 exits").Where(e => e.Transition == Nest && e.Kind == RecordKind.VmEnter)];
        Assert.That(entries.Select(e => e.D), Is.EqualTo(new[] { 10UL, 10UL, 0UL }));
        Assert.That(entries.Select(e => e.E), Is.EqualTo(new[] { 0x7000_005EUL, 0x7000_005EUL, 0UL }));
        Assert.That(entries.Select(e => (VmControls)e.F), Is.EqualTo(new[] { VmControls.EnableVpid | VmControls.EnableEpt, VmControls.EnableVpid | VmControls.EnableEpt, VmControls.None }));
    }

    [Test]
    public void What_L1_lets_L0_do_and_what_L0_does_itself_is_between_an_exit_and_an_entry()
    {
        TraceEvent[] events = [.. Events("vmcs A vpid=1\nL1 works 5\nL1 invvpid retaining-globals vpid=2\nhost unmaps memory of L1\nhost unmaps 0x200000 size=2m")];
        Assert.That(events.Select(e => e.Kind), Is.EqualTo(new[]
        {
            RecordKind.VmEnter, RecordKind.Work, RecordKind.VmExit, RecordKind.Invvpid, RecordKind.VmEnter, RecordKind.VmExit, RecordKind.MapChange, RecordKind.VmEnter,
            RecordKind.VmExit, RecordKind.MapChange, RecordKind.VmEnter,
        }));
        Assert.That((events[3].Level, events[3].A, events[3].B), Is.EqualTo(((byte)1, 3UL, 2UL)));
        Assert.That(events.Where(e => e.Kind == RecordKind.MapChange).Select(e => (e.Level, (MapTable)e.A, e.C, e.D)), Is.EqualTo(new[] { ((byte)0, MapTable.Tdp01, 2UL << 30, 1UL << 30), ((byte)0, MapTable.Tdp01, 0x200000UL, 1UL << 21) }));
    }

    [Test]
    public void VMXOFF_and_VMXON_are_emulated_on_the_vCPU_that_executes_them()
    {
        TraceEvent[] events = [.. Events("vcpu a\nvcpu b\nvmcs A vpid=1\nb: L1 vmxoff\nb: L1 vmxon").Where(e => e.Kind != RecordKind.SchedIn)];
        Assert.That(events.Select(e => e.Kind), Is.EqualTo(new[]
        {
            RecordKind.VmEnter, RecordKind.VmExit, RecordKind.Vmxoff, RecordKind.VmEnter, RecordKind.VmExit, RecordKind.Vmxon, RecordKind.VmEnter,
        }));
        Assert.That((events[1].C, events[4].C), Is.EqualTo((26UL, 27UL)), "exit reasons VMXOFF and VMXON");
        Assert.That(new[] { events[2], events[5] }.Select(e => (e.Level, e.A)), Is.All.EqualTo(((byte)1, 1UL)));
    }

    [Test]
    public void A_request_of_an_exit_is_raised_on_its_vCPU_before_the_exit_goes_on()
    {
        TraceEvent[] events = [.. Events("vmcs A vpid=1\nL1 enters A\nL2 exits to L0 request=current\nL2 exits request=guest reason=CPUID")];
        Assert.That(events.Skip(4).Select(e => (e.Kind, e.Kind == RecordKind.FlushRequest ? e.A : 0)), Is.EqualTo(new[]
        {
            (RecordKind.VmExit, 0UL), (RecordKind.FlushRequest, (ulong)RequestedFlush.Current), (RecordKind.VmEnter, 0UL),
            (RecordKind.VmExit, 0UL), (RecordKind.FlushRequest, (ulong)RequestedFlush.Guest), (RecordKind.VmExit, 0UL), (RecordKind.VmEnter, 0UL),
        }));
        Assert.That(events.Where(e => e.Kind == RecordKind.FlushRequest).Select(e => (e.B, e.C)), Is.All.EqualTo((0UL, (ulong)TraceEvent.AnyVcpu)));
    }

    // Data pages of an L2 under EPT12 lie from 2 GiB on, in order of first use; another frame is a fresh one.
    [Test]
    public void The_EPT12_entry_behind_a_page_is_that_of_its_first_use()
    {
        TraceEvent[] changes = [.. Events(
            """
            ept P
            vmcs A vpid=1 ept=P
            page first
            page second
            page text kernel
            process S
            L1 enters A
            L2 reads second first
            L2 remaps first
            L2 reads text
            L2 loads S
            L2 reads text first
            L2 exits
            L1 unmaps first in P
            L1 remaps text in P
            """).Where(e => e.Kind == RecordKind.MapChange && (MapTable)e.A == MapTable.Tdp12)];
        Assert.That(changes.Select(e => e.C), Is.EqualTo(new[] { 0x8000_4000UL, 0x8000_3000UL }), "second, first, first again, text, first of S; the kernel's pages are shared");
        Assert.That(changes.Select(e => e.B), Is.EqualTo(new[] { 0x7000_0000UL, 0x7000_0000UL }));
    }

    [Test]
    public void Two_vCPUs_on_one_lane_take_turns_and_one_that_moves_is_scheduled_there()
    {
        Scenario scenario = Parse("vcpu a\nvcpu b\nvmcs A vpid=1\na: L1 enters A\nb: L1 works 1\na: L2 works 1\nhost moves a to lane 2\na: L2 works 1".Replace("host moves", "a: host moves", StringComparison.Ordinal));
        using ITraceSource trace = scenario.OpenTrace();
        Assert.That(TraceVerifier.Run(trace).Findings, Is.Empty);
        Assert.That(scenario.Header.Lanes, Is.EqualTo(3));
        Assert.That(EventsOf(scenario).Count(e => e.Kind == RecordKind.SchedIn), Is.EqualTo(4));
        Assert.That(scenario.Parts[0].Blocks.Select(block => block.Lane), Is.EqualTo(new[] { 0, 2 }));
    }

    [Test]
    public void A_part_ends_before_the_first_statement_behind_expectations_or_at_a_line_of_dashes()
    {
        Scenario scenario = Parse("vmcs A vpid=1\nL1 works 1\n---\nL1 works 2\nexpect all flushes nothing\nexpect never safe\nL1 works 3\nexpect all vmfails 0");
        Assert.That(scenario.Parts.Select(part => part.Expectations.Count), Is.EqualTo(new[] { 0, 2, 1 }));
        Assert.That(scenario.Parts.Select(part => part.Blocks.Sum(block => block.RecordCount)), Is.EqualTo(new[] { 2, 1, 1 }));
    }

    [Test]
    public void Expectations_keep_their_policies_items_counts_and_places()
    {
        Scenario scenario = Parse("L1 works 1\nexpect kvm-5.8,kvm-5.14, others flushes INVVPID(vpid02, heap) x2 at nested_entry, INVEPT(all), VPID0 at vm_exit\nexpect never unsafe stale_use 3\nexpect all fails TPR shadow\nexpect all counts mmu.syncs 4\nexpect all walks L2 5");
        Expectation[] expectations = [.. scenario.Parts[0].Expectations];
        Assert.That(expectations[0].Policies, Is.EqualTo(new[] { "kvm-5.8", "kvm-5.14", "others" }));
        Assert.That(((FlushExpectation)expectations[0]).Flushes, Is.EqualTo(new[]
        {
            new ExpectedFlush("INVVPID(vpid02,heap)", 2, "nested_entry"), new ExpectedFlush("INVEPT(all)", 1, null), new ExpectedFlush("VPID0", 1, "vm_exit"),
        }));
        Assert.That(((SafetyExpectation)expectations[1]).FindingKind, Is.EqualTo("stale_use"));
        Assert.That(((SafetyExpectation)expectations[1]).Count, Is.EqualTo(3));
        Assert.That(((EntryExpectation)expectations[2]).FailsWith, Is.EqualTo("TPR shadow"));
        Assert.That(((CountExpectation)expectations[3]).Statistic, Is.EqualTo("mmu.syncs"));
        Assert.That(((CountExpectation)expectations[4]).Count, Is.EqualTo(5));
    }

    [TestCase("INVVPID(vpid01(v1)) at host", "INVVPID(vpid01(v1)) x1 at host")]
    [TestCase("INVVPID(vpid02(v12)) x2 at nested_entry, INVEPT(all)", "INVVPID(vpid02(v12)) x2 at nested_entry; INVEPT(all) x1 at -")]
    [TestCase("TLB_CONTROL(asid02(v1), non-global) x3", "TLB_CONTROL(asid02(v1),non-global) x3 at -")]
    [TestCase("INVLPGA(asid02.1(v2),0x1000) at emulation, TLB_CONTROL(asid01(v1))", "INVLPGA(asid02.1(v2),0x1000) x1 at emulation; TLB_CONTROL(asid01(v1)) x1 at -")]
    [TestCase("INVEPT (eptp02:0x70000000) x2", "INVEPT(eptp02:0x70000000) x2 at -")]
    [TestCase("VPID0 x4 at vm_exit", "VPID0 x4 at vm_exit")]
    public void A_flush_of_any_vCPU_is_expected_by_its_name(string written, string read)
    {
        FlushExpectation expectation = (FlushExpectation)Parse($"L1 works 1\nexpect all flushes {written}").Parts[0].Expectations[0];
        Assert.That(string.Join("; ", expectation.Flushes.Select(flush => $"{flush.Name} x{flush.Count} at {flush.Transition ?? "-"}")), Is.EqualTo(read));
    }

    [TestCase(Start + "L1 works 1\nexpect all flushes INVVPID(vpid01(v1) at host", "line 4", "an invalidation", "'INVVPID(vpid01(v1) at host'")]
    [TestCase(Start + "L1 works 1\nexpect all flushes INVVPID(vpid01(v1))) at host", "line 4", "an invalidation", ")) at host'")]
    [TestCase("nestsim-scenario 2\n", "line 1", "version 1", "'2'")]
    [TestCase(Start + "vmcs A vpid=1\nL1 entres A", "line 4", "what L1 does", "Did you mean enters")]
    [TestCase(Start + "page heap\nL1 reads heep", "line 4", "a page", "Did you mean heap?")]
    [TestCase(Start + "L1 reads heap", "line 3", "a page", "None is declared yet")]
    [TestCase(Start + "page heap\nL2 reads heap", "line 4", "L1, which v0 runs now", "L2 runs after 'L1 enters VMCS'")]
    [TestCase(Start + "vmcs A vpid=65536", "line 3", "at most 65535", "'65536'")]
    [TestCase(Start + "vmcs A vpd=1", "line 3", "a field of a vmcs", "Did you mean vpid")]
    [TestCase(Start + "vmcs A\nvmcb B", "line 4", "only one of vmcs and vmcb", "both")]
    [TestCase(Start + "vmcb A asid=1\nL1 invvpid all", "line 4", "invlpga", "'invvpid'")]
    [TestCase(Start + "page heap\npage heap", "line 4", "a new name", "declared above")]
    [TestCase(Start + "page heap\nL1 remaps heap of L2", "line 4", "an L2 that this vCPU has entered", "none")]
    [TestCase(Start + "ept P\nvmcs A ept=P\npage heap\nL1 enters A\nL2 exits\nL1 remaps heap in P", "line 8", "one page that L2 has used", "'heap'")]
    [TestCase(Start + "vmcs A\nL1 enters A now", "line 4", "key=value", "'now'")]
    [TestCase(Start + "page heap\nL1 invlpg heap heap", "line 4", "the end of the line", "'heap'")]
    [TestCase(Start + "L1 works 1\nexpect all sefa", "line 4", "what is expected of a policy", "Did you mean safe")]
    [TestCase(Start + "L1 works 1\nexpect all flushes INVEPT(all) twice", "line 4", "an invalidation", "'INVEPT(all) twice'")]
    [TestCase(Start + "L1 works 1\nexpect all", "line 4", "what is expected of it", "the end of the line")]
    [TestCase("nestsim-scenario 1\nL1 works 1", "line 2", "a line 'title'", "the end of the file")]
    [TestCase(Start, "line 3", "a line that says what somebody does", "the end of the file")]
    public void A_mistake_is_told_with_its_line_what_was_expected_and_the_nearest_word(string text, string where, string expected, string hint)
    {
        TraceFormatException error = Assert.Throws<TraceFormatException>(() => Scenario.Parse(new MemoryStream(Encoding.UTF8.GetBytes(text)), "x.scenario"))!;
        Assert.That(error.Message, Does.StartWith($"x.scenario: {where}: ").And.Contain(expected).And.Contain(hint));
    }

    [Test]
    public void A_scenario_is_found_by_its_content_and_survives_conversion_to_the_text_twin()
    {
        byte[] text = Encoding.UTF8.GetBytes(Start + "machine l0_ept=off\r\nvmcs A vpid=1\r\npage heap count=3\r\nL1 enters A # comment\r\nL2 writes heap\r\nL2 exits reason=HLT\r\n");
        using TraceFile trace = TraceFile.Open(new MemoryStream(text), "stdin");
        Assert.That(trace.Format, Is.EqualTo("scenario"));
        Assert.That(trace.Header.Properties[Scenario.ConfigurationProperty], Is.EqualTo("machine.l0_ept=false"));
        MemoryStream twin = new();
        TextTraceWriter writer = new(twin, trace.Header);
        TraceBlock block = new();
        List<string> records = [];
        while (trace.Read(block))
        {
            writer.Write(block);
            records.AddRange(block.Events.Take(block.EventCount).Select(e => e.ToString()));
        }

        writer.Complete();
        using TextTraceReader reader = new(new MemoryStream(twin.ToArray()), "twin");
        Assert.That(reader.Read(block), Is.True);
        Assert.That(block.Events.Take(block.EventCount).Select(e => e.ToString()), Is.EqualTo(records));
        Assert.That(block.Address.Take(block.AccessCount), Is.EqualTo(new[] { 0x1000_0000UL, 0x1000_1000UL, 0x1000_2000UL }));
    }

    [Test]
    public void Input_that_is_no_text_or_too_long_is_refused()
    {
        Assert.That(() => Scenario.Parse(new MemoryStream([.. Encoding.ASCII.GetBytes("nestsim-scenario 1\n"), 0xFF]), "x"), Throws.TypeOf<TraceFormatException>().With.Message.Contains("UTF-8"));
        Assert.That(() => Scenario.Parse(new MemoryStream(new byte[(1 << 20) + 1]), "x"), Throws.TypeOf<TraceFormatException>().With.Message.Contains("at most 1048576 bytes"));
    }

    private static Scenario Parse(string body) => Scenario.Parse(new MemoryStream(Encoding.UTF8.GetBytes(Start + body)), "test");

    private static IEnumerable<TraceEvent> Events(string body) => EventsOf(Parse(body));

    private static IEnumerable<TraceEvent> EventsOf(Scenario scenario) => scenario.Parts.SelectMany(part => part.Blocks).SelectMany(block => block.Events.Take(block.EventCount));
}
