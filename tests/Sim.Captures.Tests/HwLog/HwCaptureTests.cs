using System.Text;
using Sim.Captures.Ftrace;
using Sim.Captures.HwLog;

namespace Sim.Captures.Tests.HwLog;

/// <summary>The reader, the levels and the summary against recordings of a real nested KVM, counted independently by awk.</summary>
[TestFixture]
internal sealed class HwCaptureTests
{
    [TestCase("bochs-vmx-1cpu.hw.txt.xz")]
    [TestCase("bochs-vmx-2cpu.hw.txt.xz")]
    [RecordingBeside("bochs-vmx-mem.hw.txt.xz")]
    public void Counts_by_type_reason_vpid_and_invalidation_equal_what_awk_counts(string name)
    {
        SortedDictionary<string, long> expected = Recordings.Awk(
            name,
            "{ c[$5]++ } $5 == \"VMEXIT\" { c[$5 \" \" $6]++ } $5 == \"VMENTRY\" { c[$5 \" \" $7]++ } $5 ~ /INV(EPT|VPID)/ { c[$5 \" \" $6 \" \" $7]++ } $5 == \"HWINT\" { c[$5 \" \" $4 \" \" $6]++ }" +
            " END { for (k in c) print c[k], k }");
        SortedDictionary<string, long> counts = new(StringComparer.Ordinal);
        void Count(string key) => counts[key] = counts.GetValueOrDefault(key) + 1;
        using HwLogReader reader = new(CaptureText.Open(Recordings.File(name)), name);
        HwRecord r = default;
        while (reader.Read(ref r))
        {
            string type = Word(r.Type);
            Count(type);
            switch (r.Type)
            {
                case HwType.Vmexit:
                    Count(FormattableString.Invariant($"{type} reason={r[HwOperand.Reason]}"));
                    break;
                case HwType.Vmentry:
                    Count(FormattableString.Invariant($"{type} vpid={r[HwOperand.Vpid]}"));
                    break;
                case HwType.Invept or HwType.GuestInvept or HwType.Invvpid or HwType.GuestInvvpid:
                    Count(FormattableString.Invariant($"{type} type={r[HwOperand.InvalidationType]} d0={r[HwOperand.DescriptorLow]:x}"));
                    break;
                case HwType.Interrupt:
                    Count(FormattableString.Invariant($"{type} {(r.NonRoot ? 'G' : 'R')} {r[HwOperand.Vector]:x}"));
                    break;
                default:
                    break;
            }
        }

        Assert.That(counts, Is.EqualTo(expected));
        Assert.That(reader.Findings.All, Is.Empty);
    }

    // The kernel's own view of the same window: kvm_nested_vmenter, kvm_nested_vmexit_inject, kvm_nested_vmexit by reason, from the ftrace of that run.
    [RecordingBeside("bochs-vmx-1cpu.hw.txt.xz", 1, "bochs-vmx-1cpu.nb1-1.ftrace.txt.xz")]
    [TestCase("bochs-vmx-1cpu.hw.txt.xz", 2, "bochs-vmx-1cpu.nb1-2.ftrace.txt.xz")]
    [RecordingBeside("bochs-vmx-1cpu.hw.txt.xz", 4, "bochs-vmx-1cpu.nb1-4.ftrace.txt.xz")]
    [TestCase("bochs-vmx-1cpu.hw.txt.xz", 5, "bochs-vmx-1cpu.nb1-5.ftrace.txt.xz")]
    [RecordingBeside("bochs-vmx-mem.hw.txt.xz", 1, "bochs-vmx-mem.nb2-1.ftrace.txt.xz")]
    [RecordingBeside("bochs-vmx-mem.hw.txt.xz", 4, "bochs-vmx-mem.nb2-4.ftrace.txt.xz")]
    public void Levels_of_a_window_are_those_that_the_kernel_traced(string name, int window, string ftrace)
    {
        EventSummary kernel = TracepointSummary.Of(() => new TracepointReader(CaptureText.Open(Recordings.File(ftrace)), ftrace), ftrace);
        EventSummary hardware = Window(name, window);
        string[] Exits(EventSummary summary) =>
            [.. summary.Rows.Where(row => row.Section == "exits").Select(row => FormattableString.Invariant($"{row.Level} {row.Name} {row.Value}")).Order(StringComparer.Ordinal)];
        Assert.Multiple(() =>
        {
            Assert.That(hardware["transitions", "", "nested entries"], Is.EqualTo(kernel["transitions", "", "nested entries"]).And.GreaterThan(0));
            Assert.That(hardware["transitions", "", "nested exits"], Is.EqualTo(kernel["transitions", "", "nested exits"]));
            Assert.That(Exits(hardware), Is.EqualTo(Exits(kernel)));
        });
    }

    [TestCase("bochs-vmx-1cpu.hw.txt.xz")]
    [TestCase("bochs-vmx-2cpu.hw.txt.xz")]
    [RecordingBeside("bochs-vmx-mem.hw.txt.xz")]
    public void Summary_conserves_exits_and_the_recorded_time(string name)
    {
        EventSummary summary = HwSummary.Of(() => new HwLogReader(CaptureText.Open(Recordings.File(name)), name), name);
        long exits = summary["transitions", "L1", "real exits"] + summary["transitions", "L2", "real exits"];
        long time = summary.Rows.Where(row => row is { Section: "time", Name: "ticks" }).Sum(row => row.Value);
        long recorded = summary["time", "", "recorded"];
        Assert.Multiple(() =>
        {
            Assert.That(summary.Rows.Where(row => row.Section == "exits").Sum(row => row.Value), Is.EqualTo(exits));
            Assert.That(summary["transitions", "L1", "real entries"] + summary["transitions", "L2", "real entries"], Is.EqualTo(exits));
            Assert.That(summary["transitions", "", "nested entries"], Is.EqualTo(summary["transitions", "", "nested exits"]));
            Assert.That(time, name.Contains("2cpu", StringComparison.Ordinal) ? Is.GreaterThan(recorded).And.LessThanOrEqualTo(2 * recorded) : Is.EqualTo(recorded));
        });
    }

    [Test]
    public void Memory_window_counts_equal_what_awk_counts_and_the_trailer_says()
    {
        const string Name = "bochs-vmx-mem.win1.pages.txt.xz";
        SortedDictionary<string, long> expected = Recordings.Awk(Name, "/^[A-Z]/ { c[$1]++ } /^[0-9]/ { c[$5]++ } /kept/ { c[\"kept\"] = $6 } END { for (k in c) print c[k], k }");
        using HwLogReader reader = new(CaptureText.Open(Recordings.File(Name)), Name);
        SortedDictionary<string, long> counts = new(StringComparer.Ordinal);
        long lines = 0;
        HwRecord r = default;
        while (reader.Read(ref r))
        {
            string key = r.Type switch { HwType.Read => "R", HwType.Write => "W", HwType.Fetch => "X", HwType.Walk => "F", HwType.Context => "C", _ => Word(r.Type) };
            if (r.Type != HwType.MemwindowEnd)
            {
                counts[key] = counts.GetValueOrDefault(key) + 1;
                lines += key.Length == 1 ? 1 : 0; // the emulator's "kept" leaves event lines out
            }
        }

        Assert.That(expected.Remove("kept", out long kept), Is.True);
        Assert.Multiple(() =>
        {
            Assert.That(counts, Is.EqualTo(expected));
            Assert.That(lines, Is.EqualTo(kept));
            Assert.That(reader.Findings.All, Is.Empty);
        });
    }

    [Test]
    public void Ten_thousand_damaged_copies_give_errors_or_findings_and_nothing_else()
    {
        using StreamReader log = new(CaptureText.Open(Recordings.File("bochs-vmx-2cpu.hw.txt.xz")));
        StringBuilder text = new();
        for (int line = 0; line < 41_000 && log.ReadLine() is { } next; line++)
        {
            text.Append(line < 40_000 ? "" : next + "\n");
        }

        using StreamReader window = new(CaptureText.Open(Recordings.File("bochs-vmx-mem.win2.full.txt.xz")));
        StringBuilder accesses = new();
        for (int line = 0; line < 1000; line++)
        {
            accesses.Append(window.ReadLine()).Append('\n');
        }

        foreach ((StringBuilder source, ulong seed) in ((StringBuilder, ulong)[])[(text, 12), (accesses, 13)])
        {
            Mutations.Run(Encoding.UTF8.GetBytes(source.ToString()), 5_000, seed, input =>
            {
                byte[] bytes = ((MemoryStream)input).ToArray();
                return HwSummary.Of(() => new HwLogReader(new MemoryStream(bytes), "mutated"), "mutated").Rows.Count(row => row.Section == "findings");
            });
        }
    }

    private static EventSummary Window(string name, int window)
    {
        StringBuilder text = new();
        using StreamReader log = new(CaptureText.Open(Recordings.File(name)));
        bool inside = false;
        while (log.ReadLine() is { } line)
        {
            bool mark = line.Contains(" MARK ", StringComparison.Ordinal);
            inside |= mark && line.Contains(FormattableString.Invariant($" cmd=1 arg={window} "), StringComparison.Ordinal);
            if (inside)
            {
                text.Append(line).Append('\n');
            }

            inside &= !(mark && line.Contains(" cmd=2 ", StringComparison.Ordinal));
        }

        byte[] bytes = Encoding.ASCII.GetBytes(text.ToString());
        return HwSummary.Of(() => new HwLogReader(new MemoryStream(bytes), name), name);
    }

    private static string Word(HwType type) => type switch
    {
        HwType.GuestInvept => "G_INVEPT",
        HwType.GuestInvvpid => "G_INVVPID",
        HwType.MovCr3 => "MOV_CR3",
        HwType.Exception => "EXC",
        HwType.Interrupt => "HWINT",
        HwType.IpiSend => "IPI_SEND",
        HwType.PiProcess => "PI_PROCESS",
        HwType.VirtualInterruptDeliver => "VINTR_DELIVER",
        HwType.VirtualEoi => "VEOI",
        HwType.VirtualSelfIpi => "VSELF_IPI",
        HwType.MemwindowStart => "MEMWINDOW_START",
        _ => type.ToString().ToUpperInvariant(),
    };
}
