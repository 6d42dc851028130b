using System.Xml.Linq;

namespace Sim.Experiments.Tests.Gate;

/// <summary>Names that somebody made to do harm come out inert in every format.</summary>
public sealed class GateOutputsTests
{
    private const string Hostile = "<script>alert(1)</script>\r\n::error::100%|`x`\n=cmd()\u202Eevil\u0007,title=a:b &amp; @everyone [x](http://y)";

    private static readonly GateReport Report = new(Hostile, [new GateOutcome(Hostile, Hostile, GateStatus.Regressed, Hostile, Hostile), new GateOutcome("b", "m", GateStatus.Equal, "5", "r")]);

    [Test]
    public void In_junit_they_are_attributes_of_well_formed_xml()
    {
        XElement suite = XDocument.Parse(GateOutputs.JUnit(Report)).Root!.Element("testsuite")!;

        Assert.That(suite.Elements("testcase").Select(test => test.Attributes().Count()), Is.EqualTo(new[] { 2, 2 }));
        Assert.That(suite.Descendants("script"), Is.Empty);
        string name = suite.Elements("testcase").First().Attribute("name")!.Value;
        Assert.That(name, Does.StartWith("<script>alert(1)</script>\\u000d\\u000a::error::100%").And.Contain("\\u202eevil\\u0007"));
    }

    [Test]
    public void In_markdown_they_are_character_references_in_one_cell()
    {
        string text = GateOutputs.Markdown(Report);

        string row = text.Split('\n').Single(line => line.StartsWith("| **regressed**", StringComparison.Ordinal));
        Assert.That(row.Count(c => c == '|'), Is.EqualTo(6), "five cells");
        Assert.That(text, Does.Not.Contain("<script").And.Not.Contain("`").And.Not.Contain("@everyone").And.Not.Contain("](").And.Not.Contain("\u202E"));
        Assert.That(row, Does.Contain("<code>&#60;script&#62;alert&#40;1&#41;"));
    }

    [Test]
    public void In_annotations_they_cannot_begin_another_command()
    {
        string[] lines = [.. GateOutputs.GitHubAnnotations(Report)];

        Assert.That(lines, Has.Length.EqualTo(1));
        Assert.That(lines[0], Does.Not.Contain("\n").And.Not.Contain("\r"));
        Assert.That(lines[0], Does.StartWith("::error title=<script>alert(1)</script>%0D%0A%3A%3Aerror%3A%3A100%25|"));
        string property = lines[0]["::error title=".Length..lines[0].IndexOf("::", "::error title=".Length, StringComparison.Ordinal)];
        Assert.That(property, Does.Not.Contain(",").And.Not.Contain(":"));
    }

    [Test]
    public void On_a_terminal_they_are_one_line_without_controls()
    {
        string[] lines = [.. GateOutputs.Lines(Report)];

        Assert.That(lines, Has.Length.EqualTo(1));
        Assert.That(lines[0].Any(char.IsControl), Is.False);
        Assert.That(lines[0], Does.Not.Contain("\u202E").And.Contain("\\u202e"));
    }

    [Test]
    public void Github_shows_ten_annotations_so_the_last_one_counts_the_rest()
    {
        GateReport many = new("t", [.. Enumerable.Range(0, 30).Select(i => new GateOutcome("r", $"m{i}", GateStatus.Regressed, "worse", "why"))]);

        string[] lines = [.. GateOutputs.GitHubAnnotations(many)];

        Assert.That(lines, Has.Length.EqualTo(10));
        Assert.That(lines[9], Is.EqualTo("::error title=nestsim gate::FAILED: 0 of 30 metrics equal, 30 regressed."));
    }
}
