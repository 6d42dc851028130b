using System.Globalization;
using System.Text;
using Sim.Captures.Ftrace;
using Sim.Captures.HwLog;
using Sim.Captures.Tests.Ftrace;
using Sim.Core.Traces;

namespace Sim.Captures.Tests;

/// <summary>
/// Damaged recordings: each is refused, or nothing that it holds is lost without a word. What it holds is counted in its text, and <c>trace events</c> and <c>trace lift</c> must tell the same
/// of it.
/// </summary>
[TestFixture]
internal sealed class RefusalTests
{
    private const string Info = "info1 0x0000000000000000 info2 0x0000000000000000 intr_info 0x00000000 error_code 0x00000000";

    private static readonly string[] Turn =
    [
        "kvm_entry: vcpu 0, rip 0xffffffff81000010",
        $"kvm_exit: vcpu 0 reason VMRESUME rip 0xffffffff81000010 {Info}",
        "kvm_nested_vmenter: rip: 0xffffffff81000010 vmcs: 0x0000000000005000 nested_rip: 0x0000000000401000 int_ctl: 0x00000000 event_inj: 0x00000000 nested_ept=y nested_eptp: 0x000000000000601e",
        "function:             vmx_flush_tlb_current",
        "kvm_entry: vcpu 0, rip 0x401000",
        $"kvm_exit: vcpu 0 reason EPT_VIOLATION rip 0x401000 {Info}",
        $"kvm_nested_vmexit: vcpu 0 reason EPT_VIOLATION rip 0x401000 {Info}",
        "kvm_page_fault: vcpu 0 rip 0x401000 address 0x0000000000401000 error_code 0x184",
        "kvm_entry: vcpu 0, rip 0x401000",
        $"kvm_exit: vcpu 0 reason CPUID rip 0x401008 {Info}",
        $"kvm_nested_vmexit: vcpu 0 reason CPUID rip 0x401008 {Info}",
        "kvm_nested_vmexit_inject: reason: CPUID ext_inf1: 0x0000000000000000 ext_inf2: 0x0000000000000000 ext_int: 0x00000000 ext_int_err: 0x00000000",
        "kvm_inj_virq: IRQ 0xec",
        "sched_switch: CPU 0/KVM:900 [120] R ==> kworker/0:1:50 [120]",
        "sched_switch: kworker/0:1:50 [120] I ==> CPU 0/KVM:900 [120]",
        "kvm_entry: vcpu 0, rip 0xffffffff81000013",
        $"kvm_exit: vcpu 0 reason HLT rip 0xffffffff81000020 {Info}",
        "kvm_vcpu_wakeup: wait time 73211 ns, polling valid",
    ];

    [Test]
    public void Ten_thousand_damaged_kernel_traces_are_refused_or_lose_nothing_in_silence()
    {
        StringBuilder text = new();
        for (int i = 0; i < 10 * Turn.Length; i++)
        {
            text.Append(CultureInfo.InvariantCulture, $"       CPU 0/KVM-900   [001] d....   200.{i:d6}: {Turn[i % Turn.Length]}\n");
        }

        Mutations.Judge(Encoding.ASCII.GetBytes(text.ToString()), 10_000, 31, damaged =>
        {
            (MemoryTrace trace, TracepointLiftResult lifted) = TracepointLiftTests.Lift(() => new MemoryStream(damaged), "mutated");
            EventSummary summary = TracepointSummary.Of(() => new TracepointReader(new MemoryStream(damaged), "mutated"), "mutated");
            if (Disagreement(summary, lifted.Counts) is { } disagreement)
            {
                return disagreement;
            }

            if (summary.Headline.StartsWith("DATA LOSS", StringComparison.Ordinal) != lifted.DataLoss)
            {
                return "one of the two says DATA LOSS, the other not";
            }

            if (lifted.Records == 0 || TracepointLiftTests.Events(trace).Count == 0)
            {
                return "an empty trace";
            }

            long entries = lifted.Counts.EntriesInto(1) + lifted.Counts.EntriesInto(2);
            long exits = lifted.Counts.ExitsOf(1) + lifted.Counts.ExitsOf(2);
            return lifted.DataLoss || lifted.Findings.Count(TracepointReader.Repeated) > 0 || (entries >= Mutations.Lines(damaged, "kvm_entry: ") && exits >= Mutations.Lines(damaged, "kvm_exit: "))
                ? null
                : $"{entries} entries from {Mutations.Lines(damaged, "kvm_entry: ")} lines, {exits} exits from {Mutations.Lines(damaged, "kvm_exit: ")}";
        });
    }

    [Test]
    public void Ten_thousand_damaged_hardware_captures_are_refused_or_lose_nothing_in_silence()
    {
        StringBuilder text = new("1000 100 0 R MARK cmd=1 arg=1 cpl=3 icount=1 vmexits=0 ev=1\n");
        for (int i = 0; i < 16; i++)
        {
            int at = 2000 + (1000 * i);
            string turn = string.Create(CultureInfo.InvariantCulture, $"""
                {at + 110} {at} 0 R VMPTRLD a000 0 0
                {at + 130} {at} 0 G VMENTRY vmcs=a000 vpid=1 eptp=e01e cr3=5000 rip=1 pin=0 cpu=0 cpu2=0 intr=0
                {at + 135} {at} 0 G G_INVVPID type=1 d0=1 d1=0
                {at + 140} {at} 0 G VMEXIT reason=53 qual=0 vmcs=a000 vpid=1 eptp=e01e cr3=5000 rip=10
                {at + 145} {at} 0 G VMENTRY vmcs=a000 vpid=1 eptp=e01e cr3=5000 rip=1 pin=0 cpu=0 cpu2=0 intr=0
                {at + 150} {at} 0 G VMEXIT reason=24 qual=0 vmcs=a000 vpid=1 eptp=e01e cr3=5000 rip=10
                {at + 155} {at} 0 R VMPTRLD b000 0 0
                {at + 160} {at} 0 R INVEPT type=1 d0=f01e d1=0
                {at + 170} {at} 0 G VMENTRY vmcs=b000 vpid=2 eptp=f01e cr3=9000 rip=20 pin=0 cpu=0 cpu2=0 intr=0
                {at + 180} {at} 0 G MOV_CR3 9000
                {at + 190} {at} 0 G VMEXIT reason=10 qual=0 vmcs=b000 vpid=2 eptp=f01e cr3=9000 rip=22
                {at + 200} {at} 0 R HWINT ec rip=22

                """);
            text.Append(turn);
        }

        Mutations.Judge(Encoding.ASCII.GetBytes(text.ToString()), 10_000, 32, damaged =>
        {
            HwLogReader Open() => new(new MemoryStream(damaged), "mutated");
            TraceHeader header;
            using (HwLogReader reader = Open())
            {
                header = Lift.HeaderOf(reader, "mutated");
            }

            LiftResult lifted = Lift.Run(Open, new MemoryTrace(header), header.Lanes);
            if (Disagreement(HwSummary.Of(Open, "mutated"), lifted.Counts) is { } disagreement)
            {
                return disagreement;
            }

            long entries = lifted.Counts.EntriesInto(1) + lifted.Counts.EntriesInto(2);
            long exits = lifted.Counts.ExitsOf(1) + lifted.Counts.ExitsOf(2);
            return lifted.Records == 0 ? "an empty trace"
                : lifted.Findings.Worst == Severity.DataLoss || (entries == Mutations.Lines(damaged, " VMENTRY ") && exits == Mutations.Lines(damaged, " VMEXIT ")) ? null
                : $"{entries} entries from {Mutations.Lines(damaged, " VMENTRY ")} lines, {exits} exits from {Mutations.Lines(damaged, " VMEXIT ")}";
        });
    }

    /// <summary>What a summary and a lift tell differently of one recording; null if they agree.</summary>
    internal static string? Disagreement(EventSummary summary, TransitionCounts counts)
    {
        (string Level, string Name, long Lifted)[] all =
        [
            ("L1", "real entries", counts.EntriesInto(1)), ("L2", "real entries", counts.EntriesInto(2)), ("L1", "real exits", counts.ExitsOf(1)), ("L2", "real exits", counts.ExitsOf(2)),
            ("", "nested entries", counts.NestedEntries), ("", "nested exits", counts.NestedExits), ("", "failed nested entries", counts.FailedNestedEntries),
        ];
        foreach ((string level, string name, long lifted) in all)
        {
            if (summary["transitions", level, name] != lifted)
            {
                return $"{summary["transitions", level, name]} {level} {name} counted, {lifted} lifted";
            }
        }

        return counts.NestedEntries < 0 ? "a negative count" : null;
    }
}
