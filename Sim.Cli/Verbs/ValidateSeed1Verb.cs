using System.CommandLine;
using System.Text.Json;
using Sim.Core.Files;
using Sim.Experiments;
using Sim.Reports.Results;
using Sim.Reports.Views;
using Sim.Validation;

namespace Sim.Cli.Verbs;

/// <summary><c>nestsim validate seed-1</c>: the question of the first seed thread for every situation that KVM can be in.</summary>
internal static class ValidateSeed1Verb
{
    /// <summary>The command.</summary>
    public static Command Create(Invocation invocation)
    {
        Option<string[]> policies = new("--policies") { Description = $"Flush policies, comma-separated [default: {string.Join(',', NestedEntryTable.DefaultPolicies)}]", HelpName = "list" };
        Option<string?> csv = new("--csv") { Description = "Write every replay as CSV", HelpName = "file" };
        Option<string?> json = new("--json") { Description = "Write every replay and what it was made with as JSON", HelpName = "file" };
        Option<string?> scenarios = new("--scenarios") { Description = "Write the scenario of every replay into a folder, for 'nestsim compare' and 'explain'", HelpName = "folder" };
        ConfigurationOptions configuration = new();
        VerbCommand command = new(
            "seed-1",
            "The first seed thread as a table: what each policy requests, flushes, syncs and costs at nested transitions, and what is used after them that must not be",
            "validate seed-1",
            "validate seed-1 --policies kvm-4.20,kvm-5.14,vpid02-per-vpid12 --csv rows.csv",
            "validate seed-1 --profile haswell-ep --scenarios seed-1") { policies, csv, json, scenarios };
        configuration.AddTo(command);
        command.SetAction(parse =>
        {
            IReadOnlyList<Assignment> named = ConfigurationOptions.List(parse, policies, "policies");
            using OutputFile? rows = parse.GetValue(csv) is { } csvFile ? OutputFile.Check(csvFile, "CSV file") : null;
            using OutputFile? document = parse.GetValue(json) is { } jsonFile ? OutputFile.Check(jsonFile, "JSON file") : null;
            using OutputFolder? folder = parse.GetValue(scenarios) is { } path ? OutputFolder.Claim(path, "scenario") : null;
            NestedEntryTable table = NestedEntryTable.Of(configuration.Load(parse, named.Count > 0 ? [.. named] : [new Assignment("policies", JsonSerializer.Serialize(NestedEntryTable.DefaultPolicies), policies.Name)]));
            Terminal terminal = invocation.Terminal;
            TableWriter.Write(terminal.Output, NestedEntryView.Of(table), terminal.TableStyle(parse.GetValue(invocation.NoColour)));
            terminal.Output.Write("\n" + NestedEntryView.Remarks(table));
            ResultFiles.Write(rows, NestedEntryFiles.ToCsv(table));
            ResultFiles.Write(document, NestedEntryFiles.ToJson(table));
            if (folder is not null)
            {
                NestedEntryFiles.WriteScenarios(folder);
            }

            return CliApplication.Success;
        });
        return command;
    }
}
