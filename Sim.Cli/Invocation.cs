using System.CommandLine;

namespace Sim.Cli;

/// <summary>One call of the command: where it writes, what was typed, and the options that every command knows.</summary>
/// <param name="terminal">Where it writes.</param>
/// <param name="commandLine">What was typed.</param>
internal sealed class Invocation(Terminal terminal, string commandLine)
{
    /// <summary>Where it writes.</summary>
    public Terminal Terminal { get; } = terminal;

    /// <summary>What was typed.</summary>
    public string CommandLine { get; } = commandLine;

    /// <summary>Says nothing but results and errors.</summary>
    public Option<bool> Quiet { get; } = new("--quiet", "-q") { Description = "Say nothing but results and errors", Recursive = true };

    /// <summary>Says more.</summary>
    public Option<bool> Verbose { get; } = new("--verbose", "-v") { Description = "Say more: all statistics, stacks of our own bugs", Recursive = true };

    /// <summary>Plain text on a terminal too.</summary>
    public Option<bool> NoColour { get; } = new("--no-color") { Description = "Plain aligned text, also on a terminal (so does NO_COLOR)", Recursive = true };

    /// <summary>When a progress bar is drawn.</summary>
    public Option<string> Progress { get; } = new("--progress")
    {
        Description = "Progress bar on a terminal's standard error",
        HelpName = "auto|never",
        DefaultValueFactory = _ => "auto",
        Recursive = true,
    };

    /// <summary>All options that every command knows.</summary>
    public IReadOnlyList<Option> Options => [Quiet, Verbose, NoColour, Progress.AcceptOnlyFromAmong("auto", "never")];
}
