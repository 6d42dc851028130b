using System.Globalization;
using CsvHelper;
using Sim.Core;
using Sim.Core.Stats;
using Sim.Reports.Views;

namespace Sim.Reports.Results;

/// <summary>
/// Statistics, series and safety of a result set as long-form CSV (RFC 4180, comma, line feed): one row for each number. Provenance is in the JSON beside it.
/// </summary>
public static class RunSetCsv
{
    private const string Failure = "failure";
    private const string InterruptPath = "interrupt_path";
    private const string ApicvUpdate = "apicv_update";
    private const string Safety = "safety";
    private const string PermittedStaleUses = "permitted_stale_uses";
    private const string PermittedPages = "permitted_pages";
    private const string Exercised = "exercised";
    private static readonly string[] Columns = ["run", "policy", "path", "label", "kind", "unit", "value", "x", "x_unit", InterruptPath, ApicvUpdate];

    private static readonly CsvReaderOptions Readable = CsvReaderOptions.Default with
    {
        Separator = ',',
        TrackLineNumbers = true,
        MalformedData = CsvMalformedDataHandling.Throw,
        FieldCountMismatch = CsvFieldCountHandling.Throw,
    };

    /// <summary>
    /// Writes the rows: runs in their order, safety, then statistics and series in ordinal order of their keys. A failed run is one row with the path
    /// <c>failure</c> and its exit code.
    /// </summary>
    public static string ToText(RunSet set) => CsvText.Of(Columns, set.Runs.SelectMany(Rows));

    /// <summary>Reads the rows back, as run results in order of first appearance. Help texts and failed VM-entries are not in the CSV.</summary>
    /// <param name="text">The file's content.</param>
    /// <param name="file">Name used in errors.</param>
    /// <exception cref="TraceFormatException">A column is missing or a value is no number.</exception>
    public static IReadOnlyList<RunResult> Read(string text, string file)
    {
        using CsvReader csv = CsvReader.FromText(text, Readable);
        List<RunResult> runs = [];
        List<List<Series>> series = [];
        try
        {
            while (csv.Read())
            {
                string name = Field(csv, "run");
                int at = runs.FindIndex(run => run.Run == name);
                if (at < 0)
                {
                    at = runs.Count;
                    runs.Add(new RunResult(name, Field(csv, "policy"), new StatSheet(), []) { InterruptPath = OptionalField(csv, InterruptPath), ApicvUpdate = OptionalField(csv, ApicvUpdate) });
                    series.Add([]);
                }

                string kind = Field(csv, "kind");
                if (RunSetJson.SeriesKindOf(kind) is { } seriesKind)
                {
                    AddPoint(csv, seriesKind, series[at]);
                }
                else
                {
                    runs[at] = WithNumber(csv, kind, runs[at]);
                }
            }

            for (int run = 0; run < runs.Count; run++)
            {
                series[run].ForEach(runs[run].Statistics.Add);
            }
        }
        catch (Exception e) when (e is CsvFormatException or FormatException or OverflowException or KeyNotFoundException or ArgumentException)
        {
            throw new TraceFormatException(file, $"line {csv.LineNumber}", $"a row with the columns {string.Join(",", Columns)}", e.Message, "This is no result file of nestsim, or a damaged one.", e);
        }

        return runs;
    }

    /// <summary>The run with what a row says of it: its failure, its safety, or one more statistic.</summary>
    private static RunResult WithNumber(CsvReader csv, string kind, RunResult run)
    {
        string path = Field(csv, "path");
        string label = Field(csv, "label");
        long value = Number(csv, "value");
        if (path == Failure)
        {
            return run with { Failure = new RunFailure((int)value, label) };
        }

        if (kind == Safety)
        {
            SafetyVerdict safety = run.Safety ?? new SafetyVerdict([], 0);
            return run with
            {
                Safety = path switch
                {
                    Exercised => safety with { Exercised = value != 0 },
                    PermittedStaleUses => safety with { PermittedStaleUses = value },
                    PermittedPages => safety with { PermittedPages = (int)value },
                    _ => safety with { Findings = [.. safety.Findings, new SafetyFinding(path, value, label.Length == 0 ? [] : label.Split('\n'))] },
                },
            };
        }

        RunSetJson.Add(run.Statistics, kind, path, Field(csv, "unit"), "", value, label);
        return run;
    }

    /// <summary>Points of a series are consecutive rows.</summary>
    private static void AddPoint(CsvReader csv, SeriesKind kind, List<Series> series)
    {
        Series read = new(Field(csv, "path"), Field(csv, "label"), Field(csv, "x_unit"), Field(csv, "unit"), kind, "", new List<SeriesPoint>());
        if (series.Count == 0 || series[^1].Key != read.Key)
        {
            series.Add(read);
        }

        ((List<SeriesPoint>)series[^1].Points).Add(new SeriesPoint(Number(csv, "x"), Number(csv, "value")));
    }

    private static long Number(CsvReader csv, string column) => long.Parse(csv.GetString(column), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture);

    private static string Field(CsvReader csv, string column)
    {
        string text = csv.GetString(column);
        return text.StartsWith('\'') ? text[1..] : text;
    }

    /// <summary>A field that not every run has, and no file before version 1.2.</summary>
    private static string? OptionalField(CsvReader csv, string column) => csv.Headers.Contains(column) && Field(csv, column) is { Length: > 0 } text ? text : null;

    private static IEnumerable<IReadOnlyList<string>> Rows(RunResult run)
    {
        if (run.Failure is { } failure)
        {
            yield return Row(Failure, failure.Message, "gauge", "exit_code", failure.ExitCode);
        }

        if (run.Safety is { } safety)
        {
            yield return Row(Exercised, "", Safety, "flag", safety.Exercised ? 1 : 0);
            yield return Row(PermittedStaleUses, "", Safety, "uses", safety.PermittedStaleUses);
            yield return Row(PermittedPages, "", Safety, "pages", safety.PermittedPages);
            foreach (SafetyFinding finding in safety.Findings)
            {
                yield return Row(finding.Kind, string.Join('\n', finding.Story), Safety, "outcomes", finding.Count);
            }
        }

        foreach (Stat stat in run.Statistics.Stats)
        {
            yield return Row(stat.Path, stat.Label, RunSetJson.KindWord(stat.Kind), stat.Unit, stat.Value);
        }

        foreach (Series series in run.Statistics.Series)
        {
            foreach (SeriesPoint point in series.Points)
            {
                yield return Row(series.Path, series.Label, RunSetJson.KindWord(series.Kind), series.Unit, point.Y, Text(point.X), series.XUnit);
            }
        }

        IReadOnlyList<string> Row(string path, string label, string kind, string unit, long value, string x = "", string xUnit = "") =>
            [run.Run, run.Policy, path, label, kind, unit, Text(value), x, xUnit, run.InterruptPath ?? "", run.ApicvUpdate ?? ""];
    }

    private static string Text(long value) => value.ToString(CultureInfo.InvariantCulture);
}
