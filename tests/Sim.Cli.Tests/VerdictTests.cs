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

        Assert.That(sentence, Does.StartWith("kvm-6.12 is the only choice").And.Contain("holes: kvm-5.14 (H5+3)").And.EndWith("safety not exercised."));
        Golden.Check("compare-nested-sqlite-vpid-new.txt", output);
    }

    /// <summary>24 lines of 80 characters, the last of which is the shell's.</summary>
    [TestCase("nested-sqlite-vpid-new.nst.gz", "kvm-5.14,kvm-5.16,kvm-6.12,always-guest,always-current,never")]
    [TestCase("nested-kvm-two-processes.nst.gz", "kvm-4.20,kvm-5.8,kvm-6.12,always-guest,always-current,never")]
    [TestCase("nested-gzip-vpid-alternate.nst.gz", "kvm-4.4,kvm-4.20,kvm-5.8,kvm-5.14,kvm-6.12,vpid02-per-vpid12")]
    [TestCase("nested-gzip-svm.nst.gz", "nsvm-5.8,nsvm-6.14,nsvm-l2-asid,always-guest,always-current,never")]
    [TestCase("sort.nst.gz", "kvm-5.14,kvm-5.16,kvm-6.12,always-guest,always-current,never")]
    public void The_answer_about_six_policies_fits_one_screen(string trace, string policies)
    {
        using StringWriter output = new();
        using StringWriter error = new();
        string[] profile = trace.Contains("svm", StringComparison.Ordinal) ? ["--profile", "zen-4"] : [];
        Terminal terminal = Terminal.Of(output, error) with { OutputIsTerminal = true, ErrorIsTerminal = true, Width = 80 };

        Assert.That(CliApplication.Run(["compare", RepositoryFolder.Of("traces", trace), .. profile, "-p", policies, "--measure", "50K"], terminal), Is.Zero, error.ToString());

        string[] lines = output.ToString().TrimEnd('\n').Split('\n');
        Assert.That(lines, Has.Length.LessThanOrEqualTo(23), output.ToString());
        Assert.That(lines, Has.All.Length.LessThanOrEqualTo(80), output.ToString());
    }

    [TestCase("nested-sqlite-vpid-new.nst.gz", 1, "kvm-6.12, always-guest: not exercised: nothing in this trace could have gone wrong, so it does not show that a policy is safe (docs/safety.md)\n")]
    [TestCase("scenarios/seed1-no-ept-vpid-new.scenario", 0, "")]
    public void A_trace_on_which_nothing_could_go_wrong_does_not_pass_for_safe(string trace, int exitCode, string message)
    {
        using StringWriter output = new();
        using StringWriter error = new();

        int code = CliApplication.Run(["compare", RepositoryFolder.Of("traces", trace), "-q", "-p", "kvm-6.12,always-guest", "--require-safe"], output, error);

        Assert.That((code, error.ToString()), Is.EqualTo((exitCode, message)));
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
