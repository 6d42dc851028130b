using System.ComponentModel;
using System.Diagnostics;
using System.Text.Json;
using System.Text.Json.Nodes;
using Sim.Core;
using Sim.Reports.Charts.VegaLite;
using Sim.Reports.Html;
using Sim.Reports.Results;

namespace Sim.Reports.Charts;

/// <summary>What a static chart is written as.</summary>
public enum StaticFormat
{
    /// <summary>The Vega-Lite specification with its data.</summary>
    Json,

    /// <summary>Scalable; text stays text.</summary>
    Svg,

    /// <summary>Pixels, two for each unit of length.</summary>
    Png,
}

/// <summary>Writes charts as files. SVG and PNG are drawn by a program for Node.js that the build makes (Charts/Runtime); it needs no browser, no font and no network.</summary>
public static class StaticCharts
{
    private const int Width = 640;
    private const int PngScale = 2;
    private static readonly JsonSerializerOptions Readable = new() { WriteIndented = true, NewLine = "\n" };

    /// <summary>Writes each drawing as <c>FOLDER/NAME.FORMAT</c>. Nothing is left behind if one cannot be drawn.</summary>
    /// <param name="drawings">Names and specifications.</param>
    /// <param name="folder">Made if needed.</param>
    /// <param name="format">What is written.</param>
    /// <param name="theme">Colours.</param>
    /// <param name="node">Node.js: a name that is looked up in PATH, or a path.</param>
    /// <returns>The files, in the order of the drawings.</returns>
    /// <exception cref="ConfigurationException">The folder cannot be written to, Node.js is missing, or this build has no chart runtime.</exception>
    public static IReadOnlyList<string> Write(IReadOnlyList<(string Name, Specification Specification)> drawings, string folder, StaticFormat format, ChartTheme theme, string node = "node")
    {
        string extension = format.ToString().ToLowerInvariant();
        string[] files = [.. drawings.Select(drawing => Path.Combine(folder, $"{drawing.Name}.{extension}"))];
        JsonObject[] specifications = [.. drawings.Select(drawing => drawing.Specification.ToJson(theme, Width))];
        if (format != StaticFormat.Json)
        {
            PageRuntime.RequireBuilt();
        }

        ResultFiles.MakeFolder(folder);
        if (format == StaticFormat.Json)
        {
            for (int i = 0; i < files.Length; i++)
            {
                ResultFiles.Write(files[i], specifications[i].ToJsonString(Readable) + "\n");
            }

            return files;
        }

        string[] partial = [.. files.Select(file => file + ResultFiles.Partial)];
        try
        {
            Draw(partial, specifications, extension, node);
            for (int i = 0; i < files.Length; i++)
            {
                File.Move(partial[i], files[i], overwrite: true);
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new ConfigurationException($"The charts cannot be written to '{folder}': {e.Message}", e);
        }
        finally
        {
            foreach (string file in partial.Where(File.Exists))
            {
                File.Delete(file);
            }
        }

        return files;
    }

    private static void Draw(string[] files, JsonObject[] specifications, string format, string node)
    {
        JsonObject request = new()
        {
            ["format"] = format,
            ["scale"] = PngScale,
            ["charts"] = new JsonArray([.. files.Select((file, i) => new JsonObject { ["path"] = Path.GetFullPath(file), ["specification"] = specifications[i] })]),
        };
        using Process process = new() { StartInfo = new ProcessStartInfo(node) { RedirectStandardInput = true, RedirectStandardError = true } };
        process.StartInfo.ArgumentList.Add(Path.Combine(PageRuntime.Folder, "render.mjs"));
        try
        {
            process.Start();
        }
        catch (Win32Exception e)
        {
            throw new ConfigurationException($"SVG and PNG charts are drawn by Node.js, and '{node}' cannot be started: {e.Message}. Install Node 20 or newer; the HTML report and '--charts json' do not need it.", e);
        }

        Task<string> complaint = process.StandardError.ReadToEndAsync();
        process.StandardInput.Write(request.ToJsonString());
        process.StandardInput.Close();
        process.WaitForExit();
        if (process.ExitCode != 0)
        {
            throw new InvalidOperationException($"The chart program ended with exit code {process.ExitCode}: {complaint.GetAwaiter().GetResult().Trim()}");
        }
    }
}
