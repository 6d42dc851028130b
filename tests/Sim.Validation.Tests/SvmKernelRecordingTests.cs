using System.Text.RegularExpressions;
using Sim.Captures.Ftrace;

namespace Sim.Validation.Tests;

/// <summary>Recordings of nested SVM by five kernels, each situation a window: the rules of its own kernel give every flush and no other, and those of another kernel do not where the situation tells them apart.</summary>
[TestFixture]
internal sealed partial class SvmKernelRecordingTests
{
    private static IEnumerable<TestCaseData> All => Recordings.Cases("qemu-svm-?.*-*.ftrace.txt.xz");

    [TestCaseSource(nameof(All))]
    public void The_rules_of_the_recording_kernel_give_every_flush_and_no_other(string name)
    {
        FlushValidation result = SvmFlushValidation.Of(Recordings.File(name), PolicyOf(name));
        Assert.Multiple(() =>
        {
            Assert.That(result.Differences.Select(flush => $"{flush.Match} {flush.Kind} at {flush.Place}: {flush.Explanation}"), Is.Empty);
            Assert.That(result.Count(FlushMatch.Matched), Is.EqualTo(CallsOf(name)));
        });
    }

    // L2's and L1's CR4.PGE differ (a1), MOVs to CR4 (x6: 625, f1: 66), KVM_SET_SREGS (x6), INVLPGA (e1: 50), switches of the root and writes to tables (d1).
    [TestCase("qemu-svm-6.12.95-a1-cpuid-pge0.ftrace.txt.xz", "nsvm-6.14", 1838, 0)]
    [TestCase("qemu-svm-6.12.95-f1-reload.ftrace.txt.xz", "nsvm-6.14", 66, 0)]
    [TestCase("qemu-svm-6.12.95-e1-l1npt0-cr3-invlpg.ftrace.txt.xz", "nsvm-7.2", 0, 50)]
    [TestCase("qemu-svm-7.2.13-x6-direct-pge.ftrace.txt.xz", "nsvm-5.8", 0, 625)]
    [TestCase("qemu-svm-6.1.192-x6-direct-pge.ftrace.txt.xz", "nsvm-5.8", 0, 1)]
    [RecordingBeside("qemu-svm-7.3rc7-e1-l1npt0-cr3-invlpg.ftrace.txt.xz", "nsvm-6.14", 50, 0)]
    [RecordingBeside("qemu-svm-5.10.223-j1-12-l2.ftrace.txt.xz", "nsvm-6.1", 12, 288)]
    public void The_rules_of_another_kernel_miss_or_invent_where_it_differs(string name, string policy, long missed, long invented)
    {
        FlushValidation result = SvmFlushValidation.Of(Recordings.File(name), policy);
        Assert.That((result.Count(FlushMatch.Missed), result.Count(FlushMatch.Invented)), Is.EqualTo((missed, invented)));
    }

    // What no event says is told with the result: inferred, assumed, not judged, not exercised.
    [TestCase("qemu-svm-6.12.95-d1-l0npt0.ftrace.txt.xz", "Inferred: L0 shadows page tables (kvm_amd npt=0)")]
    [TestCase("qemu-svm-6.12.95-d1-l0npt0.ftrace.txt.xz", "Not judged: whether the root of 120 emulated MOVs to CR3 was cached")]
    [TestCase("qemu-svm-6.12.95-d1-l0npt0.ftrace.txt.xz", "Recorded: 0 nested entries with NPT in vmcb12, 1,034 without")]
    [TestCase("qemu-svm-6.1.192-i1-two-l1.ftrace.txt.xz", "Inferred: 2 virtual machines")]
    [TestCase("qemu-svm-7.2.13-x6-direct-pge.ftrace.txt.xz", "Assumed: 625 emulated MOVs to CR4")]
    [TestCase("qemu-svm-7.2.13-e4-cr4pge.ftrace.txt.xz", "Not exercised: CR4.PGE of vmcb12 is in no event")]
    [TestCase("qemu-svm-6.12.95-a1-cpuid-pge0.ftrace.txt.xz", "Not judged: CR4.PGE of vmcb12 is in no event. 1 times the kernel's own flush")]
    public void What_was_read_off_the_recording_is_told(string name, string remark) =>
        Assert.That(SvmFlushValidation.Of(Recordings.File(name)).Remarks, Has.Some.StartsWith(remark));

    // The flush functions of a recording tell families of kernels apart; a name given counts more.
    [TestCase("qemu-svm-5.10.223-x6-direct-pge.ftrace.txt.xz", "nsvm-5.10")]
    [TestCase("qemu-svm-6.12.95-t1-timer.ftrace.txt.xz", "nsvm-5.8")]
    [TestCase("qemu-svm-7.2.13-x6-direct-pge.ftrace.txt.xz", "nsvm-7.2")]
    public void Without_a_policy_that_of_the_kernels_with_these_functions_is_taken(string name, string policy)
    {
        FlushValidation result = SvmFlushValidation.Of(Recordings.File(name));
        Assert.That(result.Policy, Is.EqualTo(policy));
        Assert.That(result.Remarks, Has.Some.StartsWith($"Inferred: policy {policy}"));
        Assert.That(SvmFlushValidation.Of(Recordings.File(name), policy).Remarks, Has.None.StartsWith("Inferred: policy"));
    }

    private static string PolicyOf(string name) => name["qemu-svm-".Length..].Split('-')[0] switch
    {
        "5.10.223" => "nsvm-5.10",
        "6.1.192" => "nsvm-6.1",
        "6.12.95" => "nsvm-5.8",
        _ => "nsvm-7.2",
    };

    /// <summary>Calls by threads that enter guests: those of svm_flush_tlb_gva, and those in which all others end. From 7.2 on that of one address ends there too, and counts twice.</summary>
    private static long CallsOf(string name)
    {
        using StreamReader text = new(CaptureText.Open(Recordings.File(name)));
        Dictionary<string, long> calls = [];
        HashSet<string> vcpus = [];
        while (text.ReadLine() is { } line)
        {
            Match match = CallOrEntry().Match(line);
            if (match.Success)
            {
                string thread = match.Groups["thread"].Value;
                if (match.Groups["call"].Success)
                {
                    calls[thread] = calls.GetValueOrDefault(thread) + 1;
                }
                else
                {
                    vcpus.Add(thread);
                }
            }
        }

        return vcpus.Sum(thread => calls.GetValueOrDefault(thread));
    }

    [GeneratedRegex(@"-(?<thread>\d+) +\[\d+\].*(kvm_entry:|function: +(?<call>svm_flush_tlb(_asid|_gva)?)$)")]
    private static partial Regex CallOrEntry();
}
