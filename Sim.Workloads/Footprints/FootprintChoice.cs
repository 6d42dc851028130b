using Sim.Core;
using Sim.Core.Profiles;

namespace Sim.Workloads.Footprints;

/// <summary>A kind of stay that a model does not have, and the one that was taken instead.</summary>
/// <param name="Wanted">What the recording has.</param>
/// <param name="Taken">What the model has.</param>
/// <param name="IsStrange">The exit that began it, or the exit of L2 that L1 works on, is of another family altogether: a foreign stay, of which the model knows nothing.</param>
/// <param name="Count">How often.</param>
public sealed record FootprintSubstitute(StayKey Wanted, StayKey Taken, bool IsStrange, long Count)
{
    /// <summary>The stay is another vendor's.</summary>
    public bool IsForeign { get; init; } = ExitKinship.VendorOf(Wanted.Reason) != ExitKinship.VendorOf(Taken.Reason);
}

/// <summary>What stands in for a kind of stay whose exit is of no family that the model has.</summary>
public enum StrangerRule
{
    /// <summary>The nearest.</summary>
    Nearest,

    /// <summary>The kind that touches least, of those that play the same part and are not rare: the lower end of a bracket.</summary>
    Smallest,

    /// <summary>The kind that touches most, likewise: the upper end.</summary>
    Largest,
}

/// <summary>
/// Finds the footprint of a kind of stay: itself, or the nearest that the model has. Nearest is the same part of a world switch, then the same reason or one near it
/// (<see cref="ExitKinship"/>), then the same ending, then the same occasion, then as interrupted as it; of equals the one recorded most often.
/// </summary>
/// <param name="model">The model.</param>
/// <param name="strangers">What stands in for exits of no known family.</param>
internal sealed class FootprintChoice(FootprintModel model, StrangerRule strangers)
{
    // Of a part's stays, less than one in so many is rare: the teardown of a VM and the like.
    private const long RareShare = 100;

    private readonly Dictionary<StayKey, Choice> _choices = [];

    /// <summary>Whose exits are asked for; null: what their numbers tell.</summary>
    public Vendor? Vendor { get; set; }

    /// <summary>Share of the stays asked for so far that are foreign: of an exit of no family that the model has.</summary>
    public double ForeignShare
    {
        get
        {
            long all = _choices.Values.Sum(choice => choice.Count);
            return all == 0 ? 0 : (double)_choices.Values.Where(choice => choice.IsStrange).Sum(choice => choice.Count) / all;
        }
    }

    /// <summary>Kinds that were not there, in order of their keys.</summary>
    public IReadOnlyList<FootprintSubstitute> Substitutes =>
    [
        .. _choices.Where(choice => choice.Value.IsSubstitute).OrderBy(choice => choice.Key, StayKey.Order)
            .Select(choice => new FootprintSubstitute(choice.Key, choice.Value.Stay.Key, choice.Value.IsStrange, choice.Value.Count) { IsForeign = VendorOf(choice.Key.Reason) != model.Vendor }),
    ];

    /// <summary>The footprint for a kind of stay.</summary>
    /// <exception cref="ConfigurationException">The model has no stay of this level at all.</exception>
    public StayFootprint Of(StayKey key)
    {
        if (!_choices.TryGetValue(key, out Choice? choice))
        {
            StayFootprint nearest = model.Stays.Where(stay => stay.Key.Level == key.Level).MinBy(stay => Distance(key, stay))
                ?? throw new ConfigurationException($"The footprints '{model.Name}' have no stay of L{key.Level}, but the events do ({key}). Learn them from a recording of nested guests.");
            bool strange = Reasons(key.Reason, nearest.Key.Reason) > ExitKinship.Kin
                || (key.Handling is { } wanted && nearest.Key.Handling is { } taken && Reasons(wanted, taken) > ExitKinship.Kin);
            bool substitute = VendorOf(key.Reason) != model.Vendor || key != nearest.Key;
            _choices.Add(key, choice = new Choice(strange && strangers != StrangerRule.Nearest ? Extreme(key) : nearest, substitute, strange));
        }

        choice.Count++;
        return choice.Stay;
    }

    private StayFootprint Extreme(StayKey key)
    {
        StayFootprint[] part = [.. model.Stays.Where(stay => key.HasShapeOf(stay.Key))];
        part = part.Length > 0 ? part : [.. model.Stays.Where(stay => stay.Key.Level == key.Level)];
        long all = part.Sum(stay => stay.Seen);
        StayFootprint[] common = [.. part.Where(stay => stay.Seen * RareShare >= all).OrderBy(Touches).ThenBy(stay => stay.Key, StayKey.Order)];
        common = common.Length > 0 ? common : part;
        return strangers == StrangerRule.Smallest ? common[0] : common[^1];
    }

    // Thousandths of a page in one stay.
    private static long Touches(StayFootprint stay) => 1000 * (stay.Pages.Sum(page => page.Stays) + stay.Code.Total + stay.Data.Total) / stay.Seen;

    private Vendor VendorOf(uint reason) => Vendor ?? ExitKinship.VendorOf(reason);

    private int Reasons(uint wanted, uint taken) => ExitKinship.Distance(VendorOf(wanted), wanted, model.Vendor, taken);

    private (int, int, int, int, int, long) Distance(StayKey wanted, StayFootprint stay)
    {
        StayKey key = stay.Key;
        return (
            wanted.HasShapeOf(key) ? 0 : 1,
            Reasons(wanted.Reason, key.Reason),
            wanted.Level == 0 ? wanted.Then == key.Then ? 0 : 1 : Reasons(wanted.Then, key.Then),
            wanted.Handling is { } a && key.Handling is { } b ? Reasons(a, b) : wanted.Handling == key.Handling ? 0 : 2,
            wanted.Interrupted == key.Interrupted ? 0 : 1,
            -stay.Seen);
    }

    private sealed class Choice(StayFootprint stay, bool isSubstitute, bool isStrange)
    {
        public StayFootprint Stay { get; } = stay;

        public bool IsSubstitute { get; } = isSubstitute;

        public bool IsStrange { get; } = isStrange;

        public long Count { get; set; }
    }
}
