using System.Diagnostics;
using System.Globalization;

namespace Sim.Cli;

/// <summary>One line on a terminal's standard error that says how far a replay is; nothing anywhere else.</summary>
internal sealed class ProgressBar : IDisposable
{
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(200);

    private readonly TextWriter? _error;
    private readonly long _started = Stopwatch.GetTimestamp();
    private TimeSpan _shown;
    private int _width;

    /// <summary>A bar, or one that never shows.</summary>
    public ProgressBar(Terminal terminal, bool wanted) => _error = wanted && terminal.ErrorIsTerminal ? terminal.Error : null;

    /// <summary>Says how many records were replayed.</summary>
    public void Report(ulong records)
    {
        TimeSpan elapsed = Stopwatch.GetElapsedTime(_started);
        if (_error is null || elapsed - _shown < Interval)
        {
            return;
        }

        _shown = elapsed;
        string line = string.Create(CultureInfo.InvariantCulture, $"{records / 1e6:0.0} M records, {records / 1e6 / elapsed.TotalSeconds:0.0} M/s, {elapsed.TotalSeconds:0} s");
        _error.Write("\r" + line.PadRight(_width));
        _width = line.Length;
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
