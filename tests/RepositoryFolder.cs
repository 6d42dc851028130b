namespace Sim.Tests;

/// <summary>The source tree that a test or benchmark runs in: the build hides absolute paths, so it is found upwards from the assembly. Compiled into every test project.</summary>
internal static class RepositoryFolder
{
    /// <summary>The folder with the solution file.</summary>
    public static string Root { get; } = Find();

    /// <summary>A file or folder in it.</summary>
    public static string Of(params string[] parts) => Path.Combine([Root, .. parts]);

    private static string Find()
    {
        DirectoryInfo? at = new(AppContext.BaseDirectory);
        while (at is not null && !File.Exists(Path.Combine(at.FullName, "Nestsim.slnx")))
        {
            at = at.Parent;
        }

        return at?.FullName ?? throw new DirectoryNotFoundException("No Nestsim.slnx above the program: tests and benchmarks run inside the repository.");
    }
}
