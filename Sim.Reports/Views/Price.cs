using Sim.Core.Stats;
using Sim.Core.Traces;
using Sim.Reports.Results;

namespace Sim.Reports.Views;

/// <summary>What runs cost, as the first screen and the verdict tell it, and when two of them cost the same: in nanoseconds for each round trip where the results say what cycles are worth.</summary>
public static class Price
{
    /// <summary>Costs are whole cycles, many of them rounded or assumed: what differs by less than this part is the same.</summary>
    private const double Resolution = 0.001;

    /// <summary>Round trips a second that stand for a rate where the trace has no real time.</summary>
    private const double ExampleRate = 10_000;

    /// <summary>True if the costs of two runs differ by less than what was assumed or rounded.</summary>
    public static bool IsSame(RunSet set, RunResult run, RunResult other)
    {
        ArgumentNullException.ThrowIfNull(set);
        if (Pricing.Of(set) is { } pricing)
        {
            RoundTripPrice price = pricing.Of(run.Statistics, other.Statistics);
            return !price.Nanoseconds.HasSign || price.IsNothing || price.IsSmall;
        }

        return Figures.TotalCycles(run.Statistics) is { } a && Figures.TotalCycles(other.Statistics) is { } b && Math.Abs(a - b) < Resolution * Math.Min(a, b);
    }

    /// <summary>How much less or more a run costs than another, in words: <c>250..500 ns less per L2 CPUID round trip (6.2..17%) than kvm-5.14</c>.</summary>
    public static string Difference(RunSet set, RunResult run, RunResult other)
    {
        ArgumentNullException.ThrowIfNull(set);
        string name = InertText.OneLine(other.Case);
        if (Pricing.Of(set) is { } pricing)
        {
            RoundTripPrice price = pricing.Of(run.Statistics, other.Statistics);
            return !price.Nanoseconds.HasSign ? $"{pricing.Than(price)} than {name}: the same within what is assumed"
                : price.IsNothing ? $"within 1 ns of {name} for each {pricing.RoundTripName}"
                : $"{pricing.Than(price)} than {name}{(IsSame(set, run, other) ? ": the same" : "")}";
        }

        if (IsSame(set, run, other))
        {
            return $"at the cost of {name}";
        }

        double difference = (Figures.TotalCycles(run.Statistics) - Figures.TotalCycles(other.Statistics))!.Value;
        string sign = difference < 0 ? "less" : "more";
        return Figures.PerTransition(run.Statistics, _ => Math.Abs(difference)) is { } each
            ? $"{Numbers.Fraction(each)} cycles {sign} per nested transition than {name}"
            : $"{Numbers.Whole(Math.Abs(difference))} cycles {sign} than {name}";
    }

    /// <summary>Columns of the first screen's table that hold prices.</summary>
    public static IReadOnlyList<(string Header, Func<RunResult, string> Cell)> Columns(RunSet set)
    {
        ArgumentNullException.ThrowIfNull(set);
        RunResult reference = set.Reference;
        return Pricing.Of(set) is { } pricing && reference.Failure is null
            ? [("ns/trip", run => ReferenceEquals(run, reference) ? "ref" : Signed(pricing.Of(run.Statistics, reference.Statistics)))]
            : [("cycles", run => Each(run.Statistics, Figures.AddedCycles))];
    }

    /// <summary>Lines behind the first screen's table: what the prices mean, and what was assumed.</summary>
    public static IReadOnlyList<string> Lines(RunSet set)
    {
        ArgumentNullException.ThrowIfNull(set);
        if (Pricing.Of(set) is not { } pricing)
        {
            return [$"Page sizes: {PageSizeView.Of(set)}."];
        }

        string meaning = set.Runs.Count > 1 ? $"ns/trip: more (-: less) than {InertText.OneLine(set.Reference.Case)} per {pricing.GuestTrip}" : $"A {pricing.GuestTrip}";
        string whole = pricing.RoundTrip is { } trip ? $"{(set.Runs.Count > 1 ? " of" : " takes")} {trip.Nanoseconds()} ({(pricing.IsAssumedRoundTrip ? "assumed" : $"published, {set.Provenance.Base!.Kernel}")})" : ", whose own time is not known";
        double rate = pricing.Rate ?? ExampleRate;
        string busy = $"{(pricing.Rate is null ? "at 10,000/s (no real time in this trace)" : $"at {pricing.RateName}")} 100 ns are {new Bracket(rate * 1e-7, rate * 1e-7).Percent()} of a CPU";
        return [$"{meaning}{whole}; {busy}.", Assumed(set)];
    }

    /// <summary>A figure for each nested transition, or in all if there are none.</summary>
    internal static string Each(StatSheet sheet, Func<StatSheet, double?> figure) =>
        Figures.NestedTransitions(sheet) > 0 ? Numbers.Fraction(Figures.PerTransition(sheet, figure)) : Numbers.Whole(figure(sheet));

    private static string Signed(RoundTripPrice price) => price.Nanoseconds == default ? "=" : price.IsNothing ? "<1" : price.Nanoseconds.Ends();

    /// <summary>What the range spans, and what it does not.</summary>
    private static string Assumed(RunSet set)
    {
        List<string> parts = [];
        foreach (Doubt doubt in set.Provenance.Doubts)
        {
            parts.Add(doubt.Kind switch
            {
                DoubtKind.Costs => $"{doubt.Count} of {doubt.Of} costs (half to twice)",
                DoubtKind.Handlers when doubt is { Count: { } count, Of: > 0 and { } of } => $"what L0 and L1 touch ({new Bracket((double)count / of, (double)count / of).Percent()} of it for exits of other kinds; half less or more)",
                DoubtKind.Handlers => "what L0 and L1 touch",
                DoubtKind.Program => "L2's program",
                DoubtKind.Clock => "the trace's clock",
                DoubtKind.DataLoss => "lost events",
                _ => "",
            });
        }

        bool open = set.Provenance.Doubts.Any(doubt => doubt.Kind == DoubtKind.PageSizes) && set.Runs.All(run => run.Parameters.All(parameter => parameter.Path != PageSizeView.Path));
        string[] told = [.. parts.Where(part => part.Length > 0).Distinct()];
        return $"{(told.Length > 0 ? $"Assumed: {string.Join(", ", told)}. " : "")}Page sizes{(open ? " (not in the range: --page-sizes bracket)" : "")}: {PageSizeView.Of(set)}.";
    }
}
