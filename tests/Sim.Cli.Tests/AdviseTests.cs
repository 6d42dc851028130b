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

    [TestCase(new[] { "--before", "nsvm-5.9" }, "nsvm-5.8")]
    [TestCase(new[] { "--rate", "0" }, "--rate: expected a number above 0, found '0'")]
    [TestCase(new[] { "--round-trip", "fast" }, "--round-trip: expected a number above 0, found 'fast'")]
    [TestCase(new[] { "--profile", "skylake-sp" }, "Take --profile zen-3")]
    public void A_mistake_is_told_with_what_to_do(string[] more, string message)
    {
        (int code, string output, string error) = Run(["advise", Trace, .. more]);

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
