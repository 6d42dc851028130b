using Sim.Reports.Results;

namespace Sim.Cli.Tests;

/// <summary><c>nestsim sweep</c> and <c>--seeds</c> from the command line.</summary>
public sealed class SweepTests
{
    private string _folder = "";
    private string _trace = "";

    [SetUp]
    public void MakeTrace()
    {
        _folder = Directory.CreateTempSubdirectory().FullName;
        _trace = Path.Combine(_folder, "nested.nst");
        Assert.That(Run("trace", "generate", "nested-ping-pong", _trace, "accesses=20k", "seed=7").Code, Is.Zero);
    }

    [TearDown]
    public void DeleteFolder() => Directory.Delete(_folder, recursive: true);

    [Test]
    public void A_sweep_prints_a_row_for_each_point_and_is_the_same_for_any_number_of_jobs()
    {
        string[] texts = [.. new[] { "1", "4" }.Select(jobs =>
        {
            string json = Path.Combine(_folder, $"r{jobs}.json");
            (int code, string output, string error) = Run("sweep", _trace, "--over", "second_level[0].sets=8,128", "-p", "never,always-guest", "--json", json, "-q", "-j", jobs);
            Assert.That((code, error), Is.EqualTo((0, "")));
            Assert.That(output, Does.Match(@"(?m)^second_level\[0\]\.sets=8 +[\d,.]+( M)? +[\d,.]+( M)?$"));
            return RunSetJson.ToText(ResultFiles.Read(json), withSession: false);
        })];

        Assert.That(texts[1], Is.EqualTo(texts[0]));
        RunSet set = RunSetJson.Read(texts[0], "x");
        Assert.That(set.Runs.Select(run => run.Run), Is.EqualTo(new[] { "never second_level[0].sets=8", "always-guest second_level[0].sets=8", "never second_level[0].sets=128", "always-guest second_level[0].sets=128" }));
        Assert.That(set.Runs.Select(run => run.Statistics["lane[0].stlb.misses{level=2}"]).Distinct().Count(), Is.GreaterThan(1));
    }

    [Test]
    public void Several_traces_are_swept_and_every_axis_is_a_column_of_the_rows()
    {
        string bare = Path.Combine(_folder, "bare.csv");
        File.WriteAllText(bare, "address\n" + string.Concat(Enumerable.Range(0, 3000).Select(i => $"{i * 7919 % 3000 * 4096}\n")));
        string rows = Path.Combine(_folder, "rows.csv");
        string folder = Path.Combine(_folder, "out");

        (int code, string _, string error) = Run("sweep", _trace, "--traces", bare, "--over", "second_level[0].sets=8,128", "-p", "never", "--metric", "walks-per-access,total-per-transition", "--rows", rows, "-o", folder, "-q");

        Assert.That((code, error), Is.EqualTo((0, "")));
        string[] lines = File.ReadAllLines(rows);
        Assert.That(lines[0], Is.EqualTo("trace,policy,second_level[0].sets,metric,unit,value"));
        Assert.That(
            lines.Skip(1).Select(line => line[..line.LastIndexOf(',')]),
            Is.EqualTo(new[]
            {
                "nested.nst,never,8,walks-per-access,walks", "nested.nst,never,8,total-per-transition,cycles", "nested.nst,never,128,walks-per-access,walks",
                "nested.nst,never,128,total-per-transition,cycles", "bare.csv,never,8,walks-per-access,walks", "bare.csv,never,128,walks-per-access,walks",
            }), "a trace without nested transitions has no figure for one");
        RunSet set = ResultFiles.Read(Path.Combine(folder, "bare.csv", "results.json"));
        Assert.That(set.Runs.Select(run => run.Parameters.Single().Value), Is.EqualTo(new[] { "8", "128" }));
        Assert.That(double.Parse(lines[5].Split(',')[^1], System.Globalization.CultureInfo.InvariantCulture), Is.EqualTo(1000.0), "every access is to another page, and every page comes once");
    }

    [TestCase("--json and --csv are files of one trace's results", "--traces", "x.nst", "--json", "r.json")]
    [TestCase("--metric chooses what --rows writes", "--metric", "walks")]
    [TestCase("two traces are called 'nested.nst'", "--traces", "elsewhere/nested.nst")]
    public void Options_of_several_traces_that_make_no_sense_are_refused(string message, params string[] options)
    {
        (int code, string _, string error) = Run(["sweep", _trace, "--over", "second_level[0].sets=8,128", "-p", "never", .. options]);
        Assert.That((code, error.Contains(message, StringComparison.Ordinal)), Is.EqualTo((2, true)), error);
    }

    [Test]
    public void The_configuration_in_a_result_folder_gives_the_sweep_again()
    {
        string folder = Path.Combine(_folder, "out");
        Assert.That(Run("sweep", _trace, "--over", "second_level[0].sets=8,128", "-p", "never", "-o", folder, "-q").Code, Is.Zero);
        string again = Path.Combine(_folder, "again.json");

        (int code, string output, _) = Run("compare", _trace, "-c", Path.Combine(folder, "config.json"), "--json", again, "-q");

        Assert.That(code, Is.Zero);
        Assert.That(output, Does.Contain("second_level[0].sets=8 "));
        Assert.That(ResultFiles.Read(again).Runs.Select(run => run.Statistics.Stats), Is.EqualTo(ResultFiles.Read(Path.Combine(folder, "results.json")).Runs.Select(run => run.Statistics.Stats)));
    }

    [Test]
    public void Seeds_that_change_nothing_are_said_to()
    {
        (int code, string output, string error) = Run("compare", _trace, "-p", "never,kvm-6.12", "--seeds", "3", "-q");

        Assert.That((code, error), Is.EqualTo((0, "")));
        Assert.That(output, Does.Match(@"(?m)^never +[\d,.]+ +exact +ref$").And.Contain("The seed changes nothing at all for never, kvm-6.12: the model is deterministic"));
    }

    [Test]
    public void Seeds_that_change_something_have_an_interval_and_a_paired_test()
    {
        (int code, string output, _) = Run("compare", _trace, "-p", "never,always-guest", "--seeds", "5", "--set", "second_level[0].replacement=random", "--set", "second_level[0].sets=8", "-q");

        Assert.That(code, Is.Zero);
        Assert.That(output, Does.Contain("Walks over 5 seeds").And.Not.Contain("The seed changes nothing"));
        Assert.That(output, Does.Match(@"(?m)^always-guest +[\d,.]+ +[\d,.]+ to [\d,.]+ +[\d,.]+ +[\d,.]+ to [\d,.]+ +(<0\.0001|0\.\d{4})$"));
    }

    [TestCase("--over", "second_level[0].sets", "expected path=value,value,...")]
    [TestCase("--seeds", "0", "--seeds: seeds: expected")]
    [TestCase("--policies", "never", "sweep: nothing to vary.")]
    public void A_sweep_of_nothing_is_a_usage_error(string option, string value, string message)
    {
        (int code, string output, string error) = Run("sweep", _trace, option, value);

        Assert.That((code, output), Is.EqualTo((2, "")));
        Assert.That(error, Does.Contain(message));
    }

    private static (int Code, string Output, string Error) Run(params string[] args)
    {
        using StringWriter output = new();
        using StringWriter error = new();
        int code = CliApplication.Run(args, output, error);
        return (code, output.ToString(), error.ToString());
    }
}
