using System.Text.Json;
using Sim.Core;
using Sim.Reports.Results;

namespace Sim.Experiments;

/// <summary>Baselines as JSON (docs/gate.md), one rule and one value on a line so that a change of the baseline reads as a diff.</summary>
public static class BaselineJson
{
    /// <summary>Name of the schema.</summary>
    public const string Schema = "nestsim-baseline";

    /// <summary>Version of the schema.</summary>
    public const string SchemaVersion = "1.0";

    private const string Hint = "The file is damaged; docs/gate.md says what is in a baseline, and --update writes a new one where there is none.";

    /// <summary>The baseline as JSON text that ends with a line feed.</summary>
    public static string ToText(Baseline baseline) => JsonLines.Document(writer =>
    {
        writer.WriteStartObject();
        writer.WriteString("schema", Schema);
        writer.WriteString("schema_version", SchemaVersion);
        WriteSubject(writer, baseline.Subject);
        writer.WriteStartArray("rules");
        foreach (GateRule rule in baseline.Rules)
        {
            JsonLines.WriteLine(writer, line =>
            {
                line.WriteString("metric", rule.Pattern);
                line.WriteString("direction", Word(rule.Direction));
                line.WriteString("tolerance", rule.Tolerance.ToString());
                line.WriteString("unit", rule.Unit);
                line.WriteString("reason", rule.Reason);
            });
        }

        writer.WriteEndArray();
        writer.WriteStartArray("values");
        foreach (BaselineValue value in baseline.Values)
        {
            JsonLines.WriteLine(writer, line =>
            {
                line.WriteString("run", value.Run);
                line.WriteString("metric", value.Metric);
                line.WriteString("unit", value.Unit);
                line.WriteNumber("value", value.Value);
            });
        }

        writer.WriteEndArray();
        writer.WriteStartArray("samples");
        foreach (BaselineSamples samples in baseline.Samples)
        {
            JsonLines.WriteLine(writer, line =>
            {
                line.WriteString("metric", samples.Metric);
                line.WriteString("unit", samples.Unit);
                line.WriteString("cpu", samples.Cpu);
                line.WriteStartArray("values");
                foreach (double value in samples.Values)
                {
                    line.WriteNumberValue(value);
                }

                line.WriteEndArray();
            });
        }

        writer.WriteEndArray();
        writer.WriteEndObject();
    });

    /// <summary>Reads a baseline.</summary>
    /// <param name="text">The file's content.</param>
    /// <param name="file">Name used in errors.</param>
    /// <exception cref="TraceFormatException">It is no baseline, a damaged one, or one of another major version.</exception>
    public static Baseline Read(string text, string file)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(text);
            JsonElement root = document.RootElement;
            string schema = root.ValueKind == JsonValueKind.Object && root.TryGetProperty("schema", out JsonElement name) ? name.ToString() : "no schema";
            if (schema != Schema)
            {
                throw new TraceFormatException(file, "member 'schema'", Schema, schema, "This is no baseline of nestsim gate. The first argument of gate is the result, --baseline the baseline.");
            }

            string version = Text(root, "schema_version");
            if (version.Split('.')[0] != SchemaVersion.Split('.')[0])
            {
                throw new TraceFormatException(file, "member 'schema_version'", $"{SchemaVersion} or another of its major version", version, "Use the version of nestsim that wrote it.");
            }

            Baseline baseline = new(ReadSubject(root.GetProperty("subject")), Rules(root), Values(root), Samples(root));
            if (baseline.Values.GroupBy(value => (value.Run, value.Metric)).FirstOrDefault(group => group.Count() > 1) is { } twice)
            {
                throw new FormatException($"'{twice.Key.Metric}' of run '{twice.Key.Run}' twice");
            }

            return baseline;
        }
        catch (JsonException e)
        {
            throw new TraceFormatException(file, $"line {(e.LineNumber ?? 0) + 1}", "JSON", "something else", Hint, e);
        }
        catch (Exception e) when (e is KeyNotFoundException or InvalidOperationException or FormatException or OverflowException)
        {
            throw new TraceFormatException(file, "its members", $"those of {Schema} {SchemaVersion}", e.Message, Hint, e);
        }
    }

    private static GateRule[] Rules(JsonElement root) =>
    [
        .. root.GetProperty("rules").EnumerateArray().Select((rule, at) => new GateRule(
            Text(rule, "metric"),
            Text(rule, "direction") switch
            {
                "exact" => GateDirection.Exact,
                "lower" => GateDirection.Lower,
                "higher" => GateDirection.Higher,
                var other => throw new FormatException($"direction '{other}' in rules[{at}], which is none of exact, lower, higher"),
            },
            GateTolerance.TryParse(Text(rule, "tolerance")) ?? throw new FormatException($"tolerance '{Text(rule, "tolerance")}' in rules[{at}], which is neither a number nor a share such as 5%"),
            Text(rule, "unit"),
            Text(rule, "reason"))),
    ];

    private static BaselineValue[] Values(JsonElement root) =>
        [.. root.GetProperty("values").EnumerateArray().Select(value => new BaselineValue(Text(value, "run"), Text(value, "metric"), Text(value, "unit"), value.GetProperty("value").GetInt64()))];

    private static BaselineSamples[] Samples(JsonElement root) =>
    [
        .. root.GetProperty("samples").EnumerateArray().Select(samples => new BaselineSamples(
            Text(samples, "metric"),
            Text(samples, "unit"),
            Text(samples, "cpu"),
            [.. samples.GetProperty("values").EnumerateArray().Select(value => value.GetDouble() is > 0 and var positive ? positive : throw new FormatException($"sample {value} of {Text(samples, "metric")}, which is not positive"))])),
    ];

    private static void WriteSubject(Utf8JsonWriter writer, GateSubject subject)
    {
        writer.WriteStartObject("subject");
        writer.WriteString("profile", subject.Profile);
        writer.WriteString("trace", subject.Trace);
        writer.WriteString("trace_sha256", subject.TraceSha256);
        writer.WriteNumber("skipped_records", subject.SkippedRecords);
        writer.WriteNumber("warm_up_records", subject.WarmUpRecords);
        writer.WriteNumber("measured_records", subject.MeasuredRecords);
        JsonLines.WriteConfiguration(writer, subject.ConfigurationHash, subject.Configuration);
        writer.WriteEndObject();
    }

    private static GateSubject ReadSubject(JsonElement subject) => new(
        Text(subject, "profile"),
        Text(subject, "trace"),
        subject.GetProperty("trace_sha256").GetString(),
        subject.GetProperty("skipped_records").GetUInt64(),
        subject.GetProperty("warm_up_records").GetUInt64(),
        subject.GetProperty("measured_records").GetUInt64(),
        Text(subject, "configuration_hash"),
        JsonLines.Compact(subject.GetProperty("configuration")));

    private static string Text(JsonElement element, string name) =>
        element.TryGetProperty(name, out JsonElement text) ? text.GetString() ?? throw new FormatException($"null in '{name}'") : throw new FormatException($"no member '{name}'");

    private static string Word(GateDirection direction) => direction switch { GateDirection.Lower => "lower", GateDirection.Higher => "higher", _ => "exact" };
}
