using Sim.Core;

namespace Sim.Experiments;

/// <summary>The programs that are shipped to run as L2 where a recording does not say what L2 touched.</summary>
public static class ProgramLibrary
{
    private const string Extension = ".nst.gz";

    /// <summary>Folder of the shipped programs' traces.</summary>
    public static string Folder { get; } = Path.Combine(AppContext.BaseDirectory, "programs");

    /// <summary>Names of the shipped programs, ordinal order.</summary>
    public static IReadOnlyList<string> Names { get; } =
        Directory.Exists(Folder) ? [.. Directory.EnumerateFiles(Folder, "*" + Extension).Select(path => Path.GetFileName(path)[..^Extension.Length]).Order(StringComparer.Ordinal)] : [];

    /// <summary>The trace of a program: the name of a shipped one, or the path of a bare trace.</summary>
    /// <exception cref="ConfigurationException">There is none; the message lists the nearest names.</exception>
    public static string Find(string nameOrPath) => Names.Contains(nameOrPath) ? Path.Combine(Folder, nameOrPath + Extension)
        : File.Exists(nameOrPath) ? nameOrPath
        : throw new ConfigurationException(NearestNames.Unknown("program", nameOrPath, Names) + " A path to a trace is good too.");
}
