using System.Globalization;
using Sim.Core.Traces;

namespace Sim.Captures;

/// <summary>What both lifts doubt.</summary>
internal static class LiftDoubts
{
    /// <summary>Transitions that were put in, if there are any.</summary>
    public static IEnumerable<Doubt> Synthesized(long count, ulong records) => count == 0 ? [] :
    [
        new Doubt(
            DoubtKind.Reconstructed,
            string.Create(CultureInfo.InvariantCulture, $"{count:N0} {(count == 1 ? "transition was" : "transitions were")} put in, because the recording begins in the middle or has gaps"),
            count,
            (long)records),
    ];
}
