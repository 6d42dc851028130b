using System.CommandLine;
using Sim.Core.Files;
using Sim.Core.Profiles;
using Sim.Reports.Results;
using Sim.Reports.Views;
using Sim.Validation;
using Sim.Workloads.Footprints;

namespace Sim.Cli.Verbs;

/// <summary><c>nestsim trace footprint</c>: what L0 and L1 touch in each kind of stay, learned from recordings with memory accesses.</summary>
internal static class TraceFootprintVerb
{
    /// <summary>The command.</summary>
    public static Command Create(Invocation invocation)
    {
        Argument<string[]> files = new("recordings") { Description = "Memory windows of hardware captures, or nested traces with real accesses", Arity = ArgumentArity.OneOrMore };
        Option<string[]> untraced = new("--untraced") { Description = "A recording that was made without tracing (repeatable): kinds of stay that it has often are learned from such ones alone", HelpName = "file" };
        Option<string> output = new("--output", "-o") { Description = "JSON file to write", HelpName = "file", Required = true };
        Option<string?> name = new("--name") { Description = "Name of the footprints [default: the output's]", HelpName = "name" };
        Option<string?> summary = new("--summary") { Description = "One sentence about them", HelpName = "text" };
        Option<string> kernel = new("--kernel") { Description = "Version of the recorded kernels", HelpName = "version", DefaultValueFactory = _ => "unknown" };
        Option<string> vendor = new("--vendor") { Description = "Whose virtualization was recorded", HelpName = "intel|amd", DefaultValueFactory = _ => "intel" };
        VerbCommand command = new(
            "footprint",
            "Learn from recordings with memory accesses what L0 and L1 touch in each kind of stay",
            "trace footprint win1.pages.txt.xz win3.pages.txt.xz -o kvm-6.12-vmx.json --kernel 6.12",
            "trace footprint traces/nested-kvm-two-processes.nst.gz -o mine.json") { files, untraced, output, name, summary, kernel, vendor.AcceptOnlyFromAmong("intel", "amd") };
        command.SetAction(parse =>
        {
            string target = parse.GetValue(output)!;
            string[] silent = parse.GetValue(untraced) ?? [];
            string[] all = [.. parse.GetValue(files)!.Concat(silent)];
            using OutputFile file = OutputFile.Check(target, "footprints", all);
            FootprintModel model;
            using (ProgressBar progress = ProgressBar.Of(invocation, parse))
            {
                model = FootprintRecording.Learn(
                    all,
                    silent,
                    parse.GetValue(name) ?? Path.GetFileNameWithoutExtension(target),
                    parse.GetValue(summary) ?? $"What L0 and L1 touch, learned from {string.Join(", ", all.Select(Path.GetFileName))}",
                    parse.GetValue(vendor) == "amd" ? Vendor.Amd : Vendor.Intel,
                    parse.GetValue(kernel)!,
                    progress.AddLines);
            }

            ResultFiles.Write(file, FootprintFile.ToText(model));
            if (!parse.GetValue(invocation.Quiet))
            {
                invocation.Terminal.Error.Write(
                    $"{target}: {Numbers.Whole(model.Stays.Count)} kinds of stay from {Numbers.Whole(model.Sources.Sum(source => source.Stays))} stays, "
                    + $"{Numbers.Whole(model.L0.Known.Count)} known pages of L0 and {Numbers.Whole(model.L1.Known.Count)} of L1\n");
            }

            return CliApplication.Success;
        });
        return command;
    }
}
