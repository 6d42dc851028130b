using System.Text;
using Sim.Core;
using Sim.Core.Files;

namespace Sim.Reports.Results;

/// <summary>Writes and reads result files. A file appears whole or not at all.</summary>
public static class ResultFiles
{
    /// <summary>Reads a result set from a JSON file.</summary>
    /// <exception cref="ConfigurationException">It cannot be read.</exception>
    /// <exception cref="TraceFormatException">It is no result file.</exception>
    public static RunSet Read(string path) => RunSetJson.Read(InputFile.ReadText(path, "file", "'nestsim compare ... -o DIR' writes DIR/results.json."), path);

    /// <summary>Writes one text file in UTF-8 without a byte order mark.</summary>
    /// <exception cref="ConfigurationException">It cannot be written.</exception>
    public static void Write(string path, string text)
    {
        using OutputFile file = OutputFile.Check(path, "file");
        Write(file, text);
    }

    /// <summary>Writes one text file that has been checked before, in UTF-8 without a byte order mark; nothing if it is null.</summary>
    /// <exception cref="ConfigurationException">It cannot be written.</exception>
    public static void Write(OutputFile? file, string text)
    {
        file?.Write(Encoding.UTF8.GetBytes(text));
        file?.Commit();
    }
}
