using System.Diagnostics.CodeAnalysis;

namespace Sim.Cli;

/// <summary>Ctrl-C and SIGTERM: the first one asks whoever listens to stop and to write what there is; without a listener, or the second time, the process ends at once.</summary>
[SuppressMessage("Design", "CA1001", Justification = "It lives as long as the process; a signal may still come while everything else is disposed of.")]
public sealed class Interruption
{
    private const int ByKeyboard = 130;

    private readonly CancellationTokenSource _source = new();
    private volatile bool _heard;

    /// <summary>Cancelled by the first signal.</summary>
    public CancellationToken Token
    {
        get
        {
            _heard = true;
            return _source.Token;
        }
    }

    /// <summary>A signal came, and somebody listened.</summary>
    public bool IsSignalled => _source.IsCancellationRequested;

    /// <summary>Exit code of a command that was stopped: 128 and the number of the signal.</summary>
    public int ExitCode { get; private set; } = ByKeyboard;

    /// <summary>A signal came. True if somebody listens, so that the process is to go on until it has written what there is.</summary>
    /// <param name="exitCode">128 and the signal's number.</param>
    public bool Signal(int exitCode)
    {
        if (!_heard || _source.IsCancellationRequested)
        {
            return false;
        }

        ExitCode = exitCode;
        _source.Cancel();
        return true;
    }
}
