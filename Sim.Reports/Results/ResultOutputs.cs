using System.Text;
using Sim.Core;
using Sim.Core.Files;
using Sim.Core.Text;

namespace Sim.Reports.Results;

/// <summary>
/// Where the results of an experiment go: a folder with <c>results.json</c>, <c>results.csv</c> and <c>config.json</c> (the resolved configuration, good for <c>-c</c>), and files of their own. All
/// of it is claimed before the experiment begins, and appears together or not at all.
/// </summary>
public sealed class ResultOutputs : IDisposable
{
    private const string Kind = "result file";

    private readonly OutputFolder? _folder;
    private readonly List<(OutputFile File, Func<RunSet, string> Text)> _files = [];

    private ResultOutputs(OutputFolder? folder) => _folder = folder;

    /// <summary>Claims the places.</summary>
    /// <param name="folder">Folder for all files; null for none.</param>
    /// <param name="json">File for JSON; null for none.</param>
    /// <param name="csv">File for CSV; null for none.</param>
    /// <param name="inputs">Files that are read for it: none of them is overwritten.</param>
    /// <exception cref="ConfigurationException">One cannot be written, or another process writes to the folder.</exception>
    public static ResultOutputs Claim(string? folder, string? json, string? csv, params IReadOnlyList<string> inputs)
    {
        ResultOutputs outputs = new(folder is null ? null : OutputFolder.Claim(folder, Kind));
        try
        {
            if (outputs._folder is { } claimed)
            {
                outputs._files.Add((claimed.File("results.json"), Json));
                outputs._files.Add((claimed.File("results.csv"), RunSetCsv.ToText));
                outputs._files.Add((claimed.File("config.json"), set => Harmless.Json(set.Provenance.Configuration) + "\n"));
            }

            outputs.Add(json, Json, inputs);
            outputs.Add(csv, RunSetCsv.ToText, inputs);
            return outputs;
        }
        catch
        {
            outputs.Dispose();
            throw;
        }
    }

    /// <summary>
    /// Writes everything. Partial results do not replace what is there: they go beside it, as <c>results.partial.json</c>. Returns the names that were taken instead of the ones that were asked for.
    /// </summary>
    /// <exception cref="ConfigurationException">It cannot be written; all files are as they were.</exception>
    public IReadOnlyList<string> Write(RunSet set)
    {
        bool isBeside = set.Partial && _files.Any(output => !output.File.IsInPlace && File.Exists(output.File.Path));
        OutputFile[] files = [.. _files.Select(output => isBeside && !output.File.IsInPlace ? OutputFile.Check(Beside(output.File.Path), Kind) : output.File)];
        try
        {
            for (int i = 0; i < files.Length; i++)
            {
                files[i].Write(Encoding.UTF8.GetBytes(_files[i].Text(set)));
            }

            OutputFile.Commit(files);
        }
        finally
        {
            Array.ForEach(files, file => file.Dispose());
        }

        return isBeside ? [.. files.Where(file => !file.IsInPlace).Select(file => file.Path)] : [];
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _files.ForEach(output => output.File.Dispose());
        _folder?.Dispose();
    }

    private static string Json(RunSet set) => RunSetJson.ToText(set);

    private static string Beside(string path) => Path.ChangeExtension(path, "partial" + Path.GetExtension(path));

    private void Add(string? path, Func<RunSet, string> text, IReadOnlyList<string> inputs)
    {
        if (path is not null)
        {
            _files.Add((OutputFile.Check(path, Kind, inputs), text));
        }
    }
}
