using System.Globalization;
using Sim.Reports.Charts.Description;

namespace Sim.Reports.Charts.Rendering;

/// <summary>How each colour looks.</summary>
/// <param name="Name">What users type.</param>
/// <param name="Colours">As <c>#RRGGBB</c>, by <see cref="Shade"/>.</param>
/// <param name="Faint">Colour of the smallest number of <see cref="Cells"/>.</param>
/// <param name="Strong">Colour of the largest.</param>
public sealed record ChartTheme(string Name, IReadOnlyList<string> Colours, string Faint, string Strong)
{
    /// <summary>Steps between <see cref="Faint"/> and <see cref="Strong"/>.</summary>
    public const int Levels = 12;

    private static readonly string[] Okabe = ["#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#F0E442"];

    /// <summary>Dark on light.</summary>
    public static ChartTheme Light { get; } = new("light", [.. Okabe, "#A8A59D", "#6F6B64", "#1F1E1B", "#5F5B54", "#E9E5DC", "#FFFFFF"], "#EFF4F8", "#08457A");

    /// <summary>Light on dark.</summary>
    public static ChartTheme Dark { get; } = new("dark", ["#3B9BDC", .. Okabe[1..], "#85837C", "#5F5D58", "#EBE8E1", "#A9A59D", "#34353A", "#1B1C1F"], "#23282E", "#8CCBF5");

    /// <summary>Black on white, for paper.</summary>
    public static ChartTheme Print { get; } = new("print", [.. Okabe, "#A0A0A0", "#606060", "#000000", "#333333", "#DDDDDD", "#FFFFFF"], "#F2F5F8", "#063B6B");

    /// <summary>All themes.</summary>
    public static IReadOnlyList<ChartTheme> All { get; } = [Light, Dark, Print];

    /// <summary>The colour of a shade.</summary>
    public string Of(Shade shade) => Colours[(int)shade];

    /// <summary>The colour of a level from 0 to <see cref="Levels"/> - 1, between the two ends.</summary>
    public string OfLevel(int level)
    {
        string mixed = "#";
        for (int at = 1; at < 7; at += 2)
        {
            int faint = int.Parse(Faint.AsSpan(at, 2), NumberStyles.HexNumber, CultureInfo.InvariantCulture);
            int strong = int.Parse(Strong.AsSpan(at, 2), NumberStyles.HexNumber, CultureInfo.InvariantCulture);
            mixed += (faint + ((strong - faint) * level / (Levels - 1))).ToString("X2", CultureInfo.InvariantCulture);
        }

        return mixed;
    }
}
