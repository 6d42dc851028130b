using System.Text.Json;

namespace Sim.Cli.Tests;

/// <summary><c>nestsim advise</c>: five lines, JSON, and mistakes.</summary>
public sealed class AdviseTests
{
    private static readonly string Trace = RepositoryFolder.Of("traces", "nested-cpuid-svm.nst.gz");

    [Test]
    public void The_answer_is_five_lines_and_nothing_else()
    {
        (int code, string output, string error) = Run("advise", Trace);

        Assert.That((code, error), Is.EqualTo((0, "")));
        string[] lines = output.Split('\n');
        Assert.That(lines, Has.Length.EqualTo(6));
        Assert.That(lines[0], Does.Match(@"^nsvm-l2-asid saves [\d,.]+ ns of a [\d,.]+ ns L2 CPUID round trip \([\d.]+%\), against nsvm-6\.14\.$"));
        Assert.That(lines[1..5].Select(line => line[..line.IndexOf(':', StringComparison.Ordinal)]), Is.EqualTo(new[] { "Safety", "Why", "Assumed", "Firmer" }));
        Assert.That(lines[3], Does.StartWith("Assumed: a zen-3 CPU; "));
    }

    [Test]
    public void Json_takes_the_place_of_the_sentences()
    {
        (int code, string output, string error) = Run("advise", Trace, "--before", "nsvm-5.8", "--rate", "38,000", "--json", "-");

        Assert.That((code, error), Is.EqualTo((0, "")));
        using JsonDocument document = JsonDocument.Parse(output);
        Assert.That(document.RootElement.GetProperty("rate").GetDouble(), Is.EqualTo(38_000));
        Assert.That(document.RootElement.GetProperty("before").GetString(), Is.EqualTo("nsvm-5.8"));
    }

    [TestCase(new[] { "--before", "nsvm-5.9" }, "older than 5.10")]
    [TestCase(new[] { "--rate", "0" }, "--rate: expected a number above 0, found '0'")]
    [TestCase(new[] { "--round-trip", "fast" }, "--round-trip: expected a number above 0, found 'fast'")]
    [TestCase(new[] { "--profile", "skylake-sp" }, "Take --profile zen-3")]
    public void A_mistake_is_told_with_what_to_do(string[] more, string message)
    {
        (int code, string output, string error) = Run(["advise", Trace, .. more]);

        Assert.That((code, output), Is.EqualTo((2, "")));
        Assert.That(error, Does.Contain(message));
    }

    /// <summary>What a newcomer gives it: what there is a lot of lying about, and what is broken.</summary>
    [TestCase("nothing-here.txt", null, 2, "There is no file ")]
    [TestCase("empty.txt", "", 3, "found an empty file")]
    [TestCase("notes.txt", "Dear diary,\ntoday I booted a guest.\n", 3, "This does not look like a kernel trace")]
    public void A_file_that_is_no_recording_is_told_from_one_that_is_not_there(string name, string? text, int exitCode, string message)
    {
        string folder = Directory.CreateTempSubdirectory().FullName;
        try
        {
            string path = Path.Combine(folder, name);
            if (text is not null)
            {
                File.WriteAllText(path, text);
            }

            (int code, string output, string error) = Run("advise", path);

            Assert.That((code, output), Is.EqualTo((exitCode, "")));
            Assert.That(error, Does.Contain(message).And.Contain(path));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Test]
    public void A_bare_program_has_nothing_to_decide_and_the_message_says_what_to_do()
    {
        (int code, _, string error) = Run("advise", RepositoryFolder.Of("traces", "sort.nst.gz"));

        Assert.That(code, Is.EqualTo(2));
        Assert.That(error, Does.Contain("has no VM-entry or VM-exit").And.Contain("nestsim trace weave"));
    }

    /// <summary>Five lines for each kind of input that there is: kernel events of either vendor, a memory window, a hardware log, a shipped trace.</summary>
    [TestCase("captures/qemu-svm-1cpu.n1cpu-2.ftrace.txt.xz", "nsvm-l2-asid saves ", "a zen-3 CPU")]
    [TestCase("captures/bochs-vmx-1cpu.nb1-2.ftrace.txt.xz", "vpid02-per-vpid12 saves ", "a skylake-sp CPU")]
    [TestCase("captures/bochs-vmx-6.12.95.a-plain.hw.txt.xz", "vpid02-per-vpid12 ", "a skylake-sp CPU")]
    [TestCase("nested-kvm-two-processes.nst.gz", "vpid02-per-vpid12 costs exactly the same for each ", "a skylake-sp CPU")]
    public void Every_kind_of_input_has_its_five_lines(string file, string answer, string assumed)
    {
        (int code, string output, string error) = Run("advise", RepositoryFolder.Of("traces", file));

        Assert.That((code, error), Is.EqualTo((0, "")));
        string[] lines = output.TrimEnd('\n').Split('\n');
        Assert.That(lines, Has.Length.EqualTo(5));
        Assert.That(lines[0], Does.StartWith(answer));
        Assert.That(lines[3], Does.StartWith("Assumed: " + assumed));
        Assert.That(lines, Has.All.EndsWith(".").And.None.Contain("differ by for").And.None.Contain("  ").And.None.Contain(";."));
    }

    private static (int Code, string Output, string Error) Run(params string[] args)
    {
        using StringWriter output = new();
        using StringWriter error = new();
        int code = CliApplication.Run(args, output, error);
        return (code, output.ToString(), error.ToString());
    }
}
