using Sim.Core;

namespace Sim.Workloads.Footprints;

/// <summary>A kind of stay that a model does not have, and the one that was taken instead.</summary>
/// <param name="Wanted">What the recording has.</param>
/// <param name="Taken">What the model has.</param>
/// <param name="IsStrange">The exit that began it is of another family altogether, not only of another reason, ending or occasion.</param>
/// <param name="Count">How often.</param>
public sealed record FootprintSubstitute(StayKey Wanted, StayKey Taken, bool IsStrange, long Count)
{
    /// <summary>The stay is another vendor's.</summary>
    public bool IsForeign => ExitKinship.VendorOf(Wanted.Reason) != ExitKinship.VendorOf(Taken.Reason);
}

/// <summary>
/// Finds the footprint of a kind of stay: itself, or the nearest that the model has. Nearest is the same part of a world switch, then the same reason or one of its family,
/// then the same ending, then the same occasion, then as interrupted as it; of equals the one recorded most often.
/// </summary>
internal sealed class FootprintChoice(FootprintModel model)
{
    private readonly Dictionary<StayKey, Choice> _choices = [];

    /// <summary>Kinds that were not there, in order of their keys.</summary>
    public IReadOnlyList<FootprintSubstitute> Substitutes =>
    [
        .. _choices.Where(choice => choice.Key != choice.Value.Stay.Key).OrderBy(choice => choice.Key, StayKey.Order)
            .Select(choice => new FootprintSubstitute(choice.Key, choice.Value.Stay.Key, ExitKinship.Distance(choice.Key.Reason, choice.Value.Stay.Key.Reason) == 2, choice.Value.Count)),
    ];

    /// <summary>The footprint for a kind of stay.</summary>
    /// <exception cref="ConfigurationException">The model has no stay of this level at all.</exception>
    public StayFootprint Of(StayKey key)
    {
        if (!_choices.TryGetValue(key, out Choice? choice))
        {
            StayFootprint nearest = model.Stays.Where(stay => stay.Key.Level == key.Level).MinBy(stay => Distance(key, stay))
                ?? throw new ConfigurationException($"The footprints '{model.Name}' have no stay of L{key.Level}, but the events do ({key}). Learn them from a recording of nested guests.");
            _choices.Add(key, choice = new Choice(nearest));
        }

        choice.Count++;
        return choice.Stay;
    }

    private static (int, int, int, int, int, long) Distance(StayKey wanted, StayFootprint stay)
    {
        StayKey key = stay.Key;
        return (
            wanted.HasShapeOf(key) ? 0 : 1,
            ExitKinship.Distance(wanted.Reason, key.Reason),
            ExitKinship.Distance(wanted.Then, key.Then),
            wanted.Handling is { } a && key.Handling is { } b ? ExitKinship.Distance(a, b) : wanted.Handling == key.Handling ? 0 : 2,
            wanted.Interrupted == key.Interrupted ? 0 : 1,
            -stay.Seen);
    }

    private sealed class Choice(StayFootprint stay)
    {
        public StayFootprint Stay { get; } = stay;

        public long Count { get; set; }
    }
}
