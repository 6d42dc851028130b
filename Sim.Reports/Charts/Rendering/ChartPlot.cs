using ScottPlot;
using ScottPlot.TickGenerators;
using Sim.Reports.Charts.Description;
using SkiaSharp;
using Axis = Sim.Reports.Charts.Description.Axis;
using Label = Sim.Reports.Charts.Description.Label;
using Span = Sim.Reports.Charts.Description.Span;

namespace Sim.Reports.Charts.Rendering;

/// <summary>Which side of a text its position is.</summary>
internal enum Anchor
{
    /// <summary>The text begins there.</summary>
    Start,

    /// <summary>The text is centred there.</summary>
    Middle,

    /// <summary>The text ends there.</summary>
    End,
}

/// <summary>A line of text in a drawing.</summary>
/// <param name="Text">What it says.</param>
/// <param name="X">Its position, from the left.</param>
/// <param name="Baseline">Its base line, from the top.</param>
/// <param name="Anchor">Which side of it <paramref name="X"/> is.</param>
/// <param name="Size">Size of its font.</param>
/// <param name="Bold">Half bold.</param>
/// <param name="Ink">Its colour.</param>
internal sealed record Lettering(string Text, float X, float Baseline, Anchor Anchor, float Size, bool Bold, Ink Ink);

/// <summary>Where a drawing shows a datum.</summary>
/// <param name="Left">From the left.</param>
/// <param name="Top">From the top.</param>
/// <param name="Width">Its width.</param>
/// <param name="Height">Its height.</param>
/// <param name="Datum">What is shown there.</param>
internal sealed record Place(float Left, float Top, float Width, float Height, Datum Datum);

/// <summary>
/// A chart laid out and drawn with ScottPlot, at a width. Lengths are in units of 1/96 inch. The layout is computed from the chart and the font alone, so it is the same on every
/// machine; all text is kept apart in <see cref="Texts"/>, for a format that writes text its own way.
/// </summary>
internal sealed class ChartPlot : IDisposable
{
    /// <summary>Size of most text.</summary>
    public const float TextSize = 12;

    private const float TitleSize = 14;
    private const float TextLine = 16;
    private const float TitleLine = 19;
    private const float Ascent = 4.3f;
    private const float Gap = 8;
    private const float Swatch = 11;
    private const float RowHeight = 26;
    private const float HeadingHeight = 26;
    private const float BarPart = 0.7f;
    private const float LeastPlot = 60;
    private const float NarrowWidth = 480;
    private const float TickDistance = 84;
    private const float NarrowTickDistance = 62;
    private const float HoverLeast = 5;
    private const float DirectSwatch = 16;
    private const int DirectLabels = 10;
    private const float CellTextSize = 11;
    private const double DotMargin = 0.02;
    private const float LabelGap = 9;
    private const float CurveWidth = 1.8f;

    private readonly Chart _chart;
    private readonly IInks _inks;
    private readonly Plot _plot = new();
    private readonly List<Lettering> _texts = [];
    private readonly List<Place> _places = [];
    private readonly List<Action<SKCanvas>> _swatches = [];
    private readonly bool _narrow;
    private readonly float _pad;
    private readonly (float Top, float Height)[] _rows;
    private readonly Scale _x;
    private readonly Scale _y;
    private readonly float _left;
    private readonly float _right;
    private readonly float _top;
    private readonly float _plotHeight;

    /// <summary>Lays a chart out.</summary>
    /// <param name="chart">The chart.</param>
    /// <param name="size">Of the whole drawing.</param>
    /// <param name="titled">True for a file, which has its title in it, and a margin; in a page they are around it.</param>
    /// <param name="inks">Colours.</param>
    public ChartPlot(Chart chart, ChartSize size, bool titled, IInks inks)
    {
        float width = size.Width;
        _chart = chart;
        _inks = inks;
        Width = width;
        _narrow = width < NarrowWidth;
        _pad = titled ? 12 : 1;
        _y = Scale.Of(chart.Y, Positions(vertical: true));
        Scale x = Scale.Of(chart.X, Positions(vertical: false));
        x = chart.Marks.Any(mark => mark is Curve { Dots: true }) && chart.X.Kind != AxisKind.Category ? x.Wider(DotMargin) : x;
        Curve[] named = [.. chart.Marks.OfType<Curve>().Where(curve => curve.Name.Length > 0)];
        bool direct = !_narrow && named.Length <= DirectLabels;

        float top = _pad + (titled ? AddTitle() : 0);
        top += AddKey(top, direct ? [] : named);
        IReadOnlyList<(double Value, string Text)> yTicks = chart.Y.Kind == AxisKind.Category ? [] : _y.Ticks(5);
        IReadOnlyList<string>[] names = [.. chart.Y.Categories.Select(category => Typography.Wrap(category.Name, _narrow ? width - (2 * _pad) : 0.4f * width, TextSize))];
        _left = _pad + (chart.Y.Kind != AxisKind.Category
            ? Longest(yTicks.Select(tick => tick.Text)) + Gap
            : _narrow ? 0 : Longest(names.SelectMany(lines => lines)) + Gap);
        IReadOnlyList<string>[] curveNames = [.. named.Select(curve => Typography.Wrap(curve.Name, 0.3f * width, TextSize))];
        _right = _pad + (direct && named.Length > 0 ? (2 * Gap) + DirectSwatch + Longest(curveNames.SelectMany(lines => lines)) : chart.X.Kind == AxisKind.Category || chart.Y.Kind == AxisKind.Category ? 2 : 14);
        _x = WithRoomForLabels(x);
        if (chart.Y.Kind != AxisKind.Category && chart.Y.Title.Length > 0)
        {
            foreach (string line in Typography.Wrap(Titled(chart.Y, _y), width - (2 * _pad), TextSize))
            {
                AddText(line, _pad, top + (TextLine / 2), Anchor.Start, Ink.Of(Shade.Muted));
                top += TextLine;
            }

            top += 6;
        }

        _top = top + (chart.Marks.Any(mark => mark is Rule) ? TextLine : 0);
        _rows = new (float, float)[names.Length];
        float bottom = BottomHeight();
        float wanted = size.LeastHeight - _top - bottom - _pad ?? 0;
        _plotHeight = chart.Y.Kind == AxisKind.Category ? LayRows(names, wanted) : size.LeastHeight is null ? (_narrow ? 210 : 250) : Math.Max(wanted, LeastPlot);
        AddTicks(yTicks);
        Height = MathF.Ceiling(_top + _plotHeight + bottom + _pad);
        Style(yTicks);
        foreach (Mark mark in chart.Marks)
        {
            Draw(mark);
        }

        if (direct)
        {
            AddCurveNames(named, curveNames);
        }
    }

    /// <summary>Of the whole drawing.</summary>
    public float Width { get; }

    /// <summary>Of the whole drawing.</summary>
    public float Height { get; }

    /// <summary>All text.</summary>
    public IReadOnlyList<Lettering> Texts => _texts;

    /// <summary>Where each datum is shown.</summary>
    public IReadOnlyList<Place> Places => _places;

    private float PlotWidth => Width - _left - _right;

    /// <summary>Draws all but the text, over whatever is there.</summary>
    public void DrawMarks(SKCanvas canvas)
    {
        _plot.RenderManager.ClearCanvasBeforeEachRender = false;
        _plot.Render(canvas, (int)Width, (int)Height);
        foreach (Action<SKCanvas> swatch in _swatches)
        {
            swatch(canvas);
        }
    }

    /// <summary>Draws the text.</summary>
    /// <param name="canvas">Where.</param>
    /// <param name="typefaces">With what.</param>
    public void DrawTexts(SKCanvas canvas, Typefaces typefaces)
    {
        foreach (Lettering text in _texts)
        {
            using SKFont font = typefaces.Font(text.Size, text.Bold);
            using SKPaint paint = new() { Color = Skia(_inks.Of(text.Ink)), IsAntialias = true };
            canvas.DrawText(text.Text, text.X, text.Baseline, text.Anchor switch { Anchor.Start => SKTextAlign.Left, Anchor.Middle => SKTextAlign.Center, _ => SKTextAlign.Right }, font, paint);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _plot.Dispose();

    private static SKColor Skia(Color colour) => new(colour.Red, colour.Green, colour.Blue, colour.Alpha);

    private static float Longest(IEnumerable<string> lines) => lines.Select(line => Typography.Width(line, TextSize)).DefaultIfEmpty(0).Max();

    private static string Titled(Axis axis, Scale scale) =>
        string.Join(", ", new[] { axis.Title, axis.Unit }.Where(word => word.Length > 0)) + (axis.Kind != AxisKind.Category && axis.Kind != AxisKind.Time && scale.IsBroken ? " (the axis does not begin at 0)" : "");

    private void AddText(string text, float x, float middle, Anchor anchor, Ink ink, float size = TextSize, bool bold = false) =>
        _texts.Add(new Lettering(text, x, middle + (Ascent * size / TextSize), anchor, size, bold, ink));

    private float AddTitle()
    {
        float y = _pad;
        foreach (string line in Typography.Wrap(_chart.Title, Width - (2 * _pad), TitleSize, bold: true))
        {
            AddText(line, _pad, y + (TitleLine / 2), Anchor.Start, Ink.Of(Shade.Ink), TitleSize, bold: true);
            y += TitleLine;
        }

        return y - _pad + Gap;
    }

    /// <summary>What colours mean, in as many lines as it takes.</summary>
    private float AddKey(float top, IReadOnlyList<Curve> curves)
    {
        (string Name, Ink Ink, bool IsCurve)[] entries =
        [
            .. _chart.Key.Select(entry => (entry.Name, Ink.Of(entry.Shade), false)),
            .. curves.Select(curve => (curve.Name, Ink.Of(curve.Shade, curve.Runs, curve.Dash), true)),
        ];
        float x = _pad;
        float y = top;
        foreach ((string name, Ink ink, bool isCurve) in entries)
        {
            float swatch = isCurve ? 2 * Swatch : Swatch;
            IReadOnlyList<string> lines = Typography.Wrap(name, Width - (2 * _pad) - swatch - 6, TextSize);
            float length = swatch + 6 + Longest(lines);
            if (x > _pad && x + length > Width - _pad)
            {
                x = _pad;
                y += TextLine + 3;
            }

            if (isCurve)
            {
                AddLine(x, y + (TextLine / 2), swatch, ink);
            }
            else
            {
                AddBox(x, y + ((TextLine - Swatch) / 2), swatch, Swatch, ink);
            }

            for (int i = 0; i < lines.Count; i++)
            {
                AddText(lines[i], x + swatch + 6, y + (TextLine / 2) + (i * TextLine), Anchor.Start, Ink.Of(Shade.Ink) with { Runs = ink.Runs });
            }

            y += (lines.Count - 1) * TextLine;
            x += length + (2 * Gap);
        }

        y += entries.Length > 0 ? TextLine + Gap : 0;
        return y - top + (_chart.Marks.OfType<Cells>().FirstOrDefault() is { } cells ? AddRamp(cells, y) : 0);
    }

    private float AddRamp(Cells cells, float y)
    {
        string least = new Scale(cells.Least, cells.Most, false).Ticks(1) is { Count: > 0 } && cells.Least == 0 ? "0" : Views.Numbers.Fraction(cells.Least);
        string most = cells.Most == Math.Floor(cells.Most) && cells.Most < 1e6 ? cells.Most.ToString("#,##0", System.Globalization.CultureInfo.InvariantCulture) : Views.Numbers.Fraction(cells.Most);
        float x = _pad;
        AddText(least, x, y + (TextLine / 2), Anchor.Start, Ink.Of(Shade.Muted));
        x += Typography.Width(least, TextSize) + 6;
        for (int level = 0; level < ChartTheme.Levels; level++, x += Swatch)
        {
            AddBox(x, y + ((TextLine - Swatch) / 2), Swatch, Swatch, Ink.OfLevel(level, []));
        }

        float lines = TextLine;
        x += 6;
        IReadOnlyList<string> words = Typography.Wrap($"{most} {cells.Scale}", Width - _pad - x, TextSize);
        for (int i = 0; i < words.Count; i++)
        {
            AddText(words[i], x, y + (TextLine / 2) + (i * TextLine), Anchor.Start, Ink.Of(Shade.Muted));
            lines = TextLine * (i + 1);
        }

        return lines + Gap;
    }

    private void AddBox(float left, float top, float width, float height, Ink ink) => _swatches.Add(canvas =>
    {
        using SKPaint paint = new() { Color = Skia(_inks.Of(ink)), IsAntialias = true };
        canvas.DrawRect(left, top, width, height, paint);
    });

    private void AddLine(float x, float middle, float width, Ink ink) => _swatches.Add(canvas =>
    {
        using SKPaint paint = new() { Color = Skia(_inks.Of(ink)), IsAntialias = true, IsStroke = true, StrokeWidth = CurveWidth };
        using SKPathEffect? dashes = _inks is ThemeInks && ink.Dash != Dash.Solid ? SKPathEffect.CreateDash([.. Dashes.Of(ink.Dash)], 0) : null;
        paint.PathEffect = dashes;
        canvas.DrawLine(x, middle, x + width, middle, paint);
    });

    /// <summary>Places the rows of a category axis, higher if they would not fill what is wanted, and writes their names; returns their height.</summary>
    private float LayRows(IReadOnlyList<string>[] names, float wanted)
    {
        int written = _texts.Count;
        float needed = LayRowsWith(names, 0);
        if (needed >= wanted)
        {
            return needed;
        }

        _texts.RemoveRange(written, _texts.Count - written);
        return LayRowsWith(names, (wanted - needed) / names.Length);
    }

    private float LayRowsWith(IReadOnlyList<string>[] names, float more)
    {
        float body = more + (_chart.Marks.Any(mark => mark is Cells) ? RowHeight - 4 : RowHeight);
        float y = 0;
        string group = "";
        for (int i = 0; i < names.Length; i++)
        {
            Category category = _chart.Y.Categories[i];
            Ink ink = Ink.Of(Shade.Ink, category.Runs);
            if (category.Group != group && category.Group.Length > 0)
            {
                foreach (string line in Typography.Wrap(category.Group, Width - (2 * _pad), TextSize, bold: true))
                {
                    AddText(line, _pad, _top + y + (HeadingHeight / 2) + 2, Anchor.Start, ink, bold: true);
                    y += HeadingHeight - 4;
                }
            }

            group = category.Group;
            float lines = names[i].Count * TextLine;
            float above = _narrow && category.Name.Length > 0 ? lines : 0;
            float height = _narrow ? body : Math.Max(body, lines + 6);
            for (int line = 0; line < names[i].Count; line++)
            {
                float middle = _narrow ? y + (TextLine * (line + 0.5f)) + 2 : y + (height / 2) - (lines / 2) + (TextLine * (line + 0.5f));
                AddText(names[i][line], _narrow ? _pad : _left - Gap, _top + middle, _narrow ? Anchor.Start : Anchor.End, ink);
            }

            _rows[i] = (y + above, height);
            y += above + height;
        }

        return y;
    }

    /// <summary>Lines of text below each column of a category axis.</summary>
    private IReadOnlyList<string>[] ColumnNames() => _chart.X.Kind != AxisKind.Category ? []
        : [.. _chart.X.Categories.Select(category => Typography.Wrap(category.Name, (PlotWidth / _chart.X.Categories.Count) - 4, TextSize))];

    private IReadOnlyList<string> AxisTitle() => _chart.X.Title.Length + _chart.X.Unit.Length == 0 ? [] : Typography.Wrap(Titled(_chart.X, _x), Width - (2 * _pad), TextSize);

    /// <summary>Height of what is below the plot: numbers or names, and the title of the axis.</summary>
    private float BottomHeight() => 4 + (TextLine * ColumnNames().Select(lines => lines.Count).DefaultIfEmpty(1).Max()) + (TextLine * AxisTitle().Count) + 2;

    /// <summary>Writes the numbers or names below and at the left, and the title of the horizontal axis.</summary>
    private void AddTicks(IReadOnlyList<(double Value, string Text)> yTicks)
    {
        foreach ((double value, string text) in yTicks)
        {
            AddText(text, _left - Gap, PixelY(value), Anchor.End, Ink.Of(Shade.Muted));
        }

        float below = _top + _plotHeight + 4;
        IReadOnlyList<string>[] columns = ColumnNames();
        for (int i = 0; i < columns.Length; i++)
        {
            for (int line = 0; line < columns[i].Count; line++)
            {
                AddText(columns[i][line], PixelX(i), below + (TextLine * (line + 0.5f)), Anchor.Middle, Ink.Of(Shade.Muted));
            }
        }

        float until = float.NegativeInfinity;
        foreach ((double value, string text) in _chart.X.Kind == AxisKind.Category ? [] : XTicks())
        {
            float half = Typography.Width(text, TextSize) / 2;
            float at = Math.Clamp(PixelX(value), _pad + half, Width - _pad - half);
            if (at - half > until)
            {
                AddText(text, at, below + (TextLine / 2), Anchor.Middle, Ink.Of(Shade.Muted));
                until = at + half + 6;
            }
        }

        if ((_chart.X.Kind == AxisKind.Linear && _x.IsBroken) || (_chart.Y.Kind == AxisKind.Linear && _y.IsBroken))
        {
            AddText("//", _left, _top + _plotHeight, Anchor.Middle, Ink.Of(Shade.Ink), bold: true);
        }

        IReadOnlyList<string> title = AxisTitle();
        bool fits = Longest(title) <= Width - _left - _pad;
        for (int i = 0; i < title.Count; i++)
        {
            AddText(title[i], fits ? _left : _pad, _top + _plotHeight + BottomHeight() - (TextLine * (title.Count - i)) + (TextLine / 2), Anchor.Start, Ink.Of(Shade.Muted));
        }
    }

    private IReadOnlyList<(double Value, string Text)> XTicks() => _x.Ticks(Math.Max(2, (int)(PlotWidth / (_narrow ? NarrowTickDistance : TickDistance))));

    private void Style(IReadOnlyList<(double Value, string Text)> yTicks)
    {
        _plot.FigureBackground.Color = Colors.Transparent;
        _plot.DataBackground.Color = Colors.Transparent;
        _plot.HideLegend();
        _plot.Layout.Fixed(new PixelPadding(_left, _right, Height - _top - _plotHeight, _top));
        if (_chart.Y.Kind == AxisKind.Category)
        {
            _plot.Axes.SetLimits(_x.At(_x.Least), _x.At(_x.Most), 0, _plotHeight);
        }
        else
        {
            _plot.Axes.SetLimits(_x.At(_x.Least), _x.At(_x.Most), _y.At(_y.Least), _y.At(_y.Most));
        }

        foreach (IAxis axis in _plot.Axes.GetAxes())
        {
            axis.FrameLineStyle.Width = 0;
            axis.MajorTickStyle.Length = 0;
            axis.MinorTickStyle.Length = 0;
            axis.TickLabelStyle.IsVisible = false;
            axis.TickGenerator = new NumericManual();
        }

        Color grid = _inks.Of(Ink.Of(Shade.Grid));
        foreach (GridStyle style in new[] { _plot.Grid.XAxisStyle, _plot.Grid.YAxisStyle })
        {
            style.MajorLineStyle.Color = grid;
            style.MajorLineStyle.Width = 1;
            style.MinorLineStyle.Width = 0;
        }

        if (_chart.X.Kind != AxisKind.Category && !_chart.Marks.Any(mark => mark is Cells))
        {
            _plot.Axes.Bottom.TickGenerator = new NumericManual([.. XTicks().Select(tick => _x.At(tick.Value))], [.. XTicks().Select(_ => "")]);
        }

        _plot.Axes.Left.TickGenerator = new NumericManual([.. yTicks.Select(tick => _y.At(tick.Value))], [.. yTicks.Select(_ => "")]);
    }

    /// <summary>Enlarges a scale until the labels beside bars fit.</summary>
    private Scale WithRoomForLabels(Scale x)
    {
        double most = x.Most;
        foreach (Label label in _chart.Marks.OfType<Labels>().SelectMany(labels => labels.Items))
        {
            float room = Math.Min(Typography.Width(Typography.Drawable(label.Text), TextSize) + LabelGap + 2, 0.85f * PlotWidth);
            most = Math.Max(most, x.Least + ((label.X - x.Least) * PlotWidth / (PlotWidth - room)));
        }

        return x with { Most = most };
    }

    private List<double> Positions(bool vertical)
    {
        List<double> all = [];
        foreach (Mark mark in _chart.Marks)
        {
            all.AddRange(mark switch
            {
                Bars bars when !vertical => bars.Items.SelectMany(bar => new[] { bar.From, bar.To }),
                Cells cells when !vertical => cells.Items.SelectMany(cell => new[] { cell.From, cell.To }),
                Spans spans when !vertical => spans.Items.SelectMany(span => new[] { span.From, span.To }),
                Rule rule when !vertical => [rule.X],
                Curve curve => curve.Points.Select(point => vertical ? point.Y : point.X),
                Band band => band.Edges.SelectMany(edge => vertical ? new[] { edge.Low, edge.High } : [edge.X]),
                Points points => points.Items.Select(point => vertical ? point.Y : point.X),
                _ => [],
            });
        }

        return all.Count == 0 ? [0, 1] : all;
    }

    private float PixelX(double value) => _left + (float)(_x.Share(value) * PlotWidth);

    private float PixelY(double value) => _chart.Y.Kind == AxisKind.Category ? _top + RowMiddle(value) : _top + _plotHeight - (float)(_y.Share(value) * _plotHeight);

    private float RowMiddle(double position)
    {
        int row = Math.Clamp((int)Math.Round(position), 0, _rows.Length - 1);
        return _rows[row].Top + (_rows[row].Height / 2) + ((float)(position - row) * _rows[row].Height);
    }

    /// <summary>Where ScottPlot's vertical axis has a distance from the top of the plot.</summary>
    private double FromTop(double distance) => _plotHeight - distance;

    private (float Top, float Height) BarOf(int row)
    {
        (float top, float height) = _rows[row];
        return (top + (height * (1 - BarPart) / 2), height * BarPart);
    }

    private void AddPlace(float left, float top, float width, float height, Datum datum)
    {
        float moreWidth = Math.Max(0, HoverLeast - width);
        float moreHeight = Math.Max(0, HoverLeast - height);
        _places.Add(new Place(left - (moreWidth / 2), top - (moreHeight / 2), width + moreWidth, height + moreHeight, datum));
    }

    private void Draw(Mark mark)
    {
        switch (mark)
        {
            case Bars bars:
                DrawBars(bars);
                break;
            case Cells cells:
                DrawCells(cells);
                break;
            case Curve curve:
                DrawCurve(curve);
                break;
            case Band band:
                Fill(band.Edges.Select(edge => (edge.X, edge.High)).Concat(band.Edges.Reverse().Select(edge => (edge.X, edge.Low))), Ink.Of(band.Shade, band.Runs), 0.2);
                break;
            case Spans spans:
                foreach (Span span in spans.Items)
                {
                    DrawSpan(span);
                }

                break;
            case Points points:
                foreach (Description.Point point in points.Items)
                {
                    DrawPoint(point);
                }

                break;
            case Rule rule:
                DrawRule(rule);
                break;
            case Labels labels:
                foreach (Label label in labels.Items)
                {
                    (float top, float height) = BarOf(label.Row);
                    string text = Typography.Drawable(label.Text);
                    AddBox(PixelX(label.X) + LabelGap - 2, _top + top + 1, Typography.Width(text, TextSize) + 4, height - 2, Ink.Of(Shade.Ground, label.Runs));
                    AddText(text, PixelX(label.X) + LabelGap, _top + top + (height / 2), Anchor.Start, Ink.Of(Shade.Ink, label.Runs));
                }

                break;
            default:
                throw new InvalidOperationException($"A mark that nobody draws: {mark.GetType().Name}.");
        }
    }

    private void DrawRule(Rule rule)
    {
        Ink ink = Ink.Of(Shade.Ink, [], Dash.Dashed);
        _plot.Add.VerticalLine(_x.At(rule.X), 1.2f, _inks.Of(ink), _inks.PatternOf(ink));
        float half = Typography.Width(rule.Name, TextSize) / 2;
        AddText(rule.Name, Math.Clamp(PixelX(rule.X), _pad + half, Width - _pad - half), _top - (TextLine / 2), Anchor.Middle, Ink.Of(Shade.Muted));
        AddPlace(PixelX(rule.X) - 3, _top, 6, _plotHeight, rule.Datum);
    }

    private void DrawBars(Bars bars)
    {
        List<ScottPlot.Bar> drawn = [];
        foreach (Description.Bar bar in bars.Items.Where(bar => bar.From != bar.To))
        {
            (float top, float height) = BarOf(bar.Row);
            drawn.Add(new ScottPlot.Bar
            {
                Position = FromTop(top + (height / 2)),
                Size = height,
                ValueBase = _x.At(bar.From),
                Value = _x.At(bar.To),
                FillColor = _inks.Of(Ink.Of(bar.Shade, bar.Datum.Runs)),
                LineColor = _inks.Of(Ink.Of(Shade.Ground)),
                LineWidth = 0.7f,
                Orientation = Orientation.Horizontal,
            });
            float left = PixelX(Math.Min(bar.From, bar.To));
            AddPlace(left, _top + top, PixelX(Math.Max(bar.From, bar.To)) - left, height, bar.Datum);
        }

        ScottPlot.Plottables.BarPlot plottable = _plot.Add.Bars(drawn);
        plottable.Horizontal = true;
    }

    private void DrawCells(Cells cells)
    {
        // Neighbours of the same colour are one rectangle.
        ScottPlot.Plottables.Rectangle? last = null;
        (int Row, float Right, int Level) lastCell = (-1, 0, 0);
        foreach (Cell cell in cells.Items)
        {
            (float top, float height) = _rows[cell.Row];
            float left = MathF.Round(PixelX(cell.From));
            float right = Math.Max(left + 1, MathF.Round(PixelX(cell.To)));
            int level = (int)Math.Clamp(Math.Round((cell.Value - cells.Least) / Math.Max(cells.Most - cells.Least, double.Epsilon) * (ChartTheme.Levels - 1)), 0, ChartTheme.Levels - 1);
            double At(float pixel) => _x.At(_x.Least) + ((_x.At(_x.Most) - _x.At(_x.Least)) * (pixel - _left) / PlotWidth);
            if (last is not null && lastCell == (cell.Row, left, level) && cell.Text.Length == 0)
            {
                last.X2 = At(right);
            }
            else
            {
                last = _plot.Add.Rectangle(At(left), At(right), FromTop(top + height - 1), FromTop(top + 1));
                last.FillColor = _inks.Of(Ink.OfLevel(level, cell.Datum.Runs));
                last.LineWidth = 0;
            }

            lastCell = (cell.Row, right, level);
            AddPlace(left, _top + top, right - left, height, cell.Datum);
            if (cell.Text.Length > 0 && Typography.Width(cell.Text, CellTextSize) < right - left - 4)
            {
                Shade shade = level >= ChartTheme.Levels / 2 ? Shade.Ground : Shade.Ink;
                AddText(cell.Text, (left + right) / 2, _top + top + (height / 2), Anchor.Middle, Ink.Of(shade, cell.Datum.Runs), CellTextSize);
            }
        }
    }

    private void DrawCurve(Curve curve)
    {
        Ink ink = Ink.Of(curve.Shade, curve.Runs, curve.Dash);
        if (curve.Filled)
        {
            List<(double X, double Y)> outline = [(curve.Points[0].X, 0)];
            foreach (CurvePoint point in curve.Points)
            {
                outline.AddRange(curve.Kind == CurveKind.Step ? [(point.X, outline[^1].Y), (point.X, point.Y)] : [(point.X, point.Y)]);
            }

            outline.Add((curve.Points[^1].X, 0));
            Fill(outline, ink with { Dash = Dash.Solid }, 0.45);
        }
        else
        {
            ScottPlot.Plottables.Scatter line = _plot.Add.Scatter(curve.Points.Select(point => new Coordinates(_x.At(point.X), _y.At(point.Y))).ToArray());
            line.Color = _inks.Of(ink);
            line.LineWidth = CurveWidth;
            line.LinePattern = _inks.PatternOf(ink);
            line.MarkerSize = curve.Dots ? 6 : 0;
            line.ConnectStyle = curve.Kind == CurveKind.Step ? ConnectStyle.StepHorizontal : ConnectStyle.Straight;
        }

        for (int i = 0; i < curve.Points.Count; i++)
        {
            CurvePoint point = curve.Points[i];
            float x = PixelX(point.X);
            float until = curve.Kind == CurveKind.Step && i + 1 < curve.Points.Count ? PixelX(curve.Points[i + 1].X) : x;
            AddPlace(x - (until > x ? 0 : 4), PixelY(point.Y) - 4, until > x ? until - x : 8, 8, point.Datum);
        }
    }

    private void Fill(IEnumerable<(double X, double Y)> outline, Ink ink, double opacity)
    {
        ScottPlot.Plottables.Polygon area = _plot.Add.Polygon(outline.Select(point => new Coordinates(_x.At(point.X), _y.At(point.Y))).ToArray());
        area.FillColor = _inks.Of(ink).WithAlpha(opacity);
        area.LineWidth = 0;
    }

    private void DrawSpan(Span span)
    {
        double middle = FromTop(RowMiddle(span.Row));
        Color colour = _inks.Of(Ink.Of(span.Shade, span.Datum.Runs));
        foreach ((double x1, double y1, double x2, double y2) in new[]
        {
            (_x.At(span.From), middle, _x.At(span.To), middle), (_x.At(span.From), middle - 5, _x.At(span.From), middle + 5), (_x.At(span.To), middle - 5, _x.At(span.To), middle + 5),
        })
        {
            ScottPlot.Plottables.LinePlot line = _plot.Add.Line(x1, y1, x2, y2);
            line.LineColor = colour;
            line.LineWidth = 2;
        }

        float left = PixelX(span.From);
        AddPlace(left, _top + RowMiddle(span.Row) - 6, PixelX(span.To) - left, 12, span.Datum);
    }

    private void DrawPoint(Description.Point point)
    {
        double y = _chart.Y.Kind == AxisKind.Category ? FromTop(RowMiddle(point.Y)) : _y.At(point.Y);
        bool diamond = point.Shape == PointShape.Diamond;
        ScottPlot.Plottables.Marker marker = _plot.Add.Marker(_x.At(point.X), y, diamond ? MarkerShape.FilledDiamond : MarkerShape.FilledCircle, diamond ? 11 : 6, _inks.Of(Ink.Of(point.Shade, point.Datum.Runs)));
        marker.MarkerLineColor = _inks.Of(Ink.Of(Shade.Ground));
        marker.MarkerLineWidth = 1;
        AddPlace(PixelX(point.X) - 6, PixelY(point.Y) - 6, 12, 12, point.Datum);
    }

    /// <summary>Names at the ends of curves, moved apart where they would touch.</summary>
    private void AddCurveNames(IReadOnlyList<Curve> curves, IReadOnlyList<string>[] names)
    {
        (Curve Curve, IReadOnlyList<string> Lines, float Y)[] placed = [.. curves.Select((curve, i) => (curve, names[i], PixelY(curve.Points[^1].Y))).OrderBy(item => item.Item3)];
        float least = _top;
        for (int i = 0; i < placed.Length; i++)
        {
            float height = placed[i].Lines.Count * TextLine;
            placed[i].Y = Math.Max(placed[i].Y, least + (height / 2));
            least = placed[i].Y + (height / 2);
        }

        float most = Math.Max(_top + _plotHeight, _top + placed.Sum(item => item.Lines.Count * TextLine));
        for (int i = placed.Length - 1; i >= 0; i--)
        {
            float height = placed[i].Lines.Count * TextLine;
            placed[i].Y = Math.Min(placed[i].Y, most - (height / 2));
            most = placed[i].Y - (height / 2);
        }

        foreach ((Curve curve, IReadOnlyList<string> lines, float y) in placed)
        {
            AddLine(Width - _right + Gap, y, DirectSwatch, Ink.Of(curve.Shade, curve.Runs, curve.Dash));
            for (int line = 0; line < lines.Count; line++)
            {
                AddText(lines[line], Width - _right + Gap + DirectSwatch + 5, y - (lines.Count * TextLine / 2) + (TextLine * (line + 0.5f)), Anchor.Start, Ink.Of(Shade.Ink, curve.Runs));
            }
        }
    }
}
