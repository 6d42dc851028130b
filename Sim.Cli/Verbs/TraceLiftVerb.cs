using System.CommandLine;
using System.Globalization;
using Sim.Captures;
using Sim.Captures.Ftrace;
using Sim.Captures.HwLog;
using Sim.Core.Traces;
using Sim.Core;
using Sim.Reports.Results;
using Sim.Reports.Views;
using Sim.Workloads.Formats;

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
            Request request;
            Outcome outcome;
            using (ProgressBar progress = ProgressBar.Of(invocation, parse))
            {
                request = new Request(path, parse.GetValue(output)!, parse.GetValue(format), parse.GetValue(asRecorded), parse.GetValue(key), progress.AddLines);
                outcome = KindOf(path) == CaptureKind.Hardware ? LiftHardware(request) : LiftKernelEvents(request);
            }

            Tell(invocation.Terminal.Error, request, outcome, parse.GetValue(invocation.Quiet));
            return CliApplication.Success;
        });
        return command;
    }

    private static CaptureKind KindOf(string path)
    {
        if (path == "-")
        {
            throw new ConfigurationException("'trace lift' reads its recording more than once, and a pipe can be read only once. Save the recording to a file and name that.");
        }

        return CaptureText.KindOf(path, path);
    }

    private static Outcome LiftHardware(Request request)
    {
        TraceHeader header;
        IReadOnlyList<ListedPage>? pageSizes = request.PageSizes is { } list ? PageSizeList.Read(list) : null;
        using (HwLogReader reader = Open())
        {
            header = Lift.HeaderOf(reader, request.Source, pageSizes is not null);
        }

        header = request.AsRecorded ? With(header, "as_recorded", "yes") : header;
        using TraceFileWriter writer = TraceFile.CreateDraft(request.Output, header, request.Format);
        LiftResult result = Lift.Run(Open, writer, header.Lanes, request.AsRecorded, pageSizes: pageSizes);
        Finish(request, writer, result.AnswerKey.Select(Row), result.Doubts);
        return new Outcome(result.Records, result.AnswerKey.Count, result.Synthesized, result.Skipped, result.BeyondEvents, result.Findings, result.Findings.Worst == Severity.DataLoss, result.Counts);

        HwLogReader Open() => new(CaptureText.Open(request.Path), request.Path, request.Progress);
    }

    private static Outcome LiftKernelEvents(Request request)
    {
        if (request.AsRecorded)
        {
            throw new ConfigurationException(
                $"--as-recorded: '{request.Path}' holds kernel events, which do not say what VPIDs, EPT pointers and addresses the hardware got. Lift it without, or lift a hardware capture.");
        }

        KernelSurvey survey;
        using (TracepointReader reader = Open())
        {
            survey = KernelSurvey.Of(reader);
        }

        TraceHeader header = TracepointLift.HeaderOf(survey, request.Source);
        using TracepointReader events = Open();
        using TraceFileWriter writer = TraceFile.CreateDraft(request.Output, header, request.Format);
        TracepointLiftResult result = TracepointLift.Run(events, survey, writer);
        Finish(request, writer, result.Flushes.Select(Row), result.Doubts);
        return new Outcome(result.Records, result.Flushes.Count, result.Synthesized, 0, 0, result.Findings, result.DataLoss, result.Counts);

        TracepointReader Open() => new(CaptureText.Open(request.Path), request.Path, request.Progress);
    }

    private static TraceHeader With(TraceHeader header, string property, string value) =>
        header with { Properties = new SortedDictionary<string, string>(header.Properties.ToDictionary(), StringComparer.Ordinal) { [property] = value } };

    /// <summary>The answer key goes first: if it cannot be written, the trace does not appear either.</summary>
    private static void Finish(Request request, TraceFileWriter writer, IEnumerable<IReadOnlyList<string>> key, IReadOnlyList<Doubt> doubts)
    {
        if (request.AnswerKey is { } path)
        {
            ResultFiles.Write(path, CsvText.Of(KeyColumns, key));
        }

        writer.Complete(doubts);
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

    private static void Tell(TextWriter error, Request request, Outcome outcome, bool isQuiet)
    {
        if (outcome.DataLoss)
        {
            error.Write($"DATA LOSS: {request.Path} says that events were lost; the trace is not what happened\n");
        }

        if (outcome.BeyondEvents > 0)
        {
            error.Write($"{request.Path}: its events end before its memory accesses do: {Numbers.Whole(outcome.BeyondEvents)} accesses behind them are left out, since nothing tells who made them\n");
        }

        if (isQuiet)
        {
            return;
        }

        error.Write(
            $"{request.Output}: {Numbers.Whole(outcome.Records)} records, {Numbers.Whole(outcome.Flushes)} flushes by L0 itself, {Numbers.Whole(outcome.Synthesized)} transitions put in, "
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

    private sealed record Request(string Path, string Output, string? Format, bool AsRecorded, string? AnswerKey, Action<long> Progress)
    {
        public string Source => System.IO.Path.GetFileName(Path);

        public string? PageSizes { get; } = PageSizeList.Beside(Path);
    }

    private sealed record Outcome(ulong Records, int Flushes, long Synthesized, long Skipped, long BeyondEvents, Findings Findings, bool DataLoss, TransitionCounts Counts);
}
