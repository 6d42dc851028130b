using Sim.Reports.Results;

namespace Sim.Cli.Tests;

/// <summary><c>nestsim explain</c>: its three forms of input, exit codes and files.</summary>
public sealed class ExplainTests
{
    private string _folder = "";
    private string _trace = "";

    [SetUp]
    public void MakeTrace()
    {
        _folder = Directory.CreateTempSubdirectory().FullName;
        _trace = Path.Combine(_folder, "nested.nst");
        Assert.That(Run("trace", "generate", "nested-ping-pong", _trace, "accesses=30k", "seed=7").Code, Is.Zero);
    }

    [TearDown]
    public void DeleteFolder() => Directory.Delete(_folder, recursive: true);

    [Test]
    public void A_trace_and_two_policies_give_a_verdict_and_eight_tables()
    {
        string csv = Path.Combine(_folder, "parts.csv");

        (int code, string output, string error) = Run("explain", _trace, "never", "always-guest", "--csv", csv);

        Assert.That((code, error), Is.EqualTo((0, "")));
        Assert.That(output, Does.Match(@"^always-guest spends [\d,]+ translation cycles more than never \(\+"));
        Assert.That(output.Split('\n').Count(line => line.EndsWith("share %", StringComparison.Ordinal)), Is.EqualTo(8));
        string[] rows = File.ReadAllLines(csv);
        long total = Difference(rows.Single(row => row.StartsWith("total,", StringComparison.Ordinal)));
        Assert.That(total, Is.GreaterThan(0));
        foreach (string dimension in new[] { "level", "transition", "invalidation", "rule", "size", "page", "site" })
        {
            Assert.That(rows.Where(row => row.StartsWith(dimension + ",", StringComparison.Ordinal)).Sum(Difference), Is.EqualTo(total), dimension);
        }

        static long Difference(string row) => long.Parse(row[(row.LastIndexOf(',') + 1)..], System.Globalization.CultureInfo.InvariantCulture);
    }

    [Test]
    public void A_result_with_breakdown_gives_the_same_text_as_the_trace()
    {
        string json = Result("r.json", "--walk-breakdown", "-p", "never,always-guest,kvm-6.12");

        (int code, string output, string error) = Run("explain", json, "kvm-6.12", "always-guest");

        Assert.That((code, error), Is.EqualTo((0, "")));
        Assert.That(output, Is.EqualTo(Run("explain", _trace, "kvm-6.12", "always-guest").Output));
    }

    [Test]
    public void A_result_without_breakdown_says_what_it_did_not_count()
    {
        string json = Result("r.json", "-p", "never,always-guest");

        (int code, string output, string error) = Run("explain", json, "never", "always-guest");

        Assert.That(code, Is.Zero);
        Assert.That(output, Does.Contain("flushed at nested_entry"));
        Assert.That(error, Is.EqualTo("hint: not counted in these results: page, site, size. Run with --walk-breakdown, and leave machine.attribution on.\n"));
    }

    [Test]
    public void Two_results_explain_what_changed_in_one_run()
    {
        string before = Result("a.json", "-p", "never,always-guest");
        string after = Result("b.json", "-p", "always-guest", "--set", "second_level[0].sets=8");

        (int code, string output, string error) = Run("explain", before, after, "--run", "always-guest", "-q");

        Assert.That((code, error), Is.EqualTo((0, "")));
        Assert.That(output, Does.Match("^always-guest after spends .* than always-guest before"));
        Assert.That(Run("explain", before, after).Error, Does.Contain("a.json has 2 runs: say which with --run (never, always-guest)."));
    }

    [Test]
    public void What_cannot_be_compared_is_refused_with_exit_code_2()
    {
        string one = Result("a.json", "-p", "never");
        string other = Result("b.json", "-p", "never", "--measure", "10K");

        Refused(["explain", one, other], "are of different traces or windows (nested.nst, ");
        Refused(["explain", one, "never", "kvm-6.12"], "Unknown run 'kvm-6.12'");
        Refused(["explain", _trace, "never"], "is no result file, so two policies must follow it");
        Refused(["explain", _trace, "never", "nevre"], "Unknown policy 'nevre'. Did you mean never");
        Refused(["explain", _trace, "never", "never"], "names 'never' twice");
        Refused(["explain", _trace, "never", "kvm-6.12", "--top", "0"], "--top: expected a number from 1 on, found '0'");
        Refused(["explain", "missing.json", "a", "b"], "The file 'missing.json' cannot be read");
        Refused(["explain", one], "needs <inputs>: TRACE A B");
    }

    [Test]
    public void A_damaged_result_is_bad_input()
    {
        string json = Path.Combine(_folder, "r.json");
        File.WriteAllText(json, "{\"schema\":\"nestsim-results\"");

        (int code, string output, string error) = Run("explain", json, "a", "b");

        Assert.That((code, output), Is.EqualTo((3, "")));
        Assert.That(error, Does.StartWith(json + ": line 1: expected JSON"));
    }

    [Test]
    public void A_run_with_a_verdict_shows_its_first_story()
    {
        string json = Result("r.json", "-p", "never,always-guest");
        RunSet set = ResultFiles.Read(json);
        SafetyVerdict stale = new([new SafetyFinding("stale_use", 3, ["L1 unmapped 0x1000", "L2 read it"])], 5);
        ResultFiles.Write(json, RunSetJson.ToText(set with { Runs = [set.Runs[0] with { Safety = stale }, set.Runs[1] with { Safety = new SafetyVerdict([], 2) }] }));

        string output = Run("explain", json, "never", "always-guest", "-q").Output;

        Assert.That(output, Does.Contain("\nnever: UNSAFE: stale_use 3 times.\n  The first stale_use:\n    L1 unmapped 0x1000\n    L2 read it\nalways-guest: safe on this trace (uses of old translations: 2, all permitted)."));
    }

    // The seed's scenario says l0_ept=off; with EPT nothing would be wrong.
    [Test]
    public void A_scenario_is_explained_on_the_machine_that_it_names_with_the_pages_that_went_wrong()
    {
        string scenario = Path.Combine(_folder, "two.scenario");
        File.WriteAllText(
            scenario,
            "nestsim-scenario 1\ntitle t\nmachine l0_ept=off\nvmcs A vpid=1\npage heap count=3\npage one\nL1 enters A\nL2 reads heap one\nL2 exits\nL1 remaps heap of L2\nL1 remaps one of L2\nL1 enters A vpid=2\nL2 reads one one heap\n");

        (int code, string output, _) = Run("explain", scenario, "kvm-5.14", "kvm-5.16", "--top", "2", "-q");

        Assert.That(code, Is.Zero);
        Assert.That(output, Does.Contain("\nkvm-5.14: UNSAFE: stale_use 5 times.\n").And.Contain("\nkvm-5.16: safe on this trace"));
        Assert.That(output, Does.Match(@"(?m)^kvm-5\.14: stale_use by page\n.*\n.*\n0x20000000 +vCPU 0 L2 +VPID 2, PCID 0 +0x0 +2 +\d+\n0x10000000 +vCPU 0 L2 +VPID 2, PCID 0 +0x0 +1 +\d+\n2 others +2$"));
        Assert.That(Run("compare", scenario, "--policies", "kvm-5.14", "-q").Output, Does.Contain("kvm-5.14: stale_use by page\n"));
    }

    private static void Refused(string[] command, string message)
    {
        (int code, string output, string error) = Run(command);
        Assert.That((code, output), Is.EqualTo((2, "")), error);
        Assert.That(error, Does.Contain(message));
    }

    private string Result(string name, params string[] options)
    {
        string json = Path.Combine(_folder, name);
        Assert.That(Run(["compare", _trace, "--json", json, "-q", .. options]).Code, Is.Zero);
        return json;
    }

    private static (int Code, string Output, string Error) Run(params string[] args)
    {
        using StringWriter output = new();
        using StringWriter error = new();
        int code = CliApplication.Run(args, output, error);
        return (code, output.ToString(), error.ToString());
    }
}
