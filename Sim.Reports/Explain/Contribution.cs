namespace Sim.Reports.Explain;

/// <summary>What one part has in each of two runs, and so what it adds to their difference.</summary>
/// <param name="Name">For instance <c>flushed at nested_entry</c>.</param>
/// <param name="Before">In the first run.</param>
/// <param name="After">In the second run.</param>
public sealed record Contribution(string Name, WalkCount Before, WalkCount After)
{
    /// <summary>What the second run has more.</summary>
    public WalkCount Difference => After - Before;
}

/// <summary>Walks and translation cycles.</summary>
/// <param name="Walks">Page walks.</param>
/// <param name="Cycles">Translation cycles beyond first-level hits.</param>
public readonly record struct WalkCount(long Walks, long Cycles)
{
    /// <summary>Both, summed.</summary>
    public static WalkCount operator +(WalkCount a, WalkCount b) => new(checked(a.Walks + b.Walks), checked(a.Cycles + b.Cycles));

    /// <summary>Both, subtracted.</summary>
    public static WalkCount operator -(WalkCount a, WalkCount b) => new(checked(a.Walks - b.Walks), checked(a.Cycles - b.Cycles));
}

/// <summary>One way to divide the walks and translation cycles of two runs. The parts of each run sum to its total exactly.</summary>
/// <param name="Name">For instance <c>transition</c>.</param>
/// <param name="Title">What the parts are.</param>
/// <param name="Parts">Largest difference in cycles first, by amount; ties by walks, then by name.</param>
public sealed record Dimension(string Name, string Title, IReadOnlyList<Contribution> Parts);
