using System.Xml.Linq;
using Sim.Core.Stats;
using Sim.Reports.Results;

namespace Sim.Cli.Tests;

/// <summary><c>nestsim gate</c>: exit code and message in each case, and what it writes.</summary>
public sealed class GateTests
{
    private string _folder = "";

    [SetUp]
    public void MakeFolder() => _folder = Directory.CreateTempSubdirectory().FullName;

    [TearDown]
    public void DeleteFolder() => Directory.Delete(_folder, recursive: true);

    [Test]
    public void An_equal_result_passes_in_silence()
    {
        string baseline = Baseline(Set());

        (int code, string output, string error) = Gate(Set(), baseline);

        Assert.That((code, error), Is.EqualTo((0, "")));
        Assert.That(output, Is.EqualTo("result.json against baseline.json: passed: 8 of 8 metrics equal.\n"));
    }

    [Test]
    public void A_better_result_passes_and_says_so()
    {
        (int code, string output, _) = Gate(Set(walks: 90), Baseline(Set(walks: 100)));

        Assert.That(code, Is.Zero);
        Assert.That(output, Is.EqualTo(
            "result.json against baseline.json: passed: 7 of 8 metrics equal, 1 improved.\n"
            + "  improved: kvm-6.12: lane[0].walks.flushed{rule=new_vpid12}: 100 -> 90 walks (-10, -10%; lower is better, tolerance 0) [Why each walk was needed.]\n"));
    }

    [TestCase(101, 0, "within tolerance")]
    [TestCase(102, 0, "within tolerance")]
    [TestCase(103, 1, "regressed")]
    [TestCase(98, 0, "within tolerance")]
    [TestCase(97, 0, "improved")]
    public void A_worse_result_fails_beyond_the_tolerance_only(int walks, int expected, string word)
    {
        string baseline = Baseline(Set(walks: 100));
        Edit(baseline, "\"metric\":\"lane[*].walks.*\",\"direction\":\"lower\",\"tolerance\":\"0\"", "\"metric\":\"lane[*].walks.*\",\"direction\":\"lower\",\"tolerance\":\"2%\"");

        (int code, string output, _) = Gate(Set(walks: walks), baseline);

        Assert.That(code, Is.EqualTo(expected), output);
        Assert.That(output, Does.Contain($"\n  {word}: kvm-6.12: lane[0].walks.flushed{{rule=new_vpid12}}: 100 -> {walks} walks").And.Contain("tolerance 2%"));
    }

    [TestCase(200, 199)]
    [TestCase(200, 201)]
    public void What_must_not_change_at_all_fails_either_way(int before, int after)
    {
        (int code, string output, _) = Gate(Set(accesses: after), Baseline(Set(accesses: before)));

        Assert.That(code, Is.EqualTo(1));
        Assert.That(output, Does.Contain($"regressed: kvm-6.12: lane[0].accesses{{level=2}}: 200 -> {after} accesses").And.Contain("no change wanted").And.Contain("FAILED"));
    }

    [Test]
    public void A_metric_that_is_gone_fails()
    {
        (int code, string output, _) = Gate(Set(without: "cycles.trace"), Baseline(Set()));

        Assert.That(code, Is.EqualTo(1));
        Assert.That(output, Does.Contain("missing: kvm-6.12: cycles.trace: The baseline has 5,000 cycles, and the result has no such metric."));
    }

    [Test]
    public void A_metric_that_is_new_fails_if_a_rule_asks_for_it()
    {
        RunSet set = Set();
        set.Runs[0].Statistics.Counter("cycles.magic", "cycles", "H.", 7);
        set.Runs[0].Statistics.Counter("other.magic", "cycles", "H.", 7);

        (int code, string output, _) = Gate(set, Baseline(Set()));

        Assert.That(code, Is.EqualTo(1));
        Assert.That(output, Does.Contain("new: kvm-6.12: cycles.magic: 7 cycles, and the baseline has no such metric.").And.Not.Contain("other.magic"));
    }

    [Test]
    public void A_policy_that_became_unsafe_fails_and_so_does_one_that_nobody_judged_any_more()
    {
        SafetyVerdict stale = new([new SafetyFinding("stale_use", 3, ["story"])], 0);
        string baseline = Baseline(Set(safety: new SafetyVerdict([], 5)));

        Assert.That(Gate(Set(safety: new SafetyVerdict([], 99)), baseline).Code, Is.Zero, "permitted stale uses are no finding");
        (int code, string output, _) = Gate(Set(safety: stale), baseline);
        Assert.That(code, Is.EqualTo(1));
        Assert.That(output, Does.Contain("regressed: kvm-6.12: safety.wrong_outcomes: 0 -> 3 outcomes").And.Contain("new: kvm-6.12: safety.stale_use: 3 outcomes"));
        Assert.That(Gate(Set(), baseline).Output, Does.Contain("missing: kvm-6.12: safety.wrong_outcomes"));
    }

    [Test]
    public void A_failed_run_fails_the_gate_with_its_message()
    {
        RunSet set = Set();
        RunSet failed = set with { Runs = [new RunResult("kvm-6.12", "kvm-6.12", new StatSheet(), [], new RunFailure(4, "broken law"))] };

        (int code, string output, _) = Gate(failed, Baseline(set));

        Assert.That(code, Is.EqualTo(1));
        Assert.That(output, Does.Contain("not judged: kvm-6.12: failure: The run failed: broken law"));
    }

    [Test]
    public void Another_experiment_is_a_usage_error_that_says_what_differs()
    {
        string baseline = Baseline(Set());
        RunSet set = Set();
        Provenance provenance = set.Provenance;

        Refused(set with { Provenance = provenance with { Profile = "zen-3" } }, "the profile is 'zen-3', the baseline's 'skylake-sp'");
        Refused(set with { Provenance = provenance with { Trace = provenance.Trace with { Sha256 = new string('b', 64) } } }, "the trace is 't.nst' (SHA-256 bbbbbbbbbbbb...), the baseline's 't.nst' (SHA-256 aaaaaaaaaaaa...)");
        Refused(set with { Provenance = provenance with { Trace = provenance.Trace with { Name = "u.nst" } } }, "the trace is 'u.nst'");
        Refused(set with { Provenance = provenance with { Windows = new WindowCounts(0, 0, 299) } }, "0 of warm-up and 299 measured, the baseline's 0, 0 and 300");
        Refused(
            set with { Provenance = provenance with { ConfigurationHash = "ff", Configuration = """{"machine":{"l0_ept":true,"seed":2},"profile":"skylake-sp"}""" } },
            "the configuration differs (machine.l0_ept is true, was absent, machine.seed is 2, was 1)");
        Refused(set with { Partial = true }, "result.json is partial");

        void Refused(RunSet other, string message)
        {
            (int code, string output, string error) = Gate(other, baseline);
            Assert.That((code, output), Is.EqualTo((2, "")));
            Assert.That(error, Does.Contain(message));
        }
    }

    [TestCase("", "line 1: expected JSON")]
    [TestCase("{\"schema\":\"nestsim-results\"}", "expected nestsim-baseline, found nestsim-results")]
    [TestCase("{\"schema\":\"nestsim-baseline\",\"schema_version\":\"2.0\"}", "expected 1.0 or another of its major version, found 2.0")]
    [TestCase("{\"schema\":\"nestsim-baseline\",\"schema_version\":\"1.0\"}", "expected those of nestsim-baseline 1.0")]
    public void A_corrupted_baseline_is_bad_input(string text, string message)
    {
        string baseline = Path.Combine(_folder, "baseline.json");
        File.WriteAllText(baseline, text);

        (int code, string output, string error) = Gate(Set(), baseline);

        Assert.That((code, output), Is.EqualTo((3, "")));
        Assert.That(error, Does.StartWith(baseline + ": ").And.Contain(message));
        Assert.That(error.TrimEnd('\n'), Does.Not.Contain("\n"));
    }

    [TestCase("\"direction\":\"lower\"", "\"direction\":\"up\"", "direction 'up' in rules[", 3)]
    [TestCase("\"tolerance\":\"0\"", "\"tolerance\":\"much\"", "tolerance 'much' in rules[0]", 3)]
    [TestCase("\"value\":100", "\"value\":\"many\"", "expected those of nestsim-baseline 1.0", 3)]
    [TestCase("\"metric\":\"cycles.trace\"", "\"metric\":\"cycles.translation\"", "'cycles.translation' of run 'kvm-6.12' twice", 3)]
    public void A_damaged_member_is_named(string from, string to, string message, int expected)
    {
        string baseline = Baseline(Set());
        Edit(baseline, from, to);

        (int code, _, string error) = Gate(Set(), baseline);

        Assert.That(code, Is.EqualTo(expected));
        Assert.That(error, Does.Contain(message));
    }

    [Test]
    public void A_rule_that_fits_nothing_and_a_unit_that_changed_fail()
    {
        string baseline = Baseline(Set());
        Edit(baseline, "\"metric\":\"vm.nested_*\"", "\"metric\":\"vn.*\"");
        Edit(baseline, "\"metric\":\"cycles.*\",\"direction\":\"lower\",\"tolerance\":\"0\",\"unit\":\"cycles\"", "\"metric\":\"cycles.*\",\"direction\":\"lower\",\"tolerance\":\"0\",\"unit\":\"seconds\"");

        (int code, string output, _) = Gate(Set(), baseline);

        Assert.That(code, Is.EqualTo(1));
        Assert.That(output, Does.Contain("not judged: baseline: vn.*: This rule fits no metric"));
        Assert.That(output, Does.Contain("with another unit: kvm-6.12: cycles.trace: The result counts cycles, the baseline cycles, and the rule asks for seconds."));
    }

    [Test]
    public void Without_a_baseline_it_says_how_to_make_one()
    {
        (int code, string output, string error) = Gate(Set(), Path.Combine(_folder, "none.json"));

        Assert.That((code, output), Is.EqualTo((2, "")));
        Assert.That(error, Does.Contain("There is no baseline").And.Contain("--update"));
    }

    [Test]
    public void Update_makes_the_baseline_equal_keeps_the_rules_and_shows_what_changed()
    {
        string baseline = Baseline(Set());
        Edit(baseline, "What a policy costs.", "My own reason.");
        string result = Write(Set(walks: 120, without: "cycles.trace"));

        (int code, string output, _) = Run("gate", result, "-b", baseline, "--update");

        Assert.That(code, Is.Zero);
        Assert.That(output, Does.Contain("updated.").And.Contain("2 changes of the baseline"));
        Assert.That(output, Does.Match(@"kvm-6\.12: cycles\.trace +5,000 +- +cycles\n").And.Match(@"kvm-6\.12: lane\[0\]\.walks\.flushed\{rule=new_vpid12\} +100 +120 +walks\n"));
        Assert.That(File.ReadAllText(baseline), Does.Contain("My own reason."));
        Assert.That(Run("gate", result, "-b", baseline).Code, Is.Zero);
        Assert.That(Run("gate", result, "-b", baseline, "--update").Output, Does.Contain("unchanged, 7 values"));
    }

    [Test]
    public void An_update_judges_nothing_and_reports_nothing()
    {
        string baseline = Baseline(Set());

        (int code, string output, string error) = Run("gate", Write(Set()), "-b", baseline, "--update", "--github");

        Assert.That((code, output), Is.EqualTo((2, "")));
        Assert.That(error, Does.Contain("--update judges nothing"));
    }

    [Test]
    public void An_update_to_another_experiment_says_so()
    {
        string baseline = Baseline(Set());
        RunSet set = Set();
        string result = Write(set with { Provenance = set.Provenance with { Profile = "zen-3", ConfigurationHash = "ff" } });

        Assert.That(Run("gate", result, "-b", baseline, "--update").Output, Does.Match(@"profile +skylake-sp +zen-3\n").And.Match(@"configuration hash +00ff +ff\n"));
    }

    [Test]
    public void A_new_baseline_of_a_real_result_fits_that_result_in_every_metric()
    {
        string trace = Path.Combine(_folder, "t.nst");
        string result = Path.Combine(_folder, "real.json");
        string baseline = Path.Combine(_folder, "real-baseline.json");
        Assert.That(Run("trace", "generate", "nested-ping-pong", trace, "accesses=20k").Code, Is.Zero);
        Assert.That(Run("compare", trace, "--json", result, "-q").Code, Is.Zero);
        Assert.That(Run("gate", result, "-b", baseline, "--update").Code, Is.Zero);

        (int code, string output, _) = Run("gate", result, "-b", baseline);

        Assert.That(code, Is.Zero, output);
        Assert.That(output, Does.Match(@"passed: (\d\d\d) of \1 metrics equal\.\n$"));
    }

    [Test]
    public void Outputs_for_continuous_integration_say_the_same()
    {
        string junit = Path.Combine(_folder, "gate.xml");
        string markdown = Path.Combine(_folder, "gate.md");

        (int code, string output, _) = Gate(Set(walks: 130), Baseline(Set()), "--junit", junit, "--markdown", markdown, "--github");

        Assert.That(code, Is.EqualTo(1));
        XElement suite = XDocument.Load(junit).Root!.Element("testsuite")!;
        Assert.That(((int)suite.Attribute("tests")!, (int)suite.Attribute("failures")!, suite.Elements("testcase").Count()), Is.EqualTo((8, 1, 8)));
        Assert.That(suite.Descendants("failure").Single().Attribute("message")!.Value, Does.StartWith("100 -> 130 walks (+30, +30%"));
        Assert.That(File.ReadAllText(markdown), Does.StartWith("### nestsim gate FAILED: 7 of 8 metrics equal, 1 regressed.\n").And.Contain("\n| **regressed** | <code>kvm-6.12</code> |"));
        Assert.That(output, Does.Contain("\n::error title=kvm-6.12%3A lane[0].walks.flushed{rule=new_vpid12} regressed::100 -> 130 walks (+30, +30%25; lower is better, tolerance 0) Why each walk was needed.\n"));
    }

    [Test]
    public void The_wall_clock_is_judged_by_repetitions_of_one_experiment()
    {
        string baseline = Path.Combine(_folder, "speed.json");
        File.WriteAllText(baseline, BaselineWith(Set(), """{"metric":"session.records_per_second","direction":"higher","tolerance":"10%","unit":"records/s","reason":"Speed is a feature."}"""));
        Assert.That(Run(["gate", .. Repeated(100, 101, 102, 103, 104), "-b", baseline, "--update"]).Code, Is.Zero);

        Assert.That(Speed(104, 100, 102, 101, 103), Is.EqualTo((0, "within tolerance")));
        Assert.That(Speed(81, 80, 83, 82, 84), Is.EqualTo((1, "regressed")));
        Assert.That(Speed(141, 140, 143, 142, 144), Is.EqualTo((0, "improved")));
        Assert.That(Speed(81, 80, 83, 82), Is.EqualTo((1, "not judged")));
        Assert.That(Run(["gate", .. Repeated(50), Write(Set(walks: 7), "odd.json"), "-b", baseline]).Error, Does.Contain("differ outside their session"));

        (int, string) Speed(params double[] samples)
        {
            (int code, string output, _) = Run(["gate", .. Repeated(samples), "-b", baseline]);
            return (code, output.Split('\n')[1].Trim().Split(':')[0]);
        }

        string[] Repeated(params double[] samples) => [.. samples.Select((sample, at) => Write(Set() with { Session = Set().Session with { RecordsPerSecond = sample } }, $"r{at}.json"))];
    }

    private static string BaselineWith(RunSet set, string rule)
    {
        string text = Sim.Experiments.BaselineJson.ToText(Sim.Experiments.BaselineUpdate.Of(null, [set]));
        int first = text.IndexOf("\"rules\": [", StringComparison.Ordinal);
        int end = text.IndexOf(']', text.LastIndexOf("\"reason\"", StringComparison.Ordinal));
        return string.Concat(text.AsSpan(0, first), $"\"rules\": [{rule}", text.AsSpan(end));
    }

    /// <summary>A result of one policy with these numbers.</summary>
    private static RunSet Set(long accesses = 200, long walks = 100, SafetyVerdict? safety = null, string without = "")
    {
        StatSheet sheet = new();
        foreach ((string path, string unit, long value, string label) in new[]
        {
            ("lane[0].accesses", "accesses", accesses, "level=2"),
            ("lane[0].walks.flushed", "walks", walks, "rule=new_vpid12"),
            ("lane[0].walk_references", "references", 400L, "stage=guest"),
            ("cycles.trace", "cycles", 5_000L, ""),
            ("cycles.translation", "cycles", 900L, ""),
            ("vm.nested_entries", "transitions", 10L, ""),
            ("flush.requests", "events", 10L, "request=guest"),
        })
        {
            if (path != without)
            {
                sheet.Counter(path, unit, "H.", value, label);
            }
        }

        Provenance provenance = new(
            new ToolVersion("0.1.0", "abc", false),
            "skylake-sp",
            "kvm-6.12",
            "00ff",
            """{"machine":{"seed":1},"profile":"skylake-sp"}""",
            new SortedDictionary<string, string>(StringComparer.Ordinal),
            new TraceIdentity("t.nst", "native", new string('a', 64), 1, true, new SortedDictionary<string, string>(StringComparer.Ordinal)),
            new WindowCounts(0, 0, 300));
        return new RunSet(false, provenance, [new RunResult("kvm-6.12", "kvm-6.12", sheet, [], Safety: safety)], new Session("nestsim", "2026-11-21T01:02:03Z", ".NET", "Debian", "a CPU", 1, 1.5, 200, 1 << 20));
    }

    private static (int Code, string Output, string Error) Run(params string[] args)
    {
        using StringWriter output = new();
        using StringWriter error = new();
        int code = CliApplication.Run(args, output, error);
        return (code, output.ToString(), error.ToString());
    }

    private static void Edit(string file, string from, string to)
    {
        string text = File.ReadAllText(file);
        Assert.That(text, Does.Contain(from));
        File.WriteAllText(file, text.Replace(from, to, StringComparison.Ordinal));
    }

    private string Write(RunSet set, string name = "result.json")
    {
        string file = Path.Combine(_folder, name);
        File.WriteAllText(file, RunSetJson.ToText(set));
        return file;
    }

    private string Baseline(RunSet set)
    {
        string file = Path.Combine(_folder, "baseline.json");
        Assert.That(Run("gate", Write(set), "--baseline", file, "--update").Code, Is.Zero);
        return file;
    }

    private (int Code, string Output, string Error) Gate(RunSet set, string baseline, params string[] options) => Run(["gate", Write(set), "--baseline", baseline, .. options]);
}
