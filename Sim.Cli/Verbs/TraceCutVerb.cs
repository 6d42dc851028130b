using System.CommandLine;
using Sim.Experiments;
using Sim.Reports.Views;
using Sim.Workloads.Formats;
using Sim.Workloads.Operations;

namespace Sim.Cli.Verbs;

/// <summary><c>nestsim trace cut</c>: a stretch of a trace that stands alone.</summary>
internal static class TraceCutVerb
{
    /// <summary>The command.</summary>
    public static Command Create(Invocation invocation)
    {
        Argument<string> input = TraceVerb.Input();
        Argument<string> output = TraceVerb.Output();
        Option<string?> format = TraceVerb.Format();
        Option<string?> fromRecord = new("--from-record") { Description = "First record to keep, counted from 0", HelpName = "count" };
        Option<string?> toRecord = new("--to-record") { Description = "First record not to keep", HelpName = "count" };
        Option<string?> fromTime = new("--from-time") { Description = "First reference cycle to keep", HelpName = "cycles" };
        Option<string?> toTime = new("--to-time") { Description = "First reference cycle not to keep", HelpName = "cycles" };
        Option<string?> fromMark = new("--from-mark") { Description = "Begin at the first Mark with this text", HelpName = "text" };
        Option<string?> untilMark = new("--until-mark") { Description = "End before the first Mark with this text", HelpName = "text" };
        VerbCommand command = new(
            "cut",
            "Write a stretch of a trace, preceded by the events that establish who runs there",
            "trace cut big.nst small.nst --from-record 10M --to-record 11M",
            "trace cut big.nst measured.nst --from-mark \"warm-up ends\"") { input, output, format, fromRecord, toRecord, fromTime, toTime, fromMark, untilMark };
        command.SetAction(parse =>
        {
            CutRange range = new(Count(fromRecord, 0), Count(toRecord, ulong.MaxValue), Count(fromTime, 0), Count(toTime, ulong.MaxValue), parse.GetValue(fromMark), parse.GetValue(untilMark));
            using TraceFile trace = TraceFile.Open(parse.GetValue(input)!);
            using TraceFileWriter writer = TraceFile.Create(parse.GetValue(output)!, TraceCutter.Header(trace.Header, range), parse.GetValue(format), parse.GetValue(input)!);
            CutResult cut = TraceCutter.Cut(trace, writer, range);
            writer.Complete();
            invocation.Terminal.Error.Write($"{parse.GetValue(output)}: {Numbers.Whole(cut.Kept)} records kept, {Numbers.Whole(cut.Established)} put in front\n");
            return CliApplication.Success;

            ulong Count(Option<string?> option, ulong standard) => parse.GetValue(option) is { } text ? Counts.Parse(text, option.Name) : standard;
        });
        return command;
    }
}
