using System.Globalization;
using Sim.Core;
using Sim.Core.Traces;
using Sim.Reports.Results;
using Sim.Workloads.Operations;

namespace Sim.Experiments;

/// <summary>
/// What stands in front of every replay: a trace that no machine can have made is refused at its first such record, because a replay would make figures of it all the same. Only what is replayed is
/// looked at, so that the answer does not depend on how records lie in blocks.
/// </summary>
/// <param name="trace">What messages call it.</param>
/// <param name="lanes">Physical CPUs in it.</param>
/// <param name="goesOn">The user wants it replayed in any case.</param>
internal sealed class ReplayVerification(string trace, int lanes, bool goesOn)
{
    private const int BadInput = 3;

    private readonly TraceVerifier _verifier = new(lanes, maxFindings: 0);

    /// <summary>What the results rest on because something was found.</summary>
    public IReadOnlyList<Doubt> Doubts => _verifier.FirstError is not { } first ? [] :
        [new Doubt(DoubtKind.Other, $"the trace is not verified, and no machine can have made it ({first})", (long)_verifier.Outcome.Errors, (long)_verifier.Outcome.Records)];

    /// <summary>Checks the first records of the trace's next block.</summary>
    /// <exception cref="TraceFormatException">No machine can have made them.</exception>
    public void Check(TraceBlock block, int count)
    {
        _verifier.Check(block, count);
        if (!goesOn && _verifier.FirstError is { } first)
        {
            throw new TraceFormatException(
                trace,
                string.Create(CultureInfo.InvariantCulture, $"record {first.Record}, lane {first.Lane}, time {first.Time}"),
                first.Expected,
                first.Found,
                $"No machine can have made this trace (V{(int)first.Invariant:00}), so that a replay would mean nothing. 'nestsim trace verify' lists everything; --unverified replays it all the same.");
        }
    }

    /// <summary>A replay that broke off where something was found broke off because of that: bad input, and no bug.</summary>
    public RunResult Judged(RunResult result) => _verifier.FirstError is { } first && result.Failure is { ExitCode: FailedRunException.OwnBug } failure
        ? result with { Failure = new RunFailure(BadInput, $"{trace}: the replay could not go on with what no machine can have made ({first}): {failure.Message.Split('\n')[0].TrimEnd()}") }
        : result;
}
