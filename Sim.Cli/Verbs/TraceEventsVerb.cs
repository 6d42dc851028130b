using System.CommandLine;
using System.Globalization;
using Sim.Captures.Ftrace;
using Sim.Captures.HwLog;
using Sim.Core;
using Sim.Core.Files;
using Sim.Experiments;
using Sim.Reports.Results;
using Sim.Reports.Views;

namespace Sim.Cli.Verbs;

/// <summary><c>nestsim trace events</c>: what happened in a recording of real nested KVM.</summary>
internal static class TraceEventsVerb
{
    private const string Findings = "findings";
    private const string NoLevel = "";

    private static readonly (string Section, string Title)[] Sections =
    [
        ("transitions", "Transitions"), ("exits", "Exits by reason and level"), ("flushes", "Flushes by kind and level"), ("interrupts", "Interrupts by vector and level"),
        ("accesses", "Memory accesses by level"), ("time", "Time at each level"), ("input", "Events in the recording"),
    ];

    /// <summary>The command.</summary>
    public static Command Create(Invocation invocation)
    {
        Argument<string> file = Recording();
        Option<string?> csv = new("--csv") { Description = "Also write all counts as CSV: section,level,name,unit,value", HelpName = "file" };
        Option<string?> ticks = new("--ticks-per-second")
        {
            Description = $"How fast the recording's clock counts, for rates [default: {TracepointSummary.DefaultTicksPerSecond} for kernel events, {HwSummary.DefaultTicksPerSecond} for hardware captures]",
            HelpName = "count",
        };
        VerbCommand command = new(
            "events",
            "Count a recording's exits, flushes, interrupts and time by level",
            "trace events report.txt",
            "trace events capture.hw.txt.xz --csv events.csv",
            "trace events report.txt.gz --ticks-per-second 2400M") { file, csv, ticks };
        command.SetAction(parse =>
        {
            string path = parse.GetValue(file)!;
            long? rate = parse.GetValue(ticks) is { } text ? TicksPerSecond(text, ticks.Name) : null;
            using OutputFile? target = parse.GetValue(csv) is { } csvFile ? OutputFile.Check(csvFile, "CSV file", path) : null;
            EventSummary summary;
            using (ProgressBar progress = ProgressBar.Of(invocation, parse))
            {
                summary = Summarise(path, rate, progress.AddLines);
            }

            Terminal terminal = invocation.Terminal;
            terminal.Output.Write(summary.Headline + "\n\n");
            TableWriter.Write(terminal.Output, Tables(summary), terminal.TableStyle(parse.GetValue(invocation.NoColour)));
            foreach (SummaryRow finding in summary.Rows.Where(row => row.Section == Findings && !parse.GetValue(invocation.Quiet)))
            {
                terminal.Error.Write(InertText.OneLine($"{finding.Name}; {Numbers.Whole(finding.Value)} {finding.Unit}") + "\n");
            }

            ResultFiles.Write(target, Csv(summary));

            return CliApplication.Success;
        });
        return command;
    }

    /// <summary>The argument that names a recording to read.</summary>
    public static Argument<string> Recording() => new("recording")
    {
        Description = "Hardware capture, or kernel events as text (trace-cmd report, perf script, tracefs); plain, gzip, xz or zstd; - for standard input",
    };

    private static EventSummary Summarise(string path, long? ticksPerSecond, Action<long> progress)
    {
        string name = CaptureText.NameOf(path);
        using SavedInput? saved = path == "-" ? new SavedInput() : null;
        string file = saved?.Path ?? path;
        return CaptureText.KindOf(file, name) == CaptureKind.Hardware
            ? HwSummary.Of(() => new HwLogReader(CaptureText.Open(file), name, progress), name, ticksPerSecond ?? HwSummary.DefaultTicksPerSecond)
            : TracepointSummary.Of(() => new TracepointReader(CaptureText.Open(file), name, progress), name, ticksPerSecond ?? TracepointSummary.DefaultTicksPerSecond);
    }

    private static long TicksPerSecond(string text, string option)
    {
        ulong ticks = Counts.Parse(text, option);
        return ticks is > 0 and <= long.MaxValue ? (long)ticks : throw new ConfigurationException($"{option}: expected a number of ticks above 0, found '{text}'.");
    }

    private static string Csv(EventSummary summary) => CsvText.Of(
        ["section", "level", "name", "unit", "value"],
        summary.Rows.Select(row => (IReadOnlyList<string>)[row.Section, row.Level, row.Name, row.Unit, row.Value.ToString(CultureInfo.InvariantCulture)]));

    private static IEnumerable<Table> Tables(EventSummary summary)
    {
        foreach ((string section, string title) in Sections)
        {
            SummaryRow[] rows = [.. summary.Rows.Where(row => row.Section == section)];
            if (rows.Length > 0)
            {
                yield return ByLevel(title, rows, section == "time");
            }
        }
    }

    /// <summary>One line for each name, one column for each level that the section has; most frequent names first.</summary>
    private static Table ByLevel(string title, SummaryRow[] rows, bool withShares)
    {
        string[] levels = [.. rows.Select(row => row.Level).Distinct().Order(StringComparer.Ordinal)];
        List<IReadOnlyList<string>> lines = [];
        foreach (IGrouping<string, SummaryRow> name in rows.GroupBy(NameAndUnit).OrderByDescending(name => name.Sum(row => row.Value)).ThenBy(name => name.Key, StringComparer.Ordinal))
        {
            lines.Add([name.Key, .. levels.Select(level => name.FirstOrDefault(row => row.Level == level) is { } row ? Numbers.Whole(row.Value) : "")]);
        }

        long ticks = rows.Where(row => row is { Name: "ticks", Level: not NoLevel }).Sum(row => row.Value);
        if (withShares && ticks > 0)
        {
            lines.Add(["share of the levels' ticks, %", .. levels.Select(level => rows.FirstOrDefault(row => row.Name == "ticks" && row.Level == level) is { } row ? Numbers.Fraction(100.0 * row.Value / ticks) : "")]);
        }

        return new Table(title, ["", .. levels.Select(level => level == NoLevel ? "count" : level)], lines);
    }

    private static string NameAndUnit(SummaryRow row) => row.Unit == "events" || row.Name.EndsWith(row.Unit, StringComparison.Ordinal) ? row.Name : $"{row.Name}, {row.Unit}";
}
