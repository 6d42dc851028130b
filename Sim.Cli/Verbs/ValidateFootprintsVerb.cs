using System.CommandLine;
using System.Globalization;
using Sim.Core.Architecture;
using Sim.Core.Files;
using Sim.Core.Profiles;
using Sim.Experiments;
using Sim.Reports.Results;
using Sim.Reports.Views;
using Sim.Validation;

namespace Sim.Cli.Verbs;

/// <summary><c>nestsim validate footprints</c>: each recording predicted from footprints of the others.</summary>
internal static class ValidateFootprintsVerb
{
    private static readonly string[] CsvColumns =
    [
        "recording", "policy", "reason", "exits", "nested_transitions", "recorded_walks", "predicted_walks", "recorded_references", "predicted_references", "recorded_flushed", "predicted_flushed",
        "foreign_percent", "least_walks", "most_walks", "least_references", "most_references", "least_flushed", "most_flushed",
    ];

    /// <summary>The command.</summary>
    public static Command Create(Invocation invocation)
    {
        Argument<string[]> files = new("recordings") { Description = "Two or more memory windows of hardware captures, or nested traces with real accesses", Arity = ArgumentArity.OneOrMore };
        Option<string[]> policies = new("--policies") { Description = "Flush policies, comma-separated [default: kvm-4.20,kvm-6.12,always-guest,always-all,never]", HelpName = "list" };
        Option<string?> csv = new("--csv") { Description = "Write every number as CSV", HelpName = "file" };
        ConfigurationOptions configuration = new();
        VerbCommand command = new(
            "footprints",
            "Leave each recording out, learn footprints from the others, and compare L0's and L1's predicted walks with those of their real accesses",
            "validate footprints win1.pages.txt.xz win2.full.txt.xz win3.pages.txt.xz win4.pages.txt.xz") { files, policies, csv };
        configuration.AddTo(command);
        command.SetAction(parse =>
        {
            IReadOnlyList<Assignment> named = ConfigurationOptions.List(parse, policies, "policies");
            RunConfiguration run = configuration.Load(parse, named.Count > 0 ? [.. named] : [new Assignment("policies", """["kvm-4.20","kvm-6.12","always-guest","always-all","never"]""", policies.Name)]);
            using OutputFile? file = parse.GetValue(csv) is { } path ? OutputFile.Check(path, "CSV file", parse.GetValue(files)!) : null;
            IReadOnlyList<FootprintCheck> checks;
            using (ProgressBar progress = ProgressBar.Of(invocation, parse))
            {
                FootprintRecording[] recordings = [.. parse.GetValue(files)!.Select(recording => FootprintRecording.Open(recording, progress.AddLines))];
                checks = FootprintValidation.Run(recordings, run.Machine, run.Policies, run.Machine.Seed);
            }

            Vendor vendor = run.Machine.Profile.Vendor;
            Terminal terminal = invocation.Terminal;
            TableWriter.Write(terminal.Output, checks.SelectMany(check => Tables(check, vendor)), terminal.TableStyle(parse.GetValue(invocation.NoColour)));
            ResultFiles.Write(file, CsvText.Of(CsvColumns, checks.SelectMany(Rows)));
            return CliApplication.Success;
        });
        return command;
    }

    private static IEnumerable<Table> Tables(FootprintCheck check, Vendor vendor)
    {
        string foreign = $"{Numbers.Fraction(100 * check.ForeignShare)}% of its stays are foreign{(check.IsBracketed ? ": bracketed" : "")}";
        yield return new Table(
            $"{check.Recording} predicted from the others (L0's and L1's walks, per nested transition); {foreign}",
            Headers("policy", "nt"),
            [.. check.Policies.Select(policy => Row(check, policy.Policy, policy.Predictions[0], policy.Predictions[0].NestedTransitions))]);
        foreach ((string policy, IReadOnlyList<FootprintPrediction> predictions) in check.Policies)
        {
            yield return new Table(
                $"{check.Recording} under {policy}, by reason of L2's exit (L0's and L1's walks, per exit)",
                Headers("exit", "exits"),
                [.. predictions.Skip(1).Select(row => Row(check, ExitReasons.Name(vendor, row.Reason!.Value), row, row.Exits))]);
        }
    }

    private static IReadOnlyList<string> Headers(string first, string count) =>
        [first, count, "walks", "predicted", "error", "references", "predicted", "error", "flushed", "predicted", "error"];

    private static IReadOnlyList<string> Row(FootprintCheck check, string name, FootprintPrediction row, long count)
    {
        return [name, Numbers.Whole(count), .. Cells(cost => cost.Walks), .. Cells(cost => cost.References), .. Cells(cost => cost.Flushed)];

        string[] Cells(Func<TranslationCost, long> figure)
        {
            string recorded = Each(figure(row.Recorded));
            (long least, long most) = (figure(row.Least), figure(row.Most));
            return check.IsBracketed && least != most
                ? [recorded, $"{Each(least)} to {Each(most)}", $"{Numbers.Change(least, figure(row.Recorded))} to {Numbers.Change(most, figure(row.Recorded))}"]
                : [recorded, Each(figure(row.Predicted)), Numbers.Change(figure(row.Predicted), figure(row.Recorded))];
        }

        string Each(long cost) => Numbers.Fraction(count == 0 ? null : (double)cost / count);
    }

    private static IEnumerable<IReadOnlyList<string>> Rows(FootprintCheck check) =>
        from policy in check.Policies
        from row in policy.Predictions
        select (IReadOnlyList<string>)
        [
            check.Recording, policy.Policy, row.Reason is { } reason ? Text(reason) : "all", Text(row.Exits), Text(row.NestedTransitions), Text(row.Recorded.Walks), Text(row.Predicted.Walks),
            Text(row.Recorded.References), Text(row.Predicted.References), Text(row.Recorded.Flushed), Text(row.Predicted.Flushed),
            (100 * check.ForeignShare).ToString("0.000", CultureInfo.InvariantCulture),
            Text(row.Least.Walks), Text(row.Most.Walks), Text(row.Least.References), Text(row.Most.References), Text(row.Least.Flushed), Text(row.Most.Flushed),
        ];

    private static string Text(long number) => number.ToString(CultureInfo.InvariantCulture);
}
