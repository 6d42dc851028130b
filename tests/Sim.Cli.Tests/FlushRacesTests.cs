namespace Sim.Cli.Tests;

/// <summary><c>nestsim races</c> from the command line.</summary>
public sealed class FlushRacesTests
{
    [Test]
    public void Races_are_a_table_and_the_story_of_each_policy_that_goes_wrong()
    {
        (int code, string output, string error) = Run("races", "--profile", "zen-4", "-p", "nsvm-6.14,nsvm-l2-asid", "--races", "beside-a-guest", "--require-safe");

        Assert.That((code, error), Is.EqualTo((1, "")));
        Golden.Check("flush-races.txt", output);
    }

    [Test]
    public void Without_names_all_races_of_the_hardware_are_explored_and_safe_ones_pass_the_gate()
    {
        (int code, string output, _) = Run("races", "--profile", "zen-4", "-p", "nsvm-6.14,always-guest", "--happenings", "0", "--require-safe");

        Assert.That(code, Is.Zero);
        Assert.That(output.Split('\n').Count(line => line.TrimEnd().EndsWith(" safe", StringComparison.Ordinal)), Is.EqualTo(8), "two policies in four races: VMX operation is Intel's");
    }

    [TestCase("--races beside-a-gust", "Did you mean beside-a-guest, ")]
    [TestCase("--races vmx-operation --profile zen-4", "The race vmx-operation does not exist on the hardware of profile 'zen-4'")]
    [TestCase("--happenings 5", "--happenings 5: from 0 to 4.")]
    [TestCase("-p nsvm-6.14", "Policy nsvm-6.14 does not run on Intel hardware")]
    [TestCase("-p kvm-6.12~nothing", "Unknown mutant 'nothing'. Did you mean ")]
    public void A_race_that_cannot_be_is_a_mistake_in_usage(string options, string message)
    {
        (int code, string output, string error) = Run(["races", .. options.Contains("--happenings", StringComparison.Ordinal) ? Array.Empty<string>() : ["--happenings", "0"], .. options.Split(' ')]);

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
