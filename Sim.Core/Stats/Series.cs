namespace Sim.Core.Stats;

/// <summary>What the points of a series are.</summary>
public enum SeriesKind
{
    /// <summary>X is the lower bound of a bucket, Y how many fell into it. Buckets that nothing fell into are left out.</summary>
    Histogram,

    /// <summary>X is a time in reference cycles (or another running quantity), Y a state at that time.</summary>
    OverTime,
}

/// <summary>One point.</summary>
/// <param name="X">In the series' <see cref="Series.XUnit"/>.</param>
/// <param name="Y">In the series' <see cref="Series.Unit"/>.</param>
public readonly record struct SeriesPoint(long X, long Y);

/// <summary>A named sequence of points, ascending in X. Path and label are as in <see cref="Stat"/>.</summary>
/// <param name="Path">Hierarchical name.</param>
/// <param name="Label">Categories, in the order the component gives them.</param>
/// <param name="XUnit">Unit of X.</param>
/// <param name="Unit">Unit of Y.</param>
/// <param name="Kind">What the points are.</param>
/// <param name="Help">One sentence.</param>
/// <param name="Points">The points.</param>
public sealed record Series(string Path, string Label, string XUnit, string Unit, SeriesKind Kind, string Help, IReadOnlyList<SeriesPoint> Points)
{
    /// <summary>Path and label as one key: <c>path{label}</c>.</summary>
    public string Key => Label.Length == 0 ? Path : $"{Path}{{{Label}}}";
}
