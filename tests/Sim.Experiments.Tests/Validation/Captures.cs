namespace Sim.Experiments.Tests.Validation;

/// <summary>The recordings of real nested KVM beside the repository. Tests are skipped where the folder is missing.</summary>
internal static class Captures
{
    public static string File(string name)
    {
        string? folder = TestContext.CurrentContext.TestDirectory;
        while (folder is not null && !System.IO.File.Exists(Path.Combine(folder, "Nestsim.slnx")))
        {
            folder = Path.GetDirectoryName(folder);
        }

        string path = Path.Combine(folder ?? ".", "..", "shared", "captures", name);
        if (!System.IO.File.Exists(path))
        {
            Assert.Ignore($"{name} is not there: the recordings lie in ../shared/captures beside the repository.");
        }

        return path;
    }
}
