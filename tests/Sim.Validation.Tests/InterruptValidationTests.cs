using System.Text;
using Sim.Core;
using Sim.Kvm.Interrupts;
using Sim.Reports.Views;

namespace Sim.Validation.Tests;

/// <summary>The interrupt model against what a real KVM 6.12.117 and an emulated processor did.</summary>
public sealed class InterruptValidationTests
{
    // docs/validate.md says what they are. All but two of the first are in window 2: L2's timer counts periodically there, and when L1 starts it no record tells.
    [TestCase("bochs-vmx-1cpu.hw.txt.xz", 8_931, 42, 41)]
    [RecordingBeside("bochs-vmx-mem.hw.txt.xz", 6_337, 1, 1)]
    [TestCase("bochs-vmx-2cpu.hw.txt.xz", 9_039, 40, 8)]
    public void All_events_of_a_recording_but_these_are_predicted(string name, int matched, int missed, int invented)
    {
        InterruptValidation result = InterruptValidation.Of(Recordings.File(name));
        Assert.That(
            (result.Path, result.Count(FlushMatch.Matched), result.Count(FlushMatch.Missed), result.Count(FlushMatch.Invented)), Is.EqualTo(("posted", (long)matched, (long)missed, (long)invented)));
        Assert.That(result.Passed, Is.False);
    }

    // Direct windows: L1 alone, two vCPUs that send each other 300 IPIs, a timer that wakes.
    [TestCase("bochs-vmx-1cpu.hw.txt.xz", "12,15,16")]
    [TestCase("bochs-vmx-2cpu.hw.txt.xz", "21,22")]
    public void Without_nesting_nothing_is_missed_and_nothing_invented(string name, string windows)
    {
        ulong[] direct = [.. windows.Split(',').Select(ulong.Parse)];
        ComparedInterrupt[] events = [.. InterruptValidation.Of(Recordings.File(name)).Events.Where(e => direct.Contains(e.Window))];
        Assert.That(events, Has.Length.GreaterThan(2000));
        Assert.That(events.Select(e => e.Match).Distinct(), Is.EqualTo(new[] { FlushMatch.Matched }));
    }

    // Which events there are is counted by another program. Without MARK lines it cannot tell where a window begins, so the first entries are left out by vCPU and window.
    [TestCase("bochs-vmx-1cpu.hw.txt.xz")]
    [RecordingBeside("bochs-vmx-mem.hw.txt.xz")]
    [TestCase("bochs-vmx-2cpu.hw.txt.xz")]
    public void What_counts_as_recorded_equals_what_awk_counts(string name)
    {
        SortedDictionary<string, long> expected = Recordings.Awk(
            name,
            "$5 == \"VINTR_DELIVER\" { c[\"virtual-interrupt delivery \" $6]++ } $5 == \"VEOI\" { c[\"virtual EOI \" $6]++ }" +
            " $5 == \"PI_PROCESS\" { split($6, a, \"=\"); c[\"notification processed \" a[2]]++ } $5 == \"IPI_SEND\" && $6 ~ /^f[0-2]$/ { c[\"notification sent \" $6]++ }" +
            " $5 == \"HWINT\" && $4 == \"R\" && $6 ~ /^f[0-2]$/ { c[\"notification taken by the host \" $6]++ }" +
            " $5 == \"VMEXIT\" && / info=800000f[0-2]/ { c[\"notification exit\"]++ } $5 == \"VMEXIT\" && $6 == \"reason=7\" { c[\"interrupt-window exit\"]++ }" +
            " $5 == \"VMENTRY\" && match($0, / intr=800000[0-9a-f]+/) { c[\"injected \" substr($0, RSTART + 12, 2)]++ } END { for (k in c) print c[k], k }");
        SortedDictionary<string, long> counts = new(StringComparer.Ordinal);
        foreach (ComparedInterrupt e in InterruptValidation.Of(Recordings.File(name)).Events.Where(e => e.Match != FlushMatch.Invented))
        {
            string kind = InterruptValidation.KindName(e.Event.Kind);
            string key = e.Event.Vector < 0 ? kind : FormattableString.Invariant($"{kind} {e.Event.Vector:x2}");
            counts[key] = counts.GetValueOrDefault(key) + 1;
        }

        foreach (string kind in counts.Keys.Where(key => key.StartsWith("RVI", StringComparison.Ordinal) || key.StartsWith("nested", StringComparison.Ordinal) || key.StartsWith("woken", StringComparison.Ordinal)).ToArray())
        {
            counts.Remove(kind);
        }

        Assert.That(counts, Is.EqualTo(expected));
    }

    // The kernel's own view of the same windows: interrupts of L1 that L0 told it in a nested VM-exit with the vector.
    [RecordingBeside("bochs-vmx-1cpu.hw.txt.xz", 1UL, "bochs-vmx-1cpu.nb1-1.ftrace.txt.xz")]
    [TestCase("bochs-vmx-1cpu.hw.txt.xz", 5UL, "bochs-vmx-1cpu.nb1-5.ftrace.txt.xz")]
    [RecordingBeside("bochs-vmx-mem.hw.txt.xz", 4UL, "bochs-vmx-mem.nb2-4.ftrace.txt.xz")]
    [TestCase("bochs-vmx-2cpu.hw.txt.xz", 1UL, "bochs-vmx-2cpu.nb3-1.ftrace.txt.xz")]
    public void Nested_exits_for_interrupts_are_those_that_the_kernel_traced(string name, ulong window, string ftrace)
    {
        SortedDictionary<string, long> traced = Recordings.Awk(
            ftrace, "/kvm_nested_vmexit_inject: reason EXTERNAL_INTERRUPT/ && match($0, /int_info 800000[0-9a-f]+/) { c[substr($0, RSTART + 15, 2)]++ } END { for (k in c) print c[k], k }");
        SortedDictionary<string, long> counts = new(StringComparer.Ordinal);
        foreach (ComparedInterrupt e in InterruptValidation.Of(Recordings.File(name)).Events.Where(e => e is { Event.Kind: InterruptEventKind.NestedExit, Match: FlushMatch.Matched } && e.Window == window))
        {
            string vector = FormattableString.Invariant($"{e.Event.Vector:x2}");
            counts[vector] = counts.GetValueOrDefault(vector) + 1;
        }

        Assert.That(counts, Is.EqualTo(traced));
    }

    [Test]
    public void Through_a_path_that_the_kernel_did_not_use_every_delivery_is_missed_and_injections_and_EOI_exits_are_invented()
    {
        InterruptValidation result = InterruptValidation.Of(Recordings.File("bochs-vmx-1cpu.hw.txt.xz"), "none");
        Assert.That(result.Events.Where(e => e.Event.Kind is InterruptEventKind.Delivered or InterruptEventKind.VirtualEoi).Select(e => e.Match).Distinct(), Is.EqualTo(new[] { FlushMatch.Missed }));
        Assert.That(result.Events.Count(e => e is { Event.Kind: InterruptEventKind.Injected, Event.Level: 1, Match: FlushMatch.Invented }), Is.GreaterThan(500));
        Assert.That(
            result.Events.LongCount(e => e.Event.Kind == InterruptEventKind.EoiExit),
            Is.EqualTo(result.Events.LongCount(e => e.Event.Kind == InterruptEventKind.VirtualEoi)), "each EOI is one that exits");
    }

    [Test]
    public void The_tables_count_by_event_and_window_and_end_with_all()
    {
        InterruptValidation result = new("r", "posted",
        [
            new(FlushMatch.Matched, 1, new InterruptEvent(InterruptEventKind.Delivered, 0, -1, 1, 0xEC), 1, 10),
            new(FlushMatch.Missed, 1, new InterruptEvent(InterruptEventKind.Delivered, 0, -1, 2, 0x41), 2, 20),
            new(FlushMatch.Invented, 2, new InterruptEvent(InterruptEventKind.NotificationSent, 1, -1, 0, 0xF2), 3, 30),
            new(FlushMatch.Unrecorded, 2, new InterruptEvent(InterruptEventKind.WokenFromHalt, 1, -1, 1, -1), 1, 5),
        ], []);
        Assert.That(Rows(result.ByEvent()), Is.EqualTo(new[]
        {
            "notification sent f2|0|0|0|1|0", "virtual-interrupt delivery L1 ec|1|1|0|0|0", "virtual-interrupt delivery L2 41|1|0|1|0|0", "woken from HLT L1|0|0|0|0|1", "all|2|1|1|1|1",
        }));
        Assert.That(Rows(result.ByWindow()), Is.EqualTo(new[] { "window 1|2|1|1|0|0", "window 2|0|0|0|1|1", "all|2|1|1|1|1" }));
        Assert.That(result.Headline, Is.EqualTo("1 of 2 events matched, 1 missed, 1 invented"));
        Assert.That(result.Csv().Split('\n')[1], Is.EqualTo("Matched,1,virtual-interrupt delivery,1,ec,0,1,10"));
    }

    // docs/validate.md: matched, missed, invented.
    [TestCase("qemu-svm-1cpu.direct-12.ftrace.txt.xz", 600, 0, 0)]
    [TestCase("qemu-svm-1cpu.direct-15.ftrace.txt.xz", 1_000, 0, 0)]
    [RecordingBeside("qemu-svm-1cpu.n1cpu-1.ftrace.txt.xz", 3_051, 0, 0)]
    [TestCase("qemu-svm-1cpu.n1cpu-2.ftrace.txt.xz", 2_009, 3, 2)]
    [RecordingBeside("qemu-svm-1cpu.n1cpu-3.ftrace.txt.xz", 7_258, 0, 0)]
    [RecordingBeside("qemu-svm-1cpu.n1cpu-4.ftrace.txt.xz", 4_448, 0, 0)]
    [TestCase("qemu-svm-1cpu.n1cpu-5.ftrace.txt.xz", 1_062, 0, 0)]
    [TestCase("qemu-svm-2cpu.direct2-21.ftrace.txt.xz", 891, 0, 0)]
    [RecordingBeside("qemu-svm-2cpu.direct2-22.ftrace.txt.xz", 903, 0, 0)]
    [TestCase("qemu-svm-2cpu.n2cpu-1.ftrace.txt.xz", 2_330, 2, 1)]
    [RecordingBeside("qemu-svm-2cpu.n2cpu-2.ftrace.txt.xz", 2_244, 2, 1)]
    public void Injections_nested_exits_windows_and_EOIs_of_SVM_are_predicted_from_the_vectors_that_the_APIC_accepted(string name, int matched, int missed, int invented)
    {
        InterruptValidation result = InterruptValidation.Of(Recordings.File(name));
        Assert.That(
            (result.Path, result.Count(FlushMatch.Matched), result.Count(FlushMatch.Missed), result.Count(FlushMatch.Invented)), Is.EqualTo(("none", (long)matched, (long)missed, (long)invented)));

        SortedDictionary<string, long> expected = Recordings.Awk(
            name, "{ pid = $1; sub(/.*-/, \"\", pid) } /kvm_entry:/ { ran[pid] = 1 } /kvm_inj_virq:/ && !/reinjected/ && ran[pid] { c[\"injected\"]++ } /kvm_nested_intr_vmexit:/ { c[\"nested exit for an interrupt\"]++ } END { for (k in c) print c[k], k }");
        foreach ((string kind, long count) in expected)
        {
            Assert.That(result.Events.LongCount(e => InterruptValidation.KindName(e.Event.Kind) == kind && e.Match != FlushMatch.Invented), Is.EqualTo(count), kind);
        }
    }

    // Both vectors wait while L1 cannot take them; the higher one is injected at the window, the lower one behind its EOI.
    private const string TwoVectors =
        """
        # tracer: nop
             kvm-1  [000]  1.000000001: kvm_entry:  vcpu 0 rip 0x1000
             kvm-1  [000]  1.000000002: kvm_exit:   reason EXIT_MSR rip 0x1000 info 0 0
             kvm-1  [000]  1.000000003: kvm_apic_accept_irq:  apicid 0 vec 49 (Fixed|edge)
             kvm-1  [000]  1.000000004: kvm_apic_accept_irq:  apicid 0 vec 82 (Fixed|edge)
             kvm-1  [000]  1.000000005: kvm_entry:  vcpu 0 rip 0x1002
             kvm-1  [000]  1.000000006: kvm_exit:   reason EXIT_VINTR rip 0x1004 info 0 0
             kvm-1  [000]  1.000000007: kvm_inj_virq:  IRQ 0xFIRST
             kvm-1  [000]  1.000000008: kvm_entry:  vcpu 0 rip 0x1004
             kvm-1  [000]  1.000000009: kvm_exit:   reason EXIT_MSR rip 0x2000 info 1 0
             kvm-1  [000]  1.000000010: kvm_eoi:  apicid 0 vector EOI
             kvm-1  [000]  1.000000011: kvm_inj_virq:  IRQ 0xSECOND
             kvm-1  [000]  1.000000012: kvm_entry:  vcpu 0 rip 0x2002

        """;

    [TestCase("52", "82", "31", 4, 0, 0)]
    [TestCase("31", "49", "52", 3, 1, 1)]
    public void The_higher_vector_is_injected_first_and_a_recording_that_says_otherwise_differs(string first, string eoi, string second, int matched, int missed, int invented)
    {
        InterruptValidation result = OfText(TwoVectors.Replace("FIRST", first, StringComparison.Ordinal).Replace("EOI", eoi, StringComparison.Ordinal).Replace("SECOND", second, StringComparison.Ordinal));
        Assert.That(
            (result.Count(FlushMatch.Matched), result.Count(FlushMatch.Missed), result.Count(FlushMatch.Invented)), Is.EqualTo(((long)matched, (long)missed, (long)invented)),
            string.Join('\n', result.Events));
    }

    // 0x31 was accepted, and a window asked for, before the recording began. The second time nothing can be an excuse.
    [Test]
    public void An_interrupt_of_SVM_that_was_pending_before_the_recording_is_listed_once_and_not_counted()
    {
        const string Interrupt = """
             kvm-1  [000]  1.0000000%1: kvm_exit:   reason EXIT_VINTR rip 0x1000 info 0 0
             kvm-1  [000]  1.0000000%2: kvm_inj_virq:  IRQ 0x31
             kvm-1  [000]  1.0000000%3: kvm_entry:  vcpu 0 rip 0x1000
             kvm-1  [000]  1.0000000%4: kvm_exit:   reason EXIT_MSR rip 0x2000 info 1 0
             kvm-1  [000]  1.0000000%5: kvm_eoi:  apicid 0 vector 49
             kvm-1  [000]  1.0000000%6: kvm_entry:  vcpu 0 rip 0x2002

            """;
        InterruptValidation result = OfText("     kvm-1  [000]  1.000000001: kvm_entry:  vcpu 0 rip 0x1000\n" + string.Concat("12".Select(n => Interrupt.Replace('%', n))));
        Assert.That(
            result.Events.Select(e => $"{e.Match} {e.Event.Kind}"),
            Is.EqualTo(new[] { "Unrecorded WindowExit", "Unrecorded Injected", "Matched Eoi", "Missed WindowExit", "Missed Injected", "Matched Eoi" }), string.Join('\n', result.Events));
        Assert.That(result.Remarks, Has.Some.EqualTo(
            "Not judged, 2: 1 interrupt-window exit L1, 1 injected L1 31. Each is the first of its vector on its vCPU, and nothing sent it in the recording: it was pending, or its timer armed, before."));
        Assert.That(result.Headline, Is.EqualTo("2 of 4 events matched, 2 missed, 0 invented"));
    }

    // L1's timer was armed before the window, with its vCPU in HLT. A guest that armed it in the window (the deadline 0x1000 ticks after the write) leaves no excuse, nor does a vector that came before.
    [TestCase("", "Unrecorded RequestedAtEntry, Unrecorded WokenFromHalt, Missed RequestedAtEntry, Missed WokenFromHalt")]
    [TestCase("32", "Missed RequestedAtEntry, Missed WokenFromHalt, Missed RequestedAtEntry, Missed WokenFromHalt")]
    public void A_timer_that_was_armed_before_a_window_is_listed_once_and_not_counted(string armed, string expected)
    {
        const string Vmcs = "vmcs=a000 vpid=1 eptp=e01e cr3=5000 rip=1";
        const string Controls = "pin=ff cpu=b5a06dfa cpu2=21017fa intr=0";
        StringBuilder text = new("100 1 0 R MARK cmd=1 arg=7 cpl=3 icount=1 vmexits=0 ev=1\n");
        int at = 101;
        void Line(string line) => text.Append($"{at} {at++} 0 G {line}\n");
        Line($"VMENTRY {Vmcs} {Controls} rvi=0 svi=0 pinv=f2 pid=1000");
        if (armed.Length > 0)
        {
            Line($"VMEXIT reason={armed} qual=0 {Vmcs} ecx=6e0 eax=1000 edx=0");
            Line($"VMENTRY {Vmcs} {Controls} rvi=0 svi=0 pinv=f2 pid=1000");
        }

        for (int i = 0; i < 2; i++)
        {
            Line($"VMEXIT reason=12 qual=0 {Vmcs}");
            Line($"VMENTRY {Vmcs} {Controls} rvi=ec svi=0 pinv=f2 pid=1000");
            Line("VINTR_DELIVER ec 0 0");
            Line("VEOI ec 0 0");
        }

        InterruptValidation result = OfText(text.ToString());
        Assert.That(string.Join(", ", result.Events.Where(e => e.Event.Kind is InterruptEventKind.RequestedAtEntry or InterruptEventKind.WokenFromHalt).Select(e => $"{e.Match} {e.Event.Kind}")), Is.EqualTo(expected));
    }

    [Test]
    public void Kernel_events_of_VMX_are_refused_with_the_reason() => Assert.That(
        () => OfText("# tracer: nop\n CPU-1  [000]  1.000000001: kvm_entry:  vcpu 0 rip 0x1\n CPU-1  [000]  1.000000002: kvm_exit:  reason HLT rip 0x1 info 0 0\n"),
        Throws.InstanceOf<TraceFormatException>().With.Message.Contains("give a hardware capture"));

    [Test]
    public void A_path_that_delivers_without_exits_is_refused_for_kernel_events() =>
        Assert.That(() => InterruptValidation.Of(Recordings.File("qemu-svm-1cpu.direct-12.ftrace.txt.xz"), "avic"), Throws.InstanceOf<ConfigurationException>().With.Message.Contains("'avic'"));

    private static InterruptValidation OfText(string text)
    {
        string file = Path.GetTempFileName();
        try
        {
            File.WriteAllText(file, text);
            return InterruptValidation.Of(file);
        }
        finally
        {
            File.Delete(file);
        }
    }

    private static string[] Rows(Table table) => [.. table.Rows.Select(row => string.Join('|', row))];
}
