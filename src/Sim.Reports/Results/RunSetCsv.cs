using System.Globalization;
using CsvHelper;
using Sim.Core;
using Sim.Core.Stats;
using Sim.Reports.Views;

namespace Sim.Reports.Results;

/// <summary>Statistics of a result set as long-form CSV (RFC 4180, comma, line feed): one row for each number. Provenance is in the JSON beside it.</summary>
public static class RunSetCsv
{
    private static readonly string[] Columns = ["run", "policy", "path", "label", "kind", "unit", "value"];

    private static readonly CsvReaderOptions Readable = CsvReaderOptions.Default with
    {
        Separator = ',',
        TrackLineNumbers = true,
        MalformedData = CsvMalformedDataHandling.Throw,
        FieldCountMismatch = CsvFieldCountHandling.Throw,
    };

    /// <summary>Writes the rows: runs in their order, statistics in ordinal order of their keys. A failed run is one row with the path <c>failure</c> and its exit code.</summary>
    public static string ToText(RunSet set) => CsvText.Of(Columns, set.Runs.SelectMany(Rows));

    /// <summary>Reads the rows back, as run results in order of first appearance. Help texts and failed VM-entries are not in the CSV.</summary>
    /// <param name="text">The file's content.</param>
    /// <param name="file">Name used in errors.</param>
    /// <exception cref="TraceFormatException">A column is missing or a value is no number.</exception>
    public static IReadOnlyList<RunResult> Read(string text, string file)
    {
        using CsvReader csv = CsvReader.FromText(text, Readable);
        List<RunResult> runs = [];
        try
        {
            while (csv.Read())
            {
                string name = Field(csv, "run");
                int at = runs.FindIndex(run => run.Run == name);
                if (at < 0)
                {
                    at = runs.Count;
                    runs.Add(new RunResult(name, Field(csv, "policy"), new StatSheet(), []));
                }

                long value = long.Parse(csv.GetString("value"), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture);
                if (Field(csv, "path") == "failure")
                {
                    runs[at] = runs[at] with { Failure = new RunFailure((int)value, Field(csv, "label")) };
                    continue;
                }

                RunSetJson.Add(runs[at].Statistics, Field(csv, "kind"), Field(csv, "path"), Field(csv, "unit"), "", value, Field(csv, "label"));
            }
        }
        catch (Exception e) when (e is CsvFormatException or FormatException or OverflowException or KeyNotFoundException or ArgumentException)
        {
            throw new TraceFormatException(file, $"line {csv.LineNumber}", $"a row with the columns {string.Join(",", Columns)}", e.Message, "This is no result file of nestsim, or a damaged one.", e);
        }

        return runs;
    }

    private static string Field(CsvReader csv, string column)
    {
        string text = csv.GetString(column);
        return text.StartsWith('\'') ? text[1..] : text;
    }

    private static IEnumerable<IReadOnlyList<string>> Rows(RunResult run)
    {
        if (run.Failure is { } failure)
        {
            yield return [run.Run, run.Policy, "failure", failure.Message, "gauge", "exit_code", failure.ExitCode.ToString(CultureInfo.InvariantCulture)];
        }

        foreach (Stat stat in run.Statistics.Stats)
        {
            yield return [run.Run, run.Policy, stat.Path, stat.Label, RunSetJson.KindWord(stat.Kind), stat.Unit, stat.Value.ToString(CultureInfo.InvariantCulture)];
        }
    }
}
