namespace Sim.Core;

/// <summary>The user's input cannot be used. The message is one paragraph: what, where, expected, found, a hint. Never a stack trace to the user.</summary>
public abstract class NestsimException : Exception
{
    /// <summary>An error with its one-paragraph message.</summary>
    protected NestsimException(string message, Exception? inner = null)
        : base(message, inner)
    {
    }

    /// <summary>The process exit code of this kind of error (docs/compare.md#exit-codes).</summary>
    public abstract int ExitCode { get; }
}

/// <summary>Wrong usage or configuration: unknown name, value out of range, contradicting options. Exit code 2.</summary>
public sealed class ConfigurationException : NestsimException
{
    /// <summary>An error with its one-paragraph message.</summary>
    public ConfigurationException(string message, Exception? inner = null)
        : base(message, inner)
    {
    }

    /// <inheritdoc/>
    public override int ExitCode => 2;
}

/// <summary>A trace or result file is damaged or is not what it claims to be. Exit code 3.</summary>
public sealed class TraceFormatException : NestsimException
{
    /// <summary>An error at a place: <paramref name="where"/> is "offset 123" or "line 7".</summary>
    public TraceFormatException(string file, string where, string expected, string found, string hint, Exception? inner = null)
        : base($"{file}: {where}: expected {expected}, found {found}. {hint}", inner)
    {
    }

    /// <inheritdoc/>
    public override int ExitCode => 3;
}

/// <summary>Whoever read our output reads no more, so nothing more is made for them. Exit code 141, as for a command that SIGPIPE ends.</summary>
public sealed class PipeClosedException : NestsimException
{
    /// <summary>The pipe that an output goes to is closed at its other end.</summary>
    public PipeClosedException(Exception inner)
        : base("The output is closed: nobody reads on.", inner)
    {
    }

    /// <inheritdoc/>
    public override int ExitCode => 141;
}

/// <summary>A run of several failed, and without it there is no answer. The exit code is that of its error.</summary>
public sealed class FailedRunException : NestsimException
{
    /// <summary>The exit code of a run that failed for a bug of ours, which this exception is not for.</summary>
    public const int OwnBug = 4;

    /// <summary>An error of a run that has been turned into a code and a message.</summary>
    public FailedRunException(int exitCode, string message)
        : base(message) => ExitCode = exitCode;

    /// <inheritdoc/>
    public override int ExitCode { get; }
}
