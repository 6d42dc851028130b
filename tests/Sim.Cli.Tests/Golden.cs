using System.Runtime.CompilerServices;

namespace Sim.Cli.Tests;

/// <summary>Texts that are compared with files in Golden/. With NESTSIM_GOLDEN=update the files are rewritten instead.</summary>
internal static class Golden
{
    /// <summary>Fails if the text is not the file's.</summary>
    public static void Check(string file, string text)
    {
        string path = Path.Combine(Folder(), file);
        if (Environment.GetEnvironmentVariable("NESTSIM_GOLDEN") == "update")
        {
            File.WriteAllText(path, text);
        }

        Assert.That(text, Is.EqualTo(File.ReadAllText(path)), $"{file} differs; NESTSIM_GOLDEN=update rewrites it");
    }

    /// <summary>The source folder: the build hides absolute paths, so it is found upwards from the test assembly.</summary>
    private static string Folder([CallerFilePath] string here = "")
    {
        string name = Path.Combine("tests", "Sim.Cli.Tests", Path.GetFileNameWithoutExtension(here));
        for (DirectoryInfo? at = new(AppContext.BaseDirectory); at is not null; at = at.Parent)
        {
            if (Directory.Exists(Path.Combine(at.FullName, name)))
            {
                return Path.Combine(at.FullName, name);
            }
        }

        throw new DirectoryNotFoundException(name);
    }
}
