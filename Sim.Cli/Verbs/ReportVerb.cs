using System.CommandLine;
using Sim.Core;
using Sim.Experiments;
using Sim.Reports;
using Sim.Reports.Charts;
using Sim.Reports.Charts.VegaLite;
using Sim.Reports.Html;
using Sim.Reports.Results;

namespace Sim.Cli.Verbs;

/// <summary><c>nestsim report</c>: a result file as a page or as charts. Nothing is simulated.</summary>
internal static class ReportVerb
{
    private const string DefaultPage = "report.html";
    private static readonly string[] Formats = ["svg", "png", "json"];

    /// <summary>The command.</summary>
    public static Command Create(Invocation invocation)
    {
        Argument<string> file = new("result") { Description = "Result file: results.json of -o, or what --json wrote; - for standard input" };
        Option<string?> output = new("--out", "-o") { Description = $"The page to write [default: {DefaultPage}], or the folder of the charts [default: charts]", HelpName = "file|folder" };
        Option<string?> charts = new("--charts") { Description = "Write charts as files instead: svg and png need Node 20, json is the Vega-Lite specifications", HelpName = "svg|png|json" };
        Option<string> theme = new("--theme") { Description = "Colours of chart files; the page follows the reader's", HelpName = "light|dark", DefaultValueFactory = _ => "light" };
        Option<string[]> only = new("--only") { Description = "Charts to write, separated by commas ('nestsim list charts') [default: all that have data]", HelpName = "a,b,..." };
        VerbCommand command = new(
            "report",
            "Turn a result file into a self-contained page, or into charts",
            "report results/results.json",
            "report results/results.json -o sqlite.html",
            "report results/results.json --charts svg --only cost-by-cause -o figures")
        {
            file,
        };
        foreach (Option option in new Option[] { output, charts.AcceptOnlyFromAmong(Formats), theme.AcceptOnlyFromAmong("light", "dark"), only })
        {
            command.Options.Add(option);
        }

        command.SetAction(parse =>
        {
            RunSet set = Read(parse.GetValue(file)!);
            ReportInput input = new(set) { ExitName = ExitNames.Of(set) };
            if (parse.GetValue(charts) is { } format)
            {
                ChartTheme colours = parse.GetValue(theme) == "dark" ? ChartTheme.Dark : ChartTheme.Light;
                WriteCharts(invocation.Terminal, input, parse.GetValue(only) ?? [], parse.GetValue(output) ?? "charts", Enum.Parse<StaticFormat>(format, ignoreCase: true), colours);
                return CliApplication.Success;
            }

            string page = parse.GetValue(output) ?? DefaultPage;
            ResultFiles.Write(page, HtmlReport.ToText(input, PageRuntime.Load()));
            invocation.Terminal.Output.Write(page + "\n");
            return CliApplication.Success;
        });
        return command;
    }

    private static RunSet Read(string file)
    {
        string name = file == "-" ? "stdin" : file;
        try
        {
            RunSet set = RunSetJson.Read(file == "-" ? Console.In.ReadToEnd() : File.ReadAllText(file), name);
            return set.Runs.Count > 0 ? set : throw new TraceFormatException(name, "member 'runs'", "at least one run", "none", "There is nothing to report.");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new ConfigurationException($"The result file '{file}' cannot be read: {e.Message} 'nestsim compare ... -o DIR' writes DIR/results.json.", e);
        }
    }

    private static void WriteCharts(Terminal terminal, ReportInput input, string[] only, string folder, StaticFormat format, ChartTheme theme)
    {
        string[] names = [.. only.SelectMany(list => list.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))];
        foreach (string unknown in names.Where(name => ChartCatalogue.All.Entries.All(entry => entry.Name != name)))
        {
            throw new ConfigurationException(NearestNames.Unknown("chart", unknown, ChartCatalogue.All.Entries.Select(entry => entry.Name)));
        }

        (string Name, Drawing Drawing)[] drawings = [.. ChartCatalogue.Draw(input).Where(chart => names.Length == 0 || names.Contains(chart.Name))];
        foreach ((string name, Drawing drawing) in drawings.Where(chart => chart.Drawing.Absent is not null))
        {
            terminal.Error.Write($"{name}: {drawing.Absent}\n");
        }

        (string, Specification)[] drawn = [.. drawings.Where(chart => chart.Drawing.Specification is not null).Select(chart => (chart.Name, chart.Drawing.Specification!))];
        foreach (string path in StaticCharts.Write(drawn, folder, format, theme))
        {
            terminal.Output.Write(path + "\n");
        }
    }
}
