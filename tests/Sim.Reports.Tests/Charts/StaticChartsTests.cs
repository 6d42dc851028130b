using System.Text.Json;
using Sim.Core;
using Sim.Reports.Charts;
using Sim.Reports.Charts.VegaLite;
using Sim.Reports.Html;

namespace Sim.Reports.Tests.Charts;

/// <summary>SVG and PNG themselves are tested with Node.js in tests/browser.</summary>
public sealed class StaticChartsTests
{
    private string _folder = "";

    [SetUp]
    public void MakeFolder() => _folder = Directory.CreateTempSubdirectory().FullName;

    [TearDown]
    public void DeleteFolder() => Directory.Delete(_folder, recursive: true);

    [Test]
    public void Json_is_a_specification_with_the_colours_of_the_theme()
    {
        string folder = Path.Combine(_folder, "new", "charts");

        IReadOnlyList<string> files = StaticCharts.Write(Drawings(), folder, StaticFormat.Json, ChartTheme.Dark);

        Assert.That(files, Is.EqualTo(new[] { Path.Combine(folder, "cost-by-cause.json") }));
        JsonElement root = JsonDocument.Parse(File.ReadAllText(files[0])).RootElement;
        Assert.That(root.GetProperty("$schema").GetString(), Is.EqualTo("https://vega.github.io/schema/vega-lite/v6.json"));
        Assert.That(root.GetProperty("config").GetProperty("background").GetString(), Is.EqualTo(ChartTheme.Dark.Ground));
        Assert.That(root.GetProperty("width").GetInt32(), Is.GreaterThan(300));
    }

    [Test]
    public void Without_node_the_user_is_told_what_needs_it_and_nothing_is_left_behind()
    {
        if (!PageRuntime.IsBuilt)
        {
            Assert.Ignore("This build has no chart runtime (npm was missing), which is another message.");
        }

        ConfigurationException? error = Assert.Throws<ConfigurationException>(() => StaticCharts.Write(Drawings(), _folder, StaticFormat.Svg, ChartTheme.Light, Path.Combine(_folder, "no-node")));

        Assert.That(error?.Message, Does.Contain("Node.js").And.Contain("--charts json").And.Contain("no-node"));
        Assert.That(Directory.EnumerateFileSystemEntries(_folder), Is.Empty);
    }

    [Test]
    public void A_folder_that_cannot_be_made_is_the_users_mistake()
    {
        string file = Path.Combine(_folder, "file");
        File.WriteAllText(file, "");

        ConfigurationException? error = Assert.Throws<ConfigurationException>(() => StaticCharts.Write(Drawings(), Path.Combine(file, "charts"), StaticFormat.Json, ChartTheme.Light));

        Assert.That(error?.Message, Does.Contain("cannot be made"));
    }

    private static (string, Specification)[] Drawings() => [("cost-by-cause", new CostByCause().Draw(new ReportInput(ChartSample.Full())).Specification!)];
}
