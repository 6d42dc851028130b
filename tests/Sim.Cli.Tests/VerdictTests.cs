namespace Sim.Cli.Tests;

/// <summary>What a user reads first of each shipped trace.</summary>
[TestFixture]
public sealed class VerdictTests
{
    private static IEnumerable<string> Traces => Directory.GetFiles(RepositoryFolder.Of("traces"), "*.nst.gz").Select(path => Path.GetFileName(path)!).Order(StringComparer.Ordinal);

    [Test]
    public void The_seed_threads_own_trace_does_not_recommend_the_kernel_with_the_bug()
    {
        string output = Compare("nested-sqlite-vpid-new.nst.gz", "-p", "kvm-5.14,kvm-5.16,kvm-6.12,always-guest,always-current,never");
        string sentence = output.Split('\n')[1];

        Assert.That(sentence, Does.StartWith("kvm-6.12 is the only policy here to recommend").And.Contain("known holes: kvm-5.14 (H5+3)").And.EndWith("safety was not exercised by this trace."));
        Golden.Check("compare-nested-sqlite-vpid-new.txt", output);
    }

    [Test]
    public void The_sentences_of_all_shipped_traces_are_the_golden_text() =>
        Golden.Check("verdicts.txt", string.Concat(Traces.Select(trace => $"{trace}\n  {Compare(trace).Split('\n')[1]}\n")));

    private static string Compare(string trace, params string[] options)
    {
        using StringWriter output = new();
        using StringWriter error = new();
        string[] profile = trace.Contains("svm", StringComparison.Ordinal) ? ["--profile", "zen-4"] : [];
        Assert.That(CliApplication.Run(["compare", RepositoryFolder.Of("traces", trace), "-q", .. profile, .. options], output, error), Is.Zero, error.ToString());
        return output.ToString();
    }
}
