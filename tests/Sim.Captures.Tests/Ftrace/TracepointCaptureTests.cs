using System.Text;
using Sim.Captures.Ftrace;
using Sim.Core.Architecture;
using Sim.Core.Profiles;

namespace Sim.Captures.Tests.Ftrace;

/// <summary>The reader against recordings of a real kernel, and against damaged copies of them.</summary>
[TestFixture]
internal sealed class TracepointCaptureTests
{
    // Name of each line: the event without its system, or "function NAME".
    private const string CountByName =
        "{ if (match($0, /[0-9]+\\.[0-9]+: +/)) { s = substr($0, RSTART + RLENGTH); split(s, a, \" \"); n = a[1]; sub(/:$/, \"\", n); sub(/^.*:/, \"\", n);" +
        " if (n == \"function\") n = \"function \" a[2]; c[n]++ } } END { for (k in c) print c[k], k }";

    private const string CountExits =
        "/kvm_exit:/ { if (match($0, /reason [A-Za-z_0-9]+( \\([0-9]+\\))?/)) c[substr($0, RSTART + 7, RLENGTH - 7)]++ } END { for (k in c) print c[k], k }";

    private static IEnumerable<TestCaseData> SmallFiles => Recordings.Cases("*cpu.*.ftrace.txt.xz", "*-perf.direct-*.perf-script.txt.xz").Where(data => new FileInfo(Recordings.File((string)data.Arguments[0]!)).Length < 800_000);

    [Test]
    public void Every_sample_line_of_every_event_type_is_known_and_understood()
    {
        StringBuilder lines = new();
        bool isKernel = false;
        foreach (string line in SampleLines())
        {
            isKernel = line.StartsWith("######## ", StringComparison.Ordinal) ? line.EndsWith("ftrace.txt", StringComparison.Ordinal) : isKernel;
            if (isKernel && line.Length > 0 && line[0] != '#')
            {
                lines.Append(line).Append('\n');
            }
        }

        (List<KernelEvent> events, TracepointReader reader) = TracepointReaderTests.Parse(lines.ToString());
        Assert.Multiple(() =>
        {
            // awk '/^########/{k=/ftrace.txt$/} k && NF && !/^#/' SAMPLES.txt | wc -l
            Assert.That(events, Has.Count.EqualTo(2445));

            // The samples of one event stand together, whatever their times.
            Assert.That(reader.Findings.All.Select(finding => finding.Kind), Is.EqualTo(new[] { TracepointReader.OutOfOrder }));
        });
    }

    [TestCaseSource(nameof(SmallFiles))]
    public void Counts_by_event_and_exit_reason_equal_what_awk_counts(string name)
    {
        SortedDictionary<string, long> counts = new(StringComparer.Ordinal);
        SortedDictionary<string, long> exits = new(StringComparer.Ordinal);
        using TracepointReader reader = new(CaptureText.Open(Recordings.File(name)), name);
        KernelEvent e = default;
        bool plugin = name.Contains("svm", StringComparison.Ordinal) && !name.Contains("perf-script", StringComparison.Ordinal);
        while (reader.Read(ref e))
        {
            string key = e.Type == KernelEventType.Function ? "function " + e.Text : e.Name;
            counts[key] = counts.GetValueOrDefault(key) + 1;
            if (e.Type == KernelEventType.KvmExit)
            {
                Vendor vendor = e[KernelOperand.Isa] == 1 ? Vendor.Intel : Vendor.Amd;
                string reason = ExitReasons.Name(vendor, (uint)e[KernelOperand.Reason]);
                reason = reason is "GDTR_IDTR" or "LDTR_TR" or "INVVPID" ? $"UNKNOWN ({e[KernelOperand.Reason]})" : reason; // not in trace-cmd's table
                reason = plugin ? "EXIT_" + reason.ToUpperInvariant() switch { "INTERRUPT" => "INTR", "IO" => "IOIO", "HYPERCALL" => "VMMCALL", string other => other } : reason;
                exits[reason] = exits.GetValueOrDefault(reason) + 1;
            }
        }

        Assert.Multiple(() =>
        {
            Assert.That(counts, Is.EqualTo(Recordings.Awk(name, CountByName)));
            Assert.That(exits, Is.EqualTo(Recordings.Awk(name, CountExits)));
            Assert.That(reader.Findings.All, Is.Empty);
            Assert.That(reader.DataLoss, Is.False);
        });
    }

    // xz -dc bochs-vmx-1cpu.nb1-1.ftrace.txt.xz | grep -c 'kvm_nested_vmenter:' and so on; L2 exits are those with a kvm_nested_vmexit beside them.
    [RecordingBeside("bochs-vmx-1cpu.nb1-1.ftrace.txt.xz", "kvm_nested_vmenter", "kvm_nested_vmexit_inject", "kvm_nested_vmexit", "kvm_exit")]
    [TestCase("bochs-vmx-2cpu.nb3-2.ftrace.txt.xz", "kvm_nested_vmenter", "kvm_nested_vmexit_inject", "kvm_nested_vmexit", "kvm_exit")]
    [TestCase("qemu-svm-2cpu.n2cpu-1.ftrace.txt.xz", "kvm_nested_vmenter", "kvm_nested_vmexit_inject", "kvm_nested_vmexit", "kvm_exit")]
    public void The_summary_tells_levels_apart_as_the_kernel_does(string name, string enter, string inject, string nestedExit, string exit)
    {
        SortedDictionary<string, long> counts = Recordings.Awk(name, CountByName);
        EventSummary summary = TracepointSummary.Of(() => new TracepointReader(CaptureText.Open(Recordings.File(name)), name), name);
        Assert.Multiple(() =>
        {
            Assert.That(summary["transitions", "", "nested entries"], Is.EqualTo(counts[enter]));
            Assert.That(summary["transitions", "", "nested exits"], Is.EqualTo(counts[inject]));
            Assert.That(summary["transitions", "L2", "real exits"], Is.EqualTo(counts[nestedExit]));
            Assert.That(summary["transitions", "L1", "real exits"], Is.EqualTo(counts[exit] - counts[nestedExit]));
            Assert.That(summary.Rows.Where(row => row.Section == "exits").Sum(row => row.Value), Is.EqualTo(counts[exit]));
        });
    }

    // SVM: exits by reason over both levels, real entries, and flush functions by name, by awk. No event tells an ASID, so entries are counted by level only.
    [TestCase("qemu-svm-1cpu.direct-12.ftrace.txt.xz")]
    [TestCase("qemu-svm-1cpu.n1cpu-2.ftrace.txt.xz")]
    [TestCase("qemu-svm-1cpu.n1cpu-5.ftrace.txt.xz")]
    [TestCase("qemu-svm-2cpu.n2cpu-1.ftrace.txt.xz")]
    public void The_summary_of_svm_counts_exits_entries_and_flushes_as_awk_does(string name)
    {
        SortedDictionary<string, long> lines = Recordings.Awk(name, CountByName);
        SortedDictionary<string, long> reasons = Recordings.Awk(name, CountExits);
        EventSummary summary = TracepointSummary.Of(() => new TracepointReader(CaptureText.Open(Recordings.File(name)), name), name);
        SortedDictionary<string, long> exits = new(StringComparer.Ordinal);
        foreach (SummaryRow row in summary.Rows.Where(row => row.Section == "exits" && row.Value != 0))
        {
            string reason = "EXIT_" + row.Name.ToUpperInvariant() switch { "INTERRUPT" => "INTR", "IO" => "IOIO", "HYPERCALL" => "VMMCALL", string other => other };
            exits[reason] = exits.GetValueOrDefault(reason) + row.Value;
        }

        Assert.Multiple(() =>
        {
            Assert.That(exits, Is.EqualTo(reasons));
            Assert.That(summary["transitions", "L1", "real entries"] + summary["transitions", "L2", "real entries"], Is.EqualTo(lines["kvm_entry"]));
            foreach (string function in new[] { "svm_flush_tlb_asid", "svm_flush_tlb_current", "svm_flush_tlb_all" })
            {
                Assert.That(summary["flushes", "L0", function], Is.EqualTo(lines.GetValueOrDefault("function " + function)), function);
            }
        });
    }

    private static IEnumerable<string> SampleLines()
    {
        using StreamReader samples = new(CaptureText.Open(Recordings.File("SAMPLES.txt.xz")));
        while (samples.ReadLine() is { } line)
        {
            yield return line;
        }
    }

    [Test]
    public void Ten_thousand_damaged_copies_give_errors_or_findings_and_nothing_else()
    {
        byte[] text = Encoding.UTF8.GetBytes(string.Join('\n', SampleLines().Where(l => l.Contains("kvm_", StringComparison.Ordinal) || l.Contains("function", StringComparison.Ordinal)).Take(300)) + "\n");
        Mutations.Run(text, 10_000, 11, input =>
        {
            byte[] bytes = ((MemoryStream)input).ToArray();
            return TracepointSummary.Of(() => new TracepointReader(new MemoryStream(bytes), "mutated"), "mutated").Rows.Count(row => row.Section == "findings");
        });
    }
}
