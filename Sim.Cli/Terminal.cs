using Sim.Reports.Views;

namespace Sim.Cli;

/// <summary>Where a command writes and what it may assume about it. Nothing that is written acts (<see cref="InertWriter"/>). Results go to <paramref name="Output"/>, everything else to <paramref name="Error"/>.</summary>
/// <param name="Output">Standard output.</param>
/// <param name="Error">Standard error.</param>
/// <param name="OutputIsTerminal">Somebody reads the output on a screen that knows colours.</param>
/// <param name="ErrorIsTerminal">A progress bar may be drawn on standard error.</param>
/// <param name="Width">Characters of a line.</param>
/// <param name="Interruption">Ctrl-C and SIGTERM.</param>
public sealed record Terminal(TextWriter Output, TextWriter Error, bool OutputIsTerminal, bool ErrorIsTerminal, int Width, Interruption Interruption)
{
    private const int NarrowestWidth = 40;
    private const int PipeWidth = 120;

    /// <summary>The process's own streams.</summary>
    public static Terminal OfProcess(Interruption interruption)
    {
        bool noColour = !string.IsNullOrEmpty(Environment.GetEnvironmentVariable("NO_COLOR")) || Environment.GetEnvironmentVariable("TERM") == "dumb";
        bool terminal = !Console.IsOutputRedirected && !noColour;
        int width = Console.IsOutputRedirected ? PipeWidth : Math.Max(NarrowestWidth, Console.WindowWidth);
        return new Terminal(new InertWriter(Console.Out), new InertWriter(Console.Error), terminal, !Console.IsErrorRedirected, width, interruption);
    }

    /// <summary>Two plain streams, as in a pipe.</summary>
    public static Terminal Of(TextWriter output, TextWriter error) => new(new InertWriter(output), new InertWriter(error), false, false, PipeWidth, new Interruption());

    /// <summary>How tables are written here.</summary>
    /// <param name="noColour">The user asked for plain text.</param>
    public TableStyle TableStyle(bool noColour) => new(OutputIsTerminal && !noColour, Width);
}
