using Sim.Core.Traces;
using Sim.Core;
using Sim.Experiments;
using Sim.Kvm;
using Sim.Workloads.Footprints;

namespace Sim.Validation;

/// <summary>Recorded and predicted cost to L0 and L1 of one kind of exit of L2 under one policy, or of all of them.</summary>
/// <param name="Reason">Reason of the exits; null for all.</param>
/// <param name="Exits">How many exits.</param>
/// <param name="NestedTransitions">Nested entries and exits in them.</param>
/// <param name="Recorded">From the real accesses.</param>
/// <param name="Predicted">From footprints learned elsewhere.</param>
/// <param name="Least">The least of the predictions, whatever stands in for foreign stays; that of <paramref name="Predicted"/> if hardly any stay is foreign.</param>
/// <param name="Most">The most, likewise.</param>
public sealed record FootprintPrediction(uint? Reason, long Exits, long NestedTransitions, TranslationCost Recorded, TranslationCost Predicted, TranslationCost Least, TranslationCost Most);

/// <summary>How well the other recordings predict one that was left out.</summary>
/// <param name="Recording">The one left out.</param>
/// <param name="Policies">For each policy: all exits first, then by reason, most frequent first.</param>
/// <param name="Substitutes">Kinds of stay in it that the others do not have.</param>
/// <param name="ForeignShare">Share of its stays that follow an exit of no family that the others have.</param>
public sealed record FootprintCheck(
    string Recording, IReadOnlyList<(string Policy, IReadOnlyList<FootprintPrediction> Predictions)> Policies, IReadOnlyList<FootprintSubstitute> Substitutes, double ForeignShare)
{
    /// <summary>So many stays are foreign that the prediction is a range.</summary>
    public bool IsBracketed => ForeignShare > FootprintWeaveSummary.MostForeign;
}

/// <summary>
/// Leaves one recording out, learns footprints from the others, and predicts from them and from the left-out recording's transitions alone what translation costs L0 and L1
/// there. L2's accesses are the recorded ones on both sides; what they cost L2 itself is not counted.
/// </summary>
public static class FootprintValidation
{
    /// <summary>Leaves each recording with nested transitions out in turn.</summary>
    /// <exception cref="ConfigurationException">There are fewer than two recordings.</exception>
    public static IReadOnlyList<FootprintCheck> Run(IReadOnlyList<FootprintRecording> recordings, MachineSpec machine, IReadOnlyList<string> policies, ulong seed)
    {
        if (recordings.Count < 2)
        {
            throw new ConfigurationException("Leaving a recording out needs at least two recordings with memory accesses.");
        }

        FootprintLearner learner = new();
        List<(MemoryTrace Events, EpisodeMeter Recorded)> real = [];
        foreach (FootprintRecording recording in recordings)
        {
            MemoryTrace events = new(TraceHeader.Default with { Lanes = recording.Lanes });
            EpisodeMeter meter = Meter(machine, policies, recording.Lanes);
            WithoutHypervisors stripped = new(events, recording.Lanes);
            recording.WriteTo(new Tee(learner.Window(recording.Lanes), meter, stripped));
            stripped.Complete();
            real.Add((events, meter));
        }

        List<FootprintCheck> checks = [];
        for (int i = 0; i < recordings.Count; i++)
        {
            if (learner.Counts[i].NestedTransitions > 0)
            {
                checks.Add(Check(learner, i, recordings[i], real[i].Events, real[i].Recorded, machine, policies, seed));
            }
        }

        return checks;
    }

    private static FootprintCheck Check(
        FootprintLearner learner, int leftOut, FootprintRecording recording, MemoryTrace events, EpisodeMeter recorded, MachineSpec machine, IReadOnlyList<string> policies, ulong seed)
    {
        FootprintModel model = learner.Learn("validation", "learned from the other recordings", machine.Profile.Vendor, "unknown", [], leftOut);
        List<EpisodeMeter> predicted = [];
        FootprintWeaveSummary woven = Predict(StrangerRule.Nearest);
        if (woven.IsBracketed)
        {
            Predict(StrangerRule.Smallest);
            Predict(StrangerRule.Largest);
        }

        return new FootprintCheck(recording.Name, [.. policies.Select((policy, p) => (policy, Compare(recorded, predicted, p)))], woven.Substitutes, woven.ForeignShare);

        FootprintWeaveSummary Predict(StrangerRule strangers)
        {
            EpisodeMeter meter = Meter(machine, policies, recording.Lanes);
            predicted.Add(meter);
            return FootprintWeaver.Weave(Open, null, model, new FootprintWeaveOptions { Seed = seed, Fold = false, Strangers = strangers }, meter);
        }

        ITraceSource Open()
        {
            events.Rewind();
            return events;
        }
    }

    // The first prediction is that of the nearest kinds.
    private static IReadOnlyList<FootprintPrediction> Compare(EpisodeMeter recorded, IReadOnlyList<EpisodeMeter> predicted, int policy)
    {
        FootprintPrediction[] byReason =
        [
            .. recorded.Exits.OrderByDescending(exits => exits.Value).ThenBy(exits => exits.Key).Select(exits => Of(
                exits.Key,
                exits.Value,
                recorded.NestedTransitions.GetValueOrDefault(exits.Key),
                recorded.Costs(policy).GetValueOrDefault(exits.Key),
                [.. predicted.Select(meter => meter.Costs(policy).GetValueOrDefault(exits.Key))])),
        ];
        FootprintPrediction all = Of(
            null,
            byReason.Sum(row => row.Exits),
            byReason.Sum(row => row.NestedTransitions),
            byReason.Aggregate(default(TranslationCost), (sum, row) => sum + row.Recorded),
            [.. predicted.Select(meter => recorded.Exits.Keys.Aggregate(default(TranslationCost), (sum, reason) => sum + meter.Costs(policy).GetValueOrDefault(reason)))]);
        return [all, .. byReason];
    }

    private static FootprintPrediction Of(uint? reason, long exits, long nestedTransitions, TranslationCost recorded, TranslationCost[] predicted) => new(
        reason,
        exits,
        nestedTransitions,
        recorded,
        predicted[0],
        new TranslationCost(predicted.Min(cost => cost.Walks), predicted.Min(cost => cost.References), predicted.Min(cost => cost.Flushed)),
        new TranslationCost(predicted.Max(cost => cost.Walks), predicted.Max(cost => cost.References), predicted.Max(cost => cost.Flushed)));

    // Footprints do not tell page sizes, so the real accesses must not have recorded ones either.
    private static EpisodeMeter Meter(MachineSpec machine, IReadOnlyList<string> policies, int lanes) =>
        new([.. policies.Select(policy => new Machine(machine with { PageSizes = PageSizeSource.Assumed }, Components.Policy(policy, machine.Profile.Vendor), ReplayKind.ByPolicy, lanes))], lanes);

    private sealed class Tee(params ITraceSink[] sinks) : ITraceSink
    {
        public void Write(TraceBlock block)
        {
            foreach (ITraceSink sink in sinks)
            {
                sink.Write(block);
            }
        }
    }
}
