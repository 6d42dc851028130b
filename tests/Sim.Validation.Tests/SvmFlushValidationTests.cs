using Sim.Core;


namespace Sim.Validation.Tests;

/// <summary>The flushes of real kernels on SVM beside the machine's. The recordings were made by 6.12.117, whose policy is nsvm-5.8.</summary>
[TestFixture]
internal sealed class SvmFlushValidationTests
{
    // Every flush function of that kernel ends in svm_flush_tlb_asid, so its lines are the calls, however they came about.
    private const string CountCalls = "/function: +svm_flush_tlb_/ { c[$NF]++ } END { for (k in c) print c[k], k }";

    private readonly string _folder = Path.Combine(Path.GetTempPath(), $"nestsim-svm-{Guid.NewGuid():n}");

    [SetUp]
    public void MakeFolder() => Directory.CreateDirectory(_folder);

    [TearDown]
    public void RemoveFolder() => Directory.Delete(_folder, recursive: true);

    // name, calls entered from host events: one per svm_flush_tlb_all save that of the first shadow root, KVM_SET_SREGS of each vCPU, first sight of another CR4.PGE per vCPU's vmcb12.
    [RecordingBeside("qemu-svm-1cpu.direct-11.ftrace.txt.xz", 1)]
    [TestCase("qemu-svm-1cpu.direct-12.ftrace.txt.xz", 1)]
    [RecordingBeside("qemu-svm-1cpu.direct-13.ftrace.txt.xz", 1)]
    [RecordingBeside("qemu-svm-1cpu.direct-14.ftrace.txt.xz", 1)]
    [TestCase("qemu-svm-1cpu.direct-15.ftrace.txt.xz", 1)]
    [RecordingBeside("qemu-svm-1cpu.n1cpu-1.ftrace.txt.xz", 13 + 1)]
    [TestCase("qemu-svm-1cpu.n1cpu-2.ftrace.txt.xz", 14 + 1)]
    [RecordingBeside("qemu-svm-1cpu.n1cpu-3.ftrace.txt.xz", 4117 + 1)]
    [RecordingBeside("qemu-svm-1cpu.n1cpu-4.ftrace.txt.xz", 2070 + 1)]
    [TestCase("qemu-svm-1cpu.n1cpu-5.ftrace.txt.xz", 15 + 1)]
    [TestCase("qemu-svm-2cpu.direct2-21.ftrace.txt.xz", 2)]
    [RecordingBeside("qemu-svm-2cpu.direct2-22.ftrace.txt.xz", 2)]
    [TestCase("qemu-svm-2cpu.n2cpu-1.ftrace.txt.xz", 29 + 2)]
    [RecordingBeside("qemu-svm-2cpu.n2cpu-2.ftrace.txt.xz", 26 + 2)]
    public void Every_flush_of_the_recording_kernel_is_decided_at_its_place_and_none_is_invented(string name, int fromHost)
    {
        SortedDictionary<string, long> lines = Recordings.Awk(name, CountCalls);
        FlushValidation result = SvmFlushValidation.Of(Recordings.File(name));
        Assert.Multiple(() =>
        {
            Assert.That(result.Differences.Select(FlushText), Is.Empty);
            Assert.That(result.Count(FlushMatch.Matched), Is.EqualTo(lines["svm_flush_tlb_asid"]));
            Assert.That(result.Flushes.LongCount(flush => flush.Kind == "svm_flush_tlb_all"), Is.EqualTo(lines.GetValueOrDefault("svm_flush_tlb_all")));
            Assert.That(result.Flushes.LongCount(flush => flush.Kind == "svm_flush_tlb_current"), Is.EqualTo(lines["svm_flush_tlb_current"]));
            Assert.That(result.Flushes.Count(flush => flush.FromHost), Is.EqualTo(fromHost));
        });
    }

    // 1,147 nested entries and as many exits, each with a flush by svm_set_cr4 (L1 has CR4.PGE, this L2 has not): 6.14 dropped that flush.
    [Test]
    public void A_kernel_that_does_not_flush_for_CR4_PGE_misses_exactly_these_calls()
    {
        FlushValidation result = SvmFlushValidation.Of(Recordings.File("qemu-svm-1cpu.n1cpu-5.ftrace.txt.xz"), "nsvm-6.14");
        Assert.That((result.Count(FlushMatch.Matched), result.Count(FlushMatch.Missed), result.Count(FlushMatch.Invented)), Is.EqualTo((4599L - 2294, 2294L, 0L)));
        Assert.That(result.Differences.Select(flush => flush.Kind).Distinct(), Is.EqualTo(new[] { "svm_flush_tlb_asid" }));
        Assert.That(result.Differences.First().Explanation, Does.Contain("CR4.PGE").And.Contain("After real exit"));
    }

    // An ASID of its own for L2: nothing at transitions; what is left is remote flushes (16), the root load, and one guest flush for the first ASID12.
    [Test]
    public void A_policy_that_does_not_flush_at_transitions_misses_those_of_the_kernel_and_invents_its_own()
    {
        FlushValidation result = SvmFlushValidation.Of(Recordings.File("qemu-svm-1cpu.n1cpu-5.ftrace.txt.xz"), "nsvm-l2-asid");
        Assert.That(result.Passed, Is.False);
        Assert.That(result.Flushes.Count(flush => flush is { Match: FlushMatch.Matched, Kind: "svm_flush_tlb_all" }), Is.EqualTo(16));
        Assert.That(result.Count(FlushMatch.Missed), Is.GreaterThan(4500));
        Assert.That(result.Differences.Where(flush => flush.Match == FlushMatch.Invented).Select(flush => flush.Rule), Has.All.EqualTo("vm_entry first_load").Or.EqualTo("nested_entry new_asid12"));
    }

    // A line of the kernel's taken out or put in must show.
    [TestCase("svm_flush_tlb_current", FlushMatch.Invented)]
    [TestCase("svm_flush_tlb_all", FlushMatch.Invented)]
    public void A_call_taken_out_of_a_recording_is_told_as_invented(string function, FlushMatch match)
    {
        List<string> lines = [.. Lines("qemu-svm-1cpu.n1cpu-5.ftrace.txt.xz").Take(60_000)];
        int call = lines.FindLastIndex(line => line.EndsWith(function, StringComparison.Ordinal));
        int callee = lines.FindIndex(call, line => line.EndsWith("svm_flush_tlb_asid", StringComparison.Ordinal));
        lines.RemoveAt(callee);
        lines.RemoveAt(call);
        FlushValidation result = SvmFlushValidation.Of(Write(lines));
        Assert.That(result.Differences.Select(flush => (flush.Match, flush.Kind)), Is.EqualTo(new[] { (match, function) }));
    }

    [Test]
    public void A_call_put_into_a_recording_is_told_as_missed()
    {
        List<string> lines = [.. Lines("qemu-svm-1cpu.n1cpu-5.ftrace.txt.xz").Take(60_000)];
        int exit = lines.FindLastIndex(line => line.Contains("kvm_exit:", StringComparison.Ordinal) && line.Contains("EXIT_MSR", StringComparison.Ordinal));
        string call = lines[exit][..lines[exit].IndexOf("kvm_exit:", StringComparison.Ordinal)] + "function:             ";
        lines.InsertRange(exit + 1, [call + "svm_flush_tlb_current", call + "svm_flush_tlb_asid"]);
        FlushValidation result = SvmFlushValidation.Of(Write(lines));
        Assert.That(result.Differences.Select(flush => (flush.Match, flush.Kind)), Is.EqualTo(new[] { (FlushMatch.Missed, "svm_flush_tlb_current") }));
        Assert.That(result.Differences.Single().Place, Does.Contain("msr"));
    }

    [Test]
    public void A_recording_without_the_function_tracer_is_an_error_that_says_how_to_record()
    {
        string path = Write(Lines("qemu-svm-1cpu.n1cpu-5.ftrace.txt.xz").Take(5_000).Where(line => !line.Contains(" function: ", StringComparison.Ordinal)));
        Assert.That(() => SvmFlushValidation.Of(path), Throws.TypeOf<TraceFormatException>().With.Message.Contains("trace-cmd record -p function"));
    }

    [Test]
    public void A_policy_for_other_hardware_is_a_configuration_error() =>
        Assert.That(() => SvmFlushValidation.Of(Recordings.File("qemu-svm-1cpu.direct-12.ftrace.txt.xz"), "kvm-6.12"), Throws.TypeOf<ConfigurationException>().With.Message.Contains("nsvm"));

    private static string FlushText(ComparedFlush flush) => $"{flush.Match} {flush.Kind} at {flush.Place}: {flush.Explanation}";

    private static IEnumerable<string> Lines(string name)
    {
        using StreamReader text = new(Sim.Captures.Ftrace.CaptureText.Open(Recordings.File(name)));
        while (text.ReadLine() is { } line)
        {
            yield return line;
        }
    }

    private string Write(IEnumerable<string> lines)
    {
        string path = Path.Combine(_folder, "recording.txt");
        File.WriteAllLines(path, lines);
        return path;
    }
}
