namespace Sim.Cli.Tests;

/// <summary>How large pages are, as a user asks for it and is told.</summary>
public sealed class PageSizeTests
{
    private string _folder = "";

    [SetUp]
    public void MakeFolder() => _folder = Directory.CreateTempSubdirectory().FullName;

    [TearDown]
    public void DeleteFolder() => Directory.Delete(_folder, recursive: true);

    /// <summary>300 pages of a program, one after the other: 300 small pages, or one large one and a part of a second.</summary>
    [TestCase("recorded", 300, "assumed L0 4K (upper half 2M).")]
    [TestCase("4K", 300, "assumed 4K for every page.")]
    [TestCase("2M", 2, "assumed 2M for every page.")]
    public void A_program_alone_has_small_pages_unless_large_ones_are_asked_for(string sizes, int walks, string sentence)
    {
        (int code, string output, _) = Run("run", Program(), "--page-sizes", sizes, "-q");

        Assert.That(code, Is.Zero);
        Assert.That(output, Does.Contain(sentence + "\n"));
        Assert.That(Cell(output, "walks"), Is.EqualTo($"{walks}"));
    }

    [Test]
    public void A_bracket_gives_the_range_of_each_policy()
    {
        (int code, string output, _) = Run("compare", Program(), "--page-sizes", "bracket", "-p", "kvm-6.12,never", "-q");

        Assert.That(code, Is.Zero);
        Assert.That(output, Does.Contain("Page sizes: assumed 4K for every page, then assumed 2M for every page.\n"));
        Assert.That(output.Split('\n').Single(line => line.StartsWith("never", StringComparison.Ordinal) && line.Contains("2 to 300", StringComparison.Ordinal)).Split(' ', StringSplitOptions.RemoveEmptyEntries),
            Is.EqualTo(new[] { "never", "300", "2", "2", "to", "300", "=", "=" }));
        Assert.That(output, Does.Not.Contain("per nested transition"), "there is none");
    }

    [Test]
    public void A_sweep_can_be_bracketed_too()
    {
        (int code, string output, _) = Run("sweep", Program(), "--over", "second_level[0].sets=64,128", "--page-sizes", "bracket", "-p", "never", "-q");

        Assert.That(code, Is.Zero);
        Assert.That(output, Does.Contain("second_level[0].sets=64 machine.page_sizes=4K").And.Contain("second_level[0].sets=128 machine.page_sizes=2M"));
    }

    [Test]
    public void A_size_that_is_none_is_refused_with_those_there_are()
    {
        (int code, _, string error) = Run("run", Program(), "--page-sizes", "4M");

        Assert.That(code, Is.EqualTo(2));
        Assert.That(error, Does.Contain("expected one of recorded, assumed, 4K, 2M, bracket, found '4M'"));
    }

    private string Program()
    {
        string path = Path.Combine(_folder, "program.lackey");
        File.WriteAllLines(path, ["==1== Lackey, an example Valgrind tool", .. Enumerable.Range(0, 600).Select(i => FormattableString.Invariant($" L {0x4100000 + (i % 300 * 4096):x},8"))]);
        return path;
    }

    private static string Cell(string output, string figure) => output.Split('\n').First(line => line.StartsWith(figure + " ", StringComparison.Ordinal)).Split(' ', StringSplitOptions.RemoveEmptyEntries)[1];

    private static (int Code, string Output, string Error) Run(params string[] args)
    {
        using StringWriter output = new();
        using StringWriter error = new();
        int code = CliApplication.Run(args, output, error);
        return (code, output.ToString(), error.ToString());
    }
}
