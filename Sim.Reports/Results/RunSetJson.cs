using System.Text.Json;
using Sim.Core;
using Sim.Core.Stats;

namespace Sim.Reports.Results;

/// <summary>
/// Result sets as JSON (docs/results.md). The order of members is fixed and the section <c>session</c>, which alone may differ between two runs of one
/// experiment, comes last.
/// </summary>
public static class RunSetJson
{
    /// <summary>Name of the schema.</summary>
    public const string Schema = "nestsim-results";

    /// <summary>Version of the schema: readers accept every minor version of their major one.</summary>
    public const string SchemaVersion = "1.3";

    /// <summary>The set as JSON text that ends with a line feed. Without the session, equal experiments give equal text.</summary>
    public static string ToText(RunSet set, bool withSession = true) => JsonLines.Document(writer => RunSetJsonWriter.Write(writer, set, withSession));

    /// <summary>Reads a set back.</summary>
    /// <param name="text">The file's content.</param>
    /// <param name="file">Name used in errors.</param>
    /// <exception cref="TraceFormatException">It is no result file, or one of a newer major version.</exception>
    public static RunSet Read(string text, string file)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(text);
            return RunSetJsonReader.Read(document.RootElement, file);
        }
        catch (JsonException e)
        {
            throw new TraceFormatException(file, $"line {(e.LineNumber ?? 0) + 1}", "JSON", "something else", "The file is damaged or no result file.", e);
        }
        catch (Exception e) when (e is KeyNotFoundException or InvalidOperationException or FormatException or ArgumentException or OverflowException or IndexOutOfRangeException)
        {
            throw new TraceFormatException(file, "its members", $"those of {Schema} {SchemaVersion}", e.Message, "The file is damaged.", e);
        }
    }

    /// <summary>The word that files use for a kind of statistic.</summary>
    internal static string KindWord(StatKind kind) => kind == StatKind.Counter ? "counter" : "gauge";

    /// <summary>The word that files use for a kind of series.</summary>
    internal static string KindWord(SeriesKind kind) => kind == SeriesKind.Histogram ? "histogram" : "over_time";

    /// <summary>The kind of series that a word stands for; null if it stands for none.</summary>
    internal static SeriesKind? SeriesKindOf(string word) => word switch
    {
        "histogram" => SeriesKind.Histogram,
        "over_time" => SeriesKind.OverTime,
        _ => null,
    };

    /// <summary>Adds a statistic of a kind given by its word.</summary>
    internal static void Add(StatSheet sheet, string kind, string path, string unit, string help, long value, string label)
    {
        switch (kind)
        {
            case "counter":
                sheet.Counter(path, unit, help, value, label);
                break;
            case "gauge":
                sheet.Gauge(path, unit, help, value, label);
                break;
            default:
                throw new FormatException($"kind '{kind}'");
        }
    }
}
