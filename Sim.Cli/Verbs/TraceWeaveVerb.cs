using System.CommandLine;
using System.Globalization;
using Sim.Core;
using Sim.Core.Traces;
using Sim.Experiments;
using Sim.Reports.Views;
using Sim.Workloads.Footprints;
using Sim.Workloads.Formats;
using Sim.Workloads.Weave;

namespace Sim.Cli.Verbs;

/// <summary><c>nestsim trace weave</c>: a user program's trace becomes L2 under L1 under L0.</summary>
internal static class TraceWeaveVerb
{
    private const string DefaultFootprints = "kvm-6.12-vmx";
    private const int ShownSubstitutes = 10;
    private const ulong RateScale = 1000;

    /// <summary>The command.</summary>
    public static Command Create(Invocation invocation)
    {
        Argument<string?> l2 = new("l2-trace") { Description = "The program that runs as L2: a bare access stream", Arity = ArgumentArity.ZeroOrOne };
        Argument<string?> target = new("output") { Description = TraceVerb.Output().Description, Arity = ArgumentArity.ZeroOrOne };
        Argument<string[]> words = new("key=value") { Description = "Options of the weave, listed below", Arity = ArgumentArity.ZeroOrMore };
        Option<string?> handlers = new("--handlers") { Description = "Trace that L0's and L1's exit handling is taken from [default: synthetic footprints]", HelpName = "file" };
        Option<string?> events = new("--events") { Description = "Recorded transitions instead of a schedule: a trace made by 'nestsim trace lift'; L0 and L1 then follow --footprints", HelpName = "file" };
        Option<string?> footprints = new("--footprints") { Description = $"With --events or --rate: what L0 and L1 touch, a name from 'nestsim list footprints' or a file [default: {DefaultFootprints}]", HelpName = "name|file" };
        Option<string?> rate = new("--cycles-per-tick") { Description = "With --events: cycles in one tick of their clock, such as 2.4 for nanoseconds at 2.4 GHz [default: 1]", HelpName = "number" };
        Option<string?> limit = new("--l2-limit") { Description = "With --events or --rate: most accesses of the program in one run of L2; the rest of a longer run passes without [default: all; with --rate: 20K]", HelpName = "count" };
        Option<string?> foreign = new("--foreign") { Description = "With --events: what stands in for exits of no family that the footprints have: nearest, smallest or largest [default: nearest]", HelpName = "rule" };
        Option<string?> l2Option = new("--l2") { Description = "The same as l2-trace", HelpName = "trace" };
        Option<string?> output = new("--output", "-o") { Description = "The same as output [with --rate: the program's name with .nested.nst, here]", HelpName = "file" };
        Option<string?> exitRate = new("--rate") { Description = "Exits in a second that L2 runs, of a named mix: L2 is any program's trace, L0 and L1 follow --footprints", HelpName = "number" };
        Option<string?> mix = new("--mix") { Description = $"With --rate: which exits, one of {string.Join(", ", ExitMix.All.Select(known => known.Name))} [default: {ProgramAsL2.DefaultMix}]", HelpName = "name" };
        Option<string?> exits = new("--exits") { Description = "With --rate: how many [default: 1000]", HelpName = "count" };
        Option<string?> kernel = new("--kernel") { Description = $"With --rate: kernel of L0 and L1, which chooses the footprints [default: {ProgramAsL2.DefaultKernel}]", HelpName = "name" };
        Option<string?> profile = new("--profile") { Description = $"With --rate: the CPU, for its clock and its vendor [default: {RunConfiguration.DefaultProfile}]", HelpName = "name|file" };
        VerbCommand command = new(
            "weave",
            "Compose a nested trace: the program as L2, exits by a schedule or as recorded, L1's and L0's handling around each",
            "trace weave --l2 program.trace --rate 10000 --mix database --kernel kvm-6.12 --profile skylake-sp",
            "trace weave sort.nst nested-sort.nst every=5000 vpid12=same",
            "trace weave gzip.lackey.gz nested.nst schedule=poisson every=20k vpid12=alternate:4 --handlers kernel.nst",
            "trace weave sort.nst nested.nst --events events.nst --cycles-per-tick 2.4 --l2-limit 20K") { Notes = Keys };
        command.Arguments.Add(l2);
        command.Arguments.Add(target);
        command.Arguments.Add(words);
        foreach (Option option in new Option[] { l2Option, output, exitRate, mix, exits, kernel, profile, handlers, events, footprints, rate, limit, foreign })
        {
            command.Options.Add(option);
        }

        command.SetAction(parse =>
        {
            Queue<string> places = new([.. new[] { parse.GetValue(l2), parse.GetValue(target) }.OfType<string>(), .. parse.GetValue(words) ?? []]);
            string program = parse.GetValue(l2Option) ?? NextPlace(places) ?? throw new ConfigurationException("weave: which program? Give the trace that runs as L2.");
            string? place = parse.GetValue(output) ?? NextPlace(places);
            string[] keys = [.. places];
            if (parse.GetValue(exitRate) is { } perSecond)
            {
                foreach (Option<string?> option in new[] { handlers, events, rate, foreign })
                {
                    Unused(parse, option, "is not used with --rate");
                }

                WeaveSpec random = RandomKeys(keys, "--rate");
                ProgramAsL2 asL2 = new()
                {
                    Program = program,
                    Rate = Counts.Parse(perSecond, exitRate.Name),
                    Mix = parse.GetValue(mix) ?? ProgramAsL2.DefaultMix,
                    Exits = (int)Math.Min(Counts.Parse(parse.GetValue(exits) ?? "1000", exits.Name), int.MaxValue),
                    Kernel = parse.GetValue(kernel) ?? ProgramAsL2.DefaultKernel,
                    Profile = parse.GetValue(profile) ?? RunConfiguration.DefaultProfile,
                    Footprints = parse.GetValue(footprints),
                    Limit = parse.GetValue(limit) is { } most ? Limit(most) : ProgramAsL2.DefaultLimit,
                    Seed = random.Seed,
                    Fold = random.Fold,
                };
                string nested = place ?? NestedName(program);
                Tell(invocation, parse, asL2.Weave(nested), nested);
                return CliApplication.Success;
            }

            foreach (Option<string?> option in new[] { mix, exits, kernel, profile })
            {
                Unused(parse, option, "needs --rate");
            }

            string written = place ?? throw new ConfigurationException("weave: where to? Give the trace to write.");
            if (parse.GetValue(events) is { } recorded)
            {
                if (parse.GetValue(handlers) is not null)
                {
                    throw new ConfigurationException("--handlers and --events both say what L0 and L1 do. Give one of them.");
                }

                FootprintWeaveOptions options = Options(keys, parse.GetValue(rate), parse.GetValue(limit)) with { Strangers = Strangers(parse.GetValue(foreign)) };
                Tell(invocation, parse, WeaveEvents(program, recorded, written, FootprintLibrary.Read(parse.GetValue(footprints) ?? DefaultFootprints), options), written);
                return CliApplication.Success;
            }

            foreach (Option<string?> option in new[] { footprints, rate, limit, foreign })
            {
                Unused(parse, option, "needs --events: without recorded events, exits follow the schedule and its keys");
            }

            Weave(invocation, program, parse.GetValue(handlers), written, keys);
            return CliApplication.Success;
        });
        return command;
    }

    /// <summary>The next word that is a place and no key.</summary>
    private static string? NextPlace(Queue<string> places) => places.TryPeek(out string? place) && !place.Contains('=', StringComparison.Ordinal) ? places.Dequeue() : null;

    private static void Unused(ParseResult parse, Option<string?> option, string why)
    {
        if (parse.GetValue(option) is not null)
        {
            throw new ConfigurationException($"{option.Name} {why}.");
        }
    }

    private static WeaveSpec RandomKeys(string[] words, string option)
    {
        foreach (string word in words.Where(word => !word.StartsWith("seed=", StringComparison.Ordinal) && !word.StartsWith("fold=", StringComparison.Ordinal)))
        {
            throw new ConfigurationException($"'{word}': with {option}, {(option == "--rate" ? "transitions are those of the mix" : "transitions are the recorded ones")}; only the keys seed and fold are used.");
        }

        return WeaveSpec.Parse(words.Append("warm-up=0"));
    }

    private static string NestedName(string program)
    {
        string name = Path.GetFileName(Path.TrimEndingDirectorySeparator(program));
        int dot = name.IndexOf('.', 1);
        return (dot > 0 ? name[..dot] : name) + ".nested.nst";
    }

    private static void Weave(Invocation invocation, string program, string? handlers, string target, string[] words)
    {
        WeaveSpec spec = WeaveSpec.Parse(WithLength(words, program));
        using TraceFile l2 = TraceFile.Open(program);
        using TraceFile? handling = handlers is { } path ? TraceFile.Open(path) : null;
        using TraceFileWriter writer = TraceFile.Create(target, Weaver.Header(spec, l2.Header, handling?.Header), null, handlers is null ? [program] : [program, handlers]);
        WeaveSummary summary = Weaver.Weave(spec, l2, handling, writer);
        writer.Complete();
        invocation.Terminal.Error.Write(
            $"{target}: {Numbers.Whole(summary.Records)} records, {Numbers.Whole(summary.L2Accesses)} accesses of L2, {Numbers.Whole(summary.L1Accesses)} of L1, "
            + $"{Numbers.Whole(summary.L0Accesses)} of L0, {Numbers.Whole(summary.L2Exits)} exits of L2, {Numbers.Whole(summary.NestedEntries)} nested entries\n");
    }

    private static FootprintWeaveSummary WeaveEvents(string program, string events, string target, FootprintModel model, FootprintWeaveOptions options)
    {
        if (program == "-" || events == "-")
        {
            throw new ConfigurationException("With --events the program and the events are read more than once, and a pipe can be read only once. Save them to files and name those.");
        }

        TraceHeader header;
        using (TraceFile recorded = TraceFile.Open(events))
        using (TraceFile l2 = TraceFile.Open(program))
        {
            header = FootprintWeaver.Header(recorded.Header, model, l2.Header, options);
        }

        using TraceFileWriter writer = TraceFile.CreateDraft(target, header, null, program, events);
        FootprintWeaveSummary summary = FootprintWeaver.Weave(() => TraceFile.Open(events), () => TraceFile.Open(program), model, options, writer);
        writer.Complete(summary.Doubts);
        return summary;
    }

    private static FootprintWeaveOptions Options(string[] words, string? rate, string? limit)
    {
        // seed and fold mean what they mean without events.
        WeaveSpec spec = RandomKeys(words, "--events");
        if (rate is null)
        {
            return new FootprintWeaveOptions { Seed = spec.Seed, Fold = spec.Fold, L2Limit = Limit(limit) };
        }

        return decimal.TryParse(rate, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out decimal cycles) && decimal.IsInteger(cycles * RateScale) && cycles is > 0 and <= 1000
            ? new FootprintWeaveOptions { Cycles = (ulong)(cycles * RateScale), Ticks = RateScale, Seed = spec.Seed, Fold = spec.Fold, L2Limit = Limit(limit) }
            : throw new ConfigurationException($"--cycles-per-tick: expected a number above 0, at most 1000, with at most three decimals, found '{rate}'.");
    }

    private static StrangerRule Strangers(string? text)
    {
        (string Word, StrangerRule Rule)[] rules = [("nearest", StrangerRule.Nearest), ("smallest", StrangerRule.Smallest), ("largest", StrangerRule.Largest)];
        return text is null ? StrangerRule.Nearest
            : rules.Any(rule => rule.Word == text) ? rules.Single(rule => rule.Word == text).Rule
            : throw new ConfigurationException($"--foreign: {NearestNames.Unknown("rule", text, rules.Select(rule => rule.Word))}");
    }

    private static ulong Limit(string? text) => text is null ? ulong.MaxValue
        : Counts.Parse(text, "--l2-limit") is > 0 and { } limit ? limit : throw new ConfigurationException("--l2-limit: expected a number of accesses above 0, found '0'.");

    private static void Tell(Invocation invocation, ParseResult parse, FootprintWeaveSummary summary, string target)
    {
        if (parse.GetValue(invocation.Quiet))
        {
            return;
        }

        TextWriter error = invocation.Terminal.Error;
        error.Write(
            $"{target}: {Numbers.Whole(summary.Records)} records, {Numbers.Whole(summary.Accesses[2])} accesses of L2, {Numbers.Whole(summary.Accesses[1])} of L1, "
            + $"{Numbers.Whole(summary.Accesses[0])} of L0, {Numbers.Whole(summary.Stays)} stays of L0 and L1, {Numbers.Whole(summary.NestedTransitions)} nested transitions, "
            + $"program begun {Numbers.Whole(summary.ProgramRuns)} times\n");
        if (summary.Unknown > 0)
        {
            error.Write($"warning: {Numbers.Whole(summary.Unknown)} stays have no accesses, because the exit that began them was not recorded\n");
        }

        if (summary.Substitutes.Where(substitute => substitute.IsForeign).Sum(substitute => substitute.Count) is > 0 and { } foreign)
        {
            error.Write($"warning: {Numbers.Whole(foreign)} stays follow exits of the other vendor's virtualization, whose hypervisor touches other pages than these footprints say\n");
        }

        if (summary.IsBracketed)
        {
            error.Write(
                $"warning: bracketed: {Numbers.Fraction(100 * summary.ForeignShare)}% of the stays are foreign (more than {Numbers.Whole(100 * FootprintWeaveSummary.MostForeign)}%), so that no single number says what this recording costs. "
                + "Weave it with --foreign smallest and with --foreign largest, and give the range (docs/footprints.md)\n");
        }

        foreach (bool isStrange in new[] { true, false })
        {
            FootprintSubstitute[] substitutes = [.. summary.Substitutes.Where(substitute => substitute.IsStrange == isStrange).OrderByDescending(substitute => substitute.Count)];
            long count = substitutes.Sum(substitute => substitute.Count);
            if (count == 0)
            {
                continue;
            }

            error.Write(isStrange
                ? $"warning: {Numbers.Whole(count)} stays follow an exit whose family the footprints do not have; {summary.StandIns} were taken:\n"
                : $"{Numbers.Whole(count)} stays are of a kind that the footprints do not have in full; of the same family were taken:\n");
            foreach (FootprintSubstitute substitute in substitutes.Take(parse.GetValue(invocation.Verbose) ? int.MaxValue : isStrange ? ShownSubstitutes : 1))
            {
                error.Write($"  {substitute.Wanted}: that of {substitute.Taken}, {Numbers.Whole(substitute.Count)} times\n");
            }
        }
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
