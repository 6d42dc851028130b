using Sim.Reports.Charts.Description;
using Sim.Reports.Results;
using Sim.Reports.Views;

namespace Sim.Reports.Charts;

/// <summary>Curves of charts with one for each run: a run has the same colour in all of them, and curves that are the same are one.</summary>
internal static class RunCurves
{
    /// <summary>The curves.</summary>
    /// <param name="input">Where the runs' order, and so their colour, comes from.</param>
    /// <param name="kind">How they go from point to point.</param>
    /// <param name="curves">For each curve the run, what it is about beside the run (empty: nothing), and its points with their facts.</param>
    /// <param name="dots">True if the points are worth a dot each.</param>
    public static IReadOnlyList<Curve> Of(ReportInput input, CurveKind kind, IEnumerable<RunCurve> curves, bool dots = false)
    {
        List<Curve> joined = [];
        foreach (IGrouping<string, RunCurve> same in curves.GroupBy(curve => $"{curve.About}\n{string.Join(' ', curve.Points.Select(point => $"{point.X:R},{point.Y:R}"))}", StringComparer.Ordinal))
        {
            string[] runs = [.. same.Select(curve => curve.Run)];
            RunCurve first = same.First();
            (Shade shade, Dash dash) = Shades.OfCurve(IndexOf(input, first.Run));
            CurvePoint[] points = [.. first.Points.Select(point => new CurvePoint(point.X, point.Y, Datum.Of(runs, [("run", string.Join(", ", runs)), .. About(first), .. point.Facts])))];
            joined.Add(new Curve(kind, InertText.OneLine(string.Join(" = ", runs) + (first.About.Length > 0 ? $" {first.About}" : "")), runs, shade, points) { Dash = first.Dash ?? dash, Dots = dots });
        }

        return joined;
    }

    /// <summary>Place of a run, or of the policy of a sweep, among all of the set.</summary>
    public static int IndexOf(ReportInput input, string run)
    {
        int at = 0;
        HashSet<string> seen = new(StringComparer.Ordinal);
        foreach (RunResult candidate in input.Set.Runs)
        {
            if (candidate.Run == run || candidate.Case == run)
            {
                return at;
            }

            at += seen.Add(candidate.Parameters.Count > 0 ? candidate.Case : candidate.Run) ? 1 : 0;
        }

        return at;
    }

    private static (string, string)[] About(RunCurve curve) => curve.About.Length > 0 ? [("for", curve.About)] : [];
}

/// <summary>What one curve is made of.</summary>
/// <param name="Run">The run, or the policy of a sweep.</param>
/// <param name="About">What it is about beside the run, for instance L2; empty: nothing.</param>
/// <param name="Points">From left to right, with the facts of each.</param>
internal sealed record RunCurve(string Run, string About, IReadOnlyList<(double X, double Y, (string Name, string Text)[] Facts)> Points)
{
    /// <summary>Its pattern; null: the run's own.</summary>
    public Dash? Dash { get; init; }
}
