using Sim.Core.Traces;
using Sim.Reports.Results;
using Sim.Reports.Views;

namespace Sim.Experiments;

/// <summary>The answer to a developer's question in five sentences, and the numbers behind it.</summary>
/// <param name="Before">The policy of today.</param>
/// <param name="After">The policy that was judged.</param>
/// <param name="Answer">What it costs or saves for each round trip, and at the rate.</param>
/// <param name="Safety">Whether either is unsafe, or what could not be judged.</param>
/// <param name="Dominates">Where the difference comes from.</param>
/// <param name="Assumed">What nobody has seen.</param>
/// <param name="Firmer">What would make the answer firmer.</param>
/// <param name="Price">After against before, over all replays; null if there was no round trip.</param>
/// <param name="RoundTrip">Nanoseconds of a mean round trip; null if unknown.</param>
/// <param name="Rate">Round trips a second on one CPU; null if unknown.</param>
/// <param name="Doubts">Everything that was assumed, in full.</param>
/// <param name="Replays">The replays that the answer spans, the first with the configuration as given.</param>
public sealed record Advice(
    string Before,
    string After,
    string Answer,
    string Safety,
    string Dominates,
    string Assumed,
    string Firmer,
    RoundTripPrice? Price,
    Bracket? RoundTrip,
    double? Rate,
    IReadOnlyList<Doubt> Doubts,
    IReadOnlyList<AdviceReplay> Replays)
{
    /// <summary>The five sentences.</summary>
    public IReadOnlyList<string> Lines => [Answer, Safety, Dominates, Assumed, Firmer];
}

/// <summary>One replay of both policies.</summary>
/// <param name="Name">Which trace, and which page sizes if they are not the configuration's.</param>
/// <param name="Results">Both runs with their provenance.</param>
/// <param name="Price">After against before; null if there was no round trip.</param>
public sealed record AdviceReplay(string Name, RunSet Results, RoundTripPrice? Price);
