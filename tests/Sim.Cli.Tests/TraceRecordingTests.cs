using System.Globalization;
using System.IO.Compression;
using Sim.Captures.Ftrace;

namespace Sim.Cli.Tests;

/// <summary><c>trace events</c> and <c>trace lift</c> on a recording small enough to count by hand, and on pieces of real ones.</summary>
public sealed class TraceRecordingTests
{
    // L1 runs at 0-10, 12-20, 24-30, 60-70, 80-90 and 120-130 us, L2 at 36-50 and 102-110; the thread is off CPU at 93-100, inside a nested entry.
    private const string KernelEvents = """
        nvmm-221 [000] 1.000000: kvm_entry:             vcpu 0 rip 0x1000
        nvmm-221 [000] 1.000010: kvm_exit:              reason CPUID rip 0x1000 info 0 0
        nvmm-221 [000] 1.000012: kvm_entry:             vcpu 0 rip 0x1002
        nvmm-221 [000] 1.000020: kvm_exit:              reason INVVPID rip 0x1008 info 0 0
        nvmm-221 [000] 1.000021: function:              handle_invvpid
        nvmm-221 [000] 1.000022: function:                 vmx_flush_tlb_guest
        nvmm-221 [000] 1.000024: kvm_entry:             vcpu 0 rip 0x100c
        nvmm-221 [000] 1.000030: kvm_exit:              reason VMLAUNCH rip 0x1010 info 0 0
        nvmm-221 [000] 1.000032: kvm_nested_vmenter:    rip: 0x1010 vmcs: 0x5000 nested_rip: 0x200000 int_ctl: 0x0 event_inj: 0x0 nested_ept=y nested_eptp: 0x605e
        nvmm-221 [000] 1.000033: function:              vmx_flush_tlb_current
        nvmm-221 [000] 1.000036: kvm_entry:             vcpu 0 rip 0x200000
        nvmm-221 [000] 1.000050: kvm_exit:              reason CPUID rip 0x200000 info 0 0
        nvmm-221 [000] 1.000051: kvm_nested_vmexit:     vcpu 0 reason CPUID rip 0x200000 info1 0x0 info2 0x0 intr_info 0x00000000 error_code 0x00000000
        nvmm-221 [000] 1.000052: kvm_nested_vmexit_inject: reason CPUID info1 0 info2 0 int_info 0 int_info_err 0
        nvmm-221 [000] 1.000053: function:              vmx_flush_tlb_current
        nvmm-221 [000] 1.000060: kvm_entry:             vcpu 0 rip 0x1013
        nvmm-221 [000] 1.000070: kvm_exit:              reason EPT_VIOLATION rip 0x1020 info 181 0
        nvmm-221 [000] 1.000080: kvm_entry:             vcpu 0 rip 0x1020
        nvmm-221 [000] 1.000090: kvm_exit:              reason VMRESUME rip 0x1010 info 0 0
        nvmm-221 [000] 1.000092: kvm_nested_vmenter:    rip: 0x1010 vmcs: 0x5000 nested_rip: 0x200002 int_ctl: 0x0 event_inj: 0x0 nested_ept=y nested_eptp: 0x605e
        nvmm-221 [000] 1.000093: sched_switch:          nvmm:221 [120] R ==> kworker/0:1:50 [120]
        kworker/0:1-50 [000] 1.000100: sched_switch:    kworker/0:1:50 [120] I ==> nvmm:221 [120]
        nvmm-221 [000] 1.000102: kvm_entry:             vcpu 0 rip 0x200002
        nvmm-221 [000] 1.000110: kvm_exit:              reason EXTERNAL_INTERRUPT rip 0x200010 info 0 800000ec
        nvmm-221 [000] 1.000111: kvm_nested_vmexit:     vcpu 0 reason EXTERNAL_INTERRUPT rip 0x200010 info1 0x0 info2 0x0 intr_info 0x800000ec error_code 0x00000000
        nvmm-221 [000] 1.000112: kvm_nested_vmexit_inject: reason EXTERNAL_INTERRUPT info1 0 info2 0 int_info 800000ec int_info_err 0
        nvmm-221 [000] 1.000113: kvm_apic_accept_irq:   apicid 0 vec 236 (Fixed|edge)
        nvmm-221 [000] 1.000114: kvm_inj_virq:          IRQ 0xec
        nvmm-221 [000] 1.000120: kvm_entry:             vcpu 0 rip 0x1013
        nvmm-221 [000] 1.000130: kvm_exit:              reason HLT rip 0x1030 info 0 0

        """;

    /// <summary>A hardware log in which two L1s take turns on one CPU.</summary>
    internal const string Hardware = """
        100 1 0 R MARK cmd=1 arg=1 cpl=3 icount=1 vmexits=0 ev=1
        110 2 0 R VMPTRLD a000 0 0
        120 3 0 R INVVPID type=1 d0=1 d1=0
        130 4 0 G VMENTRY vmcs=a000 vpid=1 eptp=e01e cr3=5000 rip=1 pin=0 cpu=80000000 cpu2=22 intr=0
        140 5 0 G VMEXIT reason=20 qual=0 vmcs=a000 vpid=1 eptp=e01e cr3=5000 rip=10
        150 6 0 R VMPTRLD b000 0 0
        160 7 0 R INVEPT type=1 d0=f01e d1=0
        170 8 0 G VMENTRY vmcs=b000 vpid=2 eptp=f01e cr3=9000 rip=20 pin=0 cpu=80000000 cpu2=22 intr=0
        190 9 0 G VMEXIT reason=10 qual=0 vmcs=b000 vpid=2 eptp=f01e cr3=9000 rip=22
        200 10 0 R VMPTRLD a000 0 0
        210 11 0 G VMENTRY vmcs=a000 vpid=1 eptp=e01e cr3=5000 rip=13 pin=0 cpu=80000000 cpu2=22 intr=0
        220 12 0 G VMEXIT reason=12 qual=0 vmcs=a000 vpid=1 eptp=e01e cr3=5000 rip=14

        """;

    /// <summary>The same, in which L1 begins VMX operation: no L2 ran before.</summary>
    private static readonly string HardwareFromVmxon = Hardware.Replace("140 5 0 G VMEXIT reason=20", """
        132 4 0 G VMEXIT reason=27 qual=0 vmcs=a000 vpid=1 eptp=e01e cr3=5000 rip=8
        134 4 0 G VMENTRY vmcs=a000 vpid=1 eptp=e01e cr3=5000 rip=c pin=0 cpu=80000000 cpu2=22 intr=0
        140 5 0 G VMEXIT reason=20
        """, StringComparison.Ordinal);

    private string _folder = "";

    [SetUp]
    public void MakeFolder() => _folder = Directory.CreateTempSubdirectory().FullName;

    [TearDown]
    public void DeleteFolder() => Directory.Delete(_folder, recursive: true);

    [Test]
    public void Kernel_events_are_counted_by_level()
    {
        (int code, string output, string error) = Run("trace", "events", Write("r.txt", KernelEvents));

        Assert.That((code, error), Is.EqualTo((0, "")));
        Assert.Multiple(() =>
        {
            Assert.That(output, Does.Match(@"\A\S+r\.txt: kernel trace, 30 events in 30 lines\n\nTransitions\n +count +L1 +L2\n"));
            Assert.That(output, Does.Match(@"(?m)^real exits +6 +2$").And.Match(@"(?m)^nested entries +2$").And.Match(@"(?m)^nested exits +2$"));
            Assert.That(output, Does.Match(@"(?m)^real exits, per second +61,538$").And.Match(@"(?m)^nested round trips, per second +15,385$"));
            Assert.That(output, Does.Match(@"(?m)^CPUID +1 +1$").And.Match(@"(?m)^EXTERNAL_INTERRUPT +1$").And.Match(@"(?m)^VMLAUNCH +1$"));
            Assert.That(output, Does.Match(@"(?m)^vmx_flush_tlb_current +2$").And.Match(@"(?m)^INVVPID \(handle_invvpid\) +1$"));
            Assert.That(output, Does.Match(@"(?m)^injected, vector 0xec +1$"));
            Assert.That(output, Does.Match(@"(?m)^ticks +47,000 +54,000 +22,000$").And.Match(@"(?m)^vCPU threads off CPU, ticks +7,000$"));
            Assert.That(output, Does.Match(@"(?m)^share of the levels' ticks, % +38\.21 +43\.90 +17\.89$"));
        });
    }

    [Test]
    public void The_clock_rate_scales_rates_and_nothing_else()
    {
        string path = Write("r.txt", KernelEvents);
        string[] usual = Run("trace", "events", path).Output.Split('\n');
        string[] slow = Run("trace", "events", path, "--ticks-per-second", "130K").Output.Split('\n');

        Assert.That(slow, Has.Some.Matches("^real exits, per second +8$").And.Some.Matches("^nested round trips, per second +2$"));
        Assert.That(Words(slow), Is.EqualTo(Words(usual)));

        // The order of rows and the width of columns follow the numbers.
        static IEnumerable<string> Words(string[] lines) =>
            lines.Where(line => !line.Contains("per second", StringComparison.Ordinal) && !line.StartsWith("--", StringComparison.Ordinal)).Select(line => string.Join(' ', line.Split(' ', StringSplitOptions.RemoveEmptyEntries))).Order(StringComparer.Ordinal);
    }

    [Test]
    public void A_hardware_capture_is_recognised_by_its_content_and_counted()
    {
        string csv = Path.Combine(_folder, "e.csv");
        (int code, string output, string error) = Run("trace", "events", Write("anything.dat", Hardware), "--csv", csv);

        Assert.That((code, error), Is.EqualTo((0, "")));
        Assert.That(output, Does.Match(@"\A\S+anything\.dat: hardware capture, 12 records\n").And.Match(@"(?m)^nested entries +1$").And.Match(@"(?m)^INVEPT type 1 +1$"));
        string[] rows = File.ReadAllLines(csv);
        Assert.That(rows[0], Is.EqualTo("section,level,name,unit,value"));
        Assert.That(rows, Does.Contain("exits,L1,VMLAUNCH,events,1").And.Contain("exits,L2,CPUID,events,1").And.Contain("flushes,L0,INVVPID type 1,events,1").And.Contain("time,L2,ticks,ticks,20"));
    }

    [Test]
    public void Compression_changes_nothing_but_the_name()
    {
        string plain = Write("r.txt", KernelEvents);
        string packed = Path.Combine(_folder, "r.gz");
        using (GZipStream gzip = new(File.Create(packed), CompressionLevel.Fastest))
        {
            gzip.Write(File.ReadAllBytes(plain));
        }

        Assert.That(Run("trace", "events", packed).Output.Replace(packed, plain, StringComparison.Ordinal), Is.EqualTo(Run("trace", "events", plain).Output));
    }

    [Test]
    public void Lost_events_are_told_before_anything_else()
    {
        string path = Write("r.txt", KernelEvents.Replace("nvmm-221 [000] 1.000060", "CPU:0 [LOST 5 EVENTS]\nnvmm-221 [000] 1.000060", StringComparison.Ordinal));
        string trace = Path.Combine(_folder, "r.nst");
        (_, string output, string error) = Run("trace", "events", path);
        (int code, _, string told) = Run("trace", "lift", path, "-o", trace, "-q");

        Assert.That(output, Does.StartWith($"DATA LOSS: {path}: kernel trace, 30 events"));
        Assert.That(error, Does.StartWith("DataLoss: lost events").And.Contain("first in line 16; 5 times\n"));
        Assert.That((code, told), Is.EqualTo((0, $"DATA LOSS: {path} says that events were lost; the trace is not what happened\n")));
        Assert.That(Run("trace", "info", trace).Output, Does.Contain("data_loss = yes"));
    }

    [Test]
    public void Kernel_events_are_lifted_with_the_kernels_flushes_as_answer_key()
    {
        string trace = Path.Combine(_folder, "r.nst");
        string key = Path.Combine(_folder, "k.csv");
        (int code, string output, string error) = Run("trace", "lift", Write("r.txt", KernelEvents), "-o", trace, "--answer-key", key);

        Assert.That((code, output), Is.EqualTo((0, "")));
        Assert.That(error, Is.EqualTo(
            $"{trace}: 26 records, 3 flushes by L0 itself, 0 transitions put in, 0 records of unknown level skipped\n"
            + "recorded: 6 real entries into L1 and 2 into L2, 6 exits of L1 and 2 of L2, 2 nested entries (0 more failed), 2 nested exits\n"));
        Assert.That(File.ReadAllLines(key), Is.EqualTo(new[]
        {
            "position,time,lane,vcpu,kind,type,operand,address,target,exit_reason,exit_level,real_exit,transition,nested_transition,level",
            "6,22000,0,0,vmx_flush_tlb_guest,,,,,53,1,2,,0,1",
            "9,33000,0,0,vmx_flush_tlb_current,,,,,20,1,3,,1,2",
            "12,53000,0,0,vmx_flush_tlb_current,,,,,10,2,4,,2,1",
        }));
        Assert.That(Run("trace", "verify", trace).Output, Does.Contain("good: 26 records, 0 errors, 0 warnings"));
    }

    [Test]
    public void A_hardware_capture_is_lifted_with_L0s_flushes_as_answer_key_and_kept_as_recorded_on_demand()
    {
        string capture = Write("c.txt", Hardware);
        string byPolicy = Path.Combine(_folder, "p.txt");
        string asRecorded = Path.Combine(_folder, "a.txt");
        string key = Path.Combine(_folder, "k.csv");

        Assert.That(Run("trace", "lift", capture, "-o", byPolicy, "--answer-key", key).Code, Is.Zero);
        Assert.That(Run("trace", "lift", capture, "-o", asRecorded, "--as-recorded").Code, Is.Zero);
        Assert.That(File.ReadAllLines(key)[1..], Is.EqualTo(new[]
        {
            "1,20,0,-1,INVVPID,1,0x1,0x0,Vpid01,,0,0,None,0,1",
            "9,60,0,0,INVEPT,1,0xf01e,0x0,Eptp02,20,1,1,NestedEntry,1,2",
        }));
        Assert.That(File.ReadAllText(byPolicy), Does.Not.Contain("Invvpid level=0").And.Not.Contain("Invept level=0").And.Not.Contain("kind=L0ToL2 vcpu=0 vmcs=0x0 vpid=2"));
        Assert.That(File.ReadAllText(asRecorded), Does.Contain("Invvpid level=0 type=1 vpid=1").And.Contain("Invept level=0 type=1").And.Contain("kind=L0ToL2 vcpu=0 vmcs=0x0 vpid=2 eptp=0xf01e"));
        Assert.That(Run("trace", "info", asRecorded).Output, Does.Contain("as_recorded = yes"));
        Assert.That(Run("trace", "verify", byPolicy).Code + Run("trace", "verify", asRecorded).Code, Is.Zero);
    }

    // The capture's vCPU was there before, so nothing of its first load is compared; vmcs02 is new: INVEPT global, INVVPID(vpid02), INVEPT(eptp02), and INVEPT global for the new root's table.
    [Test]
    public void Validate_flushes_passes_or_fails_by_exit_code_and_shows_the_differences()
    {
        string matching = Write("m.txt", HardwareFromVmxon.Replace("160 7 0 R INVEPT type=1 d0=f01e d1=0", """
            160 7 0 R INVEPT type=2 d0=0 d1=0
            161 7 0 R INVEPT type=1 d0=f01e d1=0
            162 7 0 R INVVPID type=1 d0=2 d1=0
            """, StringComparison.Ordinal).Replace("120 3 0 R INVVPID type=1 d0=1 d1=0\n", "", StringComparison.Ordinal));
        string csv = Path.Combine(_folder, "f.csv");
        (int code, string output, string error) = Run("validate", "flushes", matching, "--csv", csv);
        Assert.That((code, output.Split('\n')[0]), Is.EqualTo((0, "m.txt under kvm-6.12.117: 3 of 3 flushes matched, 0 missed, 0 invented")), output);
        Assert.That(error, Does.Contain("2 transitions were put in"));
        Assert.That(File.ReadAllLines(csv)[0], Is.EqualTo("match,kind,operand,place,rule,from_host,lane,vcpu,time,explanation"));

        (code, output, _) = Run("validate", "flushes", Write("c.txt", HardwareFromVmxon), "--policy", "never");
        Assert.That((code, output.Split('\n')[0]), Is.EqualTo((1, "c.txt under never: 1 of 2 flushes matched, 1 missed, 1 invented")), output);
        Assert.That(output, Does.Contain("Missed: INVVPID single(vpid01) at 20 on CPU 0, vCPU -1, after before the first exit").And.Contain("Invented: INVEPT global(all) at 70 on CPU 0, vCPU 0, after L1 VMLAUNCH, nested entry"));

        Assert.That(Run("validate", "flushes", "-").Code, Is.EqualTo(2));
    }

    // The page that L0 takes away while it handles L2's CPUID cannot be told from what the guests did: one INVEPT global more, at 195, and kvm_flush_remote_tlbs at 193. The call at 165 is L1's VMLAUNCH.
    [Test]
    public void A_remote_flush_with_a_cause_in_L0_enters_from_the_function_trace()
    {
        string capture = Write("h.txt", HardwareFromVmxon.Replace("120 3 0 R INVVPID type=1 d0=1 d1=0\n", "", StringComparison.Ordinal).Replace("160 7 0 R INVEPT type=1 d0=f01e d1=0", """
            160 7 0 R INVEPT type=2 d0=0 d1=0
            161 7 0 R INVEPT type=1 d0=f01e d1=0
            162 7 0 R INVVPID type=1 d0=2 d1=0
            """, StringComparison.Ordinal).Replace("200 10 0 R VMPTRLD a000 0 0", """
            195 9 0 R INVEPT type=2 d0=0 d1=0
            200 10 0 R VMPTRLD a000 0 0
            """, StringComparison.Ordinal));
        string ftrace = Write("f.txt", """
            nvmm-1 [000] 0.000000162: function: kvm_flush_remote_tlbs
            nvmm-1 [000] 0.000000193: function: kvm_flush_remote_tlbs_range
            nvmm-1 [000] 0.000000193: function: kvm_flush_remote_tlbs

            """);
        Assert.That(Run("validate", "flushes", capture).Output.Split('\n')[0], Does.EndWith("3 of 4 flushes matched, 1 missed, 0 invented"));
        string csv = Path.Combine(_folder, "f.csv");
        (int code, string output, string error) = Run("validate", "flushes", capture, "--ftrace", ftrace, "--csv", csv);
        Assert.That((code, output.Split('\n')[0]), Is.EqualTo((0, "h.txt under kvm-6.12.117: 4 of 4 flushes matched, 0 missed, 0 invented")), output + error);
        Assert.That(File.ReadAllLines(csv)[^1], Is.EqualTo("Matched,INVEPT global,all,\"L2 CPUID, nested exit\",host/recorded_request,yes,0,0,95,"));
    }

    [TestCase("empty", "offset 0: expected the text of a hardware capture or of kernel events, found an empty file")]
    [TestCase("perf", "found what looks like perf.data. Kernel events are the output of 'trace-cmd report' or 'perf script'")]
    [TestCase("text", "not one event")]
    [TestCase("line", "line 4: expected ")]
    [TestCase("cut", "line 12: expected a whole line")]
    [TestCase("gzip", "r.in: ")]
    public void A_damaged_recording_is_one_paragraph_with_its_place_exit_code_3_and_no_output_file(string damage, string message)
    {
        string recording = Path.Combine(_folder, "r.in");
        File.WriteAllBytes(recording, damage switch
        {
            "empty" => [],
            "perf" => [.. "PERFILE2h\0\0\0"u8],
            "text" => [.. "what is this\n"u8],
            "line" => Bytes(Hardware.Replace("VMENTRY vmcs=a000", "VMENTRY vmcs=zz", StringComparison.Ordinal)),
            "cut" => Bytes(Hardware.TrimEnd()),
            _ => [0x1F, 0x8B, 0x08, 0, 0, 0, 0, 0, 0, 3, 0xFF, 0xFF, 0xFF, 0xFF],
        });

        foreach (string[] command in new string[][] { ["trace", "events", recording, "--csv", Path.Combine(_folder, "e.csv")], ["trace", "lift", recording, "-o", Path.Combine(_folder, "o.nst"), "--answer-key", Path.Combine(_folder, "k.csv")] })
        {
            (int code, string output, string error) = Run(command);

            Assert.That((code, output), Is.EqualTo((3, "")), error);
            Assert.That(error, Does.Contain("r.in: ").And.Contain(message));
            Assert.That(error.TrimEnd('\n'), Does.Not.Contain("\n"));
        }

        Assert.That(Directory.EnumerateFileSystemEntries(_folder).Select(Path.GetFileName), Is.EqualTo(new[] { "r.in" }));
    }

    [TestCase("trace events no-such-file.txt", "The capture 'no-such-file.txt' cannot be opened")]
    [TestCase("trace events RECORDING --ticks-per-second 0", "--ticks-per-second: expected a number of ticks above 0, found '0'")]
    [TestCase("trace lift RECORDING", "Option '--output' is required")]
    [TestCase("trace lift - -o FOLDER/x.nst", "a pipe can be read only once")]
    [TestCase("trace lift RECORDING -o FOLDER/x.nst --as-recorded", "holds kernel events")]
    [TestCase("trace lift RECORDING -o FOLDER/x.nst --answer-key FOLDER/none/k.csv", "cannot be written")]
    [TestCase("trace lift RECORDING -o FOLDER/x.what", "names no trace format")]
    public void A_request_that_cannot_be_met_is_a_usage_error_and_leaves_no_file(string command, string message)
    {
        string recording = Write("r.txt", KernelEvents);

        (int code, string output, string error) = Run([.. command.Split(' ').Select(word => word.Replace("RECORDING", recording, StringComparison.Ordinal).Replace("FOLDER", _folder, StringComparison.Ordinal))]);

        Assert.That((code, output), Is.EqualTo((2, "")), error);
        Assert.That(error, Does.Contain(message));
        Assert.That(Directory.EnumerateFileSystemEntries(_folder).Select(Path.GetFileName), Is.EqualTo(new[] { "r.txt" }));
    }

    // Pieces of real recordings: what is counted is what grep counts, and the lifted trace verifies.
    [TestCase("bochs-vmx-2cpu.hw.txt.xz", 31_176, 53_874, " VMEXIT ")]
    [TestCase("bochs-vmx-mem.win1.pages.txt.xz", 0, 60_000, " VMEXIT ")]
    [TestCase("bochs-vmx-2cpu.nb3-1.ftrace.txt.xz", 0, 8_000, ": kvm_exit: ")]
    [TestCase("qemu-svm-1cpu.n1cpu-5.ftrace.txt.xz", 0, 20_000, ": kvm_exit: ")]
    public void A_piece_of_a_real_recording_is_counted_and_lifted(string name, int from, int to, string exit)
    {
        string piece = Path.Combine(_folder, "piece.txt");
        string[] lines = [.. Lines(name).Take(to).Skip(from)];
        File.WriteAllText(piece, string.Join('\n', lines) + "\n");
        string csv = Path.Combine(_folder, "e.csv");
        string trace = Path.Combine(_folder, "piece.nst");

        Assert.That(Run("trace", "events", piece, "--csv", csv).Code, Is.Zero);
        long exits = File.ReadLines(csv).Where(row => row.StartsWith("exits,", StringComparison.Ordinal)).Sum(row => long.Parse(row[(row.LastIndexOf(',') + 1)..], CultureInfo.InvariantCulture));
        Assert.That(exits, Is.EqualTo(lines.Count(line => line.Contains(exit, StringComparison.Ordinal))).And.GreaterThan(50));
        (int code, _, string error) = Run("trace", "lift", piece, "-o", trace);
        Assert.That(code, Is.Zero, error);
        Assert.That(Run("trace", "verify", trace).Output, Does.Contain(" 0 errors"));
    }

    private static IEnumerable<string> Lines(string name)
    {
        string path = Recordings.File(name);
        using StreamReader reader = new(CaptureText.Open(path));
        while (reader.ReadLine() is { } line)
        {
            yield return line;
        }
    }

    private static byte[] Bytes(string text) => System.Text.Encoding.ASCII.GetBytes(text);

    private static (int Code, string Output, string Error) Run(params string[] args)
    {
        using StringWriter output = new();
        using StringWriter error = new();
        int code = CliApplication.Run(args, output, error);
        return (code, output.ToString(), error.ToString());
    }

    private string Write(string name, string text)
    {
        string path = Path.Combine(_folder, name);
        File.WriteAllText(path, text);
        return path;
    }
}
