using System.Text.Json;
using Sim.Reports.Results;

namespace Sim.Cli.Tests;

/// <summary>Interrupts under run, compare and interrupts: names, errors, files, verdicts.</summary>
public sealed class InterruptTests
{
    /// <summary>Seed 2 over a trace: L1 entered L2 with APICv inhibited and without TPR shadow, and APICv is un-inhibited while L2 runs.</summary>
    private static readonly string[] Seed2 =
    [
        "--set", """interrupts.inhibits=[{"time_cycles":0,"reason":"block-irq","set":true},{"time_cycles":1060000,"reason":"block-irq","set":false}]""",
        "--set", """interrupts.vmcs12=["external-interrupt-exiting","ack-interrupt-on-exit"]""",
    ];

    private string _folder = "";

    [SetUp]
    public void MakeFolder() => _folder = Directory.CreateTempSubdirectory().FullName;

    [TearDown]
    public void DeleteFolder() => Directory.Delete(_folder, recursive: true);

    [Test]
    public void Compare_runs_every_policy_with_every_path_and_rule_and_names_them_in_tables_JSON_and_CSV()
    {
        string[] names =
        [
            "never none", "never posted/immediate", "never posted/deferred", "kvm-6.12 none", "kvm-6.12 posted/immediate", "kvm-6.12 posted/deferred",
        ];

        (int code, string output, string error) = Run("compare", Trace(), "-p", "never,kvm-6.12", "--irq-paths", "none,posted", "--apicv-update", "immediate,deferred", "--measure", "30K", "-o", _folder);

        Assert.That(code, Is.Zero, error);
        Assert.That(output, Does.Contain("; against never none"));
        foreach (string name in names)
        {
            Assert.That(output, Does.Match($@"Interrupts \(latency[^\n]*\n(?:[^\n]+\n)*{name} +\d"), name);
        }

        RunSet json = RunSetJson.Read(File.ReadAllText(Path.Combine(_folder, "results.json")), "results.json");
        Assert.That(json.Runs.Select(run => run.Run), Is.EqualTo(names));
        Assert.That(json.Runs.Select(run => (run.Policy, run.InterruptPath, run.ApicvUpdate)), Is.EqualTo(new[]
        {
            ("never", "none", null), ("never", "posted", "immediate"), ("never", "posted", "deferred"), ("kvm-6.12", "none", null), ("kvm-6.12", "posted", "immediate"), ("kvm-6.12", "posted", "deferred"),
        }));
        Assert.That(json.Runs.Select(run => run.Statistics.Sum("irq.handled")), Is.All.Positive);
        Assert.That(
            json.Runs.Select(run => run.Statistics.Sum("irq.sent")),
            Is.EqualTo(json.Runs.Select(run => run.Statistics.Sum("irq.handled") + run.Statistics.Sum("irq.coalesced") + run.Statistics.Sum("irq.pending") + run.Statistics.Sum("irq.lost"))));
        Assert.That(json.Runs.Select(run => run.Statistics["lane[0].accesses{level=2,side=load}"]).Distinct().Count(), Is.EqualTo(1), "the guests' work is the trace's under every path");
        Assert.That(json.Runs[0].Statistics["lane[0].accesses{level=0,side=load}"], Is.GreaterThan(json.Runs[1].Statistics["lane[0].accesses{level=0,side=load}"]), "injection exits more often, and L0 touches memory");
        IReadOnlyList<RunResult> csv = RunSetCsv.Read(File.ReadAllText(Path.Combine(_folder, "results.csv")), "results.csv");
        Assert.That(csv.Select(run => (run.Run, run.Policy, run.InterruptPath, run.ApicvUpdate)), Is.EqualTo(json.Runs.Select(run => (run.Run, run.Policy, run.InterruptPath, run.ApicvUpdate))));
    }

    [Test]
    public void Results_are_the_same_bytes_for_one_job_and_for_two()
    {
        string[] texts =
        [
            .. new[] { "1", "2" }.Select(jobs =>
            {
                string file = Path.Combine(_folder, $"{jobs}.json");
                Assert.That(Run("compare", Trace(), "-p", "never,kvm-5.14", "--irq-paths", "none,posted-device", "--measure", "30K", "--warm-up", "10K", "-j", jobs, "--json", file).Code, Is.Zero);
                return RunSetJson.ToText(RunSetJson.Read(File.ReadAllText(file), file), withSession: false);
            }),
        ];

        Assert.That(texts[1], Is.EqualTo(texts[0]));
    }

    [Test]
    public void Run_takes_one_path_and_one_rule_and_tells_latencies_exits_and_stolen_cycles()
    {
        (int code, string output, _) = Run("run", Trace(), "-p", "never", "--irq-path", "posted", "--apicv-update", "switch-vmcs", "--measure", "30K");

        Assert.That(code, Is.Zero);
        Assert.That(output, Does.Contain("Summary of never posted/switch-vmcs"));
        Assert.That(output, Does.Match(@"(?m)^handled +\d+ ").And.Match(@"(?m)^latency to L1, 99\.9th percentile +[\d,]+ ").And.Match(@"(?m)^latency to L2, median +- ").And.Match("(?m)^from, reason +count "));
    }

    [Test]
    public void Without_a_path_nothing_is_said_about_interrupts()
    {
        string json = Path.Combine(_folder, "r.json");

        (int code, string output, _) = Run("compare", Trace(), "-p", "never", "--measure", "30K", "--json", json);

        Assert.That(code, Is.Zero);
        Assert.That(output, Does.Not.Contain("Interrupts"));
        using JsonDocument document = JsonDocument.Parse(File.ReadAllText(json));
        JsonElement run = document.RootElement.GetProperty("runs")[0];
        Assert.That((run.TryGetProperty("interrupt_path", out _), run.TryGetProperty("apicv_update", out _)), Is.EqualTo((false, false)));
        Assert.That(run.GetProperty("values").EnumerateArray().Any(value => value.GetProperty("path").GetString()!.StartsWith("irq.", StringComparison.Ordinal)), Is.False);
    }

    [TestCase("compare", "--irq-paths", "postd", "Unknown interrupt path 'postd'. Did you mean posted")]
    [TestCase("compare", "--irq-paths", "posted --apicv-update imediate", "Unknown APICv update rule 'imediate'. Did you mean immediate")]
    [TestCase("compare", "--irq-paths", "avic", "'avic' does not exist on the hardware of profile 'skylake-sp', which has ipiv, none, posted, posted-device")]
    [TestCase("compare", "--apicv-update", "immediate", "--apicv-update: no interrupt path is named, so that no rule applies.")]
    [TestCase("compare", "--irq-paths", "none --apicv-update immediate", "--apicv-update: none does not use APICv, so that no rule applies.")]
    [TestCase("compare", "--irq-paths", "avic --apicv-update deferred --profile zen-4", "must be null with 'zen-4': the rules are about vmcs01 and vmcs02")]
    [TestCase("run", "--irq-path", "posted,none", "Unknown interrupt path 'posted,none'")]
    [TestCase("run", "--irq-path", "posted --timeline t.json", "A timeline shows the records of the trace at their times")]
    [TestCase("run", "--irq-path", "none --set interrupts.peers=0 --set interrupts.ipis={}", "IPIs need two vCPUs, and the trace has one.")]
    [TestCase("run", "--irq-path", "none --set interrupts.sources[0].host_lane=2", "A source's host_lane is 2, and the physical CPUs are 0 to 1")]
    [TestCase("run", "--irq-path", "none --set interrupts.sources[0].target=99", "An interrupt source aims at vCPU 99")]
    public void A_mistake_is_a_usage_error_that_says_what_there_is(string verb, string option, string value, string message)
    {
        (int code, _, string error) = Run([verb, Trace(), "--measure", "1K", option, .. value.Replace("t.json", Path.Combine(_folder, "t.json"), StringComparison.Ordinal).Split(' ')]);

        Assert.That((code, error), Is.EqualTo((2, error)));
        Assert.That(error, Does.Contain(message));
    }

    [Test]
    public void The_rule_that_stomps_vmcs02_is_unsafe_on_a_trace_with_its_story_and_those_of_today_lose_no_interrupt()
    {
        string json = Path.Combine(_folder, "r.json");

        (int code, string output, string error) = Run(["compare", NestedSort(), "-p", "kvm-6.12", "--irq-paths", "posted", "--apicv-update", "immediate,deferred,switch-vmcs", "--require-safe", "--json", json, .. Seed2]);

        Assert.That(code, Is.EqualTo(1));
        Assert.That(error, Does.Contain("kvm-6.12 posted/immediate: unsafe: failed_vm_entry 1\n").And.Not.Contain("posted/deferred: unsafe").And.Not.Contain("posted/switch-vmcs: unsafe"));
        Assert.That(output, Does.Match(@"(?m)^kvm-6\.12 posted/immediate +apicv-vmcs01 +UNSAFE ").And.Match(@"(?m)^kvm-6\.12 posted/deferred +yes +irqs only "));
        Assert.That(output, Does.Contain("kvm-6.12 posted/immediate is unsafe: failed_vm_entry 1 time. The first:\n").And.Contain("without TPR shadow; blamed on L1 (VMfail)"));
        RunSet set = RunSetJson.Read(File.ReadAllText(json), json);
        Assert.That(set.Runs.Select(run => run.Safety!.IsSafe), Is.EqualTo(new[] { false, true, true }));
        Assert.That(set.Runs.Select(run => run.FailedVmEntries.Count), Is.EqualTo(new[] { 1, 0, 0 }));
    }

    [Test]
    public void A_sweep_varies_the_rate_of_a_source_for_each_path()
    {
        (int code, string output, string error) = Run("sweep", Trace(), "-p", "never", "--irq-paths", "none,posted", "--over", "interrupts.sources[0].period_cycles=20000,200000", "--measure", "30K");

        Assert.That(code, Is.Zero, error);
        Assert.That(output, Does.Match(@"(?m)^point +never none +never posted/deferred").And.Match(@"(?m)^interrupts\.sources\[0\]\.period_cycles=20000 +[\d,]+ +[\d,]+"));
    }

    private string Trace()
    {
        string path = Path.Combine(_folder, "nested.nst");
        Assert.That(Run("trace", "generate", "nested-ping-pong", path, "accesses=100k", "seed=7").Code, Is.Zero);
        return path;
    }

    /// <summary>The shipped trace: found upwards from the test assembly.</summary>
    private static string NestedSort()
    {
        DirectoryInfo? at = new(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(at!.FullName, "traces", "nested-sort.nst.gz")))
        {
            at = at.Parent;
        }

        return Path.Combine(at.FullName, "traces", "nested-sort.nst.gz");
    }

    private static (int Code, string Output, string Error) Run(params string[] arguments)
    {
        using StringWriter output = new();
        using StringWriter error = new();
        int code = CliApplication.Run(arguments, output, error);
        return (code, output.ToString(), error.ToString());
    }
}
