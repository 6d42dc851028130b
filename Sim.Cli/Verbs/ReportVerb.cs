using System.CommandLine;
using System.Globalization;
using Sim.Core;
using Sim.Core.Files;
using Sim.Experiments;
using Sim.Reports;
using Sim.Reports.Charts;
using Sim.Reports.Charts.Description;
using Sim.Reports.Charts.Rendering;
using Sim.Reports.Html;
using Sim.Reports.Results;
using Sim.Reports.Views;

namespace Sim.Cli.Verbs;

/// <summary><c>nestsim report</c>: a result file as a page or as charts. Nothing is simulated.</summary>
internal static class ReportVerb
{
    private const string DefaultPage = "report.html";
    private const string DefaultCharts = "charts";
    private const string OneColumn = "column";
    private const string TwoColumns = "page";

    /// <summary>The command.</summary>
    public static Command Create(Invocation invocation)
    {
        Argument<string> file = new("result") { Description = "Result file: results.json of -o, or what --json wrote; - for standard input" };
        Option<string?> output = new("--out", "-o") { Description = $"The page to write [default: {DefaultPage}], or the folder of the charts [default: charts]", HelpName = "file|folder" };
        Option<string[]> charts = new("--charts") { Description = "Write charts as files instead, in these formats, separated by commas; json is their description and data (docs/report.md)", HelpName = "png,svg,pdf,json" };
        Option<string> theme = new("--theme") { Description = "Colours of chart files; the page follows the reader's", HelpName = "light|dark|print", DefaultValueFactory = _ => ChartTheme.Light.Name };
        Option<string?> width = new("--width") { Description = $"Width of chart files in units of 1/96 inch (png: two pixels each), {OneColumn} (3.5 inches, of a paper with two columns), or {TwoColumns} (both columns) [default: {ChartFiles.DefaultWidth}]", HelpName = $"n|{OneColumn}|{TwoColumns}" };
        Option<int?> height = new("--height") { Description = "Least height of chart files, in the same units: rows or the plot grow to it [default: what the chart needs]", HelpName = "n" };
        Option<string?> metric = new("--metric") { Description = "What charts of sweeps and seeds show: a name of 'nestsim list metrics' or the path of a statistic [default: total-per-transition; without nested transitions, translation-per-access]", HelpName = "name" };
        Option<string[]> only = new("--only") { Description = "Charts to write, separated by commas ('nestsim list charts') [default: all that have data]", HelpName = "a,b,..." };
        VerbCommand command = new(
            "report",
            "Turn a result file into a self-contained page, or into charts",
            "report results/results.json",
            "report results/results.json -o sqlite.html",
            "report results/results.json --charts svg --only difference -o figures",
            "report results/results.json --charts pdf --width column --theme print")
        {
            file,
        };
        foreach (Option option in new Option[] { output, charts, theme.AcceptOnlyFromAmong([.. ChartTheme.All.Select(one => one.Name)]), width, height, metric, only })
        {
            command.Options.Add(option);
        }

        command.SetAction(parse =>
        {
            ChartFormat[] formats = [.. Words(parse.GetValue(charts)).Select(Format)];
            int wide = Width(parse.GetValue(width));
            int? tall = parse.GetValue(height);
            if (tall is < 1 or > ChartFiles.MostHeight)
            {
                throw new ConfigurationException($"--height must be from 1 to {ChartFiles.MostHeight}, found {tall}.");
            }

            string target = parse.GetValue(output) ?? (formats.Length > 0 ? DefaultCharts : DefaultPage);
            using OutputFolder? folder = formats.Length > 0 ? OutputFolder.Claim(target, "chart") : null;
            using OutputFile? page = formats.Length > 0 ? null : OutputFile.Check(target, "page", parse.GetValue(file)!);
            RunSet set = Read(parse.GetValue(file)!);
            ReportInput input = new(set)
            {
                ExitName = ExitNames.Of(set),
                MeanInterval = samples => SampleStatistics.Summarise(samples).Confidence is { } confidence ? (confidence.Low, confidence.High) : null,
                Metric = parse.GetValue(metric) is { } name ? Metric.Find(name, set) : null,
            };
            if (folder is not null)
            {
                ChartTheme colours = ChartTheme.All.First(one => one.Name == parse.GetValue(theme));
                WriteCharts(invocation.Terminal, input, Words(parse.GetValue(only)), folder, formats, new ChartSize(wide, tall), colours);
                return CliApplication.Success;
            }

            ResultFiles.Write(page, HtmlReport.ToText(input));
            invocation.Terminal.Output.Write(target + "\n");
            return CliApplication.Success;
        });
        return command;
    }

    private static string[] Words(string[]? lists) => [.. (lists ?? []).SelectMany(list => list.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))];

    private static ChartFormat Format(string word) => Enum.GetValues<ChartFormat>().Cast<ChartFormat?>().FirstOrDefault(format => format.ToString()!.Equals(word, StringComparison.OrdinalIgnoreCase))
        ?? throw new ConfigurationException(NearestNames.Unknown("format of charts", word, Enum.GetNames<ChartFormat>().Select(name => name.ToLowerInvariant())));

    private static int Width(string? text) => text switch
    {
        null => ChartFiles.DefaultWidth,
        OneColumn => ChartFiles.ColumnWidth,
        TwoColumns => ChartFiles.PageWidth,
        _ when int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int units) && units is >= ChartFiles.LeastWidth and <= ChartFiles.MostWidth => units,
        _ => throw new ConfigurationException($"--width must be {OneColumn}, {TwoColumns}, or a number from {ChartFiles.LeastWidth} to {ChartFiles.MostWidth}, found '{text}'."),
    };

    private static RunSet Read(string file)
    {
        RunSet set = RunSetJson.Read(InputFile.ReadText(file, "result file", "'nestsim compare ... -o DIR' writes DIR/results.json."), file == "-" ? "stdin" : file);
        return set.Runs.Count > 0 ? set : throw new TraceFormatException(file, "member 'runs'", "at least one run", "none", "There is nothing to report.");
    }

    private static void WriteCharts(Terminal terminal, ReportInput input, string[] only, OutputFolder folder, ChartFormat[] formats, ChartSize size, ChartTheme theme)
    {
        foreach (string unknown in only.Where(name => ChartCatalogue.All.Entries.All(entry => entry.Name != name)))
        {
            throw new ConfigurationException(NearestNames.Unknown("chart", unknown, ChartCatalogue.All.Entries.Select(entry => entry.Name)));
        }

        (string Name, Drawing Drawing)[] drawings = [.. ChartCatalogue.Draw(input).Where(chart => only.Length == 0 || only.Contains(chart.Name))];
        foreach ((string name, Drawing drawing) in drawings.Where(chart => chart.Drawing.Absent is not null))
        {
            terminal.Error.Write($"{name}: {drawing.Absent}\n");
        }

        (string, Chart)[] charts = [.. drawings.Where(chart => chart.Drawing.Chart is not null).Select(chart => (chart.Name, chart.Drawing.Chart!))];
        foreach (string path in ChartFiles.Write(charts, folder, formats, size, theme, (name, format, why) => terminal.Error.Write($"{name}: it cannot be drawn as {format.ToString().ToLowerInvariant()}: {why.Message}\n")))
        {
            terminal.Output.Write(path + "\n");
        }
    }
}
