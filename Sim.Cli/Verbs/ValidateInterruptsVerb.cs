using System.CommandLine;
using Sim.Core.Files;
using Sim.Validation;

namespace Sim.Cli.Verbs;

/// <summary><c>nestsim validate interrupts</c>: what an interrupt path makes of the interrupts of a real kernel, beside what that kernel and its processor made of them.</summary>
internal static class ValidateInterruptsVerb
{
    /// <summary>The command.</summary>
    public static Command Create(Invocation invocation)
    {
        Argument<string> recording = new("recording") { Description = "Hardware capture of VMX, or kernel events of SVM; plain, gzip, xz or zstd. It is read twice, so it cannot be a pipe" };
        Option<string?> path = new("--irq-path") { Description = "Interrupt path to replay through [default: posted if vmcs01 of the capture has posted interrupts, else none]", HelpName = "path" };
        Option<string?> csv = RecordingComparison.CsvOption("every event");
        VerbCommand command = new(
            "interrupts",
            "Replay the interrupts of a recording of real nested KVM through an interrupt path and compare deliveries, notifications and nested exits with those recorded",
            "validate interrupts capture.hw.txt.xz",
            "validate interrupts report.txt",
            "validate interrupts capture.hw.txt.xz --irq-path none --csv interrupts.csv") { recording, path, csv };
        command.SetAction(parse =>
        {
            using OutputFile? file = RecordingComparison.Csv(parse, csv, parse.GetValue(recording)!);
            InterruptValidation result = InterruptValidation.Of(parse.GetValue(recording)!, parse.GetValue(path));
            return RecordingComparison.Print(
                invocation, parse, file, result.Csv, $"{result.Recording} through {result.Path}: {result.Headline}", [result.ByEvent(), result.ByWindow()], result.Differences.Select(InterruptValidation.Describe), result.Remarks, result.Passed);
        });
        return command;
    }
}
