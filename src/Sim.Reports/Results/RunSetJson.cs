using System.Buffers;
using System.Text;
using System.Text.Encodings.Web;
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
    public const string SchemaVersion = "1.0";

    private static readonly JsonWriterOptions Indented = new() { Indented = true, NewLine = "\n", Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };
    private static readonly JsonWriterOptions OneLine = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>The set as JSON text that ends with a line feed. Without the session, equal experiments give equal text.</summary>
    public static string ToText(RunSet set, bool withSession = true)
    {
        ArrayBufferWriter<byte> buffer = new();
        using (Utf8JsonWriter writer = new(buffer, Indented))
        {
            Write(writer, set, withSession);
        }

        return Encoding.UTF8.GetString(buffer.WrittenSpan) + "\n";
    }

    /// <summary>Reads a set back.</summary>
    /// <param name="text">The file's content.</param>
    /// <param name="file">Name used in errors.</param>
    /// <exception cref="TraceFormatException">It is no result file, or one of a newer major version.</exception>
    public static RunSet Read(string text, string file)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(text);
            JsonElement root = document.RootElement;
            string schema = root.ValueKind == JsonValueKind.Object && root.TryGetProperty("schema", out JsonElement name) ? name.ToString() : "no schema";
            if (schema != Schema)
            {
                throw new TraceFormatException(file, "member 'schema'", Schema, schema, "This is not a result file of nestsim.");
            }

            string version = Text(root, "schema_version");
            if (version.Split('.')[0] != SchemaVersion.Split('.')[0])
            {
                throw new TraceFormatException(file, "member 'schema_version'", $"{SchemaVersion} or another of its major version", version, "Use the version of nestsim that wrote it.");
            }

            Dictionary<string, JsonElement> descriptors = root.GetProperty("statistics").EnumerateArray().ToDictionary(d => Text(d, "path"), StringComparer.Ordinal);
            return new RunSet(
                root.GetProperty("partial").GetBoolean(),
                ReadProvenance(root.GetProperty("provenance")),
                [.. root.GetProperty("runs").EnumerateArray().Select(run => ReadRun(run, descriptors))],
                root.TryGetProperty("session", out JsonElement session) ? ReadSession(session) : new Session("", "", "", "", "", 0, 0, 0, 0));
        }
        catch (JsonException e)
        {
            throw new TraceFormatException(file, $"line {(e.LineNumber ?? 0) + 1}", "JSON", "something else", "The file is damaged or no result file.", e);
        }
        catch (Exception e) when (e is KeyNotFoundException or InvalidOperationException or FormatException)
        {
            throw new TraceFormatException(file, "its members", $"those of {Schema} {SchemaVersion}", e.Message, "The file is damaged.", e);
        }
    }

    private static void Write(Utf8JsonWriter writer, RunSet set, bool withSession)
    {
        writer.WriteStartObject();
        writer.WriteString("schema", Schema);
        writer.WriteString("schema_version", SchemaVersion);
        writer.WriteBoolean("partial", set.Partial);
        WriteProvenance(writer, set.Provenance);
        WriteDescriptors(writer, set.Runs);
        writer.WriteStartArray("runs");
        foreach (RunResult run in set.Runs)
        {
            WriteRun(writer, run);
        }

        writer.WriteEndArray();
        if (withSession)
        {
            WriteSession(writer, set.Session);
        }

        writer.WriteEndObject();
    }

    private static void WriteProvenance(Utf8JsonWriter writer, Provenance provenance)
    {
        writer.WriteStartObject("provenance");
        writer.WriteStartObject("tool");
        writer.WriteString("version", provenance.Tool.Version);
        writer.WriteString("commit", provenance.Tool.Commit);
        if (provenance.Tool.Dirty is { } dirty)
        {
            writer.WriteBoolean("dirty", dirty);
        }

        writer.WriteEndObject();
        writer.WriteString("profile", provenance.Profile);
        writer.WriteString("reference", provenance.Reference);
        writer.WriteString("configuration_hash", provenance.ConfigurationHash);
        writer.WritePropertyName("configuration");
        using (JsonDocument configuration = JsonDocument.Parse(provenance.Configuration))
        {
            configuration.WriteTo(writer);
        }

        WriteMap(writer, "configuration_origins", provenance.Origins);
        writer.WriteStartObject("trace");
        writer.WriteString("name", provenance.Trace.Name);
        writer.WriteString("format", provenance.Trace.Format);
        writer.WriteString("sha256", provenance.Trace.Sha256);
        writer.WriteNumber("lanes", provenance.Trace.Lanes);
        writer.WriteBoolean("folded", provenance.Trace.Folded);
        WriteMap(writer, "properties", provenance.Trace.Properties);
        writer.WriteEndObject();
        writer.WriteStartObject("windows");
        writer.WriteNumber("skipped_records", provenance.Windows.Skipped);
        writer.WriteNumber("warm_up_records", provenance.Windows.WarmedUp);
        writer.WriteNumber("measured_records", provenance.Windows.Measured);
        writer.WriteEndObject();
        writer.WriteEndObject();
    }

    private static void WriteMap(Utf8JsonWriter writer, string name, IReadOnlyDictionary<string, string> map)
    {
        writer.WriteStartObject(name);
        foreach ((string key, string value) in map.OrderBy(pair => pair.Key, StringComparer.Ordinal))
        {
            writer.WriteString(key, value);
        }

        writer.WriteEndObject();
    }

    private static void WriteDescriptors(Utf8JsonWriter writer, IReadOnlyList<RunResult> runs)
    {
        writer.WriteStartArray("statistics");
        foreach (Stat stat in runs.SelectMany(run => run.Statistics.Stats).DistinctBy(stat => stat.Path).OrderBy(stat => stat.Path, StringComparer.Ordinal))
        {
            WriteLine(writer, line =>
            {
                line.WriteString("path", stat.Path);
                line.WriteString("unit", stat.Unit);
                line.WriteString("kind", KindWord(stat.Kind));
                line.WriteString("help", stat.Help);
            });
        }

        writer.WriteEndArray();
    }

    private static void WriteRun(Utf8JsonWriter writer, RunResult run)
    {
        writer.WriteStartObject();
        writer.WriteString("run", run.Run);
        writer.WriteString("policy", run.Policy);
        if (run.Failure is { } failure)
        {
            writer.WriteStartObject("failure");
            writer.WriteNumber("exit_code", failure.ExitCode);
            writer.WriteString("message", failure.Message);
            writer.WriteEndObject();
        }

        writer.WriteStartArray("failed_vm_entries");
        foreach (FailedEntry entry in run.FailedVmEntries)
        {
            WriteLine(writer, line =>
            {
                line.WriteNumber("time", entry.Time);
                line.WriteNumber("lane", entry.Lane);
                line.WriteNumber("vcpu", entry.Vcpu);
                line.WriteNumber("vmcs12", entry.Vmcs12);
                line.WriteString("check", entry.Check);
            });
        }

        writer.WriteEndArray();
        writer.WriteStartArray("values");
        foreach (Stat stat in run.Statistics.Stats)
        {
            WriteLine(writer, line =>
            {
                line.WriteString("path", stat.Path);
                if (stat.Label.Length > 0)
                {
                    line.WriteString("label", stat.Label);
                }

                line.WriteNumber("value", stat.Value);
            });
        }

        writer.WriteEndArray();
        writer.WriteEndObject();
    }

    private static void WriteSession(Utf8JsonWriter writer, Session session)
    {
        writer.WriteStartObject("session");
        writer.WriteString("command_line", session.CommandLine);
        writer.WriteString("started_utc", session.StartedUtc);
        writer.WriteString("runtime", session.Runtime);
        writer.WriteString("operating_system", session.OperatingSystem);
        writer.WriteString("cpu", session.Cpu);
        writer.WriteNumber("jobs", session.Jobs);
        writer.WriteNumber("elapsed_seconds", session.ElapsedSeconds);
        writer.WriteNumber("records_per_second", session.RecordsPerSecond);
        writer.WriteNumber("peak_memory_bytes", session.PeakMemoryBytes);
        writer.WriteEndObject();
    }

    /// <summary>One small object on one line, so that results are read and compared line by line.</summary>
    private static void WriteLine(Utf8JsonWriter writer, Action<Utf8JsonWriter> members)
    {
        ArrayBufferWriter<byte> buffer = new();
        buffer.Write(Encoding.UTF8.GetBytes("\n" + new string(' ', writer.CurrentDepth * Indented.IndentSize)));
        using (Utf8JsonWriter line = new(buffer, OneLine))
        {
            line.WriteStartObject();
            members(line);
            line.WriteEndObject();
        }

        writer.WriteRawValue(buffer.WrittenSpan, skipInputValidation: true);
    }

    private static Provenance ReadProvenance(JsonElement element)
    {
        JsonElement tool = element.GetProperty("tool");
        JsonElement trace = element.GetProperty("trace");
        JsonElement windows = element.GetProperty("windows");
        return new Provenance(
            new ToolVersion(Text(tool, "version"), Text(tool, "commit"), tool.TryGetProperty("dirty", out JsonElement dirty) ? dirty.GetBoolean() : null),
            Text(element, "profile"),
            Text(element, "reference"),
            Text(element, "configuration_hash"),
            Compact(element.GetProperty("configuration")),
            Map(element.GetProperty("configuration_origins")),
            new TraceIdentity(
                Text(trace, "name"), Text(trace, "format"), trace.GetProperty("sha256").GetString(), trace.GetProperty("lanes").GetInt32(), trace.GetProperty("folded").GetBoolean(), Map(trace.GetProperty("properties"))),
            new WindowCounts(windows.GetProperty("skipped_records").GetUInt64(), windows.GetProperty("warm_up_records").GetUInt64(), windows.GetProperty("measured_records").GetUInt64()));
    }

    private static RunResult ReadRun(JsonElement element, Dictionary<string, JsonElement> descriptors)
    {
        StatSheet sheet = new();
        foreach (JsonElement value in element.GetProperty("values").EnumerateArray())
        {
            string path = Text(value, "path");
            JsonElement descriptor = descriptors[path];
            string label = value.TryGetProperty("label", out JsonElement l) ? l.GetString()! : "";
            Add(sheet, Text(descriptor, "kind"), path, Text(descriptor, "unit"), Text(descriptor, "help"), value.GetProperty("value").GetInt64(), label);
        }

        RunFailure? failure = element.TryGetProperty("failure", out JsonElement f) ? new RunFailure(f.GetProperty("exit_code").GetInt32(), Text(f, "message")) : null;
        FailedEntry[] failed =
        [
            .. element.GetProperty("failed_vm_entries").EnumerateArray().Select(e => new FailedEntry(
                e.GetProperty("time").GetUInt64(), e.GetProperty("lane").GetInt32(), e.GetProperty("vcpu").GetInt32(), e.GetProperty("vmcs12").GetUInt64(), Text(e, "check"))),
        ];
        return new RunResult(Text(element, "run"), Text(element, "policy"), sheet, failed, failure);
    }

    private static Session ReadSession(JsonElement element) => new(
        Text(element, "command_line"),
        Text(element, "started_utc"),
        Text(element, "runtime"),
        Text(element, "operating_system"),
        Text(element, "cpu"),
        element.GetProperty("jobs").GetInt32(),
        element.GetProperty("elapsed_seconds").GetDouble(),
        element.GetProperty("records_per_second").GetDouble(),
        element.GetProperty("peak_memory_bytes").GetInt64());

    private static string Compact(JsonElement element)
    {
        ArrayBufferWriter<byte> buffer = new();
        using (Utf8JsonWriter writer = new(buffer, OneLine))
        {
            element.WriteTo(writer);
        }

        return Encoding.UTF8.GetString(buffer.WrittenSpan);
    }

    private static SortedDictionary<string, string> Map(JsonElement element)
    {
        SortedDictionary<string, string> map = new(StringComparer.Ordinal);
        foreach (JsonProperty property in element.EnumerateObject())
        {
            map[property.Name] = property.Value.GetString()!;
        }

        return map;
    }

    private static string Text(JsonElement element, string name) => element.GetProperty(name).GetString() ?? throw new FormatException($"null in '{name}'");

    /// <summary>The word that files use for a kind of statistic.</summary>
    internal static string KindWord(StatKind kind) => kind == StatKind.Counter ? "counter" : "gauge";

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
