using System.Reflection;
using System.Xml.Linq;

namespace Sim.Experiments.Tests;

/// <summary>The arrows of DESIGN.md section 2. This table is the documentation of who may know whom.</summary>
[TestFixture]
public sealed class ArchitectureTests
{
    private static readonly SortedDictionary<string, string[]> Arrows = new(StringComparer.Ordinal)
    {
        ["Sim.Core"] = [],
        ["Sim.Tlb"] = ["Sim.Core"],
        ["Sim.Kvm"] = ["Sim.Core", "Sim.Tlb"],
        ["Sim.Workloads"] = ["Sim.Core"],
        ["Sim.Reports"] = ["Sim.Core"],
        ["Sim.Experiments"] = ["Sim.Core", "Sim.Kvm", "Sim.Reports", "Sim.Tlb", "Sim.Workloads"],
        ["Sim.Cli"] = ["Sim.Experiments"],
    };

    [Test]
    public void Every_project_under_src_is_in_the_table_and_declares_exactly_its_arrows()
    {
        string src = RepositoryFolder.Of("src");
        string[] projects = Directory.GetFiles(src, "*.csproj", SearchOption.AllDirectories);
        Assert.That(projects.Select(Path.GetFileNameWithoutExtension), Is.EquivalentTo(Arrows.Keys));
        foreach (string project in projects)
        {
            string[] declared = XDocument.Load(project).Descendants("ProjectReference")
                .Select(reference => Path.GetFileNameWithoutExtension(reference.Attribute("Include")!.Value.Replace('\\', '/')))
                .Order(StringComparer.Ordinal).ToArray();
            Assert.That(declared, Is.EqualTo(Arrows[Path.GetFileNameWithoutExtension(project)]), project);
        }
    }

    [TestCase("Sim.Core")]
    [TestCase("Sim.Tlb")]
    [TestCase("Sim.Kvm")]
    [TestCase("Sim.Workloads")]
    [TestCase("Sim.Reports")]
    public void The_compiled_assembly_references_only_what_the_table_allows(string name)
    {
        string[] referenced = Assembly.Load(name).GetReferencedAssemblies().Select(reference => reference.Name!)
            .Where(reference => reference.StartsWith("Sim.", StringComparison.Ordinal)).ToArray();
        Assert.That(referenced, Is.SubsetOf(Arrows[name]));
    }

    [Test]
    public void Core_Tlb_and_Kvm_need_no_package()
    {
        foreach (string name in new[] { "Sim.Core", "Sim.Tlb", "Sim.Kvm" })
        {
            XDocument project = XDocument.Load(RepositoryFolder.Of("src", name, $"{name}.csproj"));
            Assert.That(project.Descendants("PackageReference"), Is.Empty, name);
        }
    }
}
