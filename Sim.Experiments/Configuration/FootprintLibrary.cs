using Sim.Core;
using Sim.Workloads.Footprints;

namespace Sim.Experiments;

/// <summary>The footprint models that are shipped beside the program, and those that users have in files.</summary>
public static class FootprintLibrary
{
    private const string Extension = ".json";

    /// <summary>Folder of the shipped models.</summary>
    public static string Folder { get; } = Path.Combine(AppContext.BaseDirectory, "profiles", "footprints");

    /// <summary>Names of the shipped models, ordinal order.</summary>
    public static IReadOnlyList<string> Names { get; } =
        Directory.Exists(Folder) ? [.. Directory.EnumerateFiles(Folder, "*" + Extension).Select(path => Path.GetFileNameWithoutExtension(path)).Order(StringComparer.Ordinal)] : [];

    /// <summary>Reads a model: the name of a shipped one, or a path (with a folder or ending in .json).</summary>
    /// <exception cref="ConfigurationException">There is none, or it is wrong; the message has all errors, or the nearest names.</exception>
    public static FootprintModel Read(string nameOrPath)
    {
        if (Names.Contains(nameOrPath))
        {
            return FootprintFile.Read(Path.Combine(Folder, nameOrPath + Extension), $"profiles/footprints/{nameOrPath}{Extension}");
        }

        bool isPath = nameOrPath.Contains('/', StringComparison.Ordinal) || nameOrPath.EndsWith(Extension, StringComparison.Ordinal);
        return isPath && File.Exists(nameOrPath) ? FootprintFile.Read(nameOrPath, nameOrPath)
            : throw new ConfigurationException(isPath
                ? $"There is no footprint file '{nameOrPath}'. 'nestsim trace footprint' makes one from recordings with memory accesses."
                : NearestNames.Unknown("footprints", nameOrPath, Names) + " A path to a .json file is good too.");
    }
}
