using System.Reflection;
using System.Xml.Linq;

namespace Sim.Experiments.Tests;

/// <summary>The arrows of README.md, "The house". This table is the documentation of who may know whom.</summary>
[TestFixture]
public sealed class ArchitectureTests
{
    private static readonly SortedDictionary<string, string[]> Arrows = new(StringComparer.Ordinal)
    {
        ["Sim.Core"] = [],
        ["Sim.Tlb"] = ["Sim.Core"],
        ["Sim.Apic"] = ["Sim.Core"],
        ["Sim.Kvm"] = ["Sim.Apic", "Sim.Core", "Sim.Tlb"],
        ["Sim.Workloads"] = ["Sim.Core"],
        ["Sim.Captures"] = ["Sim.Core", "Sim.Workloads"],
        ["Sim.Reports"] = ["Sim.Core"],
        ["Sim.Experiments"] = ["Sim.Apic", "Sim.Captures", "Sim.Core", "Sim.Kvm", "Sim.Reports", "Sim.Tlb", "Sim.Workloads"],
        ["Sim.Validation"] = ["Sim.Apic", "Sim.Captures", "Sim.Core", "Sim.Experiments", "Sim.Kvm", "Sim.Reports", "Sim.Tlb", "Sim.Workloads"],
        ["Sim.Cli"] = ["Sim.Experiments", "Sim.Validation"],
    };

    private static IEnumerable<string> Libraries => Arrows.Keys.Where(name => name is not ("Sim.Cli" or "Sim.Validation"));

    [Test]
    public void Every_library_at_the_top_is_in_the_table_and_declares_exactly_its_arrows()
    {
        string[] projects = [.. Directory.GetDirectories(RepositoryFolder.Root, "Sim.*").SelectMany(folder => Directory.GetFiles(folder, "*.csproj"))];
        Assert.That(projects.Select(Path.GetFileNameWithoutExtension), Is.EquivalentTo(Arrows.Keys));
        foreach (string project in projects)
        {
            string[] declared = XDocument.Load(project).Descendants("ProjectReference")
                .Select(reference => Path.GetFileNameWithoutExtension(reference.Attribute("Include")!.Value.Replace('\\', '/')))
                .Order(StringComparer.Ordinal).ToArray();
            Assert.That(declared, Is.EqualTo(Arrows[Path.GetFileNameWithoutExtension(project)]), project);
        }
    }

    [TestCaseSource(nameof(Libraries))]
    public void The_compiled_assembly_references_only_what_the_table_allows(string name)
    {
        string[] referenced = Assembly.Load(name).GetReferencedAssemblies().Select(reference => reference.Name!)
            .Where(reference => reference.StartsWith("Sim.", StringComparison.Ordinal)).ToArray();
        Assert.That(referenced, Is.SubsetOf(Arrows[name]));
    }

    [Test]
    public void Core_Tlb_Apic_and_Kvm_need_no_package()
    {
        foreach (string name in new[] { "Sim.Core", "Sim.Tlb", "Sim.Apic", "Sim.Kvm" })
        {
            XDocument project = XDocument.Load(RepositoryFolder.Of(name, $"{name}.csproj"));
            Assert.That(project.Descendants("PackageReference"), Is.Empty, name);
        }
    }
}
