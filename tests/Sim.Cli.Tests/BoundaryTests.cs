using System.Globalization;
using System.Text;
using Sim.Reports.Results;

namespace Sim.Cli.Tests;

/// <summary>Exit code 4 is our own bug's alone; every replay verifies its trace; no result is lost, and none is replaced by a part.</summary>
public sealed class BoundaryTests
{
    private const string Header = "nestsim-trace text 1.0\nheader {\"lanes\":1,\"folded\":true,\"cyclesPerRecordTick\":\"1/1\",\"addresses\":\"linear\",\"properties\":{}}\n";
    private const string EntersL1 = "0 @0 VmEnter level=0 kind=L0ToL1 vcpu=0 vmcs=0x1000 vpid=1 eptp=0x2000 controls=0x0\n";
    private const string LeavesL1 = "0 @900 VmExit level=1 kind=L1ToL0 vcpu=0 reason=0x1 qualification=0x0\n";

    private string _folder = "";

    [SetUp]
    public void MakeFolder() => _folder = Directory.CreateTempSubdirectory().FullName;

    [TearDown]
    public void DeleteFolder() => Directory.Delete(_folder, recursive: true);

    [TestCase("run {trace} --json /dev/full")]
    [TestCase("run {trace} --csv /dev/full")]
    [TestCase("run {trace} --timeline /dev/full")]
    [TestCase("compare {trace} --json /dev/full")]
    [TestCase("report {result} -o /dev/full")]
    [TestCase("gate {result} -b /dev/full --update")]
    [TestCase("gate {result} -b {baseline} --junit /dev/full")]
    [TestCase("explain {trace} kvm-5.14 never --csv /dev/full")]
    [TestCase("trace convert {trace} /dev/full --format native")]
    [TestCase("trace convert {trace} /dev/full --format text")]
    [TestCase("trace cut {trace} /dev/full --format native")]
    [TestCase("trace generate zipf-pages /dev/full accesses=200k --format native")]
    [TestCase("trace merge /dev/full {trace} --format native")]
    [TestCase("trace convert {trace} {empty}")]
    [TestCase("trace convert {empty} x.nst")]
    [TestCase("trace info {empty}")]
    [TestCase("trace events {empty}")]
    [TestCase("trace lift {empty} -o x.nst")]
    [TestCase("run {empty}")]
    [TestCase("run {trace} -c {empty}")]
    [TestCase("run {trace} --profile {empty}")]
    [TestCase("run {trace} -o {empty}")]
    [TestCase("run {trace} -o {trace}")]
    [TestCase("run {trace} --json {empty}")]
    [TestCase("run {trace} --json {trace}")]
    [TestCase("run {trace} --timeline {empty}")]
    [TestCase("report {empty}")]
    [TestCase("report {result} -o {empty}")]
    [TestCase("report {result} -o {result}")]
    [TestCase("gate {empty} -b {baseline}")]
    [TestCase("gate {result} -b {empty}")]
    [TestCase("gate {result} -b {empty} --update")]
    [TestCase("explain {empty} kvm-6.12 never")]
    [TestCase("validate flushes {empty}")]
    [TestCase("validate interrupts {empty}")]
    [TestCase("validate scenarios {empty}")]
    [TestCase("run {folder}")]
    [TestCase("report {folder}")]
    [TestCase("run {trace} -c {folder}")]
    [TestCase("trace events {folder}")]
    public void What_the_system_refuses_is_said_in_a_sentence_and_exits_with_2_or_3(string line)
    {
        string trace = Nested();
        string result = At("r.json");
        Run(["run", trace, "-q", "--json", result]);
        Run(["gate", result, "-b", At("b.json"), "--update"]);
        (int code, _, string error) = Run(
        [
            .. line.Split(' ').Select(word => word.Replace("{trace}", trace, StringComparison.Ordinal).Replace("{result}", result, StringComparison.Ordinal)
                .Replace("{baseline}", At("b.json"), StringComparison.Ordinal).Replace("{empty}", "", StringComparison.Ordinal).Replace("{folder}", _folder, StringComparison.Ordinal)
                .Replace("x.nst", At("x.nst"), StringComparison.Ordinal)),
        ]);

        Assert.That(code, Is.EqualTo(2).Or.EqualTo(3), error);
        Assert.That(error, Does.Not.Contain("This is a bug").And.Not.Contain("Exception").And.Match(@"\.\s*$"));
        Assert.That(Directory.GetFiles(_folder).Where(path => Path.GetFileName(path).StartsWith(".nestsim", StringComparison.Ordinal)), Is.Empty);
    }

    [TestCase("--json /dev/full")]
    [TestCase("--csv /dev/full")]
    [TestCase("--timeline /dev/full")]
    public void A_full_disk_does_not_lose_the_table(string option)
    {
        (int code, string output, string error) = Run(["run", Nested(), "-q", .. option.Split(' ')]);

        Assert.That(code, Is.EqualTo(2), error);
        Assert.That(output, Does.Contain("nested.nst: 100,"));
        Assert.That(error, Does.Contain("No space left on device"));
    }

    [Test]
    public void A_terminal_that_cannot_be_written_to_does_not_lose_the_files()
    {
        using FullWriter full = new();
        using StringWriter error = new();
        int code = CliApplication.Run(["run", Nested(), "-o", At("results")], Terminal.Of(full, error));

        Assert.That(code, Is.EqualTo(2), error.ToString());
        Assert.That(ResultFiles.Read(At("results/results.json")).Partial, Is.False);
    }

    [Test]
    public void Partial_results_go_beside_complete_ones()
    {
        string trace = Nested();
        Assert.That(Run(["run", trace, "-o", At("results")]).Code, Is.Zero);
        string complete = File.ReadAllText(At("results/results.json"));
        Interruption interruption = new();
        Assert.That(interruption.Token.IsCancellationRequested, Is.False);
        interruption.Signal(130);
        using StringWriter output = new();
        using StringWriter error = new();

        int code = CliApplication.Run(["run", trace, "-o", At("results")], Terminal.Of(output, error) with { Interruption = interruption });

        Assert.That(code, Is.EqualTo(130));
        Assert.That(File.ReadAllText(At("results/results.json")), Is.EqualTo(complete));
        Assert.That(ResultFiles.Read(At("results/results.partial.json")).Partial, Is.True);
        Assert.That(error.ToString(), Does.Contain("results.partial.json: partial results; what was there before stays"));
        Assert.That(Directory.GetFiles(At("results")), Has.Length.EqualTo(6));
    }

    [TestCase("0 @5 VmExit level=1 kind=L1ToL0 vcpu=0 reason=0x1 qualification=0x0\n", "record 0", "V03")]
    [TestCase(EntersL1 + "0 @100 R 0x800000000000 cpl=3 size=8\n" + LeavesL1, "record 1", "V06")]
    [TestCase(EntersL1 + "0 @100 R 0xffff7fffffffffff cpl=3 size=8\n" + LeavesL1, "record 1", "V06")]
    [TestCase(EntersL1 + "0 @100 VmExit level=1 kind=L1ToL0 vcpu=4294967296 reason=0x1 qualification=0x0\n", "record 1", "V05")]
    [TestCase(EntersL1 + "0 @100 Interrupt level=0 source=device vector=0x30 vcpu=0 target_level=3\n" + LeavesL1, "record 1", "V05")]
    [TestCase(EntersL1 + "0 @100 Interrupt level=0 source=device vector=0x30 vcpu=4294967295 target_level=1\n" + LeavesL1, "record 1", "V05")]
    [TestCase("0 @0 VmEnter level=0 kind=L2ToL1 vcpu=0 vmcs=0x0 vpid=0 eptp=0x0 controls=0x0\n", "record 0", "V05|V03|V04")]
    [TestCase(EntersL1 + "0 @4611686018427387904 VmExit level=1 kind=L1ToL0 vcpu=0 reason=0x1 qualification=0x0\n", "record 1", "V01")]
    public void A_trace_that_no_machine_can_have_made_is_not_replayed(string records, string place, string invariant)
    {
        string trace = Trace(records);
        foreach (string[] command in new string[][]
        {
            ["run", trace], ["compare", trace, "-p", "kvm-6.12,never"], ["run", trace, "-p", "kvm-6.12", "--irq-path", "posted"], ["explain", trace, "kvm-6.12", "never"], ["run", trace, "-j", "1", "--measure", "1"],
        })
        {
            bool isBeyond = command[^1] == "1" && place != "record 0";
            (int code, string output, string error) = Run(command);
            Assert.That(code, Is.EqualTo(isBeyond ? 0 : 3), $"{string.Join(' ', command)}: {error}");
            if (!isBeyond)
            {
                Assert.That(output, Is.Empty);
                Assert.That(error, Does.StartWith($"{trace}: {place}").And.Match(invariant).And.Contain("--unverified"));
            }
        }

        Assert.That(Run(["trace", "verify", trace]).Code, Is.EqualTo(1));
    }

    [Test]
    public void An_unverified_replay_goes_on_and_its_results_say_so()
    {
        string trace = Trace(EntersL1 + "0 @100 R 0x800000000000 cpl=3 size=8\n" + LeavesL1);
        (int code, _, string error) = Run(["run", trace, "-p", "kvm-6.12", "--unverified", "--json", At("r.json")]);

        Assert.That(code, Is.Zero, error);
        Assert.That(ResultFiles.Read(At("r.json")).Provenance.Doubts[0].Sentence, Does.Contain("not verified").And.Contain("V06"));
    }

    [TestCase("0 @0 VmEnter level=0 kind=L2ToL1 vcpu=0 vmcs=0x0 vpid=0 eptp=0x0 controls=0x0\n")]
    [TestCase(EntersL1 + "0 @100 Interrupt level=0 source=device vector=0x30 vcpu=0 target_level=3\n" + LeavesL1)]
    [TestCase("0 @0 VmExit level=1 kind=L1ToL2 vcpu=7 reason=0x1 qualification=0x0\n")]
    [CancelAfter(20_000)]
    public void An_unverified_replay_ends_and_is_no_bug_of_ours(string records)
    {
        foreach (string path in new[] { "none", "posted" })
        {
            (int code, _, string error) = Run(["run", Trace(records), "-p", "kvm-6.12", "--irq-path", path, "--unverified"]);
            Assert.That(code, Is.Zero.Or.EqualTo(3), error);
        }
    }

    [TestCase(EntersL1 + "0 @100 R 0x1000 cpl=3 size=8\n0 @{far} R 0x2000 cpl=3 size=8\n0 @{end} VmExit level=1 kind=L1ToL0 vcpu=0 reason=0x1 qualification=0x0\n")]
    [TestCase(EntersL1 + "0 @900 VmExit level=1 kind=L1ToL0 vcpu=0 reason=0x1 qualification=0x0\n0 @{far} VmEnter level=0 kind=L0ToL1 vcpu=0 vmcs=0x1000 vpid=1 eptp=0x2000 controls=0x0\n")]
    [TestCase(EntersL1 + "0 @900 VmExit level=1 kind=L1ToL0 vcpu=0 reason=0xc qualification=0x0\n0 @{far} VmEnter level=0 kind=L0ToL1 vcpu=0 vmcs=0x1000 vpid=1 eptp=0x2000 controls=0x0\n")]
    [TestCase("0 @0 R 0x1000 cpl=0 size=8\n0 @{far} R 0x2000 cpl=0 size=8\n")]
    [CancelAfter(60_000)]
    public void A_gap_costs_no_time_by_its_length(string records)
    {
        foreach (ulong far in new[] { 10_000_000_000_000UL, 4_000_000_000_000_000_000UL })
        {
            string trace = Trace(records.Replace("{far}", far.ToString(CultureInfo.InvariantCulture), StringComparison.Ordinal).Replace("{end}", (far + 100).ToString(CultureInfo.InvariantCulture), StringComparison.Ordinal));
            foreach (string path in new[] { "none", "posted" })
            {
                (int code, _, string error) = Run(["run", trace, "-p", "kvm-6.12", "--irq-path", path]);
                Assert.That(code, Is.Zero, error);
            }
        }
    }

    [TestCase("{\"machine\": {\"l1_pages\": \"\\ud800\"}}")]
    [TestCase("{\"\\udc00\": 1}")]
    [TestCase("{\"a\": \"\u00ff\"}")]
    [TestCase("{\"second_level[0].sets\": 1048576, \"second_level[0].ways\": 1024}")]
    [TestCase("{\"a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a\": 1}")]
    public void A_configuration_that_is_no_text_or_too_large_is_the_users_mistake(string json)
    {
        File.WriteAllBytes(At("c.json"), Encoding.Latin1.GetBytes(json));
        (int code, _, string error) = Run(["config", "check", At("c.json")]);
        Assert.That(code, Is.EqualTo(2), error);
        Assert.That(error, Does.Contain("c.json").Or.Contain("second_level").Or.Contain("is not a path"));
    }

    [Test]
    [CancelAfter(10_000)]
    public void Twenty_thousand_unknown_members_are_answered_at_once()
    {
        File.WriteAllText(At("c.json"), "{" + string.Join(",\n", Enumerable.Range(0, 20_000).Select(i => FormattableString.Invariant($"\"member{i}\": 1"))) + "}");
        (int code, _, string error) = Run(["config", "check", At("c.json")]);

        Assert.That(code, Is.EqualTo(2));
        Assert.That(error, Does.Contain("20000 errors").And.Contain("... and 19950 more"));
    }

    [Test]
    public void A_trace_of_more_lanes_than_can_be_simulated_is_refused_with_a_sentence()
    {
        File.WriteAllText(At("lanes.txt"), Header.Replace("\"lanes\":1", "\"lanes\":4096", StringComparison.Ordinal) + string.Concat(Enumerable.Range(0, 4096).Select(lane => FormattableString.Invariant($"{lane} @5 R 0x1000 cpl=0 size=8\n"))) + "end 4096\n");
        (int code, _, string error) = Run(["run", At("lanes.txt")]);

        Assert.That((code, error.Contains("4096 CPUs", StringComparison.Ordinal)), Is.EqualTo((2, true)), error);
        Assert.That(Run(["trace", "info", At("lanes.txt")]).Code, Is.Zero);
    }

    [Test]
    public void Two_commands_that_write_to_one_folder_do_not_mix_and_an_output_is_no_input()
    {
        string trace = Nested();
        using (Core.Files.OutputFolder.Claim(At("results"), "result file"))
        {
            (int code, string output, string error) = Run(["run", trace, "-o", At("results")]);
            Assert.That((code, output), Is.EqualTo((2, "")), "before the work begins");
            Assert.That(error, Does.Contain("Another nestsim is writing"));
        }

        Assert.That(Run(["trace", "convert", trace, trace]).Error, Does.Contain("it is an input of this command"));
        Assert.That(Run(["trace", "verify", trace]).Code, Is.Zero);
    }

    private sealed class FullWriter : StringWriter
    {
        public override void Write(char value) => throw new IOException("No space left on device");

        public override void Write(string? value) => throw new IOException("No space left on device");

        public override void Write(StringBuilder? value) => throw new IOException("No space left on device");
    }

    private static (int Code, string Output, string Error) Run(string[] args)
    {
        using StringWriter output = new();
        using StringWriter error = new();
        int code = CliApplication.Run(args, output, error);
        return (code, output.ToString(), error.ToString());
    }

    private string At(string name) => Path.Combine(_folder, name);

    private string Nested()
    {
        Assert.That(Run(["trace", "generate", "nested-ping-pong", At("nested.nst"), "accesses=100k", "seed=7"]).Code, Is.Zero);
        return At("nested.nst");
    }

    private string Trace(string records)
    {
        File.WriteAllText(At("t.txt"), $"{Header}{records}end {records.Count(c => c == '\n')}\n");
        return At("t.txt");
    }
}
