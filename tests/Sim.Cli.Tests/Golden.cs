namespace Sim.Cli.Tests;

/// <summary>Texts that are compared with files in Golden/. With NESTSIM_GOLDEN=update the files are rewritten instead.</summary>
internal static class Golden
{
    /// <summary>Fails if the text is not the file's.</summary>
    public static void Check(string file, string text)
    {
        string path = RepositoryFolder.Of("tests", "Sim.Cli.Tests", "Golden", file);
        if (Environment.GetEnvironmentVariable("NESTSIM_GOLDEN") == "update")
        {
            File.WriteAllText(path, text);
        }

        Assert.That(text, Is.EqualTo(File.ReadAllText(path)), $"{file} differs; NESTSIM_GOLDEN=update rewrites it");
    }
}
