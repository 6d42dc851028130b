using System.CommandLine;
using Sim.Experiments;
using Sim.Reports.Views;
using Sim.Workloads.Formats;
using Sim.Workloads.Operations;

namespace Sim.Cli.Verbs;

/// <summary><c>nestsim trace verify</c>: does a trace obey the invariants?</summary>
internal static class TraceVerifyVerb
{
    /// <summary>The command.</summary>
    public static Command Create(Invocation invocation)
    {
        Argument<string> file = TraceVerb.Input();
        Option<string> limit = new("--max-findings") { Description = "Findings to print; all are counted", HelpName = "count", DefaultValueFactory = _ => "20" };
        VerbCommand command = new(
            "verify", "Check a trace's invariants; exit code 1 if one does not hold, 3 if the file is damaged", "trace verify trace.nst", "trace verify trace.nst --max-findings 1000") { file, limit };
        command.SetAction(parse =>
        {
            int most = (int)Math.Min(int.MaxValue, Counts.Parse(parse.GetValue(limit)!, limit.Name));
            using TraceFile trace = TraceFile.Open(parse.GetValue(file)!);
            TraceVerification outcome = TraceVerifier.Run(trace, most);
            foreach (TraceFinding finding in outcome.Findings)
            {
                invocation.Terminal.Output.Write($"{finding}\n");
            }

            invocation.Terminal.Output.Write($"{trace.Name}: {(outcome.IsValid ? "good" : "BAD")}: {Numbers.Whole(outcome.Records)} records, {Numbers.Whole(outcome.Errors)} errors, {Numbers.Whole(outcome.Warnings)} warnings\n");
            return outcome.IsValid ? CliApplication.Success : CliApplication.CheckFailed;
        });
        return command;
    }
}
