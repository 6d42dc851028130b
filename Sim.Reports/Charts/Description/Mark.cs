namespace Sim.Reports.Charts.Description;

/// <summary>Things drawn in one way. A position on an axis of categories is an index; a category's own place reaches from half before it to half behind it.</summary>
public abstract record Mark;

/// <summary>Horizontal bars in rows of the vertical axis; pieces that follow each other stack up.</summary>
/// <param name="Items">The bars.</param>
public sealed record Bars(IReadOnlyList<Bar> Items) : Mark;

/// <summary>A bar or a piece of a stacked one.</summary>
/// <param name="Row">Index of the category.</param>
/// <param name="From">Where it begins.</param>
/// <param name="To">Where it ends; before <paramref name="From"/> if it stands for something negative.</param>
/// <param name="Shade">Its colour.</param>
/// <param name="Datum">What it says.</param>
public sealed record Bar(int Row, double From, double To, Shade Shade, Datum Datum);

/// <summary>How a curve goes from one point to the next.</summary>
public enum CurveKind
{
    /// <summary>Straight.</summary>
    Line,

    /// <summary>Level, then straight up or down: each value holds until the next point.</summary>
    Step,
}

/// <summary>Points that belong together.</summary>
/// <param name="Kind">How it goes from one point to the next.</param>
/// <param name="Name">Its label.</param>
/// <param name="Runs">The runs that it is about; several if their curves are the same.</param>
/// <param name="Shade">Its colour.</param>
/// <param name="Points">From left to right.</param>
public sealed record Curve(CurveKind Kind, string Name, IReadOnlyList<string> Runs, Shade Shade, IReadOnlyList<CurvePoint> Points) : Mark
{
    /// <summary>Its pattern, so that curves differ without colour.</summary>
    public Dash Dash { get; init; }

    /// <summary>True if its points are measured values that are worth a dot each.</summary>
    public bool Dots { get; init; }

    /// <summary>True if the area below it is tinted.</summary>
    public bool Filled { get; init; }
}

/// <summary>A point of a curve.</summary>
/// <param name="X">Horizontal position.</param>
/// <param name="Y">Vertical position.</param>
/// <param name="Datum">What it says.</param>
public sealed record CurvePoint(double X, double Y, Datum Datum);

/// <summary>An area between two curves.</summary>
/// <param name="Runs">The runs that it is about.</param>
/// <param name="Shade">Its colour, which is drawn thin.</param>
/// <param name="Edges">From left to right.</param>
public sealed record Band(IReadOnlyList<string> Runs, Shade Shade, IReadOnlyList<BandEdge> Edges) : Mark;

/// <summary>Where an area is at one place.</summary>
/// <param name="X">Horizontal position.</param>
/// <param name="Low">Lower end.</param>
/// <param name="High">Upper end.</param>
public sealed record BandEdge(double X, double Low, double High);

/// <summary>Places in rows whose colours stand for numbers.</summary>
/// <param name="Scale">What the colours stand for, with unit.</param>
/// <param name="Least">Number of the faintest colour.</param>
/// <param name="Most">Number of the strongest colour.</param>
/// <param name="Items">The places.</param>
public sealed record Cells(string Scale, double Least, double Most, IReadOnlyList<Cell> Items) : Mark;

/// <summary>A place in a row.</summary>
/// <param name="Row">Index of the category on the vertical axis.</param>
/// <param name="From">Its left end.</param>
/// <param name="To">Its right end.</param>
/// <param name="Value">The number.</param>
/// <param name="Text">Written into it where there is room; empty: nothing.</param>
/// <param name="Datum">What it says.</param>
public sealed record Cell(int Row, double From, double To, double Value, string Text, Datum Datum);

/// <summary>Intervals in rows, with a tick at each end: a range of uncertainty.</summary>
/// <param name="Items">The intervals.</param>
public sealed record Spans(IReadOnlyList<Span> Items) : Mark;

/// <summary>An interval.</summary>
/// <param name="Row">Index of the category on the vertical axis.</param>
/// <param name="From">Its lower end.</param>
/// <param name="To">Its upper end.</param>
/// <param name="Shade">Its colour.</param>
/// <param name="Datum">What it says.</param>
public sealed record Span(int Row, double From, double To, Shade Shade, Datum Datum);

/// <summary>Dots.</summary>
/// <param name="Items">The dots.</param>
public sealed record Points(IReadOnlyList<Point> Items) : Mark;

/// <summary>A dot.</summary>
/// <param name="X">Horizontal position.</param>
/// <param name="Y">Vertical position.</param>
/// <param name="Shade">Its colour.</param>
/// <param name="Shape">Its form.</param>
/// <param name="Datum">What it says.</param>
public sealed record Point(double X, double Y, Shade Shade, PointShape Shape, Datum Datum);

/// <summary>Form of a dot.</summary>
public enum PointShape
{
    /// <summary>A small disc: one of many.</summary>
    Dot,

    /// <summary>A diamond with a rim: a sum or a mean.</summary>
    Diamond,
}

/// <summary>A vertical line across all rows.</summary>
/// <param name="X">Horizontal position.</param>
/// <param name="Name">What it stands for.</param>
/// <param name="Datum">What it says.</param>
public sealed record Rule(double X, string Name, Datum Datum) : Mark;

/// <summary>Text in rows, to the right of a position.</summary>
/// <param name="Items">The texts.</param>
public sealed record Labels(IReadOnlyList<Label> Items) : Mark;

/// <summary>A text.</summary>
/// <param name="Row">Index of the category on the vertical axis.</param>
/// <param name="X">The position that it stands beside.</param>
/// <param name="Text">The text.</param>
/// <param name="Runs">The runs that it is about; empty: all.</param>
public sealed record Label(int Row, double X, string Text, IReadOnlyList<string> Runs);
