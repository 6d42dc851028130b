using System.Globalization;
using Sim.Core.Stats;
using Sim.Core.Traces;
using Sim.Reports.Results;

namespace Sim.Reports.Views;

/// <summary>What one run costs more than another, for each round trip of the guest.</summary>
/// <param name="Nanoseconds">More for each round trip; below zero it saves.</param>
/// <param name="OfRoundTrip">The same as a part of the round trip; null if no round trip of this CPU is known.</param>
/// <param name="OfCpu">The same as a part of one CPU's time at the rate; null without a rate.</param>
public sealed record RoundTripPrice(Bracket Nanoseconds, Bracket? OfRoundTrip, Bracket? OfCpu)
{
    /// <summary>True if it is less than a nanosecond for a round trip, which is not worth a figure.</summary>
    public bool IsNothing => Math.Abs(Nanoseconds.Least) < 1 && Math.Abs(Nanoseconds.Most) < 1;

    /// <summary>Costs are whole cycles, many of them rounded or assumed: less than this part of a round trip is the same.</summary>
    private const double Resolution = 0.001;

    /// <summary>True if it is less than a thousandth of a round trip, whatever was assumed.</summary>
    public bool IsSmall => OfRoundTrip is { } part && Math.Abs(part.Least) < Resolution && Math.Abs(part.Most) < Resolution;

    /// <summary>The smallest price around both.</summary>
    public RoundTripPrice Around(RoundTripPrice other) => new(
        Nanoseconds.Around(other.Nanoseconds),
        OfRoundTrip is { } trip && other.OfRoundTrip is { } otherTrip ? trip.Around(otherTrip) : null,
        OfCpu is { } cpu && other.OfCpu is { } otherCpu ? cpu.Around(otherCpu) : null);
}

/// <summary>
/// Turns differences of cycles into nanoseconds for each round trip, its share, and the share of a CPU. All of it is brackets, because some of it is assumed: a core may run at any
/// frequency between the profile's reference and boost; a cost that nobody has published may be half or twice what is assumed; stays with footprints of strangers may touch half as
/// much or half as much again.
/// </summary>
public sealed class Pricing
{
    private const double NanosecondsPerMillisecond = 1e6;

    /// <summary>The activity that stands for the trace's own time, which is no real one.</summary>
    private const string TraceOwn = "trace";

    /// <summary>An assumed cost may be from half to twice as much.</summary>
    private static readonly Bracket Unpublished = new(0.5, 2);

    /// <summary>Refills of a stay whose footprint is a stranger's may be wrong by this part.</summary>
    private const double StrangersMisjudged = 0.5;

    private readonly PriceBase _base;
    private readonly Bracket _refills;

    private Pricing(PriceBase priceBase, double strangers, double? rate, double? roundTrip)
    {
        _base = priceBase;
        _refills = new Bracket(1 - (StrangersMisjudged * strangers), 1 + (StrangersMisjudged * strangers));
        IsRecordedRate = rate is null;
        Rate = rate ?? (priceBase.RecordedNanoseconds is > 0 and { } time ? priceBase.Count * 1e9 / time : null);
        IsMeasuredRoundTrip = roundTrip is not null;
        RoundTrip = roundTrip is { } measured ? new Bracket(measured, measured) : Published();
    }

    /// <summary>The guest whose round trips these are: L2, or L1 if there is no nested guest.</summary>
    public string Guest => $"L{_base.Level}";

    /// <summary>Round trips a second on one CPU; null if the trace has no real time and nobody gave a rate.</summary>
    public double? Rate { get; }

    /// <summary>The rate is the recording's.</summary>
    public bool IsRecordedRate { get; }

    /// <summary>Nanoseconds of a mean round trip; null if the profile does not know one of the reasons.</summary>
    public Bracket? RoundTrip { get; }

    /// <summary>The round trip is one that the user measured.</summary>
    public bool IsMeasuredRoundTrip { get; }

    /// <summary>The round trip rests on figures that were not published for this CPU.</summary>
    public bool IsAssumedRoundTrip => !IsMeasuredRoundTrip && _base.RoundTrips.Any(trip => trip.IsAssumed);

    /// <summary>The reason of most round trips, and <c>mixed</c> if it has less than nine in ten.</summary>
    public string Reason => _base.RoundTrips.MaxBy(trip => trip.Count) is { } most && most.Count * 10 >= _base.Count * 9 ? most.Reason : "mixed";

    /// <summary>Prices for a result set; null if it holds no round trip, or was written before there were prices.</summary>
    /// <param name="set">The results.</param>
    /// <param name="rate">Round trips a second on one CPU instead of the recorded rate.</param>
    /// <param name="roundTrip">Nanoseconds of a measured round trip instead of the profile's.</param>
    public static Pricing? Of(RunSet set, double? rate = null, double? roundTrip = null) =>
        set.Provenance.Base is { Count: > 0 } priceBase ? new Pricing(priceBase, Strangers(set.Provenance.Doubts), rate, roundTrip) : null;

    /// <summary>What a run costs more than another. The part of a round trip is that of the other's.</summary>
    public RoundTripPrice Of(StatSheet run, StatSheet against)
    {
        (Bracket cycles, Bracket parts) = (default, default);
        foreach (string path in run.PathsUnder(StatNames.CyclesPrefix).Union(against.PathsUnder(StatNames.CyclesPrefix)))
        {
            string activity = path[StatNames.CyclesPrefix.Length..];
            Bracket doubt = activity == "translation" ? _refills : _base.AssumedActivities.Contains(activity) ? Unpublished : new Bracket(1, 1);
            double has = against.Total(path);
            double difference = run.Total(path) - has;
            cycles += new Bracket(difference, difference) * doubt;
            parts += activity == TraceOwn ? default : new Bracket(has, has) * doubt;
        }

        Bracket nanoseconds = cycles * EachNanosecond;
        return new RoundTripPrice(nanoseconds, RoundTrip is { } trip ? Part(nanoseconds, trip, (parts * EachNanosecond).Most) : null, Rate is { } rate ? nanoseconds * new Bracket(rate / 1e9, rate / 1e9) : null);
    }

    /// <summary>Nanoseconds for each round trip that one cycle of the window is, at the boost and at the reference clock.</summary>
    internal Bracket EachNanosecond
    {
        get
        {
            double each = NanosecondsPerMillisecond / _base.Count;
            return new Bracket(each / _base.BoostKilohertz, each / _base.ReferenceKilohertz);
        }
    }

    /// <summary>
    /// A difference as a part of a round trip, both ends under one assumption: where costs and misses are as high as they may be, the round trip, which has them in it, is at least as long as they are together; and no more
    /// than the whole can be saved.
    /// </summary>
    private static Bracket Part(Bracket difference, Bracket trip, double mostOfParts)
    {
        double dear = Math.Min(Math.Max(trip.Least, mostOfParts), trip.Most);
        double least = difference.Least < 0 ? Math.Max(-1, difference.Least / dear) : difference.Least / trip.Most;
        double most = difference.Most > 0 ? difference.Most / dear : Math.Max(-1, difference.Most / trip.Most);
        return new Bracket(least, most);
    }

    /// <summary><c>L2 CPUID round trip</c>.</summary>
    public string GuestTrip => $"{Guest} {(Reason == "mixed" ? "" : Reason + " ")}round trip";

    /// <summary><c>3.9 us L2 CPUID round trip</c>.</summary>
    public string RoundTripName => $"{(RoundTrip is { } trip ? $"{trip.Nanoseconds()} " : "")}{GuestTrip}";

    /// <summary>The rate in words: <c>the recorded 38,000 round trips/s</c>.</summary>
    public string? RateName => Rate is { } rate ? string.Create(CultureInfo.InvariantCulture, $"{(IsRecordedRate ? "the recorded " : "")}{rate:#,##0} round trips/s") : null;

    /// <summary>What a run costs or saves against another, in one clause: <c>saves 290..340 ns of a 3.9 us L2 CPUID round trip (7.4..8.7%), 1.1..1.3% of a CPU at the recorded 38,000 round trips/s</c>.</summary>
    public string Clause(RoundTripPrice price)
    {
        Bracket each = price.Nanoseconds;
        if (each == default)
        {
            return $"costs exactly the same for each {RoundTripName}";
        }

        if (price.IsNothing)
        {
            return $"costs the same, to within a nanosecond, for each {RoundTripName}";
        }

        string trip = $"{(RoundTrip is null ? "for each" : "of a")} {RoundTripName}";
        if (!each.HasSign)
        {
            return $"may save {new Bracket(-each.Least, -each.Least).Nanoseconds()} or cost {new Bracket(each.Most, each.Most).Nanoseconds()} {trip}: the same within what is assumed";
        }

        string share = price.OfRoundTrip is { } part ? $" ({part.Magnitude.Percent()})" : "";
        if (price.IsSmall)
        {
            return $"{(each.Most < 0 ? "saves" : "costs")} {each.Magnitude.Nanoseconds()} {(each.Most < 0 ? "" : "more ")}{trip}{share}: too little to matter";
        }

        string cpu = price.OfCpu is { } busy ? $", {busy.Magnitude.Percent()} of a CPU at {RateName}" : "";
        return $"{(each.Most < 0 ? "saves" : "costs")} {each.Magnitude.Nanoseconds()} {(each.Most < 0 ? "" : "more ")}{trip}{share}{cpu}";
    }

    /// <summary>What a run costs more or less, without against what: <c>250..500 ns less per L2 CPUID round trip (6.2..17%)</c>.</summary>
    public string Than(RoundTripPrice price)
    {
        Bracket each = price.Nanoseconds;
        string share = price.OfRoundTrip is { HasSign: true } part ? $" ({part.Magnitude.Percent()})" : "";
        return each.HasSign
            ? $"{each.Magnitude.Nanoseconds()} {(each.Most <= 0 ? "less" : "more")} per {GuestTrip}{share}"
            : $"{new Bracket(-each.Least, -each.Least).Nanoseconds()} less to {new Bracket(each.Most, each.Most).Nanoseconds()} more per {GuestTrip}";
    }

    private Bracket? Published()
    {
        if (_base.RoundTrips.Any(trip => trip.Most == 0))
        {
            return null;
        }

        Bracket cycles = _base.RoundTrips.Aggregate(default(Bracket), (sum, trip) => sum + (new Bracket(trip.Least, trip.Most) * new Bracket(trip.Count, trip.Count)));
        double each = NanosecondsPerMillisecond / _base.Count / _base.ReferenceKilohertz;
        return cycles * new Bracket(each, each);
    }

    /// <summary>Largest share of stays whose footprints are another's.</summary>
    private static double Strangers(IReadOnlyList<Doubt> doubts) =>
        doubts.Where(doubt => doubt is { Kind: DoubtKind.Handlers, Count: not null, Of: > 0 }).Select(doubt => Math.Min(1, (double)doubt.Count!.Value / doubt.Of!.Value)).DefaultIfEmpty(0).Max();
}
