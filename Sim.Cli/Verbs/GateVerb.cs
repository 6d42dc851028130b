using System.CommandLine;
using System.Text;
using Sim.Core;
using Sim.Core.Files;
using Sim.Experiments;
using Sim.Reports.Results;
using Sim.Reports.Views;

namespace Sim.Cli.Verbs;

/// <summary><c>nestsim gate</c>: holds a result against a baseline; exit code 1 if anything got worse.</summary>
internal static class GateVerb
{
    /// <summary>The command.</summary>
    public static Command Create(Invocation invocation)
    {
        Argument<string[]> results = new("results") { Description = "Result file of run or compare; several repetitions of one experiment sample the wall clock", Arity = ArgumentArity.OneOrMore };
        Option<string> baseline = new("--baseline", "-b") { Description = "Baseline file", HelpName = "file", Required = true };
        Option<bool> update = new("--update") { Description = "Make the baseline equal to the result, show what that changes, and pass" };
        Option<string?> junit = new("--junit") { Description = "Write JUnit XML", HelpName = "file" };
        Option<string?> markdown = new("--markdown") { Description = "Write a Markdown summary", HelpName = "file" };
        Option<bool> github = new("--github") { Description = "Print GitHub workflow annotations" };
        VerbCommand command = new(
            "gate",
            "Hold a result against a baseline: exit code 1 if anything got worse",
            "gate results/results.json --baseline baseline.json --update",
            "gate results/results.json --baseline baseline.json --junit gate.xml --markdown gate.md --github",
            "gate r1.json r2.json r3.json r4.json r5.json --baseline speed.json")
        {
            results,
        };
        foreach (Option option in new Option[] { baseline, update, junit, markdown, github })
        {
            command.Options.Add(option);
        }

        command.SetAction(parse =>
        {
            string[] files = parse.GetValue(results)!;
            string baselineFile = parse.GetValue(baseline)!;
            if (parse.GetValue(update) && (parse.GetValue(junit) ?? parse.GetValue(markdown) ?? (parse.GetValue(github) ? github.Name : null)) is not null)
            {
                throw new ConfigurationException("gate: --update judges nothing, so there is nothing for --junit, --markdown or --github to report. Update first, then gate.");
            }

            using OutputFile? made = parse.GetValue(update) ? OutputFile.Check(baselineFile, "baseline", files) : null;
            using OutputFile? xml = parse.GetValue(junit) is { } xmlFile ? OutputFile.Check(xmlFile, "JUnit file", [.. files, baselineFile]) : null;
            using OutputFile? page = parse.GetValue(markdown) is { } pageFile ? OutputFile.Check(pageFile, "Markdown file", [.. files, baselineFile]) : null;
            RunSet[] sets = [.. files.Select(ResultFiles.Read)];
            GateMetrics.RequireSameExperiment(sets, files);
            Baseline? old = Existing(baselineFile, mayBeAbsent: parse.GetValue(update));
            if (parse.GetValue(update))
            {
                Update(invocation, parse, old, sets, made!);
                return CliApplication.Success;
            }

            GateReport report = GateCheck.Run(old!, sets, $"{string.Join(", ", files.Select(Path.GetFileName))} against {Path.GetFileName(baselineFile)}");
            Print(invocation, report, parse.GetValue(github));
            xml?.Write(Encoding.UTF8.GetBytes(GateOutputs.JUnit(report)));
            page?.Write(Encoding.UTF8.GetBytes(GateOutputs.Markdown(report)));
            OutputFile.Commit([.. new[] { xml, page }.OfType<OutputFile>()]);
            return report.Failures.Count == 0 ? CliApplication.Success : CliApplication.CheckFailed;
        });
        return command;
    }

    private static Baseline? Existing(string file, bool mayBeAbsent) => File.Exists(file) ? BaselineJson.Read(InputFile.ReadText(file, "file", "Give the path of a baseline file."), file)
        : mayBeAbsent ? null
        : throw new ConfigurationException($"There is no baseline '{file}'. Make it of this result with --update, look at it, and keep it under version control.");

    private static void Update(Invocation invocation, ParseResult parse, Baseline? old, RunSet[] sets, OutputFile file)
    {
        if (sets[0].Runs.FirstOrDefault(run => run.Failure is not null) is { } failed)
        {
            throw new ConfigurationException($"Run {failed.Run} failed and has no numbers to hold on to: {failed.Failure!.Message}");
        }

        Baseline now = BaselineUpdate.Of(old, sets);
        Terminal terminal = invocation.Terminal;
        ResultFiles.Write(file, BaselineJson.ToText(now));
        if (old is null)
        {
            terminal.Output.Write($"{file.Path}: new, {now.Rules.Count} rules about {now.Values.Count} values. Look at the rules and give each its reason.\n");
            return;
        }

        IReadOnlyList<Table> changes = BaselineUpdate.Changes(old, now);
        terminal.Output.Write(changes.Count == 0 ? $"{file.Path}: unchanged, {now.Values.Count} values.\n" : $"{file.Path}: updated.\n\n");
        TableWriter.Write(terminal.Output, changes, terminal.TableStyle(parse.GetValue(invocation.NoColour)));
    }

    private static void Print(Invocation invocation, GateReport report, bool github)
    {
        TextWriter output = invocation.Terminal.Output;
        output.Write($"{InertText.OneLine(report.Title)}: {report.Summary}\n");
        foreach (string line in GateOutputs.Lines(report))
        {
            output.Write($"  {line}\n");
        }

        if (github)
        {
            foreach (string annotation in GateOutputs.GitHubAnnotations(report))
            {
                InertWriter.StyledOf(output).Write(annotation + "\n");
            }
        }
    }
}
