using System.Globalization;
using System.Text;
using Sim.Captures.Ftrace;
using Sim.Core.Traces;
using Sim.Workloads.Operations;

namespace Sim.Captures.Tests.Ftrace;

/// <summary>Which level a stay in a guest is, wherever a recording begins and whatever it leaves out. Expectations were written by hand from what KVM traces where.</summary>
[TestFixture]
internal sealed class KernelLevelsTests
{
    private const string Info = "info1 0x0 info2 0x0 intr_info 0x0 error_code 0x0";

    // One word an event, a microsecond apart. Records: 01 and 02 real entries, 10 and 20 real exits, 12 nested entry, 21 nested exit; those that no event tells in brackets.
    [TestCase("entry cpuid entry vmresume vmenter far cpuid vmexit far", "01 10 01 10 12 02 20 02", TestName = "From_L1_into_L2")]
    [TestCase("cpuid vmexit far hlt vmexit inject entry cpuid entry", "(01 10 12 02) 20 02 20 21 01 10 01", TestName = "Begins_while_L2_runs")]
    [TestCase("cpuid entry cpuid", "(01) 10 01 10", TestName = "Begins_while_L1_runs")]
    [TestCase("vmexit far cpuid vmexit inject entry", "(01 10 12) 02 20 21 01", TestName = "Begins_behind_an_exit_of_L2")]
    [TestCase("inject entry cpuid entry", "(01 10 12 02 20) 21 01 10 01", TestName = "Begins_just_before_L1_is_told_of_an_exit")]
    [TestCase("vmenter far cpuid vmexit far", "(01 10) 12 02 20 02", TestName = "Begins_behind_the_exit_with_VMRESUME")]
    [TestCase("far cpuid vmexit inject entry", "(01 10 12) 02 20 21 01", TestName = "Begins_behind_the_nested_entry")]
    [TestCase("failed next cpuid", "01 10", TestName = "Begins_behind_a_VMRESUME_that_fails")]
    [TestCase("bare vmresume bare cpuid vmexit bare hlt vmexit inject bare", "01 10 12 02 20 02 20 21 01", TestName = "Before_5_10_entries_have_no_RIP")]
    [TestCase("entry vmresume next cpuid next vmresume far cpuid vmexit inject entry", "01 10 01 10 01 10 12 02 20 21 01", TestName = "Before_6_0_a_VMRESUME_that_fails_goes_on_behind_it")]
    [TestCase("bare vmresume bare cpuid vmexit inject bare vmresume bare cpuid bare", "01 10 12 02 20 21 01 10 01 10 01", TestName = "Without_RIP_the_next_exit_tells_that_a_VMRESUME_failed")]
    [TestCase("entry vmresume failed next cpuid next", "01 10 01 10 01", TestName = "A_nested_entry_that_fails_early_is_none")]
    [TestCase("entry vmresume vmenter failed next cpuid next", "01 10 12 21 01 10 01", TestName = "A_nested_entry_that_fails_late_enters_and_leaves")]
    [TestCase("entry vmresume vmenter far timer far cpuid vmexit far", "01 10 12 02 20 02 20 02", TestName = "A_preemption_timer_of_L2_may_be_handled_without_kvm_nested_vmexit")]
    [TestCase("entry vmresume vmenter far cpuid vmexit far cpuid entry cpuid entry", "01 10 12 02 20 (21) 01 10 01 10 01", TestName = "L0_made_the_vCPU_leave_L2_and_told_nobody")]
    [TestCase("entry vmresume vmenter inject entry", "01 10 12 21 01", TestName = "A_nested_exit_before_L2_has_run")]
    [TestCase("entry vmresume vmenter far vmresume vmexit inject entry", "01 10 12 02 20 21 01", TestName = "A_VMRESUME_of_L2_is_no_request_to_L0")]
    [TestCase("entry entry cpuid entry", "01 (10) 01 10 01", TestName = "An_exit_is_missing")]
    [TestCase("entry cpuid cpuid entry", "01 10 (01) 10 01", TestName = "An_entry_is_missing")]
    [TestCase("entry vmresume far within far within host cpuid next", "01 10 12 02 20 02 20 21 01 10 01", TestName = "Without_nested_events_L2_ends_where_the_guest_goes_on_elsewhere")]
    [TestCase("far within host vmread next vmresume far within far", "(01 10 12) 02 20 21 01 10 01 10 12 02 20 02", TestName = "Without_nested_events_it_begins_in_L2")]
    [TestCase("bare vmresume bare within bare vmresume bare within", "01 10 12 02 20 21 01 10 12 02 20", TestName = "Without_nested_events_and_RIP_a_VMRESUME_is_L1s")]
    [TestCase("far within host cpuid", "01 10 01 10", TestName = "Without_any_VMRESUME_all_is_L1")]
    public void A_recording_is_lifted_and_counted_with_the_levels_that_it_tells(string words, string records)
    {
        StringBuilder text = new();
        foreach (string word in words.Split(' '))
        {
            text.Append(CultureInfo.InvariantCulture, $" CPU 0/KVM-900 [000] d.... 1.{text.Length + 100_000_000}: {Event(word)}\n");
        }

        byte[] bytes = Encoding.ASCII.GetBytes(text.ToString());
        (MemoryTrace trace, TracepointLiftResult result) = TracepointLiftTests.Lift(() => new MemoryStream(bytes), "test");
        EventSummary summary = TracepointSummary.Of(() => new TracepointReader(new MemoryStream(bytes), "test"), "test");
        string[] told = records.Split(' ');
        bool isPutIn = false;
        List<string> recorded = [];
        foreach (string record in told)
        {
            isPutIn |= record[0] == '(';
            recorded.AddRange(isPutIn ? [] : [record]);
            isPutIn &= record[^1] != ')';
        }

        // A late failure is no nested entry, nor is what ends it a nested exit.
        int late = words.Contains("vmenter failed", StringComparison.Ordinal) ? 1 : 0;
        Assert.Multiple(() =>
        {
            Assert.That(string.Join(' ', TracepointLiftTests.Events(trace).Where(e => e.Kind is RecordKind.VmEnter or RecordKind.VmExit).Select(e => Digits(e.Transition))), Is.EqualTo(records.Replace("(", "", StringComparison.Ordinal).Replace(")", "", StringComparison.Ordinal)));
            Assert.That(result.Synthesized, Is.EqualTo(told.Length - recorded.Count));
            Assert.That(TraceVerifier.Run(trace).Errors, Is.Zero);
            for (int level = 1; level <= 2; level++)
            {
                Assert.That(result.Counts.EntriesInto(level), Is.EqualTo(recorded.Count(r => r == $"0{level}")));
                Assert.That(result.Counts.ExitsOf(level), Is.EqualTo(recorded.Count(r => r == $"{level}0")));
                Assert.That(summary["transitions", $"L{level}", "real entries"], Is.EqualTo(result.Counts.EntriesInto(level)));
                Assert.That(summary["transitions", $"L{level}", "real exits"], Is.EqualTo(result.Counts.ExitsOf(level)));
            }

            Assert.That(result.Counts.NestedEntries, Is.EqualTo(recorded.Count(r => r == "12") - late));
            Assert.That(result.Counts.FailedNestedEntries, Is.EqualTo(words.Contains("failed", StringComparison.Ordinal) || words.Contains("vmresume next", StringComparison.Ordinal) || words.EndsWith("vmresume bare cpuid bare", StringComparison.Ordinal) ? 1 : 0));
            Assert.That(summary["transitions", "", "nested entries"], Is.EqualTo(result.Counts.NestedEntries));
            Assert.That(summary["transitions", "", "nested exits"], Is.EqualTo(result.Counts.NestedExits));
            Assert.That(summary["transitions", "", "failed nested entries"], Is.EqualTo(result.Counts.FailedNestedEntries));
        });
    }

    private static string Digits(TransitionKind kind) => $"{kind}".Replace("L", "", StringComparison.Ordinal).Replace("To", "", StringComparison.Ordinal);

    private static string Event(string word) => word switch
    {
        "entry" => "kvm_entry: vcpu 0, rip 0xffffffff81000010",
        "bare" => "kvm_entry: vcpu 0",
        "far" => "kvm_entry: vcpu 0, rip 0x401000",
        "host" => "kvm_entry: vcpu 0, rip 0xffffffff81000300",
        "within" => $"kvm_exit: vcpu 0 reason EPT_VIOLATION rip 0x401000 {Info}",
        "vmread" => $"kvm_exit: vcpu 0 reason VMREAD rip 0xffffffff81000010 {Info}",
        "next" => "kvm_entry: vcpu 0, rip 0xffffffff81000013",
        "cpuid" or "hlt" or "vmresume" => $"kvm_exit: vcpu 0 reason {word.ToUpperInvariant()} rip 0xffffffff81000010 {Info}",
        "timer" => $"kvm_exit: vcpu 0 reason PREEMPTION_TIMER rip 0x401000 {Info}",
        "vmexit" => $"kvm_nested_vmexit: vcpu 0 reason CPUID rip 0x401000 {Info}",
        "vmenter" => "kvm_nested_vmenter: rip: 0xffffffff81000010 vmcs: 0x5000 nested_rip: 0x401000 int_ctl: 0x0 event_inj: 0x0 nested_ept=y nested_eptp: 0x601e",
        "failed" => "kvm_nested_vmenter_failed: nested_vmx_check_controls(vcpu, vmcs12)",
        "inject" => "kvm_nested_vmexit_inject: reason: CPUID ext_inf1: 0x0 ext_inf2: 0x0 ext_int: 0x0 ext_int_err: 0x0",
        _ => throw new ArgumentException(word),
    };
}
