namespace Sim.Reports.Charts.Description;

/// <summary>What a chart shows, without how it is drawn: <see cref="Rendering.ChartPlot"/> draws it, <see cref="ChartJson"/> writes it for others to draw.</summary>
/// <param name="Title">What is shown.</param>
/// <param name="Reading">How to read it, in a sentence or two.</param>
/// <param name="X">Horizontal axis.</param>
/// <param name="Y">Vertical axis; categories are listed from the top.</param>
/// <param name="Marks">Drawn in this order.</param>
public sealed record Chart(string Title, string Reading, Axis X, Axis Y, params IReadOnlyList<Mark> Marks)
{
    /// <summary>What colours mean, where no label beside the marks says it.</summary>
    public IReadOnlyList<KeyEntry> Key { get; init; } = [];
}

/// <summary>What one colour means.</summary>
/// <param name="Name">The meaning.</param>
/// <param name="Shade">The colour.</param>
public sealed record KeyEntry(string Name, Shade Shade);

/// <summary>How positions on an axis are meant.</summary>
public enum AxisKind
{
    /// <summary>Numbers.</summary>
    Linear,

    /// <summary>Positive numbers; equal ratios have equal lengths.</summary>
    Log,

    /// <summary>Names: positions are indices into <see cref="Axis.Categories"/>.</summary>
    Category,

    /// <summary>Moments since the begin of the measured window, in the axis' unit.</summary>
    Time,
}

/// <summary>An axis.</summary>
/// <param name="Kind">How positions are meant.</param>
/// <param name="Title">What it measures; empty if its categories say so.</param>
/// <param name="Unit">Of its numbers, for instance <c>cycles</c>; empty if there is none.</param>
public sealed record Axis(AxisKind Kind, string Title, string Unit = "")
{
    /// <summary>Names, in their order, if the kind is <see cref="AxisKind.Category"/>.</summary>
    public IReadOnlyList<Category> Categories { get; init; } = [];

    /// <summary>True if 0 must be on the axis, as for lengths of bars. Without it, a linear axis begins near the smallest number and says so.</summary>
    public bool FromZero { get; init; }

    /// <summary>Fixed ends; null: as the marks need.</summary>
    public AxisEnds? Ends { get; init; }

    /// <summary>Names on an axis.</summary>
    public static Axis Of(IEnumerable<Category> categories, string title = "") => new(AxisKind.Category, title) { Categories = [.. categories] };
}

/// <summary>The ends of an axis.</summary>
/// <param name="Least">Left or lower one.</param>
/// <param name="Most">Right or upper one.</param>
public sealed record AxisEnds(double Least, double Most);

/// <summary>A name on an axis.</summary>
/// <param name="Name">The name.</param>
/// <param name="Runs">The runs that it is about; empty: all.</param>
/// <param name="Group">Heading above this category and those that follow with the same one; empty: none.</param>
public sealed record Category(string Name, IReadOnlyList<string> Runs, string Group = "")
{
    /// <summary>The category of one run.</summary>
    public static Category Of(string run) => new(run, [run]);
}
