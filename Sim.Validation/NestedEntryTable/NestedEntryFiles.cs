using System.Globalization;
using System.Text;
using System.Text.Json;
using Sim.Core;
using Sim.Core.Files;
using Sim.Experiments;
using Sim.Reports.Results;
using Sim.Reports.Views;

namespace Sim.Validation;

/// <summary>The table of the first seed thread as files: one row for each replay.</summary>
public static class NestedEntryFiles
{
    private const string Schema = "nestsim-seed-1";
    private const string SchemaVersion = "1.0";

    private static readonly string[] Columns =
    [
        "l0_ept", "l1_ept", "vpid12", "transition", "story", "policy", "requests", "invalidations", "synced_pages", "stale_uses", "foreign_uses", "permitted_old_uses",
        "transition_cycles", "use_cycles", "failed_entry",
    ];

    /// <summary>The rows as CSV. Several requests or invalidations in one cell are separated by semicolons.</summary>
    public static string ToCsv(NestedEntryTable table) => CsvText.Of(Columns, table.Rows.Select(row => (IReadOnlyList<string>)
    [
        NestedEntrySituation.OnOff(row.Situation.L0Ept), NestedEntrySituation.OnOff(row.Situation.L1Ept), row.Situation.Vpid12Word, row.Situation.TransitionWord, NestedEntrySituation.Word(row.Story), row.Policy,
        string.Join("; ", row.Requests), string.Join("; ", row.Invalidations), Text(row.SyncedPages), Text(row.StaleUses), Text(row.ForeignUses), Text(row.PermittedOldUses),
        Text(row.TransitionCycles), Text(row.UseCycles), row.FailedEntry ?? "",
    ]));

    /// <summary>Provenance and rows as JSON; equal configurations give equal text.</summary>
    public static string ToJson(NestedEntryTable table) => JsonLines.Document(writer =>
    {
        writer.WriteStartObject();
        writer.WriteString("schema", Schema);
        writer.WriteString("schema_version", SchemaVersion);
        writer.WriteStartObject("provenance");
        JsonLines.WriteTool(writer, ToolInfo.Version);
        writer.WriteString("profile", table.Configuration.Machine.Profile.Name);
        JsonLines.WriteConfiguration(writer, table.Configuration.Hash, table.Configuration.Json);
        writer.WriteEndObject();
        writer.WriteStartArray("rows");
        foreach (Seed1Row row in table.Rows)
        {
            JsonLines.WriteLine(writer, line => WriteRow(line, row));
        }

        writer.WriteEndArray();
        writer.WriteEndObject();
    });

    /// <summary>Writes the scenario of every situation and story into a folder, all or none.</summary>
    /// <exception cref="ConfigurationException">They cannot be written.</exception>
    public static void WriteScenarios(OutputFolder folder)
    {
        List<OutputFile> files = [];
        foreach (NestedEntrySituation situation in NestedEntrySituation.All)
        {
            foreach (Seed1Story story in Enum.GetValues<Seed1Story>())
            {
                OutputFile file = folder.File(situation.FileName(story) + ".scenario");
                file.Write(Encoding.UTF8.GetBytes(situation.ScenarioText(story)));
                files.Add(file);
            }
        }

        OutputFile.Commit(files);
    }

    private static void WriteRow(Utf8JsonWriter line, Seed1Row row)
    {
        line.WriteBoolean("l0_ept", row.Situation.L0Ept);
        line.WriteBoolean("l1_ept", row.Situation.L1Ept);
        line.WriteString("vpid12", row.Situation.Vpid12Word);
        line.WriteString("transition", row.Situation.TransitionWord);
        line.WriteString("story", NestedEntrySituation.Word(row.Story));
        line.WriteString("policy", row.Policy);
        WriteList("requests", row.Requests);
        WriteList("invalidations", row.Invalidations);
        line.WriteNumber("synced_pages", row.SyncedPages);
        line.WriteNumber("stale_uses", row.StaleUses);
        line.WriteNumber("foreign_uses", row.ForeignUses);
        line.WriteNumber("permitted_old_uses", row.PermittedOldUses);
        line.WriteNumber("transition_cycles", row.TransitionCycles);
        line.WriteNumber("use_cycles", row.UseCycles);
        if (row.FailedEntry is not null)
        {
            line.WriteString("failed_entry", row.FailedEntry);
        }

        void WriteList(string name, IReadOnlyList<string> words)
        {
            line.WriteStartArray(name);
            foreach (string word in words)
            {
                line.WriteStringValue(word);
            }

            line.WriteEndArray();
        }
    }

    private static string Text(long number) => number.ToString(CultureInfo.InvariantCulture);
}
