using System.CommandLine;
using Sim.Core;
using Sim.Reports.Views;
using Sim.Workloads.Formats;
using Sim.Workloads.Importers;
using Sim.Workloads.Operations;

namespace Sim.Cli.Verbs;

/// <summary><c>nestsim trace convert</c>: any format to native or text.</summary>
internal static class TraceConvertVerb
{
    /// <summary>The command.</summary>
    public static Command Create(Invocation invocation)
    {
        Argument<string> input = TraceVerb.Input();
        Argument<string> output = TraceVerb.Output();
        Option<string?> format = TraceVerb.Format();
        Option<bool> fold = new("--fold") { Description = "Fold runs on one page into one record" };
        Option<string?> lanes = new("--lanes") { Description = "Of a drmemtrace folder: one lane, on which threads follow one another by their timestamps, or a lane for each of its files [default: one]", HelpName = "one|files" };
        VerbCommand command = new(
            "convert",
            "Write a trace of any format as native or text",
            "trace convert lackey.txt.gz program.nst --fold",
            "trace convert program.nst program.txt",
            "valgrind --tool=lackey --trace-mem=yes ls 2>&1 | nestsim trace convert - ls.nst",
            "trace convert drmemtrace.app.1234.dir app.nst --lanes files") { input, output, format, fold, lanes };
        command.SetAction(parse =>
        {
            using TraceFile trace = TraceFile.Open(parse.GetValue(input)!, Lanes(parse.GetValue(lanes)));
            using TraceFileWriter writer = TraceFile.Create(parse.GetValue(output)!, TraceConverter.Header(trace.Header, parse.GetValue(fold)), parse.GetValue(format), parse.GetValue(input)!);
            TraceConverter.Convert(trace, writer, parse.GetValue(fold));
            writer.Complete();
            invocation.Terminal.Error.Write($"{parse.GetValue(output)}: {Numbers.Whole(writer.Records)} records\n");
            return CliApplication.Success;
        });
        return command;
    }

    private static DrLanes Lanes(string? word) => word switch
    {
        null or "one" => DrLanes.One,
        "files" => DrLanes.Files,
        _ => throw new ConfigurationException($"--lanes: {NearestNames.Unknown("rule", word, ["one", "files"])}"),
    };
}
