using Sim.Captures.Ftrace;
using Sim.Captures.HwLog;
using Sim.Captures.Tests.Ftrace;
using Sim.Core.Traces;

namespace Sim.Captures.Tests;

/// <summary><c>trace events</c>, <c>trace lift</c> and a line count tell the same of a recording.</summary>
[TestFixture]
internal sealed class AgreementTests
{
    private const long LargestKernelTrace = 300_000;
    private const long LargestCapture = 150_000;

    private static IEnumerable<TestCaseData> KernelTraces => Small(LargestKernelTrace, "*.ftrace.txt.xz", "*.perf-script.txt.xz");

    private static IEnumerable<TestCaseData> Captures => Small(LargestCapture, "*.hw.txt.xz");

    [TestCaseSource(nameof(KernelTraces))]
    public void Kernel_events_are_counted_and_lifted_alike(string name)
    {
        SortedDictionary<string, long> lines = Recordings.Awk(
            name,
            "/(:| )kvm_entry: /{a++} /(:| )kvm_exit: /{b++} /(:| )kvm_nested_vm(enter|run): /{c++} /(:| )kvm_nested_vmexit_inject: /{d++} /(:| )kvm_nested_vmexit: /{x++} {l = /(:| )kvm_exit: /}"
            + " END { print a+0, \"entries\"; print b+0, \"exits\"; print c+0, \"nested entries\"; print d+0, \"nested exits\"; print x+0, \"exits of L2\"; print l+0, \"ends with an exit\" }");
        EventSummary summary = TracepointSummary.Of(() => new TracepointReader(CaptureText.Open(Recordings.File(name)), name), name);
        TracepointLiftResult lifted = TracepointLiftTests.Lift(() => CaptureText.Open(Recordings.File(name)), name).Result;
        Assert.Multiple(() =>
        {
            Assert.That(RefusalTests.Disagreement(summary, lifted.Counts), Is.Null);
            Assert.That(lifted.Counts.EntriesInto(1) + lifted.Counts.EntriesInto(2), Is.EqualTo(lines["entries"]));
            Assert.That(lifted.Counts.ExitsOf(1) + lifted.Counts.ExitsOf(2), Is.EqualTo(lines["exits"]));

            // The last exit's kvm_nested_vmexit may be behind the recording's end.
            Assert.That(lifted.Counts.ExitsOf(2), Is.EqualTo(lines["exits of L2"]).Or.EqualTo(lines["exits of L2"] + (lines["ends with an exit"] == 1 ? 1 : 0)));
            Assert.That(lifted.Counts.NestedExits, Is.EqualTo(lines["nested exits"]));
            Assert.That(lifted.Counts.NestedEntries, Is.EqualTo(lines["nested entries"]));
            Assert.That(lifted.Findings.All, Is.Empty);
        });
    }

    [TestCaseSource(nameof(Captures))]
    public void A_hardware_capture_is_counted_and_lifted_alike(string name)
    {
        SortedDictionary<string, long> lines = Recordings.Awk(name, "$5 == \"VMENTRY\"{a++} $5 == \"VMEXIT\"{b++} END { print a+0, \"entries\"; print b+0, \"exits\" }");
        HwLogReader Open() => new(CaptureText.Open(Recordings.File(name)), name);
        TraceHeader header;
        using (HwLogReader reader = Open())
        {
            header = Lift.HeaderOf(reader, name);
        }

        LiftResult lifted = Lift.Run(Open, new MemoryTrace(header), header.Lanes);
        Assert.Multiple(() =>
        {
            Assert.That(RefusalTests.Disagreement(HwSummary.Of(Open, name), lifted.Counts), Is.Null);
            Assert.That(lifted.Counts.EntriesInto(1) + lifted.Counts.EntriesInto(2), Is.EqualTo(lines["entries"]));
            Assert.That(lifted.Counts.ExitsOf(1) + lifted.Counts.ExitsOf(2), Is.EqualTo(lines["exits"]));
        });
    }

    private static IEnumerable<TestCaseData> Small(long bytes, params string[] patterns) =>
        Recordings.Cases(patterns).Where(data => new FileInfo(Recordings.File((string)data.Arguments[0]!)).Length < bytes);
}
