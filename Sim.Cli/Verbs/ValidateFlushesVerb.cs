using System.CommandLine;
using Sim.Core.Files;
using Sim.Validation;

namespace Sim.Cli.Verbs;

/// <summary><c>nestsim validate flushes</c>: the flushes that a policy decides beside those of a real kernel.</summary>
internal static class ValidateFlushesVerb
{
    /// <summary>The command.</summary>
    public static Command Create(Invocation invocation)
    {
        Argument<string> recording = new("recording") { Description = "Hardware capture of VMX, or kernel events of SVM with svm_flush_tlb_* of the function tracer; plain, gzip, xz or zstd. It is read more than once, so it cannot be a pipe" };
        Option<string?> policy = new("--policy") { Description = $"Policy of the kernel that recorded it [default: {FlushValidation.DefaultVmxPolicy}; on AMD the one whose flush functions were called, else {SvmFlushValidation.DefaultPolicy}]", HelpName = "policy" };
        Option<string[]> ftrace = new("--ftrace") { Description = "Kernel events with function lines of the same run on the same clock, beside a hardware capture: remote flushes with a cause in L0 enter the replay (repeatable)", HelpName = "file" };
        Option<string?> csv = RecordingComparison.CsvOption("every flush");
        VerbCommand command = new(
            "flushes",
            "Replay what guests did in a recording of real nested KVM and compare the flushes that the policy decides with those that the kernel executed",
            "validate flushes capture.hw.txt.xz",
            "validate flushes capture.hw.txt.xz --ftrace window1.ftrace.txt.xz --ftrace window2.ftrace.txt.xz",
            "validate flushes report.txt",
            "validate flushes capture.hw.txt.xz --policy kvm-6.12 --csv flushes.csv") { recording, policy, ftrace, csv };
        command.SetAction(parse =>
        {
            using OutputFile? file = RecordingComparison.Csv(parse, csv, parse.GetValue(recording)!);
            FlushValidation result = FlushValidation.Of(parse.GetValue(recording)!, parse.GetValue(policy), parse.GetValue(ftrace) ?? []);
            return RecordingComparison.Print(
                invocation, parse, file, result.Csv, $"{result.Recording} under {result.Policy}: {result.Headline}", [result.ByKind(), result.ByPlace(), result.ByRule()], result.Differences.Select(FlushValidation.Describe), result.Remarks, result.Passed);
        });
        return command;
    }
}
