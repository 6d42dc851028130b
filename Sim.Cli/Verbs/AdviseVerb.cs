using System.CommandLine;
using System.Globalization;
using Sim.Core;
using Sim.Core.Files;
using Sim.Experiments;
using Sim.Reports.Results;
using Sim.Reports.Views;

namespace Sim.Cli.Verbs;

/// <summary><c>nestsim advise</c>: what a change of the flush policy saves or costs, in five sentences.</summary>
internal static class AdviseVerb
{
    /// <summary>The command.</summary>
    public static Command Create(Invocation invocation)
    {
        Argument<string> file = new("file") { Description = "A trace, or a recording of KVM: kernel events as text (trace-cmd report, perf script, tracefs' trace) or a hardware log; plain, gzip, xz or zstd" };
        Option<string?> before = new("--before") { Description = "Flush policy of today [default: kvm-6.12; nsvm-6.14 on AMD]", HelpName = "policy" };
        Option<string?> after = new("--after") { Description = "Flush policy to judge [default: vpid02-per-vpid12; nsvm-l2-asid on AMD]", HelpName = "policy" };
        Option<string?> rate = new("--rate") { Description = "Round trips a second on one CPU [default: the recorded rate]", HelpName = "number" };
        Option<string?> roundTrip = new("--round-trip") { Description = "Nanoseconds of one round trip as you measured it [default: the profile's]", HelpName = "ns" };
        Option<string?> footprints = new("--footprints") { Description = "What L0 and L1 touch where the file does not say: a name from 'nestsim list footprints' or a file", HelpName = "name|file" };
        Option<string[]> programs = new("--programs") { Description = "Programs that L2 runs where the file does not say what it touched: bare traces, separated by commas [default: the shipped ones]", HelpName = "a,b,..." };
        Option<bool> unverified = ExperimentOptions.UnverifiedOption();
        Option<string?> json = new("--json") { Description = "Write the answer and its numbers as JSON; - is standard output, instead of the sentences", HelpName = "file" };
        ConfigurationOptions configuration = new() { ForTrace = false };
        VerbCommand command = new(
            "advise",
            "Say what a change of the flush policy saves or costs for each L2 round trip, and how sure that is, in five sentences",
            "advise recording.txt.xz",
            "advise recording.txt.xz --before nsvm-5.8 --after nsvm-l2-asid --profile zen-4 --rate 38000",
            "advise traces/nested-sqlite-vpid-new.nst.gz --before kvm-5.14 --after kvm-5.16 --json -") { file };
        foreach (Option option in new Option[] { before, after, rate, roundTrip, footprints, programs, unverified, json })
        {
            command.Options.Add(option);
        }

        configuration.AddTo(command);
        command.SetAction(parse =>
        {
            string? target = parse.GetValue(json);
            using OutputFile? answer = target is null or "-" ? null : OutputFile.Check(target, "answer", parse.GetValue(file)!);
            Advice advice;
            using (ProgressBar progress = ProgressBar.Of(invocation, parse))
            {
                AdviceRequest request = new(parse.GetValue(file)!)
                {
                    Before = parse.GetValue(before),
                    After = parse.GetValue(after),
                    Rate = Positive(parse.GetValue(rate), rate),
                    RoundTrip = Positive(parse.GetValue(roundTrip), roundTrip),
                    Footprints = parse.GetValue(footprints),
                    Programs = [.. (parse.GetValue(programs) ?? []).SelectMany(list => list.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))],
                    ConfigurationFile = configuration.File(parse),
                    Assignments = configuration.Assignments(parse),
                    Jobs = Math.Min(2, Environment.ProcessorCount),
                    Unverified = parse.GetValue(unverified),
                    CommandLine = invocation.CommandLine,
                    Progress = progress.Report,
                };
                advice = Advisor.Of(request);
            }

            if (target == "-")
            {
                invocation.Terminal.Output.Write(AdviceJson.ToText(advice));
                return CliApplication.Success;
            }

            Prose.Write(invocation.Terminal.Output, advice.Lines, invocation.Terminal.TableStyle(parse.GetValue(invocation.NoColour)));
            ResultFiles.Write(answer, AdviceJson.ToText(advice));
            return CliApplication.Success;
        });
        return command;
    }

    private static double? Positive(string? text, Option option) => text is null ? null
        : double.TryParse(text, NumberStyles.AllowDecimalPoint | NumberStyles.AllowThousands, CultureInfo.InvariantCulture, out double number) && number > 0 ? number
        : throw new ConfigurationException($"{option.Name}: expected a number above 0, found '{text}'.");
}
