namespace Sim.Cli.Tests;

/// <summary><c>nestsim interrupts --races</c> from the command line.</summary>
public sealed class RacesTests
{
    [Test]
    public void A_race_by_name_is_a_table_and_the_story_of_each_wrong_rule()
    {
        (int code, string output, string error) = Run("interrupts", "--races", "descriptor-swapped,target-exits", "--irq-paths", "none,posted-device", "--require-safe");

        Assert.That((code, error), Is.EqualTo((0, "")), "only the right rules make a race unsafe");
        Golden.Check("interrupts-races.txt", output);
    }

    [Test]
    public void Races_without_a_name_are_all_of_them_and_tell_no_stories()
    {
        (int code, string output, _) = Run("interrupts", "--profile", "zen-4", "--races", "--irq-paths", "avic-iommu");

        Assert.That(code, Is.Zero);
        Assert.That(output.Split('\n').Count(line => line.Contains("  correct  ", StringComparison.Ordinal)), Is.EqualTo(7), "a device is a sender in 7 of the races of AVIC");
        Assert.That(output, Does.Match("(?m)^target-halts +avic-iommu +device +no-ga-log-asleep .* lost behind [0-9]+ steps$").And.Not.Contain("a shortest order"));
    }

    [TestCase("--races target-hats", "Unknown interrupt race 'target-hats'. Did you mean target-halts, ")]
    [TestCase("--races descriptor-swapped --irq-paths none", "None of the races descriptor-swapped is about any of the paths none")]
    [TestCase("--races --irq-paths avic", "Interrupt path avic does not exist on Intel hardware")]
    public void A_race_that_cannot_be_is_a_mistake_in_usage(string options, string message)
    {
        (int code, string output, string error) = Run(["interrupts", .. options.Split(' ')]);

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
