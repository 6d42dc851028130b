using System.Text.Json;
using Sim.Reports.Charts;

namespace Sim.Cli.Tests;

/// <summary><c>nestsim report</c> on result files.</summary>
public sealed class ReportTests
{
    private string _folder = "";

    [SetUp]
    public void MakeFolder() => _folder = Directory.CreateTempSubdirectory().FullName;

    [TearDown]
    public void DeleteFolder() => Directory.Delete(_folder, recursive: true);

    [Test]
    public void A_page_is_made_of_the_result_file_alone()
    {
        string results = Results();
        File.Delete(At("nested.nst"));

        (int code, string output, string error) = Run("report", results, "-o", At("page.html"));

        Assert.That((code, output, error), Is.EqualTo((0, At("page.html") + "\n", "")));
        Assert.That(File.ReadAllText(At("page.html")), Does.StartWith("<!doctype html>").And.Contain(">kvm-6.12<").And.Contain("nested.nst").And.Contain("VMRESUME (24)"));
    }

    [Test]
    public void Descriptions_are_written_for_charts_with_data_and_the_others_are_named_on_standard_error()
    {
        (int code, string output, string error) = Run("report", Results(), "--charts", "json", "-o", At("charts"));

        string[] files = output.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.That(code, Is.Zero);
        Assert.That(files, Does.Contain(At("charts", "cost-by-cause.json")));
        Assert.That(Directory.GetFiles(At("charts")), Is.EquivalentTo(files));
        Assert.That(files.Length + error.Split('\n', StringSplitOptions.RemoveEmptyEntries).Length, Is.EqualTo(ChartCatalogue.All.Entries.Count), "each chart is a file or a line");
        Assert.That(JsonDocument.Parse(File.ReadAllText(files[0])).RootElement.GetProperty("schema").GetString(), Is.EqualTo("nestsim-chart"));
    }

    [Test]
    public void Only_the_charts_that_are_named_are_written()
    {
        (int code, string output, _) = Run("report", Results(), "--charts", "json", "--only", "exits,misses-by-cause", "-o", At("charts"));

        Assert.That((code, output), Is.EqualTo((0, $"{At("charts", "misses-by-cause.json")}\n{At("charts", "exits.json")}\n")));
    }

    [Test]
    public void Every_format_is_written_at_the_width_of_a_column()
    {
        (int code, string output, string error) = Run("report", Results(), "--charts", "png,svg,pdf", "--only", "difference", "--width", "column", "--theme", "print", "-o", At("charts"));

        Assert.That((code, output, error), Is.EqualTo((0, $"{At("charts", "difference.png")}\n{At("charts", "difference.svg")}\n{At("charts", "difference.pdf")}\n", "")));
        Assert.That(File.ReadAllText(At("charts", "difference.svg")), Does.Contain("width=\"336\""));
    }

    [TestCase("--charts json --only exit", 2, "Unknown chart 'exit'. Did you mean exits, ")]
    [TestCase("--charts gif", 2, "Unknown format of charts 'gif'. Did you mean ")]
    [TestCase("--charts png --width 12", 2, "--width must be column, page, or a number from 200 to 5000, found '12'.")]
    [TestCase("--charts png --height 0", 2, "--height must be from 1 to 5000, found 0.")]
    [TestCase("--charts json --metric wlaks", 2, "Unknown metric 'wlaks'. Did you mean walks, ")]
    [TestCase("--charts json --theme blue", 2, "'blue' not recognized")]
    public void A_mistake_is_answered_in_one_paragraph(string options, int exitCode, string message)
    {
        (int code, string output, string error) = Run(["report", Results(), "-o", At("charts"), .. options.Split(' ')]);

        Assert.That((code, output), Is.EqualTo((exitCode, "")));
        Assert.That(error, Does.Contain(message));
        Assert.That(Directory.Exists(At("charts")), Is.False);
    }

    [TestCase("{}", "expected nestsim-results, found no schema. This is not a result file of nestsim.")]
    [TestCase("not json", "expected JSON, found something else")]
    [TestCase("""{"schema":"nestsim-results","schema_version":"2.0"}""", "another of its major version, found 2.0")]
    [TestCase("""{"schema":"nestsim-results","schema_version":"1.0"}""", "The file is damaged")]
    public void What_is_no_result_file_is_bad_input_and_leaves_no_page(string text, string message)
    {
        File.WriteAllText(At("r.json"), text);

        (int code, string output, string error) = Run("report", At("r.json"), "-o", At("page.html"));

        Assert.That((code, output), Is.EqualTo((3, "")));
        Assert.That(error, Does.Contain(At("r.json")).And.Contain(message));
        Assert.That(File.Exists(At("page.html")), Is.False);
    }

    [Test]
    public void A_missing_file_is_a_usage_error_that_says_how_to_make_one()
    {
        (int code, _, string error) = Run("report", At("none.json"));

        Assert.That(code, Is.EqualTo(2));
        Assert.That(error, Does.Contain("cannot be read").And.Contain("-o DIR"));
    }

    [Test]
    public void A_timeline_is_written_for_one_policy_and_bounded_by_the_window()
    {
        Results();

        (int code, _, string error) = Run("run", At("nested.nst"), "-p", "kvm-6.12", "--measure", "5K", "--timeline", At("t.json"), "-q");

        Assert.That((code, error), Is.EqualTo((0, "")));
        JsonElement events = JsonDocument.Parse(File.ReadAllText(At("t.json"))).RootElement.GetProperty("traceEvents");
        Assert.That(events[0].GetProperty("args").GetProperty("name").GetString(), Is.EqualTo("kvm-6.12 on nested.nst"));
        Assert.That(events.EnumerateArray().Select(e => e.GetProperty("name").GetString()), Does.Contain("L2 vCPU 0").And.Contain("nested VM-entry").And.Contain("L0: VMRESUME from L1"));
    }

    [Test]
    public void A_run_that_ends_in_an_error_leaves_no_timeline()
    {
        Results();

        Assert.That(Run("run", At("nested.nst"), "-p", "kvm-6.12", "--measure", "900M", "--timeline", At("t.json")).Code, Is.EqualTo(2));
        Assert.That(Directory.GetFiles(_folder, "t.json*"), Is.Empty);
    }

    private string Results()
    {
        Assert.That(Run("trace", "generate", "nested-ping-pong", At("nested.nst"), "accesses=20k", "seed=7").Code, Is.Zero);
        Assert.That(Run("compare", At("nested.nst"), "-p", "kvm-5.14,kvm-6.12,never", "-q", "-o", At("results")).Code, Is.Zero);
        return At("results", "results.json");
    }

    private string At(params string[] names) => Path.Combine([_folder, .. names]);

    private static (int Code, string Output, string Error) Run(params string[] args)
    {
        using StringWriter output = new();
        using StringWriter error = new();
        int code = CliApplication.Run(args, output, error);
        return (code, output.ToString(), error.ToString());
    }
}
