using SkiaSharp;

namespace Sim.Cli.Tests.Browser;

/// <summary>Pictures compared pixel by pixel.</summary>
internal static class Pixels
{
    /// <summary>A channel that differs by more than this is seen; less is the smoothing of edges.</summary>
    private const int Clearly = 96;

    /// <summary>The share of pixels that differ clearly; 1 if the sizes differ.</summary>
    public static double Difference(string first, string second)
    {
        using SKBitmap one = SKBitmap.Decode(first);
        using SKBitmap other = SKBitmap.Decode(second);
        if (one.Width != other.Width || one.Height != other.Height)
        {
            return 1;
        }

        SKColor[] others = other.Pixels;
        return one.Pixels.Where((pixel, i) => Math.Abs(pixel.Red - others[i].Red) > Clearly || Math.Abs(pixel.Green - others[i].Green) > Clearly || Math.Abs(pixel.Blue - others[i].Blue) > Clearly).Count()
            / (double)others.Length;
    }
}
