using System.CommandLine;
using Sim.Reports.Views;
using Sim.Workloads.Formats;
using Sim.Workloads.Weave;

namespace Sim.Cli.Verbs;

/// <summary><c>nestsim trace weave</c>: a user program's trace becomes L2 under L1 under L0.</summary>
internal static class TraceWeaveVerb
{
    /// <summary>The command.</summary>
    public static Command Create(Invocation invocation)
    {
        Argument<string> l2 = new("l2-trace") { Description = "The program that runs as L2: a bare access stream" };
        Argument<string> target = TraceVerb.Output();
        Argument<string[]> words = new("key=value") { Description = "Options of the weave, listed below", Arity = ArgumentArity.ZeroOrMore };
        Option<string?> handlers = new("--handlers") { Description = "Trace that L0's and L1's exit handling is taken from [default: synthetic footprints]", HelpName = "file" };
        VerbCommand command = new(
            "weave",
            "Compose a nested trace: the program as L2, exits by a schedule, L1's and L0's handling around each",
            "trace weave sort.nst nested-sort.nst every=5000 vpid12=same",
            "trace weave gzip.lackey.gz nested.nst schedule=poisson every=20k vpid12=alternate:4 --handlers kernel.nst") { Notes = Keys };
        command.Arguments.Add(l2);
        command.Arguments.Add(target);
        command.Arguments.Add(words);
        command.Options.Add(handlers);
        command.SetAction(parse =>
        {
            WeaveSpec spec = WeaveSpec.Parse(WithLength(parse.GetValue(words) ?? [], parse.GetValue(l2)!));
            using TraceFile program = TraceFile.Open(parse.GetValue(l2)!);
            using TraceFile? handling = parse.GetValue(handlers) is { } path ? TraceFile.Open(path) : null;
            using TraceFileWriter writer = TraceFile.Create(parse.GetValue(target)!, Weaver.Header(spec, program.Header, handling?.Header));
            WeaveSummary summary = Weaver.Weave(spec, program, handling, writer);
            writer.Complete();
            invocation.Terminal.Error.Write(
                $"{parse.GetValue(target)}: {Numbers.Whole(summary.Records)} records, {Numbers.Whole(summary.L2Accesses)} accesses of L2, {Numbers.Whole(summary.L1Accesses)} of L1, "
                + $"{Numbers.Whole(summary.L0Accesses)} of L0, {Numbers.Whole(summary.L2Exits)} exits of L2, {Numbers.Whole(summary.NestedEntries)} nested entries\n");
            return CliApplication.Success;
        });
        return command;
    }

    /// <summary>The words and, if they do not say it, the length of a file's trace: a warm-up in percent is one of this length.</summary>
    private static IEnumerable<string> WithLength(string[] words, string path)
    {
        const string Length = "l2-accesses=";
        if (path == "-" || words.Any(word => word.StartsWith(Length, StringComparison.Ordinal)))
        {
            return words;
        }

        using TraceFile program = TraceFile.Open(path);
        return words.Append($"{Length}{Weaver.CountAccesses(program)}");
    }

    private static string Keys()
    {
        int width = WeaveOptions.All.Max(option => option.Key.Length);
        return "Keys:\n" + string.Join('\n', WeaveOptions.All.Select(option => $"  {option.Key.PadRight(width)}  {option.Help} [{option.Default}]"));
    }
}
