namespace Sim.Reports.Results;

/// <summary>What turns cycles into a user's units: the clock, the round trips that the measured window holds, and what each takes on this CPU.</summary>
/// <param name="ReferenceKilohertz">Frequency of the reference clock.</param>
/// <param name="BoostKilohertz">Highest frequency of a core; the reference clock's if the profile has none.</param>
/// <param name="Level">Level whose round trips are counted: 2, or 1 if the window has no nested ones.</param>
/// <param name="RoundTrips">By reason, in the order of their kinds; those that happened.</param>
/// <param name="Kernel">The kernels that the figures are of; empty if the profile has none.</param>
/// <param name="RecordedNanoseconds">CPU time that the window took on the recorded machine; null if the trace's times are no real time.</param>
/// <param name="AssumedActivities">Activities (statistics <c>cycles.NAME</c>) whose costs nobody has published for this CPU.</param>
public sealed record PriceBase(
    long ReferenceKilohertz,
    long BoostKilohertz,
    int Level,
    IReadOnlyList<RoundTripBase> RoundTrips,
    string Kernel,
    long? RecordedNanoseconds,
    IReadOnlyList<string> AssumedActivities)
{
    /// <summary>Round trips of all reasons.</summary>
    public long Count => RoundTrips.Sum(trip => trip.Count);
}

/// <summary>Round trips of one reason.</summary>
/// <param name="Reason">For a reader: CPUID, EPT violation.</param>
/// <param name="Count">How many the measured window has.</param>
/// <param name="Least">Least reference cycles that one takes on this CPU; 0 if the profile does not say.</param>
/// <param name="Most">Most reference cycles.</param>
/// <param name="Source">Where the figures are from.</param>
public sealed record RoundTripBase(string Reason, long Count, long Least, long Most, string Source)
{
    /// <summary>True if nobody has published the figures for this CPU.</summary>
    public bool IsAssumed => Source.StartsWith("assumed", StringComparison.Ordinal);
}
