using System.CommandLine;
using System.Globalization;
using System.Text;
using Sim.Captures;
using Sim.Captures.Ftrace;
using Sim.Captures.HwLog;
using Sim.Core.Files;
using Sim.Core;
using Sim.Reports.Views;

namespace Sim.Cli.Verbs;

/// <summary><c>nestsim trace lift</c>: a recording of real nested KVM as a trace that can be replayed.</summary>
internal static class TraceLiftVerb
{
    private static readonly string[] KeyColumns =
    [
        "position", "time", "lane", "vcpu", "kind", "type", "operand", "address", "target", "exit_reason", "exit_level", "real_exit", "transition", "nested_transition", "level",
    ];

    /// <summary>The command.</summary>
    public static Command Create(Invocation invocation)
    {
        Argument<string> file = new("recording") { Description = "Hardware capture, or kernel events as text; plain, gzip, xz or zstd. It is read more than once, so it cannot be a pipe" };
        Option<string> output = new("--output", "-o") { Description = "Trace to write: .nst is native, .txt is text, .gz behind compresses; - is standard output", HelpName = "file", Required = true };
        Option<string?> format = TraceVerb.Format();
        Option<bool> asRecorded = new("--as-recorded") { Description = "Keep L0's own INVVPID and INVEPT, and the VPID and EPTP of each entry, in the trace (hardware captures only)" };
        Option<string?> key = new("--answer-key") { Description = "Write L0's own flushes and where they happened as CSV", HelpName = "file" };
        VerbCommand command = new(
            "lift",
            "Turn a recording of real nested KVM into a logical trace, and L0's own flushes into an answer key",
            "trace lift capture.hw.txt.xz -o capture.nst.gz --answer-key flushes.csv",
            "trace lift report.txt -o events.nst") { file, output, format, asRecorded, key };
        command.SetAction(parse =>
        {
            string path = parse.GetValue(file)!;
            if (path == "-")
            {
                throw new ConfigurationException("'trace lift' reads its recording more than once, and a pipe can be read only once. Save the recording to a file and name that.");
            }

            string target = parse.GetValue(output)!;
            Outcome outcome;
            using OutputFile? answerKey = parse.GetValue(key) is { } keyFile ? OutputFile.Check(keyFile, "answer key", path) : null;
            using (ProgressBar progress = ProgressBar.Of(invocation, parse))
            using (LiftedRecording lifted = LiftedRecording.Of(path, target, parse.GetValue(format), parse.GetValue(asRecorded), progress.AddLines))
            {
                answerKey?.Write(Encoding.UTF8.GetBytes(CsvText.Of(KeyColumns, lifted.Hardware?.AnswerKey.Select(Row) ?? lifted.Kernel!.Flushes.Select(Row))));
                lifted.Complete(answerKey is null ? [] : [answerKey]);
                outcome = Outcome.Of(lifted);
            }

            Tell(invocation.Terminal.Error, path, target, outcome, parse.GetValue(invocation.Quiet));
            return CliApplication.Success;
        });
        return command;
    }

    private static IReadOnlyList<string> Row(AnswerKeyEntry e) =>
    [
        Text(e.Position), Text(e.Time), Text(e.Lane), Text(e.Vcpu), e.IsInvept ? "INVEPT" : "INVVPID", Text(e.Type), Hex(e.Operand), Hex(e.Address), $"{e.Target}",
        e.ExitReason is { } reason ? Text((uint)reason) : "", Text(e.ExitLevel), Text(e.RealExit), $"{e.Nested}", Text(e.NestedTransition), Text(e.NextLevel),
    ];

    private static IReadOnlyList<string> Row(KernelFlush e) =>
    [
        Text(e.Position), Text(e.Time), Text(e.Lane), Text(e.Vcpu), e.Function, "", "", "", "",
        e.ExitReason is { } reason ? Text(reason) : "", Text(e.ExitLevel), Text(e.RealExit), "", Text(e.NestedTransition), Text(e.IsInL2 ? 2 : 1),
    ];

    private static string Text<T>(T number)
        where T : IFormattable => number.ToString(null, CultureInfo.InvariantCulture);

    private static string Hex(ulong number) => $"0x{number:x}";

    private static void Tell(TextWriter error, string recording, string target, Outcome outcome, bool isQuiet)
    {
        if (outcome.DataLoss)
        {
            error.Write($"DATA LOSS: {recording} says that events were lost; the trace is not what happened\n");
        }

        if (outcome.BeyondEvents > 0)
        {
            error.Write($"{recording}: its events end before its memory accesses do: {Numbers.Whole(outcome.BeyondEvents)} accesses behind them are left out, since nothing tells who made them\n");
        }

        if (isQuiet)
        {
            return;
        }

        error.Write(
            $"{target}: {Numbers.Whole(outcome.Records)} records, {Numbers.Whole(outcome.Flushes)} flushes by L0 itself, {Numbers.Whole(outcome.Synthesized)} transitions put in, "
            + $"{Numbers.Whole(outcome.Skipped)} records of unknown level skipped\n");
        TransitionCounts counts = outcome.Counts;
        error.Write(
            $"recorded: {Numbers.Whole(counts.EntriesInto(1))} real entries into L1 and {Numbers.Whole(counts.EntriesInto(2))} into L2, {Numbers.Whole(counts.ExitsOf(1))} exits of L1 and "
            + $"{Numbers.Whole(counts.ExitsOf(2))} of L2, {Numbers.Whole(counts.NestedEntries)} nested entries ({Numbers.Whole(counts.FailedNestedEntries)} more failed), {Numbers.Whole(counts.NestedExits)} nested exits\n");
        foreach (Finding finding in outcome.Findings.All)
        {
            string subject = finding.Subject.Length > 0 ? $" '{finding.Subject}'" : "";
            error.Write($"{finding.Severity}: {finding.Kind}{subject}, first in line {finding.FirstLine}; {Numbers.Whole(finding.Count)} times\n");
        }
    }

    /// <summary>What is told of a lift of either kind.</summary>
    private sealed record Outcome(ulong Records, int Flushes, long Synthesized, long Skipped, long BeyondEvents, Findings Findings, bool DataLoss, TransitionCounts Counts)
    {
        public static Outcome Of(LiftedRecording lifted) => (lifted.Hardware, lifted.Kernel) switch
        {
            ({ } log, _) => new Outcome(log.Records, log.AnswerKey.Count, log.Synthesized, log.Skipped, log.BeyondEvents, log.Findings, log.Findings.Worst == Severity.DataLoss, log.Counts),
            (_, var events) => new Outcome(events!.Records, events.Flushes.Count, events.Synthesized, 0, 0, events.Findings, events.DataLoss, events.Counts),
        };
    }
}
