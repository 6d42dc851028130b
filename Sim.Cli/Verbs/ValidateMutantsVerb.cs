using System.CommandLine;
using Sim.Reports.Views;
using Sim.Validation;
using Sim.Workloads.Scenarios;

namespace Sim.Cli.Verbs;

/// <summary><c>nestsim validate mutants</c>: does the safety oracle notice each deliberate bug?</summary>
internal static class ValidateMutantsVerb
{
    /// <summary>The command.</summary>
    public static Command Create(Invocation invocation)
    {
        Argument<string[]> paths = ScenarioFiles.Argument();
        VerbCommand command = new(
            "mutants",
            "Put each deliberate bug ('list mutants') into the policies that scenarios expect to be unsafe with it, and tell what caught it; exit code 1 if one survives (-v tells the stories)",
            "validate mutants",
            "validate mutants traces/scenarios my-scenarios -v") { paths };
        command.SetAction(parse =>
        {
            MutationTable table = MutationTable.Of([.. ScenarioFiles.Of(parse.GetValue(paths)).Select(Scenario.Read)]);
            Terminal terminal = invocation.Terminal;
            bool everything = parse.GetValue(invocation.Verbose);
            TableWriter.Write(terminal.Output, [View(table)], terminal.TableStyle(parse.GetValue(invocation.NoColour)));
            foreach (MutationRow row in table.Rows.Where(row => everything && row.Finding is not null))
            {
                terminal.Output.Write($"\n{row.Name} in {row.Scenario} ({row.Mutant.Breaks}): {row.Mutant.Summary}\n");
                foreach (string line in row.Finding!.Story)
                {
                    terminal.Output.Write($"  {line}\n");
                }
            }

            return table.Passed ? CliApplication.Success : CliApplication.CheckFailed;
        });
        return command;
    }

    private static Table View(MutationTable table) => new(
        "Mutants",
        ["mutant", "caught by", "records", "finding"],
        [.. table.Rows.Select(row => (IReadOnlyList<string>)
        [
            row.Name,
            row.Scenario ?? (row.Policy.Length == 0 ? "NOTHING: no scenario has it" : "NOTHING"),
            row.Finding is null ? "" : Numbers.Whole((long)row.Records),
            row.Finding is null ? "" : $"{row.Finding.Kind} {Numbers.Whole(row.Finding.Count)}",
        ])]);
}
