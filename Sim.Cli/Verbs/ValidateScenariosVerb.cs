using System.CommandLine;
using Sim.Experiments;
using Sim.Reports.Views;

namespace Sim.Cli.Verbs;

/// <summary><c>nestsim validate scenarios</c>: do the expectations of hand-written scenarios hold?</summary>
internal static class ValidateScenariosVerb
{
    /// <summary>The command.</summary>
    public static Command Create(Invocation invocation)
    {
        Argument<string[]> paths = ScenarioFiles.Argument();
        VerbCommand command = new(
            "scenarios",
            "Replay hand-written scenarios and check their expect lines; exit code 1 if one does not hold (-v lists all)",
            "validate scenarios",
            "validate scenarios traces/scenarios/seed1-new-vpid12.scenario -v") { paths };
        command.SetAction(parse =>
        {
            ScenarioCheck[] checks = [.. ScenarioFiles.Of(parse.GetValue(paths)).Select(ScenarioCheck.Of)];
            Terminal terminal = invocation.Terminal;
            TableWriter.Write(terminal.Output, [Summary(checks)], terminal.TableStyle(parse.GetValue(invocation.NoColour)));
            bool everything = parse.GetValue(invocation.Verbose);
            foreach ((ScenarioCheck check, ExpectationOutcome outcome) in checks.SelectMany(check => check.Outcomes.Select(outcome => (check, outcome))).Where(each => everything || !each.outcome.Holds))
            {
                string place = $"{check.Scenario.Name}:{outcome.Line}: {outcome.Policy}:";
                terminal.Output.Write(outcome.Holds ? $"{place} as expected, {outcome.Found}\n" : $"{place} expected '{outcome.Expected}', found {outcome.Found}\n");
            }

            return Array.TrueForAll(checks, check => check.Passed) ? CliApplication.Success : CliApplication.CheckFailed;
        });
        return command;
    }

    private static Table Summary(ScenarioCheck[] checks) => new(
        "Scenarios",
        ["scenario", "policies", "expected", "held", "missed", ""],
        [.. checks.Select(check => (IReadOnlyList<string>)
        [
            Path.GetFileNameWithoutExtension(check.Scenario.Name),
            Numbers.Whole(check.Outcomes.Select(outcome => outcome.Policy).Distinct().Count()),
            Numbers.Whole(check.Outcomes.Count),
            Numbers.Whole(check.Outcomes.Count(outcome => outcome.Holds)),
            Numbers.Whole(check.Outcomes.Count(outcome => !outcome.Holds)),
            check.Passed ? "good" : check.Outcomes.Count == 0 ? "NOTHING EXPECTED" : "BAD",
        ])]);
}
