using Sim.Core;
using Sim.Core.Files;
using Sim.Reports.Charts.Description;
using SkiaSharp;

namespace Sim.Reports.Charts.Rendering;

/// <summary>What a chart is written as.</summary>
public enum ChartFormat
{
    /// <summary>Its description and data.</summary>
    Json,

    /// <summary>Scalable, text as outlines.</summary>
    Svg,

    /// <summary>Scalable, for paper.</summary>
    Pdf,

    /// <summary>Pixels, two for each unit of 1/96 inch.</summary>
    Png,
}

/// <summary>How large a chart is drawn.</summary>
/// <param name="Width">In units of 1/96 inch.</param>
/// <param name="LeastHeight">In the same; null: what the chart needs.</param>
public sealed record ChartSize(int Width, int? LeastHeight = null);

/// <summary>Writes charts as files: the same chart gives the same bytes, on any machine, with any fonts installed.</summary>
public static class ChartFiles
{
    /// <summary>Width of a chart on a screen, in units of 1/96 inch.</summary>
    public const int DefaultWidth = 720;

    /// <summary>Width of one column of a paper: 3.5 inches.</summary>
    public const int ColumnWidth = 336;

    /// <summary>Width of two columns: 7.16 inches.</summary>
    public const int PageWidth = 687;

    /// <summary>The smallest width that a chart can be drawn at.</summary>
    public const int LeastWidth = 200;

    /// <summary>The largest width.</summary>
    public const int MostWidth = 5_000;

    /// <summary>The largest least height.</summary>
    public const int MostHeight = 5_000;

    private const int PngScale = 2;
    private const float PointsPerUnit = 0.75f;

    /// <summary>Writes each chart as <c>FOLDER/NAME.FORMAT</c>, all together or none; a chart that cannot be drawn is left out and reported, the others stand.</summary>
    /// <param name="charts">Names and charts.</param>
    /// <param name="folder">Where they go.</param>
    /// <param name="formats">What is written.</param>
    /// <param name="size">Of each; JSON has none.</param>
    /// <param name="theme">Colours; JSON has none.</param>
    /// <param name="failed">Told the name of a chart that cannot be drawn, and why.</param>
    /// <returns>The files: of each format, in the order of the charts.</returns>
    /// <exception cref="ConfigurationException">The folder cannot be written to.</exception>
    public static IReadOnlyList<string> Write(IEnumerable<(string Name, Chart Chart)> charts, OutputFolder folder, IReadOnlyList<ChartFormat> formats, ChartSize size, ChartTheme theme, Action<string, ChartFormat, Exception> failed)
    {
        List<OutputFile> files = [];
        foreach ((ChartFormat format, (string name, Chart chart)) in formats.SelectMany(format => charts.Select(chart => (format, chart))))
        {
            byte[] content;
            try
            {
                content = Of(name, chart, format, size, theme);
            }
            catch (Exception e) when (e is not OutOfMemoryException)
            {
                failed(name, format, e);
                continue;
            }

            OutputFile file = folder.File($"{name}.{format.ToString().ToLowerInvariant()}");
            file.Write(content);
            files.Add(file);
        }

        OutputFile.Commit(files);
        return [.. files.Select(file => file.Path)];
    }

    /// <summary>The bytes of one chart.</summary>
    /// <param name="name">Name of the chart.</param>
    /// <param name="chart">The chart.</param>
    /// <param name="format">What they are.</param>
    /// <param name="size">Of the drawing.</param>
    /// <param name="theme">Colours.</param>
    public static byte[] Of(string name, Chart chart, ChartFormat format, ChartSize size, ChartTheme theme) => format switch
    {
        ChartFormat.Json => System.Text.Encoding.UTF8.GetBytes(ChartJson.ToText(name, chart)),
        ChartFormat.Svg => System.Text.Encoding.UTF8.GetBytes(SvgDrawing.ToFile(chart, size, theme)),
        ChartFormat.Pdf => Pdf(chart, size, theme),
        _ => Png(chart, size, theme),
    };

    private static byte[] Png(Chart chart, ChartSize size, ChartTheme theme)
    {
        using ChartPlot plot = new(chart, size, titled: true, new ThemeInks(theme));
        using SKSurface surface = SKSurface.Create(new SKImageInfo((int)plot.Width * PngScale, (int)plot.Height * PngScale, SKColorType.Rgba8888, SKAlphaType.Premul));
        surface.Canvas.Scale(PngScale);
        Draw(plot, surface.Canvas, theme, Typography.Whole);
        using SKImage image = surface.Snapshot();
        using SKData data = image.Encode(SKEncodedImageFormat.Png, 100);
        return data.ToArray();
    }

    /// <summary>One page of the chart's size. It has no date in it.</summary>
    private static byte[] Pdf(Chart chart, ChartSize size, ChartTheme theme)
    {
        using ChartPlot plot = new(chart, size, titled: true, new ThemeInks(theme));
        using MemoryStream stream = new();
        using (SKDocument document = SKDocument.CreatePdf(stream, new SKDocumentPdfMetadata { Title = chart.Title, Creator = "Nestsim", RasterDpi = 300, EncodingQuality = 101 }))
        {
            SKCanvas canvas = document.BeginPage(plot.Width * PointsPerUnit, plot.Height * PointsPerUnit);
            canvas.Scale(PointsPerUnit);
            Draw(plot, canvas, theme, Typography.Of(plot.Texts));
            document.EndPage();
            document.Close();
        }

        return stream.ToArray();
    }

    private static void Draw(ChartPlot plot, SKCanvas canvas, ChartTheme theme, Typefaces typefaces)
    {
        using SKPaint ground = new() { Color = SKColor.Parse(theme.Of(Shade.Ground)) };
        canvas.DrawRect(0, 0, plot.Width, plot.Height, ground);
        plot.DrawMarks(canvas);
        plot.DrawTexts(canvas, typefaces);
    }
}
