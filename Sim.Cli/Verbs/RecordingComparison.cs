using System.CommandLine;
using Sim.Core;
using Sim.Core.Files;
using Sim.Reports.Results;
using Sim.Reports.Views;

namespace Sim.Cli.Verbs;

/// <summary>How <c>nestsim validate</c> prints what a replay predicts of a recording beside what was recorded: tables, the first differences, remarks.</summary>
internal static class RecordingComparison
{
    private const int DifferencesShown = 10;

    /// <summary>The option that <see cref="Print"/> obeys.</summary>
    /// <param name="compared">What a row of the file is: every flush, every event.</param>
    public static Option<string?> CsvOption(string compared) => new("--csv") { Description = $"Write {compared} and how it compares as CSV", HelpName = "file" };

    /// <summary>The CSV file, if one was asked for; it can be written.</summary>
    /// <exception cref="ConfigurationException">It cannot, or is the recording.</exception>
    public static OutputFile? Csv(ParseResult parse, Option<string?> csv, string recording) => parse.GetValue(csv) is { } path ? OutputFile.Check(path, "CSV file", recording) : null;

    /// <summary>Writes everything on the terminal, then the CSV file if one was asked for. Returns the exit code.</summary>
    public static int Print(
        Invocation invocation, ParseResult parse, OutputFile? csv, Func<string> rows, string headline, IReadOnlyList<Table> tables, IEnumerable<string> differences, IEnumerable<string> remarks, bool passed)
    {
        Terminal terminal = invocation.Terminal;
        terminal.Output.Write(headline + "\n\n");
        TableWriter.Write(terminal.Output, tables, terminal.TableStyle(parse.GetValue(invocation.NoColour)));
        foreach (string difference in differences.Take(DifferencesShown))
        {
            terminal.Output.Write("\n" + difference + "\n");
        }

        foreach (string remark in remarks)
        {
            terminal.Error.Write(remark + "\n");
        }

        if (csv is not null)
        {
            ResultFiles.Write(csv, rows());
        }

        return passed ? CliApplication.Success : CliApplication.CheckFailed;
    }
}
