namespace Sim.Reports.Charts.Description;

/// <summary>Colours by name; a theme says how each looks. The first eight are those of M. Okabe and K. Ito, "Color Universal Design" (2008): people with any kind of colour vision tell them apart.</summary>
public enum Shade
{
    /// <summary>Blue.</summary>
    Blue,

    /// <summary>Orange.</summary>
    Orange,

    /// <summary>Bluish green.</summary>
    Green,

    /// <summary>Vermillion: what flushes cause.</summary>
    Vermillion,

    /// <summary>Reddish purple.</summary>
    Purple,

    /// <summary>Sky blue.</summary>
    SkyBlue,

    /// <summary>Yellow: for areas only, as a line it is too faint.</summary>
    Yellow,

    /// <summary>Grey: what does not depend on the policy.</summary>
    Grey,

    /// <summary>Dark grey: what is not known.</summary>
    DarkGrey,

    /// <summary>The colour of titles and names.</summary>
    Ink,

    /// <summary>The colour of numbers and notes.</summary>
    Muted,

    /// <summary>The colour of grid lines.</summary>
    Grid,

    /// <summary>The colour behind everything.</summary>
    Ground,
}

/// <summary>Patterns of curves.</summary>
public enum Dash
{
    /// <summary>No gaps.</summary>
    Solid,

    /// <summary>Long dashes.</summary>
    Dashed,

    /// <summary>Dots.</summary>
    Dotted,

    /// <summary>Dash, dot.</summary>
    DashDot,
}

/// <summary>Which colour and pattern names get, in their order.</summary>
public static class Shades
{
    private const int Curves = 6;

    /// <summary>For areas: repeats after the seventh.</summary>
    public static Shade OfArea(int index) => (Shade)(index % (Curves + 1));

    /// <summary>For curves: the first six differ in colour, the next six in pattern too.</summary>
    public static (Shade Shade, Dash Dash) OfCurve(int index) => ((Shade)(index % Curves), (Dash)((index + (index / Curves)) % 4));
}
