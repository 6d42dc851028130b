using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using Sim.Reports.Views;

namespace Sim.Cli;

/// <summary>One line on a terminal's standard error that says how far a replay or an import is; nothing anywhere else.</summary>
internal sealed class ProgressBar : IDisposable
{
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(200);

    private readonly TextWriter? _error;
    private readonly long _started = Stopwatch.GetTimestamp();
    private TimeSpan _shown;
    private int _width;
    private ulong _lines;

    /// <summary>A bar as the command line wants it.</summary>
    public static ProgressBar Of(Invocation invocation, ParseResult parse) =>
        new(invocation.Terminal, !parse.GetValue(invocation.Quiet) && parse.GetValue(invocation.Progress) == "auto");

    /// <summary>A bar, or one that never shows.</summary>
    public ProgressBar(Terminal terminal, bool wanted) => _error = wanted && terminal.ErrorIsTerminal ? InertWriter.StyledOf(terminal.Error) : null;

    /// <summary>Says how many records were replayed, which share of all that is, and how long the rest will take.</summary>
    public void Report(ulong records, double? share) => Show(records, "records", share);

    /// <summary>Says that so many more lines of a recording were read.</summary>
    public void AddLines(long lines)
    {
        _lines += (ulong)lines;
        Show(_lines, "lines", null);
    }

    private void Show(ulong count, string unit, double? share)
    {
        TimeSpan elapsed = Stopwatch.GetElapsedTime(_started);
        if (_error is null || elapsed - _shown < Interval)
        {
            return;
        }

        _shown = elapsed;
        string line = Line(count, unit, share, elapsed);
        _error.Write("\r" + line.PadRight(_width));
        _width = line.Length;
    }

    /// <summary>What the line says.</summary>
    internal static string Line(ulong count, string unit, double? share, TimeSpan elapsed)
    {
        string sofar = string.Create(CultureInfo.InvariantCulture, $"{count / 1e6:0.0} M {unit}, {count / 1e6 / elapsed.TotalSeconds:0.0} M/s, {elapsed.TotalSeconds:0} s");
        return share is > 0 and <= 1 and var part
            ? string.Create(CultureInfo.InvariantCulture, $"{Math.Floor(100 * part):0}%, {sofar}, {Math.Ceiling(elapsed.TotalSeconds * (1 - part) / part):0} s left")
            : sofar;
    }

    /// <summary>Wipes the line.</summary>
    public void Dispose()
    {
        if (_width > 0)
        {
            _error!.Write("\r" + new string(' ', _width) + "\r");
        }
    }
}
