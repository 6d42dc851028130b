using System.CommandLine;
using System.Globalization;
using Sim.Core.Profiles;
using Sim.Core.Traces;
using Sim.Experiments;
using Sim.Reports.Analysers;
using Sim.Reports.Results;
using Sim.Reports.Timelines;
using Sim.Reports.Views;

namespace Sim.Cli.Verbs;

/// <summary>Runs an experiment for a command: results to standard output and files, hints and failures to standard error.</summary>
internal static class ExperimentRunner
{
    private const int PagesShown = 5;

    /// <summary>Most notes on a terminal, where the answer has to fit one screen; how many more there are counts as one.</summary>
    private const int NotesShown = 2;

    /// <summary>Runs it.</summary>
    /// <param name="invocation">The call.</param>
    /// <param name="parse">The parsed command line.</param>
    /// <param name="options">The experiment's options.</param>
    /// <param name="configuration">What is simulated.</param>
    /// <param name="details">The tables behind the first screen if seeds are not repeated and nothing is swept: all of them, or those that are always shown.</param>
    /// <param name="timeline">Where the measured window is written down, completed here; null for nowhere.</param>
    /// <returns>The exit code: that of the worst failed run, 130 if interrupted, 143 if terminated.</returns>
    public static int Execute(Invocation invocation, ParseResult parse, ExperimentOptions options, RunConfiguration configuration, Func<RunSet, bool, IReadOnlyList<Table>> details, ChromeTraceWriter? timeline = null) =>
        Execute(invocation, parse, options, configuration, parse.GetValue(options.Trace)!, parse.GetValue(options.Out), details, _ => { }, timeline);

    /// <summary>The same for a trace that is named otherwise, with its own result folder; <paramref name="taken"/> gets the results.</summary>
    public static int Execute(
        Invocation invocation,
        ParseResult parse,
        ExperimentOptions options,
        RunConfiguration configuration,
        string trace,
        string? folder,
        Func<RunSet, bool, IReadOnlyList<Table>> details,
        Action<RunSet> taken,
        ChromeTraceWriter? timeline = null)
    {
        Terminal terminal = invocation.Terminal;
        CancellationToken stop = terminal.Interruption.Token;
        using ResultOutputs outputs = ResultOutputs.Claim(folder, parse.GetValue(options.Json), parse.GetValue(options.Csv), trace);
        RunSet set;
        using (ProgressBar progress = ProgressBar.Of(invocation, parse))
        {
            Experiment experiment = new(configuration) { Jobs = Math.Min(options.Jobs(parse), configuration.RunCount), Progress = progress.Report, Unverified = options.Unverified(parse), CommandLine = invocation.CommandLine, Timeline = timeline };
            set = experiment.Run(trace, stop);
        }

        taken(set);

        // A terminal that cannot be written to loses no result, and a file that cannot be written loses no table.
        try
        {
            Print(invocation, parse, options, configuration, details, set);
        }
        finally
        {
            foreach (string beside in outputs.Write(set))
            {
                terminal.Error.Write($"{beside}: partial results; what was there before stays\n");
            }

            if (timeline is not null && !(set.Partial && timeline.Replaces) && set.Runs.All(run => run.Failure is null))
            {
                timeline.Complete();
            }
        }

        int worst = set.Runs.Max(run => run.Failure?.ExitCode ?? CliApplication.Success);
        return set.Partial ? terminal.Interruption.ExitCode : worst != CliApplication.Success ? worst : options.RequireSafe(parse) ? CheckSafe(terminal, Verdict.Of(set)) : CliApplication.Success;
    }

    /// <summary>Everything that is said about a result, the answer last.</summary>
    private static void Print(Invocation invocation, ParseResult parse, ExperimentOptions options, RunConfiguration configuration, Func<RunSet, bool, IReadOnlyList<Table>> details, RunSet set)
    {
        Terminal terminal = invocation.Terminal;
        bool all = parse.GetValue(invocation.Verbose) || options.AllTables(parse);
        TableStyle style = terminal.TableStyle(parse.GetValue(invocation.NoColour));
        Verdict verdict = Verdict.Of(set);
        string answer = set.Partial ? $"So far: {verdict.Sentence}" : verdict.Sentence;
        IReadOnlyList<Table> tables = Tables(set, configuration, each => details(each, all));
        RunResult[] told = [.. set.Runs.Where(run => all || !run.IsYardstick)];

        // On a screen that holds all of it, the last line is enough.
        bool once = style.Rich && tables.Count == 0 && SafetyView.Stories(told).Count == 0;
        WriteFirstScreen(terminal.Output, set, verdict, once ? "" : answer, style, all);
        if (tables.Count > 0)
        {
            terminal.Output.Write('\n');
            TableWriter.Write(terminal.Output, tables, style);
        }

        if (configuration is { Seeds: > 1, Over.Count: 0, BracketsPageSizes: false } && SeedView.Unmoved(set) is { Count: > 0 } unmoved)
        {
            terminal.Output.Write($"\nThe seed changes nothing at all for {string.Join(", ", unmoved)}: the model is deterministic, and nothing in this machine replaces at random. Their numbers are exact; more seeds say no more.\n");
        }

        WriteStories(terminal.Output, told, style);
        if (!parse.GetValue(invocation.Quiet))
        {
            WriteHints(terminal, set, configuration.Machine.Profile, all || !terminal.ErrorIsTerminal);
        }

        foreach (RunResult run in set.Runs.Where(run => run.Failure is not null))
        {
            RunFailure failure = run.Failure!;
            terminal.Error.Write(failure.ExitCode == CliApplication.OwnBug ? CliApplication.BugReport($"policy {run.Case}: {failure.Message}", invocation.CommandLine) : $"{run.Run}: {failure.Message}\n");
        }

        Prose.Write(terminal.Output, [answer], style);
    }

    /// <summary>What was run, the answer, why, and what stands behind it.</summary>
    private static void WriteFirstScreen(TextWriter output, RunSet set, Verdict verdict, string answer, TableStyle style, bool all)
    {
        Prose.Write(output, new[] { Title(set), answer, verdict.Reason }.Where(line => line.Length > 0), style);
        if (set.Runs.Count > 1 && set.Runs.All(run => run.Parameters.Count == 0))
        {
            TableWriter.Write(output, [FirstScreen.Of(set, verdict)], style with { Rich = false });
        }

        string[] notes = [.. verdict.Notes.Take(all || !style.Rich || verdict.Notes.Count <= NotesShown ? int.MaxValue : NotesShown - 1)];
        string[] others = notes.Length < verdict.Notes.Count ? [$"{verdict.Notes.Count - notes.Length} more notes: -v"] : [];
        Prose.Write(output, [.. notes, .. others, .. Price.Lines(set)], style);
    }

    /// <summary>The first story of each kind of wrong outcome, then the pages it happened on.</summary>
    private static void WriteStories(TextWriter output, IReadOnlyList<RunResult> runs, TableStyle style)
    {
        Prose.Write(output, SafetyView.Stories(runs), style);
        IReadOnlyList<Table> pages = SafetyView.Pages(runs, PagesShown);
        if (pages.Count > 0)
        {
            output.Write('\n');
            TableWriter.Write(output, pages, style);
        }
    }

    /// <summary>Safe is what could have gone wrong and did not; anything else fails, and says why.</summary>
    private static int CheckSafe(Terminal terminal, Verdict verdict)
    {
        (string Why, string Run)[] others = [.. verdict.Standings.Where(standing => standing.Judgement != Judgement.Safe).Select(standing => (WhyNotSafe(standing), standing.Run.Run))];
        foreach (IGrouping<string, string> group in others.GroupBy(other => other.Why, other => other.Run, StringComparer.Ordinal))
        {
            terminal.Error.Write($"{InertText.OneLine(string.Join(", ", group))}: {group.Key}\n");
        }

        return others.Length == 0 ? CliApplication.Success : CliApplication.CheckFailed;
    }

    private static string WhyNotSafe(Standing standing) => standing.Judgement switch
    {
        Judgement.Unsafe => $"unsafe: {SafetyView.Counts(standing.Run.Safety!)}",
        Judgement.NotExercised => "not exercised: nothing in this trace could have gone wrong, so it does not show that a policy is safe (docs/safety.md)",
        Judgement.InterruptsSafe => "translations not exercised: no interrupt went wrong, but no translation could have, so the trace does not show that a policy is safe (docs/safety.md)",
        _ => "not judged: the safety oracle is off (machine.safety), or the replay is as recorded",
    };

    private static IReadOnlyList<Table> Tables(RunSet set, RunConfiguration configuration, Func<RunSet, IReadOnlyList<Table>> view) => configuration switch
    {
        { Over.Count: > 0 } or { BracketsPageSizes: true, Seeds: > 1 } => SweepView.Of(set),
        { BracketsPageSizes: true } => PageSizeView.Bracket(set),
        { Seeds: > 1 } => SeedView.Of(set),
        _ => view(set),
    };

    private static string Title(RunSet set)
    {
        Provenance provenance = set.Provenance;
        WindowCounts windows = provenance.Windows;
        string before = windows switch
        {
            { Skipped: 0, WarmedUp: 0 } => "",
            { Skipped: 0 } => $" after {Numbers.Whole(windows.WarmedUp)} of warm-up",
            _ => $" after {Numbers.Whole(windows.Skipped)} skipped and {Numbers.Whole(windows.WarmedUp)} of warm-up",
        };
        string loss = provenance.Doubts.Any(doubt => doubt.Kind == DoubtKind.DataLoss) ? "DATA LOSS: " : "";
        return $"{loss}{provenance.Trace.Name}: {Numbers.Whole(windows.Measured)} records{before}; {provenance.Profile}; against {set.Reference.Case}{(set.Partial ? "; PARTIAL" : "")}";
    }

    /// <summary>What a colleague would ask about; and how long it took, unless a progress bar has told.</summary>
    private static void WriteHints(Terminal terminal, RunSet set, CpuProfile profile, bool speed)
    {
        int reach = Math.Max(profile.FirstLevel.Sum(array => array.Entries), profile.SecondLevel.Sum(array => array.Entries));
        foreach (string hint in SanityChecks.Hints(set, reach))
        {
            terminal.Error.Write($"hint: {hint}\n");
        }

        if (!speed)
        {
            return;
        }

        Session session = set.Session;
        terminal.Error.Write(string.Create(
            CultureInfo.InvariantCulture,
            $"{set.Runs.Count} {(set.Runs[0].Parameters.Count > 0 || set.Runs[0].InterruptPath is not null ? set.Runs.Count == 1 ? "run" : "runs" : set.Runs.Count == 1 ? "policy" : "policies")} in {session.ElapsedSeconds:0.00} s, {session.RecordsPerSecond / 1e6:0.0} M records/s, {session.Jobs} {(session.Jobs == 1 ? "job" : "jobs")}\n"));
    }
}
