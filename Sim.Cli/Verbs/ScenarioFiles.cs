using System.CommandLine;
using Sim.Core;

namespace Sim.Cli.Verbs;

/// <summary>The scenario files that a verb is given: files, and folders of them.</summary>
internal static class ScenarioFiles
{
    private const string Folder = "traces/scenarios";
    private const string Extension = "*.scenario";

    /// <summary>The argument.</summary>
    public static Argument<string[]> Argument() => new("paths") { Description = $"Scenario files, or folders of them [default: {Folder}]", Arity = ArgumentArity.ZeroOrMore };

    /// <summary>The files; those of a folder in ordinal order.</summary>
    /// <exception cref="ConfigurationException">A folder has none.</exception>
    public static IEnumerable<string> Of(string[]? given) => (given is { Length: > 0 } ? given : [Folder]).SelectMany(Files);

    private static IEnumerable<string> Files(string path)
    {
        if (!Directory.Exists(path))
        {
            return [path];
        }

        string[] files = [.. Directory.GetFiles(path, Extension).Order(StringComparer.Ordinal)];
        return files.Length > 0 ? files : throw new ConfigurationException($"The folder '{path}' holds no {Extension}. Give scenario files, or a folder with some.");
    }
}
