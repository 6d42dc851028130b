using System.Text.Json;
using Sim.Core;
using Sim.Core.Stats;
using Sim.Core.Traces;

namespace Sim.Reports.Results;

/// <summary>Reads a result set member by member. What does not fit throws what <see cref="RunSetJson.Read"/> turns into a user's error.</summary>
internal static class RunSetJsonReader
{
    /// <summary>Reads the set.</summary>
    /// <param name="root">The document.</param>
    /// <param name="file">Name used in errors.</param>
    public static RunSet Read(JsonElement root, string file)
    {
        string schema = root.ValueKind == JsonValueKind.Object && root.TryGetProperty("schema", out JsonElement name) ? name.ToString() : "no schema";
        if (schema != RunSetJson.Schema)
        {
            throw new TraceFormatException(file, "member 'schema'", RunSetJson.Schema, schema, "This is not a result file of nestsim.");
        }

        string version = Text(root, "schema_version");
        if (version.Split('.')[0] != RunSetJson.SchemaVersion.Split('.')[0])
        {
            throw new TraceFormatException(file, "member 'schema_version'", $"{RunSetJson.SchemaVersion} or another of its major version", version, "Use the version of nestsim that wrote it.");
        }

        Dictionary<string, JsonElement> descriptors = root.GetProperty("statistics").EnumerateArray().ToDictionary(d => Text(d, "path"), StringComparer.Ordinal);
        Dictionary<string, JsonElement> seriesDescriptors = Members(root, "series").ToDictionary(d => Text(d, "path"), StringComparer.Ordinal);
        return new RunSet(
            root.GetProperty("partial").GetBoolean(),
            ReadProvenance(root.GetProperty("provenance")),
            [.. root.GetProperty("runs").EnumerateArray().Select(run => ReadRun(run, descriptors, seriesDescriptors))],
            root.TryGetProperty("session", out JsonElement session) ? ReadSession(session) : new Session("", "", "", "", "", 0, 0, 0, 0));
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
            JsonLines.Compact(element.GetProperty("configuration")),
            Map(element.GetProperty("configuration_origins")),
            new TraceIdentity(
                Text(trace, "name"), Text(trace, "format"), trace.GetProperty("sha256").GetString(), trace.GetProperty("lanes").GetInt32(), trace.GetProperty("folded").GetBoolean(), Map(trace.GetProperty("properties"))),
            new WindowCounts(windows.GetProperty("skipped_records").GetUInt64(), windows.GetProperty("warm_up_records").GetUInt64(), windows.GetProperty("measured_records").GetUInt64()))
        {
            Doubts = [.. Members(element, "doubts").Select(ReadDoubt)],
            Base = element.TryGetProperty("base", out JsonElement priceBase) ? ReadBase(priceBase) : null,
        };
    }

    private static PriceBase ReadBase(JsonElement element) => new(
        element.GetProperty("reference_kilohertz").GetInt64(),
        element.GetProperty("boost_kilohertz").GetInt64(),
        element.GetProperty("level").GetInt32(),
        [
            .. element.GetProperty("round_trips").EnumerateArray().Select(trip => new RoundTripBase(
                Text(trip, "reason"), trip.GetProperty("count").GetInt64(), trip.GetProperty("least").GetInt64(), trip.GetProperty("most").GetInt64(), Text(trip, "source"))),
        ],
        Text(element, "kernel"),
        element.TryGetProperty("recorded_nanoseconds", out JsonElement time) ? time.GetInt64() : null,
        [.. element.GetProperty("assumed_activities").EnumerateArray().Select(activity => activity.GetString() ?? throw new FormatException("null in 'assumed_activities'"))]);

    private static Doubt ReadDoubt(JsonElement doubt) => new(
        Doubt.KindOf(Text(doubt, "kind")),
        Text(doubt, "sentence"),
        doubt.TryGetProperty("count", out JsonElement count) ? count.GetInt64() : null,
        doubt.TryGetProperty("of", out JsonElement of) ? of.GetInt64() : null);

    private static RunResult ReadRun(JsonElement element, Dictionary<string, JsonElement> descriptors, Dictionary<string, JsonElement> seriesDescriptors)
    {
        StatSheet sheet = new();
        foreach (JsonElement value in element.GetProperty("values").EnumerateArray())
        {
            string path = Text(value, "path");
            JsonElement descriptor = descriptors[path];
            string label = value.TryGetProperty("label", out JsonElement l) ? l.GetString()! : "";
            RunSetJson.Add(sheet, Text(descriptor, "kind"), path, Text(descriptor, "unit"), Text(descriptor, "help"), value.GetProperty("value").GetInt64(), label);
        }

        foreach (JsonElement series in Members(element, "series"))
        {
            sheet.Add(ReadSeries(series, seriesDescriptors[Text(series, "path")]));
        }

        RunFailure? failure = element.TryGetProperty("failure", out JsonElement f) ? new RunFailure(f.GetProperty("exit_code").GetInt32(), Text(f, "message")) : null;
        FailedEntry[] failed =
        [
            .. element.GetProperty("failed_vm_entries").EnumerateArray().Select(e => new FailedEntry(
                e.GetProperty("time").GetUInt64(), e.GetProperty("lane").GetInt32(), e.GetProperty("vcpu").GetInt32(), e.GetProperty("vmcs12").GetUInt64(), Text(e, "check"))),
        ];
        return new RunResult(Text(element, "run"), Text(element, "policy"), sheet, failed, failure, element.TryGetProperty("safety", out JsonElement safety) ? ReadSafety(safety) : null)
        {
            InterruptPath = OptionalText(element, "interrupt_path"),
            ApicvUpdate = OptionalText(element, "apicv_update"),
            IsYardstick = element.TryGetProperty("yardstick", out JsonElement yardstick) && yardstick.GetBoolean(),
            Holes = [.. Members(element, "known_holes").Select(hole => new PolicyHole(Text(hole, "id"), Text(hole, "meaning"), Text(hole, "scenario"), hole.GetProperty("without_ept").GetBoolean()))],
            Parameters = [.. Members(element, "parameters").Select(parameter => new RunParameter(Text(parameter, "path"), Text(parameter, "value")))],
        };
    }

    private static Series ReadSeries(JsonElement element, JsonElement descriptor) => new(
        Text(element, "path"),
        element.TryGetProperty("label", out JsonElement label) ? label.GetString()! : "",
        Text(descriptor, "x_unit"),
        Text(descriptor, "unit"),
        RunSetJson.SeriesKindOf(Text(descriptor, "kind")) ?? throw new FormatException($"kind '{Text(descriptor, "kind")}' of a series"),
        Text(descriptor, "help"),
        [.. element.GetProperty("points").EnumerateArray().Select(point => new SeriesPoint(point[0].GetInt64(), point[1].GetInt64()))]);

    private static SafetyVerdict ReadSafety(JsonElement element) => new(
        [
            .. element.GetProperty("findings").EnumerateArray().Select(finding => new SafetyFinding(
                Text(finding, "kind"), finding.GetProperty("count").GetInt64(), [.. finding.GetProperty("story").EnumerateArray().Select(line => line.GetString() ?? throw new FormatException("null in 'story'"))])
            {
                Pages = [.. Members(finding, "pages").Select(ReadPage)],
                PageCount = finding.TryGetProperty("page_count", out JsonElement count) ? count.GetInt32() : 0,
            }),
        ],
        element.GetProperty("permitted_stale_uses").GetInt64())
    {
        PermittedPages = element.TryGetProperty("permitted_pages", out JsonElement pages) ? pages.GetInt32() : 0,
        Exercised = !element.TryGetProperty("exercised", out JsonElement exercised) || exercised.GetBoolean(),
    };

    private static SafetyPage ReadPage(JsonElement page) => new(
        page.GetProperty("page").GetUInt64(),
        page.GetProperty("vcpu").GetInt32(),
        page.GetProperty("level").GetInt32(),
        Text(page, "tag"),
        page.GetProperty("root").GetUInt64(),
        page.GetProperty("uses").GetInt64(),
        page.TryGetProperty("first_time", out JsonElement time) ? time.GetUInt64() : null,
        page.TryGetProperty("first_lane", out JsonElement lane) ? lane.GetInt32() : 0,
        Text(page, "change"),
        Text(page, "owed"));

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

    private static SortedDictionary<string, string> Map(JsonElement element)
    {
        SortedDictionary<string, string> map = new(StringComparer.Ordinal);
        foreach (JsonProperty property in element.EnumerateObject())
        {
            map[property.Name] = property.Value.GetString()!;
        }

        return map;
    }

    /// <summary>The elements of an array that files before version 1.1, 1.2 or 1.3 do not have.</summary>
    private static JsonElement.ArrayEnumerator Members(JsonElement element, string name) => element.TryGetProperty(name, out JsonElement array) ? array.EnumerateArray() : default;

    /// <summary>A member that not every run has, and no file before version 1.2.</summary>
    private static string? OptionalText(JsonElement element, string name) => element.TryGetProperty(name, out _) ? Text(element, name) : null;

    private static string Text(JsonElement element, string name) => element.GetProperty(name).GetString() ?? throw new FormatException($"null in '{name}'");
}
