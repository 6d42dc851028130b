using Sim.Core;

namespace Sim.Reports.Results;

/// <summary>Writes and reads result files. A file appears whole or not at all.</summary>
public static class ResultFiles
{
    /// <summary>Ending of a file's name while it is written.</summary>
    internal const string Partial = ".partial";

    /// <summary>Writes <c>results.json</c>, <c>results.csv</c> and <c>config.json</c> (the resolved configuration, good for <c>-c</c>) into a folder, which is made if needed.</summary>
    /// <exception cref="ConfigurationException">They cannot be written.</exception>
    public static void WriteAll(RunSet set, string folder)
    {
        MakeFolder(folder);
        Write(Path.Combine(folder, "results.json"), RunSetJson.ToText(set));
        Write(Path.Combine(folder, "results.csv"), RunSetCsv.ToText(set));
        Write(Path.Combine(folder, "config.json"), set.Provenance.Configuration + "\n");
    }

    /// <summary>Makes a folder, and those above it, if it is not there.</summary>
    /// <exception cref="ConfigurationException">It cannot be made.</exception>
    public static void MakeFolder(string folder)
    {
        try
        {
            Directory.CreateDirectory(folder);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new ConfigurationException($"The folder '{folder}' cannot be made: {e.Message}", e);
        }
    }

    /// <summary>Reads a result set from a JSON file.</summary>
    /// <exception cref="ConfigurationException">It cannot be read.</exception>
    /// <exception cref="TraceFormatException">It is no result file.</exception>
    public static RunSet Read(string path) => RunSetJson.Read(ReadText(path), path);

    /// <summary>Reads one text file.</summary>
    /// <exception cref="ConfigurationException">It cannot be read.</exception>
    public static string ReadText(string path)
    {
        try
        {
            return File.ReadAllText(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new ConfigurationException($"The file '{path}' cannot be read: {e.Message}", e);
        }
    }

    /// <summary>Writes one text file in UTF-8 without a byte order mark.</summary>
    /// <exception cref="ConfigurationException">It cannot be written.</exception>
    public static void Write(string path, string text) => Write(path, System.Text.Encoding.UTF8.GetBytes(text));

    /// <summary>Writes one file.</summary>
    /// <exception cref="ConfigurationException">It cannot be written.</exception>
    public static void Write(string path, byte[] content)
    {
        string partial = path + Partial;
        try
        {
            File.WriteAllBytes(partial, content);
            File.Move(partial, path, overwrite: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            if (File.Exists(partial))
            {
                File.Delete(partial);
            }

            throw new ConfigurationException($"The file '{path}' cannot be written: {e.Message} Name a file in a folder that exists and may be written to.", e);
        }
    }
}
