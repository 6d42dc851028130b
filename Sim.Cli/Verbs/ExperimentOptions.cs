using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using Sim.Core;
using Sim.Experiments;
using Sim.Workloads.Formats;

namespace Sim.Cli.Verbs;

/// <summary>Options that say what is simulated: the same for every command that resolves a configuration.</summary>
internal sealed class ConfigurationOptions
{
    private readonly Option<string?> _config = new("--config", "-c") { Description = "JSON file with configuration values (see 'nestsim config show')", HelpName = "file" };
    private readonly Option<string[]> _set = new("--set") { Description = "Set one value, for instance costs.invvpid_single=600 (repeatable)", HelpName = "path=value" };
    private readonly Option<string?> _profile = new("--profile") { Description = $"CPU profile: a name from 'nestsim list profiles', or a file [default: {RunConfiguration.DefaultProfile}]", HelpName = "name|file" };
    private readonly Option<string?> _replay = new("--replay") { Description = "by-policy decides L0's flushes anew; as-recorded applies the trace's", HelpName = "kind" };
    private readonly Option<string?> _pageSizes = new("--page-sizes") { Description = "recorded: as the trace tells, else as assumed; 4K or 2M: all pages; bracket: both, and the range (docs/page-sizes.md) [default: recorded]", HelpName = "word" };
    private readonly Option<string?> _skip = new("--skip") { Description = $"Records that only set the machine's state: {WindowLength.Grammar}", HelpName = "window" };
    private readonly Option<string?> _warmUp = new("--warm-up") { Description = "Records simulated but not counted, likewise", HelpName = "window" };
    private readonly Option<string?> _measure = new("--measure") { Description = "Records counted, likewise [default: all that are left]", HelpName = "window" };
    private readonly Option<string?> _interval = new("--interval") { Description = "Record main figures and TLB occupancy every so many records of the measured window", HelpName = "records" };
    private readonly Option<bool> _refillCurve = new("--refill-curve") { Description = "Record misses against accesses since the last flush" };
    private readonly Option<bool> _walkBreakdown = new("--walk-breakdown") { Description = "Count walks by page size, page and code site, for 'nestsim explain'" };
    private readonly Option<string?> _seed = new("--seed") { Description = "Seed of random replacement", HelpName = "number" };

    private readonly Option<string?> _seeds = new("--seeds") { Description = "Repeat with so many seeds, and give mean, interval and a paired test", HelpName = "number" };

    /// <summary>The trace, which may say which machine it was made for; null if the command has none.</summary>
    public Argument<string>? Trace { get; init; }

    /// <summary>The command replays a trace; false: it has only a machine.</summary>
    public bool ForTrace { get; init; } = true;

    /// <summary>Adds the options to a command.</summary>
    public void AddTo(Command command)
    {
        foreach (Option option in ForTrace ? AllOptions : [_config, _set, _profile])
        {
            command.Options.Add(option);
        }
    }

    private Option[] AllOptions => [_config, _set, _profile, _replay, _pageSizes, _skip, _warmUp, _measure, _interval, _refillCurve, _walkBreakdown, _seed, _seeds];

    /// <summary>Resolves the configuration that the options and <paramref name="others"/> describe; options win over the file.</summary>
    /// <exception cref="ConfigurationException">Anything is wrong.</exception>
    public RunConfiguration Load(ParseResult parse, params IReadOnlyList<Assignment> others) => LoadFor(Trace is null ? null : parse.GetValue(Trace), parse, others);

    /// <summary>The same for a trace that is not an argument of its own; null for none.</summary>
    /// <exception cref="ConfigurationException">Anything is wrong.</exception>
    public RunConfiguration LoadFor(string? trace, ParseResult parse, params IReadOnlyList<Assignment> others) =>
        RunConfiguration.Load(File(parse), [.. Assignments(parse), .. others], trace is null ? [] : SuggestedBy(trace));

    /// <summary>The configuration file; null if none was given.</summary>
    public string? File(ParseResult parse) => parse.GetValue(_config);

    /// <summary>The values that the options set, in order.</summary>
    /// <exception cref="ConfigurationException">One is no assignment.</exception>
    public IReadOnlyList<Assignment> Assignments(ParseResult parse)
    {
        List<Assignment> assignments = [];
        foreach (string set in parse.GetValue(_set) ?? [])
        {
            int equals = set.IndexOf('=', StringComparison.Ordinal);
            assignments.Add(equals > 0 ? new Assignment(set[..equals], set[(equals + 1)..], "--set")
                : throw new ConfigurationException($"--set '{set}': expected path=value, as in --set second_level[0].ways=8."));
        }

        foreach ((Option<string?> option, string path) in new[] { (_profile, "profile"), (_replay, "replay"), (_pageSizes, "machine.page_sizes"), (_skip, "windows.skip"), (_warmUp, "windows.warm_up"), (_measure, "windows.measure"), (_interval, "windows.interval"), (_seed, "machine.seed"), (_seeds, "seeds") })
        {
            if (parse.GetValue(option) is { } value)
            {
                assignments.Add(new Assignment(path, value, option.Name));
            }
        }

        foreach ((Option<bool> option, string path) in new[] { (_refillCurve, "machine.refill_curve"), (_walkBreakdown, "machine.walk_breakdown") })
        {
            if (parse.GetValue(option))
            {
                assignments.Add(new Assignment(path, "true", option.Name));
            }
        }

        return assignments;
    }

    /// <summary>What the trace's header suggests. Standard input can be read only once: it suggests nothing.</summary>
    private static IReadOnlyList<Assignment> SuggestedBy(string path)
    {
        if (!System.IO.File.Exists(path))
        {
            return [];
        }

        using TraceFile trace = TraceFile.Open(path);
        return RunConfiguration.SuggestedBy(trace.Header);
    }

    /// <summary>The words of a comma-separated list, given once or several times; none if it was not given.</summary>
    /// <exception cref="ConfigurationException">It was given, and names nothing.</exception>
    public static string[] Words(ParseResult parse, Option<string[]> option)
    {
        string[] lists = parse.GetValue(option) ?? [];
        string[] words = [.. lists.SelectMany(list => list.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))];
        return words.Length > 0 || lists.Length == 0 ? words
            : throw new ConfigurationException($"{option.Name}: expected {option.HelpName}, found '{string.Join(' ', lists)}', which names nothing. Leave the option out for its default.");
    }

    /// <summary>A comma-separated list, given once or several times, as the assignment of an array; nothing if it was not given.</summary>
    /// <exception cref="ConfigurationException">It was given, and names nothing.</exception>
    public static IReadOnlyList<Assignment> List(ParseResult parse, Option<string[]> option, string path)
    {
        string[] words = Words(parse, option);
        return words.Length == 0 ? [] : [new Assignment(path, JsonSerializer.Serialize(words), option.Name)];
    }
}

/// <summary>Options that say how an experiment is run and where its results go.</summary>
internal sealed class ExperimentOptions
{
    private readonly Option<string?> _jobs = new("--jobs", "-j") { Description = "Threads over policies; results do not depend on it [default: all processors]", HelpName = "number" };

    private readonly Option<bool> _requireSafe = new("--require-safe") { Description = "Exit with code 1 unless every policy is safe on this trace: judged, exercised, and nothing went wrong" };

    private readonly Option<bool> _unverified = UnverifiedOption();

    private readonly Option<string> _tables = new("--tables")
    {
        Description = "first: what fits one screen; all: every table and story (so does -v)",
        HelpName = "first|all",
        DefaultValueFactory = _ => "first",
    };

    /// <summary>The trace.</summary>
    public Argument<string> Trace { get; } = new("trace") { Description = "Trace file in any format of 'nestsim list formats', or - for standard input" };

    /// <summary>What is simulated.</summary>
    public ConfigurationOptions Configuration { get; }

    /// <summary>Result file.</summary>
    public Option<string?> Json { get; } = new("--json") { Description = "Write results and provenance as JSON", HelpName = "file" };

    /// <summary>Result file.</summary>
    public Option<string?> Csv { get; } = new("--csv") { Description = "Write all statistics as long-form CSV", HelpName = "file" };

    /// <summary>Result folder.</summary>
    public Option<string?> Out { get; } = new("--out", "-o") { Description = "Write results.json, results.csv and config.json into a folder", HelpName = "folder" };

    /// <summary>The options.</summary>
    public ExperimentOptions()
    {
        Configuration = new ConfigurationOptions { Trace = Trace };
        _tables.AcceptOnlyFromAmong("first", "all");
    }

    /// <summary>Adds the options to a command.</summary>
    public void AddTo(Command command)
    {
        command.Arguments.Add(Trace);
        Configuration.AddTo(command);
        foreach (Option option in new Option[] { _jobs, Json, Csv, Out, _requireSafe, _unverified, _tables })
        {
            command.Options.Add(option);
        }
    }

    /// <summary>Every table is wanted, and not only the first screen.</summary>
    public bool AllTables(ParseResult parse) => parse.GetValue(_tables) == "all";

    /// <summary>A policy that is unsafe, or not judged, fails the command.</summary>
    public bool RequireSafe(ParseResult parse) => parse.GetValue(_requireSafe);

    /// <summary>A trace that breaks the invariants is replayed all the same.</summary>
    public bool Unverified(ParseResult parse) => parse.GetValue(_unverified);

    /// <summary>The option of that name, for every command that replays a trace.</summary>
    public static Option<bool> UnverifiedOption() => new("--unverified") { Description = "Replay the trace also where it breaks an invariant of 'nestsim trace verify' [default: exit code 3 at the first such record]" };

    /// <summary>Number of threads.</summary>
    /// <exception cref="ConfigurationException">It is not from 1 to 1024.</exception>
    public int Jobs(ParseResult parse) => parse.GetValue(_jobs) is not { } text ? Environment.ProcessorCount
        : int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int jobs) && jobs is >= 1 and <= 1024 ? jobs
        : throw new ConfigurationException($"--jobs: expected a number from 1 to 1024, found '{text}'.");
}
