using System.Globalization;
using System.Text.Json;
using Sim.Core;
using Sim.Core.Profiles;
using Sim.Core.Traces;
using Sim.Reports.Explain;
using Sim.Reports.Results;
using Sim.Reports.Views;

namespace Sim.Experiments;

/// <summary>
/// Answers a developer's question about two flush policies: makes replayable traces of the input, replays both policies over each, once more with all pages small and all pages large
/// where their sizes are not known, and says what comes out in five sentences.
/// </summary>
public static class Advisor
{
    private const int MostReasons = 2;
    private const double Worth = 0.05;
    private const double WorthSaying = 0.005;

    private static readonly string[] PageSizes = ["4K", "2M"];

    /// <summary>Answers.</summary>
    /// <param name="request">The question.</param>
    /// <param name="cancellation">Stops the replays; then nothing is answered.</param>
    /// <exception cref="ConfigurationException">The input holds nothing to judge by, or a name is unknown; the message lists the nearest.</exception>
    /// <exception cref="TraceFormatException">The input is damaged.</exception>
    /// <exception cref="OperationCanceledException">It was stopped.</exception>
    public static Advice Of(AdviceRequest request, CancellationToken cancellation = default)
    {
        using AdviceInput input = AdviceInput.Of(request, header => Configuration(request, header, []).Machine.Profile.ReferenceKilohertz);
        List<AdviceReplay> replays = [];
        foreach ((string path, string name) in input.Traces)
        {
            replays.Add(Replay(request, path, name, input.Header, [], cancellation));
        }

        if (replays[0].Results.Provenance.Doubts.Any(doubt => doubt.Kind == DoubtKind.PageSizes))
        {
            (string path, string name) = input.Traces[0];
            foreach (string size in PageSizes)
            {
                replays.Add(Replay(request, path, $"{name}, {size} pages", input.Header, [new Assignment("machine.page_sizes", size, "advise")], cancellation));
            }
        }

        return Answer(request, input, replays);
    }

    private static AdviceReplay Replay(AdviceRequest request, string path, string name, TraceHeader header, IReadOnlyList<Assignment> more, CancellationToken cancellation)
    {
        Experiment experiment = new(Configuration(request, header, more)) { Jobs = request.Jobs, Progress = request.Progress, Unverified = request.Unverified, CommandLine = request.CommandLine };
        RunSet set = experiment.Run(path, cancellation);
        cancellation.ThrowIfCancellationRequested();
        set = set with { Provenance = set.Provenance with { Trace = set.Provenance.Trace with { Name = name } } };
        if (set.Runs.FirstOrDefault(run => run.Failure is not null) is { } failed)
        {
            throw failed.Failure!.ExitCode == FailedRunException.OwnBug ? new InvalidOperationException($"{failed.Run}: {failed.Failure.Message}") : new FailedRunException(failed.Failure.ExitCode, $"{failed.Run}: {failed.Failure.Message}");
        }

        return new AdviceReplay(name, set, Pricing.Of(set, request.Rate, request.RoundTrip)?.Of(set.Runs[1].Statistics, set.Runs[0].Statistics));
    }

    private static RunConfiguration Configuration(AdviceRequest request, TraceHeader header, IReadOnlyList<Assignment> more)
    {
        IReadOnlyList<Assignment> suggested = RunConfiguration.SuggestedBy(header);
        Vendor vendor = RunConfiguration.Load(request.ConfigurationFile, request.Assignments, suggested).Machine.Profile.Vendor;
        (string before, string after) = AdviceRequest.DefaultPolicies(vendor);
        string[] policies = [request.Before ?? before, request.After ?? after];
        return policies[0] == policies[1]
            ? throw new ConfigurationException($"'{policies[0]}' is compared with itself. Name two policies: --before and --after.")
            : RunConfiguration.Load(
                request.ConfigurationFile, [.. request.Assignments, new Assignment("policies", JsonSerializer.Serialize(policies), "--before and --after"), new Assignment("reference", "null", "advise"), .. more], suggested);
    }

    private static Advice Answer(AdviceRequest request, AdviceInput input, List<AdviceReplay> replays)
    {
        RunSet first = replays[0].Results;
        (string before, string after) = (first.Runs[0].Run, first.Runs[1].Run);
        Pricing? pricing = Pricing.Of(first, request.Rate, request.RoundTrip);
        RoundTripPrice? price = pricing is null ? null : replays.Select(replay => replay.Price!).Aggregate((a, b) => a.Around(b));
        return new Advice(
            before,
            after,
            pricing is null ? $"{after} against {before}: no guest makes a round trip in this input, so there is nothing to price." : $"{after} {pricing.Clause(price!)}, against {before}.",
            Safety(replays),
            Dominates(first),
            Assumed(input, replays, pricing),
            Firmer(request, first, pricing),
            price,
            pricing?.RoundTrip,
            pricing?.Rate,
            first.Provenance.Doubts,
            replays);
    }

    /// <summary>What the oracle saw, over all replays; a policy with a known hole has it named.</summary>
    private static string Safety(IReadOnlyList<AdviceReplay> replays)
    {
        Verdict[] verdicts = [.. replays.Select(replay => Verdict.Of(replay.Results))];
        IEnumerable<IGrouping<string, string>> groups = Enumerable.Range(0, 2).GroupBy(run => Judged([.. verdicts.Select(verdict => verdict.Standings[run])]), run => Named(verdicts[0].Standings[run].Run), StringComparer.Ordinal);
        return $"Safety: {string.Join("; ", groups.Select(group => $"{string.Join(" and ", group)}: {group.Key}"))}.";

        static string Named(RunResult run) => run.Run + (run.Holes is [var hole, ..] ? $" (known hole {hole.Id})" : run.IsYardstick ? " (a yardstick)" : "");

        static string Judged(Standing[] standings) => Array.Find(standings, standing => standing.Judgement == Judgement.Unsafe) is { } wrong ? $"unsafe here, {SafetyView.Counts(wrong.Run.Safety!).Replace('_', ' ')}"
            : Array.Exists(standings, standing => standing.Judgement == Judgement.NotJudged) ? "not judged"
            : Array.Exists(standings, standing => standing.Judgement == Judgement.Safe) ? "nothing went wrong here"
            : Array.Exists(standings, standing => standing.Judgement == Judgement.InterruptsSafe) ? "no interrupt went wrong here, and nothing else could have"
            : "not exercised: nothing in this input could have gone wrong, so it does not show that they are safe";
    }

    /// <summary>The largest parts of the difference.</summary>
    private static string Dominates(RunSet set)
    {
        Decomposition parts = new(set.Runs[0], set.Runs[1]);
        List<(string Name, double Cycles)> causes = [];
        foreach (Contribution activity in parts.Activities)
        {
            if (activity.Name == "translation" && parts.Dimensions.FirstOrDefault(dimension => dimension.Name == "invalidation") is { } dimension)
            {
                causes.AddRange(dimension.Parts.Select(part => (Refill(part.Name), (double)part.Difference.Cycles)));
            }
            else
            {
                causes.Add((Named(activity.Name), activity.Difference.Cycles));
            }
        }

        double all = causes.Sum(cause => Math.Abs(cause.Cycles));
        (string Name, double Cycles)[] largest = [.. causes.Where(cause => Math.Abs(cause.Cycles) >= Worth * all && cause.Cycles != 0).OrderByDescending(cause => Math.Abs(cause.Cycles)).Take(MostReasons)];
        double sign = Math.Sign(causes.Sum(cause => cause.Cycles));
        return largest.Length == 0
            ? $"Why: both do the same work here; flushes {Flushes(set)}."
            : $"Why: {string.Join(", then ", largest.Select(cause => $"{cause.Name} ({Share(cause.Cycles, all)}{(Math.Sign(cause.Cycles) == sign ? "" : " the other way")})"))}; flushes {Flushes(set)}.";
    }

    private static string Share(double cycles, double all) => string.Create(CultureInfo.InvariantCulture, $"{100 * Math.Abs(cycles) / all:0}%");

    private static string Refill(string part) => part.StartsWith("flushed by ", StringComparison.Ordinal) ? $"refilling what {part["flushed by ".Length..]} dropped" : $"{part} misses".Replace("hits misses", "hits", StringComparison.Ordinal);

    private static string Named(string activity) => activity switch
    {
        "hypervisor" => "L0's software",
        "invalidation" => "the invalidations themselves",
        "transition" => "world switches",
        "trace" => "the trace's own time",
        _ => activity,
    };

    /// <summary>Flush requests of each for one round trip.</summary>
    private static string Flushes(RunSet set)
    {
        double trips = Math.Max(1, set.Provenance.Base?.Count ?? 1);
        string[] each = [.. set.Runs.Select(run => Numbers.Fraction(Figures.Invalidations(run.Statistics).Values.Sum() / trips))];
        return $"for each round trip: {each[0]} by {set.Runs[0].Run}, {each[1]} by {set.Runs[1].Run}";
    }

    private static string Assumed(AdviceInput input, List<AdviceReplay> replays, Pricing? pricing)
    {
        Provenance provenance = replays[0].Results.Provenance;
        List<string> parts = [$"a {provenance.Profile} CPU"];
        if (pricing is { RoundTrip: null })
        {
            parts.Add("no figure for the round trip itself");
        }
        else if (pricing is not null)
        {
            parts.Add(pricing.IsMeasuredRoundTrip ? "your round trip" : pricing.IsAssumedRoundTrip ? "a round trip that nobody has published for it" : $"its published round trip ({provenance.Base!.Kernel})");
        }

        if (input.Footprints is { } footprints)
        {
            double strangers = provenance.Doubts.Where(doubt => doubt is { Kind: DoubtKind.Handlers, Count: not null, Of: > 0 }).Select(doubt => (double)doubt.Count! / (double)doubt.Of!).DefaultIfEmpty(0).Max();
            string unknown = strangers >= WorthSaying ? string.Create(CultureInfo.InvariantCulture, $" ({100 * strangers:0.#}% of it for exits of other kinds; half less or more tried)") : "";
            parts.Add($"what L0 and L1 touch, as in recordings of {footprints}{unknown}");
            parts.Add($"L2 runs {string.Join(" or ", input.Traces.Select(trace => trace.Name[(trace.Name.LastIndexOf(" with ", StringComparison.Ordinal) + 6)..].Replace(".nst.gz", "", StringComparison.Ordinal)))}");
        }

        foreach (Doubt doubt in provenance.Doubts)
        {
            if (doubt.Kind == DoubtKind.DataLoss)
            {
                parts.Add(doubt.Sentence);
            }
            else if (doubt.Kind == DoubtKind.PageSizes)
            {
                parts.Add("page sizes (4K to 2M tried)");
            }
            else if (doubt.Kind == DoubtKind.Costs)
            {
                parts.Add($"{doubt.Count} of {doubt.Of} costs (half to twice tried)");
            }
        }

        return $"Assumed: {string.Join("; ", parts)}.";
    }

    private static string Firmer(AdviceRequest request, RunSet set, Pricing? pricing)
    {
        List<string> steps = [];
        if (request.Assignments.All(assignment => assignment.Path != "profile"))
        {
            steps.Add("name your CPU (--profile)");
        }

        if (pricing is { IsMeasuredRoundTrip: false })
        {
            steps.Add($"measure one {pricing.Guest} round trip (--round-trip NS)");
        }

        if (pricing is { Rate: null })
        {
            steps.Add("say how many you have a second (--rate N): this input has no real time");
        }

        if (set.Provenance.Doubts.Any(doubt => doubt.Kind == DoubtKind.Handlers))
        {
            steps.Add("learn footprints from your kernels (nestsim trace footprint)");
        }

        return $"Firmer: {string.Join("; ", steps.DefaultIfEmpty("measure it: nothing that advice asks for is missing"))}.";
    }
}
