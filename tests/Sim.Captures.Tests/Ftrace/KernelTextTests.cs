using System.Text;
using Sim.Captures.Ftrace;
using Sim.Core;

namespace Sim.Captures.Tests.Ftrace;

/// <summary>The shapes in which kernel events reach us: what is printed before the event, in which order, and what mails and editors make of it.</summary>
[TestFixture]
internal sealed class KernelTextTests
{
    private const string Entry = "kvm_entry: vcpu 0, rip 0x401000";

    [TestCase("    CPU 0/KVM-900   [003] d....   200.000010: ", 3, 900, 200_000_010_000UL, TestName = "ftrace")]
    [TestCase("    CPU 0/KVM-900   [003]116522420246: ", 3, 900, 116_522_420_246UL, TestName = "clock_x86_tsc_whose_times_fill_the_column")]
    [TestCase("    CPU 0/KVM-900   [003] d..1.116522420246: ", 3, 900, 116_522_420_246UL, TestName = "clock_x86_tsc_behind_five_flags")]
    [TestCase("    CPU 0/KVM-900   [003] d....   200.000010: (+12)    ", 3, 900, 200_000_010_000UL, TestName = "ts_diff_behind_the_time")]
    [TestCase("    CPU 0/KVM-900   [003]   200.000010 (+12): ", 3, 900, 200_000_010_000UL, TestName = "ts_diff_before_the_colon")]
    [TestCase("CPU 0/KV-900     3d.h1. 200.000010: ", 3, 900, 200_000_010_000UL, TestName = "latency_format_of_trace_cmd")]
    [TestCase("CPU 0/KV-900     3d.h1.   12us : ", 3, 900, 12_000UL, TestName = "latency_format_of_ftrace")]
    [TestCase("CPU 0/KV-900    13dN.1 1234us+: ", 13, 900, 1_234_000UL, TestName = "latency_format_with_a_mark")]
    [TestCase("       CPU 0/KVM   900 [003]   200.000010:       kvm:", 3, 900, 200_000_010_000UL, TestName = "perf_script")]
    [TestCase("       CPU 0/KVM   900 d..2. [003]   200.000010: kvm:", 3, 900, 200_000_010_000UL, TestName = "perf_prof")]
    [TestCase("       CPU 0/KVM   900   200.000010:       kvm:", 0, 900, 200_000_010_000UL, TestName = "perf_script_of_one_thread_has_no_CPU")]
    [TestCase("[003]   200.000010:       kvm:", 3, -1, 200_000_010_000UL, TestName = "perf_script_without_task")]
    [TestCase(" 200.000010: ", 0, -1, 200_000_010_000UL, TestName = "perf_script_without_task_and_CPU")]
    [TestCase("> >    CPU 0/KVM-900   [003] d....   200.000010: ", 3, 900, 200_000_010_000UL, TestName = "a_quoted_mail")]
    public void A_frame_is_read(string frame, int cpu, int pid, ulong time)
    {
        (List<KernelEvent> events, TracepointReader reader) = TracepointReaderTests.Parse(frame + Entry + "\r\n");
        Assert.That(events, Has.Count.EqualTo(1));
        Assert.Multiple(() =>
        {
            Assert.That((events[0].Cpu, events[0].Pid, events[0].Time), Is.EqualTo((cpu, pid, time)));
            Assert.That(events[0].ToString(), Is.EqualTo("kvm_entry Vcpu=0x0 Rip=0x401000"));
            Assert.That(reader.Findings.All, Is.Empty);
        });
    }

    [TestCase(" 1.0: kvm_entry: vcpu 0, rip 0x1\n 1.1: kvm_entry: vcpu 1, rip 0x1\n", "line 2", "no task and no CPU and vCPU 1 beside 0")]
    [TestCase("[000] 1.0: kvm_entry: vcpu 0, rip 0x1\n[001] 1.1: kvm_entry: vcpu 4, rip 0x1\n", "line 2", "no task and vCPU 4 beside 0")]
    [TestCase(" a 7 1.0: kvm:kvm_entry: vcpu 0, rip 0x1\n b 8 1.1: kvm:kvm_entry: vcpu 0, rip 0x1\n", "line 2", "no CPU and thread 8 beside 7")]
    public void Several_vCPUs_without_task_or_CPU_are_an_error_that_says_which_fields_to_print(string text, string place, string found)
    {
        TraceFormatException error = Assert.Throws<TraceFormatException>(() => TracepointReaderTests.Parse(text))!;
        Assert.That(error.Message, Does.Contain(place).And.Contain(found).And.Contain("perf script -F comm,tid,cpu,time,event,trace"));
    }

    // The same five events, broken where a mail program breaks them: anywhere at a space, with or without a quote mark before the rest.
    [TestCase(72, "")]
    [TestCase(60, "")]
    [TestCase(45, "")]
    [TestCase(78, "> ")]
    public void Lines_that_a_mail_wrapped_are_put_together(int width, string quote)
    {
        const string Text = """
             CPU 0/KVM-900   [000] d....   200.000001: kvm_exit: vcpu 0 reason EPT_VIOLATION rip 0x401136 info1 0x0000000000000181 info2 0x0000000000000000 intr_info 0x00000000 error_code 0x00000000 requests 0x0000000000000001
             CPU 0/KVM-900   [000] d....   200.000002: kvm_nested_vmexit: vcpu 0 reason EPT_VIOLATION rip 0x401136 info1 0x0000000000000181 info2 0x0000000000000000 intr_info 0x00000000 error_code 0x00000000
             CPU 0/KVM-900   [000] d....   200.000003: kvm_nested_vmexit_inject: reason: EPT_VIOLATION ext_inf1: 0x0000000000000181 ext_inf2: 0x0000000000000000 ext_int: 0x00000000 ext_int_err: 0x00000000
             CPU 0/KVM-900   [000] d....   200.000004: kvm_inj_virq: IRQ 0xec
             CPU 0/KVM-900   [000] d....   200.000005: kvm_entry: vcpu 0, rip 0x401138 intr_info 0x800000ec error_code 0x00000000
            """;
        StringBuilder wrapped = new();
        foreach (string line in Text.Split('\n'))
        {
            int column = 0;
            foreach (string word in line.Split(' '))
            {
                bool breaks = column > 0 && column + word.Length > width && word.Length > 0;
                wrapped.Append(breaks ? "\n" + quote : column > 0 ? " " : quote).Append(word);
                column = breaks ? word.Length : column + word.Length + 1;
            }

            wrapped.Append('\n');
        }

        (List<KernelEvent> whole, _) = TracepointReaderTests.Parse(Text);
        (List<KernelEvent> joined, TracepointReader reader) = TracepointReaderTests.Parse(wrapped.ToString());
        Assert.That(wrapped.ToString().Count(c => c == '\n'), Is.GreaterThan(8));
        Assert.That(joined.Select(e => $"{e.Time} {e}"), Is.EqualTo(whole.Select(e => $"{e.Time} {e}")));
        Assert.That(reader.Findings.All, Is.Empty);
    }

    // Both CPUs' buffers one behind the other; the whole backwards; neighbours swapped.
    [TestCase("0 2 4 6 1 3 5 7", 3)]
    [TestCase("7 6 5 4 3 2 1 0", 7)]
    [TestCase("1 0 3 2 5 4 7 6", 4)]
    [TestCase("0 1 2 3 4 5 6 7", 0)]
    public void Events_out_of_order_are_sorted_and_counted(string order, int late)
    {
        (List<KernelEvent> events, TracepointReader reader) = TracepointReaderTests.Parse(string.Concat(order.Split(' ').Select(n => $" a-1 [000] {n}.0: kvm_fpu: load\n")));
        Assert.That(events.Select(e => e.Time / 1_000_000_000), Is.EqualTo(new ulong[] { 0, 1, 2, 3, 4, 5, 6, 7 }));
        Assert.That(reader.Findings.Count(TracepointReader.OutOfOrder), Is.EqualTo(late));
    }

    // Each CPU's buffer is in order, whatever the order of the buffers; a text backwards, or one recording twice, is what no kernel writes.
    [TestCase("0:0 0:2 0:4 1:1 1:3 1:5", false)]
    [TestCase("0:1 1:0 0:3 1:2", false)]
    [TestCase("0:3 0:2 0:1", true)]
    [TestCase("0:1 1:2 0:3 0:1 1:2 0:3", true)]
    [TestCase("0:1 1:2 1:2 0:1", false)]
    public void A_recording_whose_lines_were_put_into_another_order_has_lost_data(string lines, bool isWrong)
    {
        (_, TracepointReader reader) = TracepointReaderTests.Parse(string.Concat(lines.Split(' ').Select(line => $" a-1 [00{line[0]}] {line[2]}.0: kvm_fpu: load\n")));
        Assert.That(reader.DataLoss, Is.EqualTo(isWrong));
    }

    [Test]
    public void Events_of_one_time_keep_the_order_of_their_lines() =>
        Assert.That(
            string.Concat(TracepointReaderTests.Parse(string.Concat("2b 1a 2c 1d 2e".Split(' ').Select(n => $" {n[1]}-1 [000] {n[0]}.0: kvm_fpu: load\n"))).Events.Select(e => e.Task)), Is.EqualTo("adbce"));

    // One event more than the window holds, and then one from before them all.
    [TestCase(EventOrder.Window - 1, true)]
    [TestCase(EventOrder.Window, false)]
    public void An_event_that_comes_too_late_for_the_window_is_an_error(int between, bool isSorted)
    {
        string text = string.Concat(Enumerable.Range(0, between).Select(n => $" a-1 [000] 1.{n:d6}: kvm_fpu: load\n")) + " a-1 [000] 0.5: kvm_fpu: load\n";
        if (isSorted)
        {
            Assert.That(TracepointReaderTests.Parse(text).Events[0].Time, Is.EqualTo(500_000_000));
            return;
        }

        TraceFormatException error = Assert.Throws<TraceFormatException>(() => TracepointReaderTests.Parse(text))!;
        Assert.That(error.Message, Does.Contain($"line {between + 1}: expected events in order of time").And.Contain("500000000 after 1000000000"));
    }

    [TestCase(" CPU 0/KVM-900 [000] 1.000000: kvm_exit: vcpu 0 reason HLT rip 0x40", Severity.DataLoss, 1)]
    [TestCase(" CPU 0/KVM-900 [000] 1.00", Severity.DataLoss, 0)]
    [TestCase(" CPU 0/KVM-900 [000] 1.000000: kvm_fpu: load", Severity.DataLoss, 1)]
    public void A_last_line_without_its_end_is_said(string line, Severity severity, int events)
    {
        using TracepointReader reader = new(new MemoryStream(Encoding.ASCII.GetBytes(" a-1 [000] 0.5: kvm_fpu: load\n" + line)), "test");
        KernelEvent e = default;
        int read = 0;
        while (reader.Read(ref e))
        {
            read++;
        }

        Assert.That(reader.Findings.All.Select(f => (f.Severity, f.Kind)), Is.EqualTo(new[] { (severity, TracepointReader.CutLine) }));
        Assert.That(read, Is.EqualTo(events + 1));
    }

    [TestCase("what is this", Severity.Warning)]
    [TestCase("CPU 0/KVM-900 [0x0] 1.000000: kvm_exit: vcpu 0 reason HLT", Severity.DataLoss)]
    [TestCase("qemu-7 [003] 10,5: sched_switch: a:1 [120] R ==> b:2 [120]", Severity.DataLoss)]
    public void A_line_that_holds_an_event_and_cannot_be_read_is_data_loss(string line, Severity severity) =>
        Assert.That(TracepointReaderTests.Parse($" a-1 [000] 0.5: kvm_fpu: load\n{line}\n").Reader.Findings.Worst, Is.EqualTo(severity));

    // cancel_injection: traced again before the entry. An exit during delivery: said by 6.0 and later, else by the exit's vectoring information. A second interrupt of that vector is new.
    [TestCase("i i e", 1)]
    [TestCase("i e x i e", 2)]
    [TestCase("i e v i e", 1)]
    [TestCase("i e x r e", 1)]
    [TestCase("i j e", 2)]
    public void An_interrupt_that_is_injected_again_is_one(string events, long expected)
    {
        StringBuilder text = new();
        foreach (string e in events.Split(' '))
        {
            text.Append($" a-1 [000] 1.{100_000_000 + text.Length}: ").Append(e switch
            {
                "i" => "kvm_inj_virq: IRQ 0xec",
                "j" => "kvm_inj_virq: IRQ 0xed",
                "r" => "kvm_inj_virq: IRQ 0xec [reinjected]",
                "e" => Entry,
                "v" => "kvm_exit: vcpu 0 reason EPT_VIOLATION rip 0x1 info1 0x181 info2 0x00000000800000ec intr_info 0x00000000 error_code 0x00000000",
                _ => "kvm_exit: vcpu 0 reason CPUID rip 0x1 info1 0x0 info2 0x0 intr_info 0x00000000 error_code 0x00000000",
            }).Append('\n');
        }

        byte[] bytes = Encoding.ASCII.GetBytes(text.ToString());
        EventSummary summary = TracepointSummary.Of(() => new TracepointReader(new MemoryStream(bytes), "test"), "test");
        long lifted = TracepointLiftTests.Events(TracepointLiftTests.Lift(() => new MemoryStream(bytes), "test").Trace).LongCount(e => e.Kind == Sim.Core.Traces.RecordKind.Interrupt);
        long counted = summary.Rows.Where(row => row.Section == "interrupts" && row.Name.StartsWith("injected, ", StringComparison.Ordinal)).Sum(row => row.Value);
        long all = summary.Rows.Where(row => row.Section == "interrupts").Sum(row => row.Value);
        Assert.That((lifted, counted, all), Is.EqualTo((expected, expected, (long)events.Split(' ').Count(e => e is "i" or "j" or "r"))));
    }
}
