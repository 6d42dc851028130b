using Sim.Core;
using Sim.Core.Profiles;

namespace Sim.Experiments;

/// <summary>The CPU profiles that are shipped beside the program, and those that users have in files.</summary>
public static class ProfileLibrary
{
    private const string Extension = ".json";

    /// <summary>Folder of the shipped profiles.</summary>
    public static string Folder { get; } = Path.Combine(AppContext.BaseDirectory, "profiles");

    /// <summary>Names of the shipped profiles, ordinal order.</summary>
    public static IReadOnlyList<string> Names { get; } =
        Directory.Exists(Folder) ? [.. Directory.EnumerateFiles(Folder, "*" + Extension).Select(path => Path.GetFileNameWithoutExtension(path)).Order(StringComparer.Ordinal)] : [];

    /// <summary>The profile that is taken for a trace of a vendor if none is named.</summary>
    public static string DefaultFor(Vendor vendor) => vendor == Vendor.Amd ? "zen-3" : "skylake-sp";

    /// <summary>The file of a profile: the name of a shipped one, or a path (with a folder or ending in .json).</summary>
    /// <returns>The path, and the name that messages and origins use, which is the same on every machine for a shipped profile.</returns>
    /// <exception cref="ConfigurationException">There is no such profile; the message lists the nearest names.</exception>
    public static (string Path, string DisplayName) Find(string nameOrPath)
    {
        if (Names.Contains(nameOrPath))
        {
            return (Path.Combine(Folder, nameOrPath + Extension), $"profiles/{nameOrPath}{Extension}");
        }

        bool isPath = nameOrPath.Contains('/', StringComparison.Ordinal) || nameOrPath.EndsWith(Extension, StringComparison.Ordinal);
        return isPath && File.Exists(nameOrPath)
            ? (nameOrPath, nameOrPath)
            : throw new ConfigurationException(isPath ? $"There is no profile file '{nameOrPath}'." : NearestNames.Unknown("profile", nameOrPath, Names) + " A path to a .json file is good too.");
    }
}
