using System.Text.Json;
using Sim.Core.Stats;
using Sim.Core.Traces;

namespace Sim.Reports.Results;

/// <summary>Writes a result set member by member (docs/results.md).</summary>
internal static class RunSetJsonWriter
{
    /// <summary>Writes the set as one object.</summary>
    public static void Write(Utf8JsonWriter writer, RunSet set, bool withSession)
    {
        writer.WriteStartObject();
        writer.WriteString("schema", RunSetJson.Schema);
        writer.WriteString("schema_version", RunSetJson.SchemaVersion);
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
        JsonLines.WriteTool(writer, provenance.Tool);
        writer.WriteString("profile", provenance.Profile);
        writer.WriteString("reference", provenance.Reference);
        JsonLines.WriteConfiguration(writer, provenance.ConfigurationHash, provenance.Configuration);
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
        WriteDoubts(writer, provenance.Doubts);
        writer.WriteEndObject();
    }

    private static void WriteDoubts(Utf8JsonWriter writer, IReadOnlyList<Doubt> doubts)
    {
        writer.WriteStartArray("doubts");
        foreach (Doubt doubt in doubts)
        {
            JsonLines.WriteLine(writer, line =>
            {
                line.WriteString("kind", doubt.Word);
                line.WriteString("sentence", doubt.Sentence);
                if (doubt.Count is { } count)
                {
                    line.WriteNumber("count", count);
                }

                if (doubt.Of is { } of)
                {
                    line.WriteNumber("of", of);
                }
            });
        }

        writer.WriteEndArray();
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
            JsonLines.WriteLine(writer, line =>
            {
                line.WriteString("path", stat.Path);
                line.WriteString("unit", stat.Unit);
                line.WriteString("kind", RunSetJson.KindWord(stat.Kind));
                line.WriteString("help", stat.Help);
            });
        }

        writer.WriteEndArray();
        writer.WriteStartArray("series");
        foreach (Series series in runs.SelectMany(run => run.Statistics.Series).DistinctBy(series => series.Path).OrderBy(series => series.Path, StringComparer.Ordinal))
        {
            JsonLines.WriteLine(writer, line =>
            {
                line.WriteString("path", series.Path);
                line.WriteString("x_unit", series.XUnit);
                line.WriteString("unit", series.Unit);
                line.WriteString("kind", RunSetJson.KindWord(series.Kind));
                line.WriteString("help", series.Help);
            });
        }

        writer.WriteEndArray();
    }

    private static void WriteRun(Utf8JsonWriter writer, RunResult run)
    {
        writer.WriteStartObject();
        writer.WriteString("run", run.Run);
        writer.WriteString("policy", run.Policy);
        if (run.InterruptPath is { } interruptPath)
        {
            writer.WriteString("interrupt_path", interruptPath);
        }

        if (run.ApicvUpdate is { } apicvUpdate)
        {
            writer.WriteString("apicv_update", apicvUpdate);
        }

        if (run.Parameters.Count > 0)
        {
            writer.WriteStartArray("parameters");
            foreach (RunParameter parameter in run.Parameters)
            {
                JsonLines.WriteLine(writer, line =>
                {
                    line.WriteString("path", parameter.Path);
                    line.WriteString("value", parameter.Value);
                });
            }

            writer.WriteEndArray();
        }

        if (run.IsYardstick)
        {
            writer.WriteBoolean("yardstick", true);
        }

        if (run.Holes.Count > 0)
        {
            writer.WriteStartArray("known_holes");
            foreach (PolicyHole hole in run.Holes)
            {
                JsonLines.WriteLine(writer, line =>
                {
                    line.WriteString("id", hole.Id);
                    line.WriteString("meaning", hole.Meaning);
                    line.WriteString("scenario", hole.Scenario);
                    line.WriteBoolean("without_ept", hole.WithoutEpt);
                });
            }

            writer.WriteEndArray();
        }

        if (run.Failure is { } failure)
        {
            writer.WriteStartObject("failure");
            writer.WriteNumber("exit_code", failure.ExitCode);
            writer.WriteString("message", failure.Message);
            writer.WriteEndObject();
        }

        if (run.Safety is { } safety)
        {
            WriteSafety(writer, safety);
        }

        writer.WriteStartArray("failed_vm_entries");
        foreach (FailedEntry entry in run.FailedVmEntries)
        {
            JsonLines.WriteLine(writer, line =>
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
            JsonLines.WriteLine(writer, line =>
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
        writer.WriteStartArray("series");
        foreach (Series series in run.Statistics.Series)
        {
            JsonLines.WriteLine(writer, line => WriteSeries(line, series));
        }

        writer.WriteEndArray();
        writer.WriteEndObject();
    }

    private static void WriteSafety(Utf8JsonWriter writer, SafetyVerdict safety)
    {
        writer.WriteStartObject("safety");
        writer.WriteBoolean("exercised", safety.Exercised);
        writer.WriteNumber("permitted_stale_uses", safety.PermittedStaleUses);
        writer.WriteNumber("permitted_pages", safety.PermittedPages);
        writer.WriteStartArray("findings");
        foreach (SafetyFinding finding in safety.Findings)
        {
            writer.WriteStartObject();
            writer.WriteString("kind", finding.Kind);
            writer.WriteNumber("count", finding.Count);
            writer.WriteStartArray("story");
            foreach (string line in finding.Story)
            {
                writer.WriteStringValue(line);
            }

            writer.WriteEndArray();
            if (finding.PageCount > 0)
            {
                WritePages(writer, finding);
            }

            writer.WriteEndObject();
        }

        writer.WriteEndArray();
        writer.WriteEndObject();
    }

    private static void WritePages(Utf8JsonWriter writer, SafetyFinding finding)
    {
        writer.WriteNumber("page_count", finding.PageCount);
        writer.WriteStartArray("pages");
        foreach (SafetyPage page in finding.Pages)
        {
            JsonLines.WriteLine(writer, line => WritePage(line, page));
        }

        writer.WriteEndArray();
    }

    private static void WritePage(Utf8JsonWriter line, SafetyPage page)
    {
        line.WriteNumber("page", page.Page);
        line.WriteNumber("vcpu", page.Vcpu);
        line.WriteNumber("level", page.Level);
        line.WriteString("tag", page.Tag);
        line.WriteNumber("root", page.Root);
        line.WriteNumber("uses", page.Uses);
        line.WriteNumber("first_record", page.FirstRecord);
        line.WriteString("change", page.Change);
        line.WriteString("owed", page.Owed);
    }

    private static void WriteSeries(Utf8JsonWriter line, Series series)
    {
        line.WriteString("path", series.Path);
        if (series.Label.Length > 0)
        {
            line.WriteString("label", series.Label);
        }

        line.WriteStartArray("points");
        foreach (SeriesPoint point in series.Points)
        {
            line.WriteStartArray();
            line.WriteNumberValue(point.X);
            line.WriteNumberValue(point.Y);
            line.WriteEndArray();
        }

        line.WriteEndArray();
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
}
